//! The list itself: a table for each family of doors, in a file of its own.

mod embeddings;
mod images;
mod messages;
mod ollama;
mod ollama_embed;
mod openai;
mod owners;
mod rerank;
mod responses;
mod tokens;

use super::Table;

/// All of them.
pub const TABLES: &[Table] = &[
    openai::TABLE,
    ollama::TABLE,
    messages::TABLE,
    responses::TABLE,
    embeddings::TABLE,
    ollama_embed::TABLE,
    rerank::TABLE,
    images::TABLE,
    tokens::TABLE,
];
