//! stream: how an answer is told.

mod serving;
mod silence;
