//! The origin in process, over loopback, with real HTTP clients and a model whose steps the tests hand out.
//!
//! Nothing sleeps to settle: waits are polls with a bound, and ports are free ones.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

mod generate;
mod grant;
mod harness;
mod hub;
mod models;
mod queue;
mod request;
mod server;
mod settle;
mod stream;
