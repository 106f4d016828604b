//! At most so much in **any** span of time: a sliding log, exact.
//!
//! A span is half open, `[t, t + span)`: what happened at `t` stops counting at `t + span`. Everything is integers.
//!
//! The log is exact while it holds at most [`EXACT_ENTRIES`] entries (an entry is a millisecond in which something was
//! counted). When it would grow past that, entries are merged into sub-buckets of 1/[`SUB_BUCKETS`] of the span, each
//! keeping the **latest** time it could stand for. So a merged log never lets more through than the limit, and holds
//! something back for at most 1/256 of the span longer than needed.
//!
//! [`EXACT_ENTRIES`]: super::entry::EXACT_ENTRIES
//! [`SUB_BUCKETS`]: super::entry::SUB_BUCKETS

use super::entry::{self, Entry, Size};
use super::{
    AnyLogKind, CountInLog, CountLog, Counting, DescribeRefused, DescribeStanding, Fit, Form, Kind, Log, LogKind,
    MAX_SPAN_MS, RefusedKind, StandingKind, Tally, Unit, narrow,
};
use crate::limit::calendar::{Calendar, Span};
use crate::limit::fields::Reader;
use crate::limit::per::Per;
use crate::time::{Millis, seconds, write_duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// At most `limit` in any span of `window_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Of what.
    pub unit: Unit,
    /// At least 1.
    pub limit: u32,
    /// At least 1 ms, at most 31 days.
    pub window_ms: u64,
}

/// How a window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowStanding {
    /// Its span.
    pub window_ms: u64,
}

const NAME: &str = "window";

pub(super) const FORM: Form = Form {
    name: NAME,
    members: &["unit", "limit", "window"],
    read: |reader, at, object| Window::read(reader, at, object).map(Into::into),
};

impl Window {
    fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Option<Self> {
        let unit = Unit::read(reader, at, object);
        let limit = reader.required(at, object, "limit", unit.most());
        let window = object.get("window").unwrap_or(&Value::Null);
        let window_ms = reader.duration(&format!("{at}.window"), window, 1, MAX_SPAN_MS);
        Some(Self { unit, limit: limit?, window_ms: window_ms? })
    }
}

impl Kind for Window {
    fn name(&self) -> &'static str {
        NAME
    }

    fn unit(&self) -> Unit {
        self.unit
    }

    fn quota(&self) -> u64 {
        self.limit.into()
    }

    fn write(&self, object: &mut Map<String, Value>) {
        object.insert("limit".into(), self.limit.into());
        object.insert("window".into(), write_duration(self.window_ms).into());
        self.unit.write(object);
    }

    fn in_log(&self) -> Option<&dyn CountInLog> {
        Some(self)
    }

    fn used(&self, tally: Tally<'_>, now: Millis) -> u64 {
        tally.log.and_then(Log::of::<WindowLog>).map_or(0, |log| log.used(now))
    }

    fn ends(&self, tally: Tally<'_>, now: Millis) -> Option<(Millis, Millis)> {
        tally.log.and_then(Log::of::<WindowLog>)?.ends(now)
    }

    fn fit(&self, tally: Tally<'_>, now: Millis, quota: u64, amount: u64) -> Fit {
        match tally.log.map(Log::of::<WindowLog>) {
            None => Fit::Now,
            Some(log) => log.map_or(Fit::Never, |log| log.fit(now, quota, narrow(amount))),
        }
    }

    fn refused(&self, quota: u64, _: Per) -> RefusedKind {
        Self { limit: narrow(quota), ..*self }.into()
    }

    fn standing(&self, _: u64, _: Option<Span>) -> StandingKind {
        WindowStanding { window_ms: self.window_ms }.into()
    }
}

impl CountInLog for Window {
    fn log_kind(&self) -> LogKind {
        LogKind(AnyLogKind::Window(self.window_ms))
    }

    fn starting(&self, now: Millis) -> Log {
        WindowLog::starting(now, self.window_ms).into()
    }

    fn add(&self, log: &mut Log, amount: u64, counting: Counting) -> Millis {
        let log = log.of_mut::<WindowLog>();
        log.map_or(counting.now, |log| log.add_within(counting.now, narrow(amount), counting.size))
    }
}

impl DescribeRefused for Window {
    fn unit(&self) -> Unit {
        self.unit
    }

    fn quota(&self) -> u64 {
        self.limit.into()
    }

    fn text(&self) -> String {
        format!("{} {} in {}", self.limit, self.unit.text(), seconds(self.window_ms))
    }
}

impl DescribeStanding for WindowStanding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn span_ms(&self) -> Option<u64> {
        Some(self.window_ms)
    }
}

/// The log of one window limit. Plain data; who calls it passes `now` and never lets it go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLog {
    /// How long what is counted counts.
    span: u64,
    /// Ascending in time, amounts above 0.
    entries: VecDeque<Entry>,
    /// What was counted before this time is not in the log (any more). Without it a late refund, whose own entry has left,
    /// would take from somebody else's.
    kept_from: Millis,
    /// What all entries sum to: most decisions need no more of the log than this and its oldest entry.
    sum: u64,
}

impl WindowLog {
    /// An empty log that begins at `now`: nothing from before can be refunded in it.
    pub const fn starting(now: Millis, span: u64) -> Self {
        Self { span, entries: VecDeque::new(), kept_from: now, sum: 0 }
    }

    /// What counts at `now`.
    pub fn used(&self, now: Millis) -> u64 {
        let over = self.entries.iter().take_while(|entry| entry.at.saturating_add(self.span) <= now);
        self.sum - over.map(|entry| u64::from(entry.amount)).sum::<u64>()
    }

