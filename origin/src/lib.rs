//! The origin gate: an axum server that runs Qwen on candle and admits only what the hardware can hold.
//!
//! Read the modules in this order: **request -> grant -> queue -> generate -> stream**. A request takes a place before a
//! byte of its body is read, waits for a slot in it, runs on the engine's thread, and gives the slot back when its
//! response's body is dropped, whatever the reason.
//!
//! [`Origin::start`] runs an origin in any tokio runtime, with any [`Model`](engine::model::Model); tests give it a
//! [`scripted`] one.

#![deny(missing_docs)]

// start
pub mod config;
mod connections;
pub mod hub;
pub mod load;
mod origin;
mod seats;
pub mod tls;
// request
mod body;
mod listing;
mod request;
mod respond;
mod wanted;
// grant
mod allowance;
mod grant;
// queue
mod admission;
mod queue;
// generate
mod answers;
pub mod engine;
mod generate;
mod memory;
pub mod scripted;
mod text;
// stream
mod metrics;
mod stream;
mod whole;
// settle
mod live;

pub use grant::{GrantKey, generate_key};
pub use origin::{Backend, Origin, RunningOrigin};
pub use text::{QWEN_PIECES, Text};

use sluice_protocol::Millis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("an operating system that serves has a source of randomness");
    bytes
}

pub(crate) fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}

/// The wall clock. One that stands before 1970 reads as 1970: every grant then is too far in the future and refused.
pub(crate) fn now_millis() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
