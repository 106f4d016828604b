//! The list itself: a table for each family of doors, in a file of its own.

mod messages;
mod ollama;
mod openai;
mod owners;
mod responses;

use super::Table;

/// All of them.
pub const TABLES: &[Table] = &[openai::TABLE, ollama::TABLE, messages::TABLE, responses::TABLE];
