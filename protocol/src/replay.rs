//! Replay: requests that were decided, decided again by other plans. `cargo xtask replay` does it with lines of a log, the
//! edge with those that its Meters keep. docs/replay.md says what a replay can know and what it cannot.
//!
//! The decision is the product's own: each account is an [`crate::account::Account`] here, which is asked and told in the
//! time of its requests.
//!
//! Read it from below: [`request`] (what is kept of one), [`lines`] (many of them, packed, and which accounts have room),
//! [`periods`] (calendars), [`drive`] (one account), [`tally`] (what is counted of it), [`part`] (accounts one after the other), [`told`] (what
//! comes of it, as JSON).

pub mod drive;
pub mod lines;
pub mod part;
pub mod periods;
pub mod request;
pub mod tally;
pub mod told;
