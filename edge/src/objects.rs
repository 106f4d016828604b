//! The Durable Objects: what the edge remembers. Each is alone with its rows, and answers one message at a time in one
//! synchronous block. What others ask of them is in `hop/`.

mod alarm;
pub mod alerts;
pub mod gate;
pub mod jobs;
pub mod meter;
pub mod registry;
pub mod responses;
mod transaction;
