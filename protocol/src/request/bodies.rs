//! What callers send and are answered, read into types that cannot be wrong: a room for each protocol that they speak.
//!
//! Whatever a body says, it becomes the one [`question`] that both gates go on with.

pub mod chat;
pub mod completion;
pub mod embeddings;
pub mod images;
pub mod messages;
pub mod ollama;
pub mod prompts;
pub mod question;
pub mod rerank;
pub mod responses;
pub mod tokens;
