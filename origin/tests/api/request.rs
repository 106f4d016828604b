//! request: what is refused, what is read, and what can be looked at.

mod completions;
mod embeddings;
mod listing;
mod messages;
mod ollama;
mod prompts;
mod refusals;
mod responses;
mod tokens;
