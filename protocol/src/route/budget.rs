//! How many requests may be tried again at another origin: so many for each that comes, and a few besides. Where all
//! origins fail, callers' requests would otherwise be multiplied just then.

use crate::time::Millis;

/// What is left to be spent on tries after the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// In thousandths of a try.
    left: u64,
    /// The latest time seen. A clock that goes back gives nothing.
    now: Millis,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: MOST, now: 0 }
    }
}

impl RetryBudget {
    /// A request has come.
    pub fn came(&mut self, now: Millis) {
        self.pass(now);
        self.left = (self.left + FOR_EACH).min(MOST);
    }

    /// Whether one more try is let through; if so, it is spent.
    pub fn spend(&mut self, now: Millis) -> bool {
        self.pass(now);
        let is_left = self.left >= ONE;
        if is_left {
            self.left -= ONE;
        }
        is_left
    }

    fn pass(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.now).min(MOST);
        self.now = self.now.max(now);
        self.left = (self.left + passed * A_MS).min(MOST);
    }
}

const ONE: u64 = 1_000;
/// One try for five requests.
pub const FOR_EACH: u64 = 200; // not a status: thousandths
/// Ten tries in a second, where few requests come.
pub const A_MS: u64 = 10;
/// What may be spent at once: as much as runs at an origin that dies.
pub const MOST: u64 = 256 * ONE;
