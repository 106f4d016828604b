//! What Sluice's two gates must agree on.
//!
//! Read the modules in this order: they are the walk of one request,
//! **request -> auth -> limit -> route -> forward -> queue -> generate -> stream -> settle**.
//!
//! # What does this crate not do?
//!
//! It has no clock, no randomness, no IO, no environment and no async: time is an argument in milliseconds, random
//! bytes are arguments, and every function gives the same answer for the same input on the host and in wasm. `cargo
//! xtask check` holds this by looking at the crate's dependency tree and by building it for `wasm32-unknown-unknown`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

// what all of it stands on
pub mod id;
pub mod order;
pub mod refusal;
pub mod time;
pub mod wire;
// request
pub mod request;
// auth
pub mod auth;
// settle: what was used, by the hour
pub mod usage;
// limit, settle: the decision
pub mod limit;
// limit, settle: what the edge and its objects say to each other, and the account at its Gate
pub mod account;
pub mod hop;
// route: which origin, where there are several
pub mod route;
// what is answered when there is time
pub mod jobs;
// what admins ask, and what is kept about it
pub mod admin;
// forward, queue, settle: what the edge and the origin say to each other
pub mod forward;
// stream
pub mod dialect;
// what the edge writes down, and what it adds up
pub mod alerts;
pub mod measures;
pub mod replay;
pub mod telemetry;
