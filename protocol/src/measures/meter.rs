//! A Meter: what isolates hand it, added up.

use super::kept::{Kept, Taken};
use super::report::{IsolateState, OriginSeen, Report, Span};
use super::slots::Slots;
use super::tally::Tally;
use super::{GIVEN_UP_MS, LONG_KEPT_MS, LONG_MS, SHORT_KEPT_MS, SHORT_MS};
use crate::order::sorted;
use crate::replay::lines::Lines;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What a Meter knows. It is in four kinds of rows: its sums, its five seconds, its minutes, and requests.
#[derive(Debug, Default)]
pub struct Meter {
    /// The sums.
    pub sums: Sums,
    /// By five seconds since 1970.
    pub short: Slots,
    /// By minutes since 1970.
    pub long: Slots,
    /// The requests that were decided.
    pub kept: Kept,
}

/// What only grows, and who has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    tally: Tally,
    isolates: Vec<Isolate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Isolate {
    id: u64,
    /// The last report that was taken.
    number: u64,
    /// When.
    at: Millis,
    state: IsolateState,
}

/// What is to be written, besides the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The five seconds that were added to.
    pub short: Option<u64>,
    /// The minutes that are over.
    pub long: Vec<u64>,
    /// The five seconds that are forgotten.
    pub short_forgotten: Vec<u64>,
    /// The minutes that are forgotten.
    pub long_forgotten: Vec<u64>,
    /// The row of requests that was added to, and those that are forgotten.
    pub kept: Taken,
}

/// What a Meter tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What only grows.
    pub sums: Tally,
    /// How isolates are that have said so, each last.
    pub isolates: Vec<IsolateSeen>,
    /// What was counted, by when it came: the number of its five seconds or of its minute.
    pub slots: Slots,
}

/// An isolate, as it was heard of last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolateSeen {
    /// When.
    pub at: Millis,
    /// How it was.
    pub state: IsolateState,
}

impl Meter {
    /// Adds a report, and says what is to be written. One that was added before changes nothing but how its isolate is.
    pub fn take(&mut self, report: Report, now: Millis) -> Written {
        let Report { isolate, number, tally, lines, kept_ms, state } = report;
        let is_new = self.sums.is_new(isolate, number);
        self.sums.heard(isolate, number, state, now);
        self.sums.forget_isolates(now);
        let mut written = Written::default();
        if is_new && !tally.is_empty() {
            self.sums.tally.merge_lasting(&tally);
            let (slot, minute) = (now / SHORT_MS, now / LONG_MS);
            self.short.at(slot).merge(&tally);
            written.short = Some(slot);
            // Its clock was ahead, and the minute was taken for over.
            if self.long.get(minute).is_some() {
                self.long.at(minute).merge_lasting(&tally);
                written.long.push(minute);
            }
        }
        written.long.extend(self.close_minutes(now / LONG_MS));
        written.kept = self.kept.take(if is_new { lines } else { Lines::default() }, kept_ms, now);
        written.short_forgotten = self.short.forget(now, SHORT_MS, SHORT_KEPT_MS);
        written.long_forgotten = self.long.forget(now, LONG_MS, LONG_KEPT_MS);
        written
    }

    /// What there is of a span, at `now`. The minute that is not over is made of what there is of it.
    pub fn read(&self, span: Span, now: Millis) -> Reading {
        let since = |since: Millis, kept: Millis| since.max(now.saturating_sub(kept));
        let slots = match span {
            Span::Sums => Slots::default(),
            Span::Short(from) => self.short.since(since(from, SHORT_KEPT_MS) / SHORT_MS),
            Span::Long(from) => {
                let first = since(from, LONG_KEPT_MS) / LONG_MS;
                let mut slots = self.long.since(first);
                for minute in self.open_minutes().into_iter().filter(|minute| *minute >= first) {
                    *slots.at(minute) = self.minute(minute);
                }
                slots
            }
        };
        let isolates = self.sums.isolates.iter().filter(|isolate| now.saturating_sub(isolate.at) < SILENT_MS);
        let isolates = isolates.map(|isolate| IsolateSeen { at: isolate.at, state: isolate.state.clone() }).collect();
        Reading { sums: self.sums.tally.clone(), isolates, slots }
    }

