//! The laws of the protocol, one binary: properties against naive oracles with zero tolerance, and golden files for every
//! shape that crosses a wire.

// Helpers outside #[test] functions unwrap too: a panic is how a test says no.
#![allow(clippy::unwrap_used)]

mod account;
mod admin;
mod alerts;
mod auth;
mod fuzz;
mod golden;
mod jobs;
mod limit;
mod measures;
mod oracle;
mod relayed;
mod request;
mod route;
mod sse;
/// Shared with libFuzzer, whose crate needs them public.
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod targets;
mod usage;
