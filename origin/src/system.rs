//! What the machine gives: randomness, the time, how much [`memory`] there is, and what its [`gpu`] does.

pub(crate) mod gpu;
pub(crate) mod memory;

use sluice_protocol::time::Millis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Random bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("an operating system that serves has a source of randomness");
    bytes
}

/// A random number.
pub(crate) fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}

/// The wall clock. One that stands before 1970 reads as 1970: every grant then is too far in the future and refused.
pub(crate) fn now_millis() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
