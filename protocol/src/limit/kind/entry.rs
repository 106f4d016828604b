//! What logs are made of: amounts, each with the time at which it was counted.

use crate::time::Millis;
use std::collections::VecDeque;

/// Up to here a log is exact.
pub const EXACT_ENTRIES: usize = 1024;
/// Past it, entries are merged to this fraction of the window.
pub const SUB_BUCKETS: u64 = 256;

/// What was counted at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// How much.
    pub amount: u32,
}

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

/// Adds an amount behind all others, to the last entry if that has the same time.
pub(super) fn push_at(entries: &mut VecDeque<Entry>, at: Millis, amount: u32) {
    match entries.back_mut() {
        _ if amount == 0 => {}
        Some(last) if last.at == at => last.amount = last.amount.saturating_add(amount),
        _ => entries.push_back(Entry { at, amount }),
    }
}

/// Counts all that lies after `now` at `now`.
pub(super) fn take_back_to(entries: &mut VecDeque<Entry>, now: Millis) {
    let kept = entries.partition_point(|entry| entry.at <= now);
    let later = entries.drain(kept..).fold(0_u32, |sum, entry| sum.saturating_add(entry.amount));
    push_at(entries, now, later);
}

/// Whether a log of ours may look so: times ascend strictly from `start` on, and no amount is 0.
pub(super) fn are_sound(start: Millis, entries: &VecDeque<Entry>) -> bool {
    let ascend = entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.at < b.at);
    ascend && entries.front().is_none_or(|first| first.at >= start) && entries.iter().all(|entry| entry.amount > 0)
}

/// Entries as a row has them: distances in time, the first one from `start`, and amounts.
pub(super) fn pack(start: Millis, entries: &VecDeque<Entry>) -> Vec<(u64, u32)> {
    distances(start, entries.iter().map(|entry| (entry.at, entry.amount)))
}

/// What [`pack`] has packed.
pub(super) fn unpack(start: Millis, packed: Vec<(u64, u32)>) -> VecDeque<Entry> {
    times(start, packed).map(|(at, amount)| Entry { at, amount }).collect()
}

/// Times, each as the distance from the one before it: it takes three to four bytes.
pub(in crate::limit) fn distances<T>(start: Millis, things: impl Iterator<Item = (Millis, T)>) -> Vec<(u64, T)> {
    let mut last = start;
    things
        .map(|(at, thing)| {
            let distance = at.saturating_sub(last);
            last = at;
            (distance, thing)
        })
        .collect()
}

/// What [`distances`] has made distances of.
pub(in crate::limit) fn times<T>(start: Millis, packed: Vec<(u64, T)>) -> impl Iterator<Item = (Millis, T)> {
    let mut last = start;
    packed.into_iter().map(move |(distance, thing)| {
        last = last.saturating_add(distance);
        (last, thing)
    })
}
