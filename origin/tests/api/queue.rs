//! queue: who runs, who waits, who is refused.

mod crowds;
mod queueing;
