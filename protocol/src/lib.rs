//! What Sluice's two gates must agree on.
//!
//! Read the modules in this order: they are the walk of one request,
//! **request -> auth -> limit -> forward -> queue -> generate -> stream -> settle**.
//!
//! # What does this crate not do?
//!
//! It has no clock, no randomness, no IO, no environment and no async: time is an argument in milliseconds, random
//! bytes are arguments, and every function gives the same answer for the same input on the host and in wasm. `cargo
//! xtask check` holds this by looking at the crate's dependency tree and by building it for `wasm32-unknown-unknown`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

// request
pub mod chat;
pub mod completion;
pub mod cors;
pub mod cost;
pub mod header;
pub mod id;
pub mod member;
pub mod model_name;
pub mod refusal;
// auth
pub mod access;
pub mod admin;
pub mod audit;
pub mod command;
pub mod failures;
pub mod fresh;
pub mod key;
pub mod leak;
pub mod permission;
pub mod principal;
pub mod token;
// limit, settle
pub mod account;
pub mod ask;
pub mod bucket;
pub mod count;
pub mod gate;
pub mod gate_call;
pub mod lease;
pub mod plan;
pub mod ratelimit;
pub mod remembered;
pub mod schedule;
pub mod standing;
pub mod state;
pub mod window;
// what a caller sees of its limits
pub mod own;
// forward
pub mod grant;
// queue
pub mod capacity;
// stream
pub mod sse;
// settle: what became of a request that broke off
pub mod report;

mod base62;

/// Milliseconds since the Unix epoch. Clocks stall and go back: whoever keeps time in a state clamps it to its own past.
pub type Millis = u64;
