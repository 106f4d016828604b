//! A token bucket: bursts up to its capacity, and a steady refill.
//!
//! It is kept as a debt that drains: an amount is let through if the debt and the amount together stay within the
//! capacity. So for any two times `s <= t` what was counted in `[s, t]` is at most `capacity + refill * (t - s) / every`.
//! Integers only: the debt is kept in parts of `1/every`.
//!
//! What may still be given back keeps its time in a short log, because a refund has to be made where it was counted: a
//! debt that has drained meanwhile cannot be given back, or a bucket would hold more than its capacity.

use crate::limit::window::{EXACT_ENTRIES, Entry, Fit, push_at};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How fast a bucket drains: `refill` every `every_ms` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnyRefill")]
pub struct Refill {
    /// At least 1.
    pub amount: u32,
    /// At least 1.
    pub every_ms: u64,
}

/// As it travels: a bucket that never drains is refused with the message that it came in, before it divides by zero.
#[derive(Deserialize)]
struct AnyRefill {
    amount: u32,
    every_ms: u64,
}

impl TryFrom<AnyRefill> for Refill {
    type Error = &'static str;

    fn try_from(AnyRefill { amount, every_ms }: AnyRefill) -> Result<Self, Self::Error> {
        if amount == 0 || every_ms == 0 {
            return Err("a bucket must be refilled");
        }
        Ok(Self { amount, every_ms })
    }
}

/// The state of one bucket. Plain data; who calls it passes `now` and never lets it go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// How it was refilled when it was last changed: the unit of `debt`.
    refill: Refill,
    /// The debt right after everything that can no longer be given back, and when that was.
    since: Millis,
    debt: u128,
    /// What was counted after that, ascending in time.
    entries: VecDeque<Entry>,
}

impl Bucket {
    /// A full bucket.
    pub const fn starting(now: Millis, refill: Refill) -> Self {
        Self { refill, since: now, debt: 0, entries: VecDeque::new() }
    }

    /// What is missing to a full bucket at `now`, rounded up.
    pub fn used(&self, now: Millis, refill: Refill) -> u64 {
        u64::try_from(self.debt_at(now, refill).div_ceil(u128::from(refill.every_ms))).unwrap_or(u64::MAX)
    }

    /// When there is one more than now, and when the bucket is full again; `None` if it is full.
    pub fn ends(&self, now: Millis, refill: Refill) -> Option<(Millis, Millis)> {
        let debt = self.debt_at(now, refill);
        if debt == 0 {
            return None;
        }
        let every = u128::from(refill.every_ms);
        let over = (debt - 1) % every + 1;
        Some((after(now, over, refill), after(now, debt, refill)))
    }

    /// When `amount` fits into `capacity`. Changes nothing.
    pub fn fit(&self, now: Millis, refill: Refill, capacity: u64, amount: u32) -> Fit {
        if u64::from(amount) > capacity {
            return Fit::Never;
        }
        let room = u128::from(capacity - u64::from(amount)) * u128::from(refill.every_ms);
        match self.debt_at(now, refill).saturating_sub(room) {
            0 => Fit::Now,
            over => Fit::At(after(now, over, refill)),
        }
    }

    /// Counts `amount` at `now`. `oldest` is the time of the oldest amount that may still be given back.
    pub fn add(&mut self, now: Millis, refill: Refill, amount: u32, oldest: Millis) -> Millis {
        self.add_within(now, refill, amount, oldest, EXACT_ENTRIES)
    }

    /// [`Self::add`] to a log of at most so many entries; what is folded before its time cannot be given back.
    pub fn add_within(&mut self, now: Millis, refill: Refill, amount: u32, oldest: Millis, most: usize) -> Millis {
        self.rebase(refill);
        while self.entries.front().is_some_and(|entry| entry.at < oldest) || self.entries.len() >= most {
            self.fold();
        }
        let at = self.entries.back().map_or(now, |last| last.at.max(now)).max(self.since);
        push_at(&mut self.entries, at, amount);
        at
    }

