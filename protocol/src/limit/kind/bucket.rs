//! A token bucket: bursts up to its capacity, and a steady refill.
//!
//! It is kept as a debt that drains: an amount is let through if the debt and the amount together stay within the
//! capacity. So for any two times `s <= t` what was counted in `[s, t]` is at most `capacity + refill * (t - s) / every`.
//! Integers only: the debt is kept in parts of a whole, see [`Refill`].
//!
//! What may still be given back keeps its time in a short log, because a refund has to be made where it was counted: a
//! debt that has drained meanwhile cannot be given back, or a bucket would hold more than its capacity.

use super::entry::{self, EXACT_ENTRIES, Entry};
use super::refill::Refill;
use super::{
    AnyLogKind, CountInLog, CountLog, Counting, DescribeRefused, DescribeStanding, Fit, Form, Kind, Log, LogKind,
    RefusedKind, StandingKind, Tally, Unit, narrow,
};
use crate::limit::calendar::{Calendar, Span};
use crate::limit::fields::Reader;
use crate::limit::per::Per;
use crate::time::{Millis, write_duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// A bucket that holds `capacity` when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Of what.
    pub unit: Unit,
    /// At least 1.
    pub capacity: u32,
    /// How it is refilled.
    pub refill: Refill,
}

/// A bucket that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBucket {
    /// Of what.
    pub unit: Unit,
    /// What it holds when it is full.
    pub capacity: u32,
}

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketStanding {
    /// It is full again after this many milliseconds without a request.
    pub fills_in_ms: u64,
}

const NAME: &str = "bucket";

pub(super) const FORM: Form = Form {
    name: NAME,
    members: &["unit", "capacity", "refill", "every"],
    read: |reader, at, object| Bucket::read(reader, at, object).map(Into::into),
};

impl Bucket {
    fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Option<Self> {
        let unit = Unit::read(reader, at, object);
        let capacity = reader.required(at, object, "capacity", unit.most());
        let refill = Refill::read(reader, at, object);
        Some(Self { unit, capacity: capacity?, refill: refill? })
    }
}

impl Kind for Bucket {
    fn name(&self) -> &'static str {
        NAME
    }

    fn unit(&self) -> Unit {
        self.unit
    }

    fn quota(&self) -> u64 {
        self.capacity.into()
    }

    fn write(&self, object: &mut Map<String, Value>) {
        object.insert("capacity".into(), self.capacity.into());
        object.insert("refill".into(), self.refill.amount.into());
        object.insert("every".into(), write_duration(self.refill.every_ms).into());
        self.unit.write(object);
    }

    fn in_log(&self) -> Option<&dyn CountInLog> {
        Some(self)
    }

    fn used(&self, tally: Tally<'_>, now: Millis) -> u64 {
        tally.log.and_then(Log::of::<BucketLog>).map_or(0, |log| log.used(now, self.refill))
    }

    fn ends(&self, tally: Tally<'_>, now: Millis) -> Option<(Millis, Millis)> {
        tally.log.and_then(Log::of::<BucketLog>)?.ends(now, self.refill)
    }

    fn fit(&self, tally: Tally<'_>, now: Millis, quota: u64, amount: u64) -> Fit {
        match tally.log.map(Log::of::<BucketLog>) {
            None => Fit::Now,
            Some(log) => log.map_or(Fit::Never, |log| log.fit(now, self.refill, quota, narrow(amount))),
        }
    }

    fn refused(&self, quota: u64, _: Per) -> RefusedKind {
        RefusedBucket { unit: self.unit, capacity: narrow(quota) }.into()
    }

    fn standing(&self, quota: u64, _: Option<Span>) -> StandingKind {
        BucketStanding { fills_in_ms: self.refill.fills_in_ms(narrow(quota)) }.into()
    }
}

impl CountInLog for Bucket {
    fn log_kind(&self) -> LogKind {
        LogKind(AnyLogKind::Bucket)
    }

    fn starting(&self, now: Millis) -> Log {
        BucketLog::starting(now, self.refill).into()
    }

    fn add(&self, log: &mut Log, amount: u64, counting: Counting) -> Millis {
        let Counting { now, oldest, size, .. } = counting;
        let log = log.of_mut::<BucketLog>();
        log.map_or(now, |log| log.add_within(now, self.refill, narrow(amount), oldest, size.entries))
    }
}

impl DescribeRefused for RefusedBucket {
    fn unit(&self) -> Unit {
        self.unit
    }

    fn quota(&self) -> u64 {
        self.capacity.into()
    }

    fn text(&self) -> String {
        format!("bursts of {} {}", self.capacity, self.unit.text())
    }
}

impl DescribeStanding for BucketStanding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn span_ms(&self) -> Option<u64> {
        Some(self.fills_in_ms)
    }
}

