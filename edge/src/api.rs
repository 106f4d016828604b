//! The routes of callers besides the walk.

pub mod batches;
pub mod files;
mod jobs;
pub mod key;
pub mod models;
pub mod ollama;
pub mod responses;
pub mod token;
pub mod usage;
