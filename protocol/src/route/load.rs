//! How full an origin is: by what this isolate has sent it and not seen end, and by what it says of itself.

use crate::forward::capacity::Capacity;
use crate::time::Millis;

/// What is known of one origin's load.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// What runs there of this isolate's.
    running: Vec<Running>,
    said: Option<Said>,
    /// Until when it has no room, by what it said.
    full_until: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    id: u64,
    /// When its lease ends. What vanished with its request counts no longer.
    until: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    capacity: Capacity,
    at: Millis,
}

impl Load {
    /// A request is sent there, whose lease ends then.
    pub fn begin(&mut self, id: u64, until: Millis, now: Millis) {
        self.running.retain(|running| running.until > now);
        self.running.push(Running { id, until });
    }

    /// It is over.
    pub fn end(&mut self, id: u64) {
        self.running.retain(|running| running.id != id);
    }

    /// How many of this isolate's requests run there.
    pub fn running(&self, now: Millis) -> u64 {
        self.running.iter().filter(|running| running.until > now).count() as u64
    }

    /// It said how full it is.
    pub const fn said(&mut self, capacity: Capacity, now: Millis) {
        self.said = Some(Said { capacity, at: now });
    }

    /// It had no room, for about so long.
    pub fn is_full(&mut self, wait: Option<Millis>, now: Millis) {
        let wait = wait.unwrap_or(FULL_MS).clamp(SHORTEST_FULL_MS, FULL_MS);
        self.full_until = now.saturating_add(wait);
    }

    /// Whether it had no room a moment ago.
    pub const fn has_no_room(&self, now: Millis) -> bool {
        self.full_until > now && self.full_until - now <= FULL_MS
    }

    /// What it said within the last second.
    pub fn capacity(&self, now: Millis) -> Option<Capacity> {
        self.said.filter(|said| now.abs_diff(said.at) < SAID_MS).map(|said| said.capacity)
    }
}

/// How long what an origin says of itself is believed, in milliseconds.
pub const SAID_MS: Millis = 1_000;
/// How long one that has no room is left alone at most, and if it does not say how long.
const FULL_MS: Millis = 1_000;
/// And at least.
const SHORTEST_FULL_MS: Millis = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanished_counts_until_its_lease_ends() {
        let mut load = Load::default();
        load.begin(1, 100, 0);
        load.begin(2, 200, 0);
        load.end(2);
        load.end(2);
        assert_eq!((load.running(99), load.running(100)), (1, 0));
    }

    #[test]
    fn what_an_origin_says_is_believed_for_a_second() {
        let mut load = Load::default();
        load.said(Capacity { slots: 4, ..Capacity::default() }, 700);
        assert!(load.capacity(1_699).is_some() && load.capacity(1_700).is_none());
        load.is_full(Some(300), 0);
        assert!(load.has_no_room(299) && !load.has_no_room(300));
        load.is_full(Some(1_000_000), 0);
        assert!(load.has_no_room(999) && !load.has_no_room(1_000));
    }
}
