//! How full an origin is, by what it says with each answer.

use crate::platform;
use crate::platform::head::Head;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::cell::Cell;

/// What an origin said last.
#[derive(Debug, Default)]
pub struct Pressure(Cell<Said>);

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    at: Millis,
    percent: u8,
}

impl Pressure {
    /// How many percent of its places are in use, by what it said within the last second; 0 if it said nothing.
    pub fn percent(&self) -> u8 {
        let Said { at, percent } = self.0.get();
        if platform::now().abs_diff(at) < CAPACITY_MS { percent } else { 0 }
    }

    /// Takes notice of an answer.
    pub fn see(&self, head: &Head) {
        if let Some(capacity) = head.get(header::CAPACITY).and_then(Capacity::parse) {
            self.0.set(Said { at: platform::now(), percent: capacity.percent_in_use() });
        }
    }
}

/// How long what the origin says of itself is believed, in milliseconds.
const CAPACITY_MS: u64 = 1_000;
