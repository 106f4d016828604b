//! request: what is refused, what is read, and what can be looked at.

mod completions;
mod embeddings;
mod images;
mod listing;
pub(crate) mod messages;
mod ollama;
mod prompts;
mod refusals;
mod rerank;
pub(crate) mod responses;
mod tokens;
