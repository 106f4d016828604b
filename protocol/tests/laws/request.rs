//! What may be asked: bodies of all doors, their members, forms of answers, and tools.

mod chat;
mod completion;
mod embeddings;
mod format;
mod images;
mod members;
mod messages;
mod ollama;
mod rerank;
mod responses;
mod tokens;
mod tools;
