//! request: what callers ask for, and at which door.
//!
//! Each protocol that callers speak is a room in [`bodies`]. What it reads is the one [`bodies::question`] that both
//! gates go on with.

pub mod bodies;
pub mod cors;
pub mod cost;
pub mod door;
pub mod drawing;
pub mod elsewhere;
pub mod endpoint;
pub mod member;
pub mod model_name;
pub mod read;
pub mod restream;
pub mod rewrite;
pub mod static_answer;
