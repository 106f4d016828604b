//! The origin gate: an axum server that runs Qwen on candle and admits only what the hardware can hold.
//!
//! Read the modules in this order: **request -> grant -> queue -> generate -> stream**. A request takes a place before a
//! byte of its body is read, waits for a slot in it, runs on the engine's thread, and gives the slot back when its
//! response's body is dropped, whatever the reason. `api/generate.rs` is that walk on one page.
//!
//! [`Origin::start`](server::Origin::start) runs an origin in any tokio runtime, with any
//! [`Model`](engine::model::Model); tests give it a [`scripted`](models::scripted) one.

#![deny(missing_docs)]

// one picture, from the command line
pub mod draw;
// start
pub mod server;
// request, stream: the routes, and the protocols that callers speak
mod api;
// what requests share, and what is set
pub mod config;
mod state;
// generate
mod generate;
pub mod models;
// settle
mod settle;
// generate: one thread that computes for all
pub mod engine;
// grant, queue
pub mod grant;
mod queue;
// between text and tokens, and where models come from
pub mod hub;
pub mod text;
// what all of it stands on
pub mod load_error;
mod system;
pub mod tls;
