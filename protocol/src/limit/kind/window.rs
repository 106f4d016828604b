//! A sliding log: at most `limit` in **any** span of `window`, exactly.
//!
//! A span is half open, `[t, t + window)`: what happened at `t` stops counting at `t + window`. Everything is integers.
//!
//! The log is exact while it holds at most [`EXACT_ENTRIES`] entries (an entry is a millisecond in which something was
//! counted). When it would grow past that, entries are merged into sub-buckets of 1/[`SUB_BUCKETS`] of the window, each
//! keeping the **latest** time it could stand for. So a merged log never lets more through than the limit, and holds
//! something back for at most 1/256 of the window longer than needed.

use crate::time::Millis;
use std::collections::VecDeque;

/// Up to here the log is exact.
pub const EXACT_ENTRIES: usize = 1024;
/// Past it, entries are merged to this fraction of the window.
pub const SUB_BUCKETS: u64 = 256;

/// How large a log may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Up to here it is exact; more than `sub_buckets`.
    pub entries: usize,
    /// Past it, entries are merged to this fraction of the window.
    pub sub_buckets: u64,
}

impl Size {
    /// That of an ordinary log.
    pub const EXACT: Self = Self { entries: EXACT_ENTRIES, sub_buckets: SUB_BUCKETS };
}

/// When an amount fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Now.
    Now,
    /// At this time, if nothing else is counted or settled before; not one millisecond earlier.
    At(Millis),
    /// Never: the amount alone is larger than the limit.
    Never,
}

/// The log of one window limit. Plain data; who calls it passes `now` and never lets it go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Ascending in time, amounts above 0.
    entries: VecDeque<Entry>,
    /// What was counted before this time is not in the log (any more). Without it a late refund, whose own entry has left,
    /// would take from somebody else's.
    kept_from: Millis,
    /// What all entries sum to: most decisions need no more of the log than this and its oldest entry.
    sum: u64,
}

/// What was counted at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// How much.
    pub amount: u32,
}

impl Window {
    /// An empty log that begins at `now`: nothing from before can be refunded in it.
    pub const fn starting(now: Millis) -> Self {
        Self { entries: VecDeque::new(), kept_from: now, sum: 0 }
    }

    /// What counts at `now`.
    pub fn used(&self, now: Millis, window: u64) -> u64 {
        let over = self.entries.iter().take_while(|entry| entry.at.saturating_add(window) <= now);
        self.sum - over.map(|entry| u64::from(entry.amount)).sum::<u64>()
    }

    /// When the first and the last of what counts at `now` stop counting; `None` if nothing counts.
    pub fn ends(&self, now: Millis, window: u64) -> Option<(Millis, Millis)> {
        let first = self.live(now, window).next()?;
        let last = self.entries.back()?;
        Some((first.at.saturating_add(window), last.at.saturating_add(window)))
    }

    /// When `amount` fits under `limit`. Changes nothing.
    pub fn fit(&self, now: Millis, window: u64, limit: u64, amount: u32) -> Fit {
        let amount = u64::from(amount);
        if amount > limit {
            return Fit::Never;
        }
        let mut over = (self.used(now, window) + amount).saturating_sub(limit);
        if over == 0 {
            return Fit::Now;
        }
        for entry in self.live(now, window) {
            over = over.saturating_sub(u64::from(entry.amount));
            if over == 0 {
                return Fit::At(entry.at.saturating_add(window));
            }
        }
        // Unreachable: the live entries sum to `used`, and used + amount - limit <= used. Refusing is the safe answer.
        Fit::Never
    }

    /// Counts `amount` at `now` and returns the time under which it is kept; settling needs it. Drops what no longer
    /// counts. An amount of 0 leaves no entry.
    pub fn add(&mut self, now: Millis, window: u64, amount: u32) -> Millis {
        self.drop_expired(now, window);
        self.add_within(now, window, amount, Size::EXACT)
    }

    /// [`Self::add`] to a log of another size, for accounts that have very many logs. Drops nothing.
    pub fn add_within(&mut self, now: Millis, window: u64, amount: u32, size: Size) -> Millis {
        if self.entries.len() >= size.entries {
            self.merge(window, size.sub_buckets);
        }
        // A merged entry may stand up to 1/256 of the window ahead; staying behind it would break the order.
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

    /// Takes back up to `amount` of what was counted under `at`. Takes back nothing that has left the log.
    pub fn refund(&mut self, at: Millis, amount: u32) {
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

    /// Counts all that lies after `now` at `now`.
    pub fn take_back_to(&mut self, now: Millis) {
        self.kept_from = self.kept_from.min(now);
        let kept = self.entries.partition_point(|entry| entry.at <= now);
        let later = self.entries.drain(kept..).fold(0_u32, |sum, entry| sum.saturating_add(entry.amount));
        push_at(&mut self.entries, now, later);
        // Amounts saturate, so the sum may have become smaller.
        self.sum = self.entries.iter().map(|entry| u64::from(entry.amount)).sum();
    }

    /// Drops what no longer counts at `now`.
    pub fn drop_expired(&mut self, now: Millis, window: u64) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.at.saturating_add(window) <= now) {
            self.kept_from = self.kept_from.max(entry.at.saturating_add(1));
            self.sum -= u64::from(entry.amount);
            self.entries.pop_front();
        }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().copied()
    }

    /// How many entries it keeps.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Before which time nothing is kept; see [`Self::from_parts`].
    pub const fn kept_from(&self) -> Millis {
        self.kept_from
    }

    /// Rebuilds a log. `None` if it is empty, times do not ascend strictly, an amount is 0 or something is kept from a
    /// time at which nothing is kept: no log that we store looks so.
    pub fn from_parts(kept_from: Millis, entries: impl IntoIterator<Item = Entry>) -> Option<Self> {
        let entries: VecDeque<_> = entries.into_iter().collect();
        let ascending = entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.at < b.at);
        let first_is_kept = entries.front().is_some_and(|first| first.at >= kept_from);
        let sum = entries.iter().map(|entry| u64::from(entry.amount)).sum();
        (first_is_kept && ascending && entries.iter().all(|entry| entry.amount > 0)).then_some(Self {
            entries,
            kept_from,
            sum,
        })
    }

    fn live(&self, now: Millis, window: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip_while(move |entry| entry.at.saturating_add(window) <= now)
    }

    /// Merges entries to this fraction of the window, each at the latest time that it could stand for.
    pub fn merge(&mut self, window: u64, sub_buckets: u64) {
        let step = window.div_ceil(sub_buckets).max(1);
        let mut merged: VecDeque<Entry> = VecDeque::with_capacity(self.entries.len() / 2);
        for entry in &self.entries {
            let at = entry.at.div_ceil(step).saturating_mul(step);
            match merged.back_mut() {
                Some(last) if last.at == at => last.amount = last.amount.saturating_add(entry.amount),
                _ => merged.push_back(Entry { at, amount: entry.amount }),
            }
        }
        self.entries = merged;
        // Amounts saturate, so the sum may have become smaller.
        self.sum = self.entries.iter().map(|entry| u64::from(entry.amount)).sum();
    }
}

/// Adds an amount behind all others, to the last entry if that has the same time.
pub(crate) fn push_at(entries: &mut VecDeque<Entry>, at: Millis, amount: u32) {
    match entries.back_mut() {
        _ if amount == 0 => {}
        Some(last) if last.at == at => last.amount = last.amount.saturating_add(amount),
        _ => entries.push_back(Entry { at, amount }),
    }
}
