//! Replay: the requests of the edge's log, decided again by other plans. Who would have been refused, when, by which
//! limit; and how much each plan would have let through.
//!
//! The decision is the product's own: each account of the log is a [`sluice_protocol::account::Account`] here, which is
//! asked and told in the log's time. Nothing of this is linked into a gate.
//!
//! Read it from below: [`mod@line`] (one line, read strictly), [`log`] (a file of them), [`periods`] (calendars),
//! [`drive`] (one account), [`tally`] (what is counted of it), [`replay`] (all accounts), [`table`] and [`json`] (what is
//! told). [`example`] makes logs.

pub mod drive;
pub mod example;
pub mod json;
pub mod line;
pub mod log;
pub mod periods;
pub mod replay;
pub mod table;
pub mod tally;
