//! The laws of the protocol, one binary: properties against naive oracles with zero tolerance, and golden files for every
//! shape that crosses a wire.

// Helpers outside #[test] functions unwrap too: a panic is how a test says no.
#![allow(clippy::unwrap_used)]

mod account;
mod admin;
mod chat;
mod clock;
mod completion;
mod count;
mod format;
mod fuzz;
mod gate;
mod gate_cases;
mod golden;
mod key;
mod members;
mod model;
mod oracle;
mod permission;
mod plan;
mod remembered;
mod sse;
mod state;
/// Shared with libFuzzer, whose crate needs them public.
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod targets;
mod timing;
mod token;
mod tools;
mod window;
