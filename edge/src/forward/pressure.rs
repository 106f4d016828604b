//! How full an origin is, by what it says with each answer.

use crate::platform;
use crate::platform::head::Head;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::limit::degrade::Signal;
use sluice_protocol::measures::report::OriginSaid;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::cell::Cell;

/// What an origin said last.
#[derive(Debug, Default)]
pub struct Pressure {
    said: Cell<Said>,
    /// Whether nobody was there when it was last asked.
    is_gone: Cell<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    at: Millis,
    percent: u8,
    wait_ms: Millis,
}

impl Pressure {
    /// How many percent of its places are in use, and how long requests wait there, by what it said within the last second;
    /// 0 if it said nothing.
    pub fn signal(&self) -> Signal {
        let Said { at, percent, wait_ms } = self.said.get();
        let is_fresh = platform::now().abs_diff(at) < CAPACITY_MS;
        if is_fresh { Signal { pressure: percent, wait_ms } } else { Signal::default() }
    }

    /// Takes notice of an answer.
    pub fn see(&self, head: &Head) {
        if let Some(capacity) = head.get(header::CAPACITY).and_then(Capacity::parse) {
            self.said(capacity);
        }
    }

    /// Takes notice of what it said.
    pub fn said(&self, capacity: Capacity) {
        let (percent, wait_ms) = (capacity.percent_in_use(), capacity.est_ms.unwrap_or(0));
        self.said.set(Said { at: platform::now(), percent, wait_ms });
    }

    /// It was asked, and was there or not.
    pub fn was_asked(&self, is_gone: bool) {
        self.is_gone.set(is_gone);
    }

    /// Whether nobody was there when it was last asked.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    /// What it said last, however long ago, if it ever did.
    pub fn last(&self) -> Option<OriginSaid> {
        let Said { at, percent, wait_ms } = self.said.get();
        (at > 0).then_some(OriginSaid { at, percent, wait_ms })
    }
}

/// How long what the origin says of itself is believed, in milliseconds.
const CAPACITY_MS: u64 = 1_000;