    /// Counts all that lies after `now` at `now`.
    pub fn take_back_to(&mut self, now: Millis) {
        self.since = self.since.min(now);
        let kept = self.entries.partition_point(|entry| entry.at <= now);
        let later = self.entries.drain(kept..).fold(0_u32, |sum, entry| sum.saturating_add(entry.amount));
        push_at(&mut self.entries, now, later);
    }

    /// Keeps at most so many amounts that may still be given back; the oldest are there for good.
    pub fn fold_to(&mut self, most: usize) {
        while self.entries.len() > most {
            self.fold();
        }
    }

    /// Takes back up to `amount` of what was counted at `at`, as if it had never been: what has drained since stays so.
    pub fn refund(&mut self, at: Millis, amount: u32) {
        if let Ok(index) = self.entries.binary_search_by_key(&at, |entry| entry.at) {
            let entry = &mut self.entries[index];
            entry.amount = entry.amount.saturating_sub(amount);
            if entry.amount == 0 {
                self.entries.remove(index);
            }
        }
    }

    /// Whether it is full at `now`, by its own rate: then there is nothing to keep.
    pub fn is_full(&self, now: Millis) -> bool {
        self.debt_at(now, self.refill) == 0
    }

    /// How many entries it keeps.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether its log is empty; it may still have a debt.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How it was refilled when it was last changed.
    pub const fn refill(&self) -> Refill {
        self.refill
    }

    /// What can no longer be given back: when that was settled, and the debt right then, in parts of its refill's.
    pub const fn folded(&self) -> (Millis, u128) {
        (self.since, self.debt)
    }

    /// What was counted after that, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().copied()
    }

    /// Rebuilds a bucket. `None` if times do not ascend strictly, an amount is 0 or something comes before what cannot be
    /// given back: no bucket that we store looks so.
    pub fn from_parts(
        refill: Refill,
        (since, debt): (Millis, u128),
        entries: impl IntoIterator<Item = Entry>,
    ) -> Option<Self> {
        let entries: VecDeque<_> = entries.into_iter().collect();
        let ascending = entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.at < b.at);
        let after = entries.front().is_none_or(|first| first.at >= since);
        let sound = ascending && after && entries.iter().all(|entry| entry.amount > 0);
        sound.then_some(Self { refill, since, debt, entries })
    }

    fn debt_at(&self, now: Millis, refill: Refill) -> u128 {
        let every = u128::from(refill.every_ms);
        let mut debt = convert(self.debt, self.refill, refill);
        let mut since = self.since;
        for entry in &self.entries {
            // What was counted at a reading that was ahead is counted now, and has drained nothing on the way there.
            let at = entry.at.min(now).max(since);
            debt = debt.saturating_sub(drained(since, at, refill)).saturating_add(u128::from(entry.amount) * every);
            since = at;
        }
        debt.saturating_sub(drained(since, now, refill))
    }

    /// Makes the oldest entry a part of the debt.
    fn fold(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            let left = self.debt.saturating_sub(drained(self.since, entry.at, self.refill));
            self.debt = left.saturating_add(u128::from(entry.amount) * u128::from(self.refill.every_ms));
            self.since = entry.at;
        }
    }

    fn rebase(&mut self, refill: Refill) {
        self.debt = convert(self.debt, self.refill, refill);
        self.refill = refill;
    }
}

fn drained(from: Millis, to: Millis, refill: Refill) -> u128 {
    u128::from(to.saturating_sub(from)) * u128::from(refill.amount)
}

/// The time at which `debt` has drained.
fn after(now: Millis, debt: u128, refill: Refill) -> Millis {
    now.saturating_add(u64::try_from(debt.div_ceil(u128::from(refill.amount))).unwrap_or(u64::MAX))
}

/// The same debt in the parts of another rate, rounded up.
fn convert(debt: u128, from: Refill, to: Refill) -> u128 {
    if from.every_ms == to.every_ms {
        return debt;
    }
    let amount = debt / u128::from(from.every_ms);
    let rest = debt % u128::from(from.every_ms);
    let every = u128::from(to.every_ms);
    amount.saturating_mul(every).saturating_add((rest * every).div_ceil(u128::from(from.every_ms)))
}