    /// The minutes before this one that are not kept yet, kept.
    fn close_minutes(&mut self, minute: u64) -> Vec<u64> {
        let over: Vec<_> = self.open_minutes().into_iter().filter(|open| *open < minute).collect();
        for minute in &over {
            *self.long.at(*minute) = self.minute(*minute);
        }
        over
    }

    /// The minutes of which there are five seconds, and which are not kept.
    fn open_minutes(&self) -> Vec<u64> {
        let mut minutes: Vec<_> = self.short.iter().map(|slot| slot.number / SHORT_A_MINUTE).collect();
        minutes.dedup();
        minutes.retain(|minute| self.long.get(*minute).is_none());
        minutes
    }

    fn minute(&self, minute: u64) -> Tally {
        let mut sum = Tally::default();
        let of_minute = self.short.iter().filter(|slot| slot.number / SHORT_A_MINUTE == minute);
        of_minute.for_each(|slot| sum.merge_lasting(&slot.tally));
        sum
    }
}

impl Sums {
    /// Whether a report was not added before.
    fn is_new(&self, isolate: u64, number: u64) -> bool {
        self.isolates.iter().all(|known| known.id != isolate || known.number < number)
    }

    fn heard(&mut self, id: u64, number: u64, state: IsolateState, at: Millis) {
        match self.isolates.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = Isolate { id, number: known.number.max(number), at, state },
            None => self.isolates.push(Isolate { id, number, at, state }),
        }
    }

    /// Isolates end without a word. How one was is kept for as long as a request of its may run, and which report was its last for
    /// as long as one may come twice.
    fn forget_isolates(&mut self, now: Millis) {
        self.isolates.retain(|isolate| now.abs_diff(isolate.at) < 2 * GIVEN_UP_MS);
        let silent = |isolate: &&mut Isolate| now.abs_diff(isolate.at) >= SILENT_MS;
        self.isolates.iter_mut().filter(silent).for_each(|isolate| isolate.state = IsolateState::default());
        // A flood of new ones: those that were heard of last are more likely to be there.
        while self.isolates.len() > MAX_ISOLATES {
            let oldest = (0..self.isolates.len()).min_by_key(|place| self.isolates[*place].at);
            oldest.map(|oldest| self.isolates.swap_remove(oldest));
        }
    }
}

impl Reading {
    /// Adds what another Meter tells.
    pub fn merge(&mut self, other: Self) {
        self.sums.join(&other.sums);
        self.isolates.extend(other.isolates);
        self.slots.join(&other.slots);
    }

    /// Requests that were admitted and have not ended.
    pub fn in_flight(&self) -> u64 {
        self.isolates.iter().map(|isolate| u64::from(isolate.state.in_flight)).sum()
    }

    /// The origins, by those isolates that were heard of within a minute of the last: each takes requests if more than half of
    /// them say so, and is as full as it said last.
    pub fn origins(&self) -> Vec<OriginSeen> {
        let last = self.isolates.iter().map(|isolate| isolate.at).max().unwrap_or(0);
        let recent = self.isolates.iter().filter(|isolate| last - isolate.at < LONG_MS);
        let seen: Vec<&OriginSeen> = recent.flat_map(|isolate| &isolate.state.origins).collect();
        let seen = sorted(seen, |one, other| one.name.cmp(&other.name));
        let origin = |seen: &[&OriginSeen]| OriginSeen {
            name: seen[0].name.clone(),
            takes_requests: 2 * seen.iter().filter(|one| one.takes_requests).count() > seen.len(),
            said: seen.iter().filter_map(|one| one.said).max_by_key(|said| said.at),
        };
        seen.chunk_by(|one, other| one.name == other.name).map(origin).collect()
    }
}

const SHORT_A_MINUTE: u64 = LONG_MS / SHORT_MS;
/// An isolate that has been silent for so long has no request left: no lease is longer than an hour by default.
const SILENT_MS: Millis = 3_600_000;
/// How many isolates a Meter knows at once.
const MAX_ISOLATES: usize = 1_000;
