//! A breaker: whether requests for one model are sent to one origin, by what those before them met there.
//!
//! It is closed while all is well. It opens after so many failures in a row, or where so many of the last ones
//! failed, and stays open for a while that doubles each time. Then it lets one request through: that one closes it,
//! or opens it again.

use crate::time::Millis;

/// One breaker. It starts closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// What the last requests met since it closed.
    recent: Recent,
    /// How often it opened without having been closed for [`FORGIVEN_MS`].
    openings: u32,
    closed_at: Millis,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Requests pass.
    Closed,
    /// None does, until then.
    Open(Millis),
    /// One may pass now.
    HalfOpen,
    /// One has passed, and what it meets decides.
    Trying,
}

/// By what right a request passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// As any other.
    Usual,
    /// As the one that tries whether all is well again.
    Trial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Millis,
    },
    Trying {
        since: Millis,
    },
}

/// What the last requests met, the newest in the lowest bit: 1 is a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    bits: u32,
    count: u32,
}

impl Breaker {
    /// How it stands.
    pub fn standing(&self, now: Millis) -> Standing {
        match self.state {
            State::Closed => Standing::Closed,
            // A clock that went back keeps it open no longer than it was to be.
            State::Open { until } if until > now && until - now <= LONGEST_MS => Standing::Open(until),
            State::Trying { since } if now.abs_diff(since) < TRIAL_MS => Standing::Trying,
            // Whoever tried may have vanished with its isolate.
            State::Open { .. } | State::Trying { .. } => Standing::HalfOpen,
        }
    }

    /// Lets a request pass, if one may.
    pub fn pass(&mut self, now: Millis) -> Option<Pass> {
        match self.standing(now) {
            Standing::Closed => Some(Pass::Usual),
            Standing::HalfOpen => {
                self.state = State::Trying { since: now };
                Some(Pass::Trial)
            }
            Standing::Open(_) | Standing::Trying => None,
        }
    }

    /// What a request met that had passed so: whether all was well, or nothing that says so. Returns whether it
    /// closed, or opened.
    pub fn met(&mut self, pass: Pass, is_well: Option<bool>, now: Millis) -> bool {
        let until = self.open_until();
        match (pass, self.state, is_well) {
            (_, State::Closed, Some(is_well)) => {
                self.recent.push(!is_well);
                if !is_well && self.recent.is_too_much() {
                    self.open(now);
                }
            }
            (Pass::Trial, _, Some(true)) => {
                *self = Self { openings: self.openings, closed_at: now, ..Self::default() };
            }
            (Pass::Trial, State::Trying { .. }, Some(false)) => self.open(now),
            (Pass::Trial, State::Trying { .. }, None) => self.state = State::Open { until: now },
            // What passed before it opened says nothing new.
            _ => {}
        }
        is_well.is_some() && until != self.open_until()
    }

    /// Somebody else has found that all may be well: one request may try.
    pub fn half_open(&mut self, now: Millis) {
        if matches!(self.state, State::Open { .. }) {
            self.state = State::Open { until: now };
        }
    }

    /// Somebody else has found it open until then.
    pub fn told_open(&mut self, until: Millis) {
        if let State::Closed | State::Open { .. } = self.state {
            self.recent = Recent::default();
            self.openings = self.openings.max(1);
            self.state = State::Open { until: until.max(self.open_until().unwrap_or_default()) };
        }
    }

    /// Until when it is open, if it is.
    pub const fn open_until(&self) -> Option<Millis> {
        match self.state {
            State::Closed => None,
            State::Open { until } => Some(until),
            State::Trying { since } => Some(since),
        }
    }

    fn open(&mut self, now: Millis) {
        if matches!(self.state, State::Closed) && now.saturating_sub(self.closed_at) >= FORGIVEN_MS {
            self.openings = 0;
        }
        let wait = (FIRST_MS << self.openings.min(16)).min(LONGEST_MS);
        self.openings = self.openings.saturating_add(1);
        self.recent = Recent::default();
        self.state = State::Open { until: now.saturating_add(wait) };
    }
}

impl Recent {
    const fn push(&mut self, is_failure: bool) {
        self.bits = (self.bits << 1 | is_failure as u32) & ((1 << LAST) - 1);
        if self.count < LAST {
            self.count += 1;
        }
    }

    const fn is_too_much(self) -> bool {
        let in_a_row = self.bits.trailing_ones() >= IN_A_ROW;
        in_a_row || self.count >= ENOUGH && self.bits.count_ones() * 100 >= self.count * SHARE_PERCENT
    }
}

/// So many failures in a row open it.
pub const IN_A_ROW: u32 = 3;
/// How many of the last ones are looked at.
pub const LAST: u32 = 20;
/// How many there must have been for their share to count.
pub const ENOUGH: u32 = 10;
/// The share of failures that opens it, in percent.
pub const SHARE_PERCENT: u32 = 50;
/// How long it is open the first time, in milliseconds: each time after is twice as long.
pub const FIRST_MS: Millis = 1_000;
/// How long it is open at most.
pub const LONGEST_MS: Millis = 60_000;
/// After so long without opening, the next time is the first again.
pub const FORGIVEN_MS: Millis = 60_000;
/// How long the one that tries is waited for.
pub const TRIAL_MS: Millis = 30_000;