/// The state of one bucket. Plain data; who calls it passes `now` and never lets it go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketLog {
    /// How it was refilled when it was last changed: the unit of `debt`.
    refill: Refill,
    /// The debt right after everything that can no longer be given back, and when that was.
    since: Millis,
    debt: u128,
    /// What was counted after that, ascending in time.
    entries: VecDeque<Entry>,
}

impl BucketLog {
    /// A full bucket.
    pub const fn starting(now: Millis, refill: Refill) -> Self {
        Self { refill, since: now, debt: 0, entries: VecDeque::new() }
    }

    /// What is missing to a full bucket at `now`, rounded up.
    pub fn used(&self, now: Millis, refill: Refill) -> u64 {
        u64::try_from(self.debt_at(now, refill).div_ceil(refill.parts())).unwrap_or(u64::MAX)
    }

    /// When there is one more than now, and when the bucket is full again; `None` if it is full.
    pub fn ends(&self, now: Millis, refill: Refill) -> Option<(Millis, Millis)> {
        let debt = self.debt_at(now, refill);
        if debt == 0 {
            return None;
        }
        let every = refill.parts();
        let over = (debt - 1) % every + 1;
        Some((refill.after(now, over), refill.after(now, debt)))
    }

    /// When `amount` fits into `capacity`. Changes nothing.
    pub fn fit(&self, now: Millis, refill: Refill, capacity: u64, amount: u32) -> Fit {
        if u64::from(amount) > capacity {
            return Fit::Never;
        }
        let room = u128::from(capacity - u64::from(amount)) * refill.parts();
        match self.debt_at(now, refill).saturating_sub(room) {
            0 => Fit::Now,
            over => Fit::At(refill.after(now, over)),
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
        entry::push_at(&mut self.entries, at, amount);
        at
    }

    /// Whether it is full at `now`, by its own rate: then there is nothing to keep.
    pub fn is_full(&self, now: Millis) -> bool {
        self.debt_at(now, self.refill) == 0
    }

    fn debt_at(&self, now: Millis, refill: Refill) -> u128 {
        let every = refill.parts();
        let mut debt = self.refill.convert(self.debt, refill);
        let mut since = self.since;
        for entry in &self.entries {
            // What was counted at a reading that was ahead is counted now, and has drained nothing on the way there.
            let at = entry.at.min(now).max(since);
            debt = debt.saturating_sub(refill.drained(since, at)).saturating_add(u128::from(entry.amount) * every);
            since = at;
        }
        debt.saturating_sub(refill.drained(since, now))
    }

    /// Makes the oldest entry a part of the debt.
    fn fold(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            let left = self.debt.saturating_sub(self.refill.drained(self.since, entry.at));
            self.debt = left.saturating_add(u128::from(entry.amount) * self.refill.parts());
            self.since = entry.at;
        }
    }

    fn rebase(&mut self, refill: Refill) {
        self.debt = self.refill.convert(self.debt, refill);
        self.refill = refill;
    }

    /// As it lies in a row.
    pub(super) fn pack(&self) -> PackedBucket {
        let Self { refill, since, debt, .. } = *self;
        PackedBucket { refill, since, debt, entries: entry::pack(since, &self.entries) }
    }
}

impl CountLog for BucketLog {
    fn is_live(&self, now: Millis) -> bool {
        !self.is_full(now)
    }

    fn is_void(&self) -> bool {
        // Without entries it may still have a debt.
        false
    }

    fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// As if it had never been: what has drained since stays so.
    fn refund(&mut self, at: Millis, amount: u64) {
        let amount = narrow(amount);
        if let Ok(index) = self.entries.binary_search_by_key(&at, |entry| entry.at) {
            let entry = &mut self.entries[index];
            entry.amount = entry.amount.saturating_sub(amount);
            if entry.amount == 0 {
                self.entries.remove(index);
            }
        }
    }

    /// A debt drains by itself.
    fn drop_expired(&mut self, _: Millis) {}

    /// Keeps so many of the amounts that may still be given back; the oldest are there for good.
    fn coarsen(&mut self, entries: u64) {
        while self.entries.len() as u64 > entries {
            self.fold();
        }
    }

    fn take_back_to(&mut self, now: Millis, _: &Calendar) {
        self.since = self.since.min(now);
        entry::take_back_to(&mut self.entries, now);
    }
}

/// A bucket as it lies in a row.
#[derive(Serialize, Deserialize)]
pub(super) struct PackedBucket {
    refill: Refill,
    since: Millis,
    debt: u128,
    entries: Vec<(u64, u32)>,
}

impl PackedBucket {
    /// The bucket again. `None` if no bucket of ours looks so.
    pub(super) fn unpack(self) -> Option<BucketLog> {
        let Self { refill, since, debt, entries } = self;
        let entries = entry::unpack(since, entries);
        entry::are_sound(since, &entries).then_some(BucketLog { refill, since, debt, entries })
    }
}

#[cfg(test)]
mod tests;
