//! request: what callers ask for, read into types that cannot be wrong, and what is made of an answer.
//!
//! Each protocol that callers speak is a room here. What it reads is the one [`question`] that both gates go on with.

pub mod chat;
pub mod completion;
pub mod cors;
pub mod cost;
pub mod door;
pub mod elsewhere;
pub mod embeddings;
pub mod endpoint;
pub mod member;
pub mod messages;
pub mod model_name;
pub mod ollama;
pub mod prompts;
pub mod question;
pub mod read;
pub mod responses;
pub mod tokens;
