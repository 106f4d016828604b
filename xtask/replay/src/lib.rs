//! Replay: the requests of the edge's log, decided again by other plans. Who would have been refused, when, by which
//! limit; and how much each plan would have let through.
//!
//! How one is decided again, [`sluice_protocol::replay`] says; the edge does the same with requests that it keeps. Here is
//! what a gate has none of: files, threads and the IANA's calendars.
//!
//! Read it from below: [`mod@line`] (one line, read strictly), [`log`] (a file of them), [`periods`] (calendars),
//! [`replay`] (all accounts), [`table`] and [`json`] (what is told). [`example`] makes logs.

pub mod example;
pub mod json;
pub mod line;
pub mod log;
pub mod periods;
pub mod replay;
pub mod table;
