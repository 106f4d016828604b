//! request: what callers ask for, read into types that cannot be wrong, and what is made of an answer.

pub mod chat;
pub mod completion;
pub mod cors;
pub mod cost;
pub mod elsewhere;
pub mod endpoint;
pub mod member;
pub mod model_name;
