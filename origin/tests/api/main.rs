//! The origin in process, over loopback, with real HTTP clients and a model whose steps the tests hand out.
//!
//! Nothing sleeps to settle: waits are polls with a bound, and ports are free ones.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

mod allowances;
mod cancelling;
mod candle;
mod completions;
mod crowds;
mod endings;
mod failures;
mod fake_hub;
mod forms;
mod forms_refused;
mod gguf;
mod grants;
mod harness;
mod hub;
mod hub_tls;
mod leaving;
mod listing;
mod models;
mod network;
mod parity;
mod program;
mod prompts;
mod queueing;
mod random;
mod refusals;
mod sampling;
mod sections;
mod seeds;
mod serving;
mod several;
mod silence;
mod silent;
mod stored;
mod tiny;
mod tls;
mod tool_choice;