    /// When the first and the last of what counts at `now` stop counting; `None` if nothing counts.
    pub fn ends(&self, now: Millis) -> Option<(Millis, Millis)> {
        let first = self.live(now).next()?;
        let last = self.entries.back()?;
        Some((first.at.saturating_add(self.span), last.at.saturating_add(self.span)))
    }

    /// When `amount` fits under `limit`. Changes nothing.
    pub fn fit(&self, now: Millis, limit: u64, amount: u32) -> Fit {
        let amount = u64::from(amount);
        if amount > limit {
            return Fit::Never;
        }
        let mut over = (self.used(now) + amount).saturating_sub(limit);
        if over == 0 {
            return Fit::Now;
        }
        for entry in self.live(now) {
            over = over.saturating_sub(u64::from(entry.amount));
            if over == 0 {
                return Fit::At(entry.at.saturating_add(self.span));
            }
        }
        // Unreachable: the live entries sum to `used`, and used + amount - limit <= used. Refusing is the safe answer.
        Fit::Never
    }

    /// Counts `amount` at `now` and returns the time under which it is kept; settling needs it. Drops what no longer
    /// counts. An amount of 0 leaves no entry.
    pub fn add(&mut self, now: Millis, amount: u32) -> Millis {
        self.drop_expired(now);
        self.add_within(now, amount, Size::EXACT)
    }

    /// [`Self::add`] to a log of another size, for accounts that have very many logs. Drops nothing.
    pub fn add_within(&mut self, now: Millis, amount: u32, size: Size) -> Millis {
        if self.entries.len() >= size.entries {
            self.merge(size.sub_buckets);
        }
        // A merged entry may stand up to 1/256 of the span ahead; staying behind it would break the order.
        let at = self.entries.back().map_or(now, |last| last.at.max(now));
        match self.entries.back_mut() {
            _ if amount == 0 => {}
            Some(last) if last.at == at => {
                self.sum -= u64::from(last.amount);
                last.amount = last.amount.saturating_add(amount);
                self.sum += u64::from(last.amount);
            }
            _ => {
                self.entries.push_back(Entry { at, amount });
                self.sum += u64::from(amount);
            }
        }
        at
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().copied()
    }

    /// How long what is counted counts.
    pub(super) const fn span(&self) -> u64 {
        self.span
    }

    /// As it lies in a row.
    pub(super) fn pack(&self) -> PackedWindow {
        let Self { span, kept_from, .. } = *self;
        PackedWindow { span, kept_from, entries: entry::pack(kept_from, &self.entries) }
    }

    fn live(&self, now: Millis) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip_while(move |entry| entry.at.saturating_add(self.span) <= now)
    }

    /// Merges entries to this fraction of the span, each at the latest time that it could stand for.
    fn merge(&mut self, sub_buckets: u64) {
        let step = self.span.div_ceil(sub_buckets).max(1);
        let mut merged: VecDeque<Entry> = VecDeque::with_capacity(self.entries.len() / 2);
        for entry in &self.entries {
            let at = entry.at.div_ceil(step).saturating_mul(step);
            match merged.back_mut() {
                Some(last) if last.at == at => last.amount = last.amount.saturating_add(entry.amount),
                _ => merged.push_back(Entry { at, amount: entry.amount }),
            }
        }
        self.entries = merged;
        self.sum_up();
    }

    /// Amounts saturate, so the sum may become smaller where entries become one.
    fn sum_up(&mut self) {
        self.sum = self.entries.iter().map(|entry| u64::from(entry.amount)).sum();
    }
}

impl CountLog for WindowLog {
    fn is_live(&self, now: Millis) -> bool {
        self.used(now) > 0
    }

    fn is_void(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry_count(&self) -> usize {
        self.entries.len()
    }

    fn refund(&mut self, at: Millis, amount: u64) {
        let amount = narrow(amount);
        if at < self.kept_from {
            return;
        }
        // Merging only ever moves an entry later, into the next one: the first entry at or after `at` holds it.
        let index = self.entries.partition_point(|entry| entry.at < at);
        if let Some(entry) = self.entries.get_mut(index) {
            self.sum -= u64::from(entry.amount.min(amount));
            entry.amount = entry.amount.saturating_sub(amount);
            if entry.amount == 0 {
                self.entries.remove(index);
            }
        }
    }

    fn drop_expired(&mut self, now: Millis) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.at.saturating_add(self.span) <= now) {
            self.kept_from = self.kept_from.max(entry.at.saturating_add(1));
            self.sum -= u64::from(entry.amount);
            self.entries.pop_front();
        }
    }

    fn coarsen(&mut self, entries: u64) {
        self.merge(entries);
    }

    fn take_back_to(&mut self, now: Millis, _: &Calendar) {
        self.kept_from = self.kept_from.min(now);
        entry::take_back_to(&mut self.entries, now);
        self.sum_up();
    }
}

/// A log as it lies in a row.
#[derive(Serialize, Deserialize)]
pub(super) struct PackedWindow {
    span: u64,
    kept_from: Millis,
    entries: Vec<(u64, u32)>,
}

impl PackedWindow {
    /// The log again. `None` if it is empty or no log of ours looks so.
    pub(super) fn unpack(self) -> Option<WindowLog> {
        let Self { span, kept_from, entries } = self;
        let entries = entry::unpack(kept_from, entries);
        let mut log = WindowLog { span, entries, kept_from, sum: 0 };
        log.sum_up();
        (!log.is_void() && entry::are_sound(kept_from, &log.entries)).then_some(log)
    }
}

#[cfg(test)]
mod tests;
