//! A Meter: what isolates hand it, added up.

use super::report::{IsolateState, OriginSeen, Report, Span};
use super::tally::Tally;
use super::{LONG_KEPT_MS, LONG_MS, SHORT_KEPT_MS, SHORT_MS};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a Meter knows. It is in three kinds of rows: its sums, its five seconds and its minutes.
#[derive(Debug, Default)]
pub struct Meter {
    /// The sums.
    pub sums: Sums,
    /// By five seconds since 1970.
    pub short: BTreeMap<u64, Tally>,
    /// By minutes since 1970.
    pub long: BTreeMap<u64, Tally>,
}

/// What only grows, and who has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    tally: Tally,
    isolates: BTreeMap<u64, Isolate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Isolate {
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
}

/// What a Meter tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What only grows.
    pub sums: Tally,
    /// How isolates are that have said so, each last.
    pub isolates: Vec<IsolateSeen>,
    /// What was counted, by when it came: the number of its five seconds or of its minute.
    pub slots: Vec<(u64, Tally)>,
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
        let Report { isolate, number, tally, state } = report;
        let known = self.sums.isolates.get(&isolate);
        let is_new = known.is_none_or(|known| known.number < number);
        let number = known.map_or(number, |known| known.number.max(number));
        self.sums.isolates.insert(isolate, Isolate { number, at: now, state });
        self.sums.forget_isolates(now);
        let mut written = Written::default();
        if is_new && !tally.is_empty() {
            self.sums.tally.merge(&tally);
            let (slot, minute) = (now / SHORT_MS, now / LONG_MS);
            self.short.entry(slot).or_default().merge(&tally);
            written.short = Some(slot);
            // Its clock was ahead, and the minute was taken for over.
            if let Some(closed) = self.long.get_mut(&minute) {
                closed.merge(&tally);
                written.long.push(minute);
            }
        }
        written.long.extend(self.close_minutes(now / LONG_MS));
        written.short_forgotten = forget(&mut self.short, now, SHORT_MS, SHORT_KEPT_MS);
        written.long_forgotten = forget(&mut self.long, now, LONG_MS, LONG_KEPT_MS);
        written
    }

    /// What there is of a span, at `now`. The minute that is not over is made of what there is of it.
    pub fn read(&self, span: Span, now: Millis) -> Reading {
        let slots = match span {
            Span::Sums => Vec::new(),
            Span::Short(since) => of(&self.short, since.max(now.saturating_sub(SHORT_KEPT_MS)) / SHORT_MS),
            Span::Long(since) => {
                let mut slots = of(&self.long, since.max(now.saturating_sub(LONG_KEPT_MS)) / LONG_MS);
                let open = self.open_minutes().into_iter().filter(|minute| *minute >= since / LONG_MS);
                slots.extend(open.map(|minute| (minute, self.minute(minute))));
                slots
            }
        };
        let isolates = self.sums.isolates.values().filter(|isolate| now.saturating_sub(isolate.at) < SILENT_MS);
        let isolates = isolates.map(|isolate| IsolateSeen { at: isolate.at, state: isolate.state.clone() }).collect();
        Reading { sums: self.sums.tally.clone(), isolates, slots }
    }

    /// The minutes before this one that are not kept yet, kept.
    fn close_minutes(&mut self, minute: u64) -> Vec<u64> {
        let over: Vec<_> = self.open_minutes().into_iter().filter(|open| *open < minute).collect();
        for minute in &over {
            self.long.insert(*minute, self.minute(*minute));
        }
        over
    }

    /// The minutes of which there are five seconds, and which are not kept.
    fn open_minutes(&self) -> Vec<u64> {
        let mut minutes: Vec<_> = self.short.keys().map(|slot| slot / SHORT_A_MINUTE).collect();
        minutes.dedup();
        minutes.retain(|minute| !self.long.contains_key(minute));
        minutes
    }

    fn minute(&self, minute: u64) -> Tally {
        let mut sum = Tally::default();
        let slots = minute * SHORT_A_MINUTE..(minute + 1) * SHORT_A_MINUTE;
        self.short.range(slots).for_each(|(_, tally)| sum.merge(tally));
        sum
    }
}

impl Sums {
    /// Isolates end without a word. What they are known for is kept for as long as a report may come twice, or a request of
    /// theirs may run.
    fn forget_isolates(&mut self, now: Millis) {
        self.isolates.retain(|_, isolate| now.abs_diff(isolate.at) < SILENT_MS);
        // A flood of new ones: those that were heard of last are more likely to be there.
        while self.isolates.len() > MAX_ISOLATES {
            let oldest = self.isolates.iter().min_by_key(|(_, isolate)| isolate.at).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.isolates.remove(&oldest));
        }
    }
}

impl Reading {
    /// Adds what another Meter tells.
    pub fn merge(&mut self, other: Self) {
        self.sums.merge(&other.sums);
        self.isolates.extend(other.isolates);
        let mut slots: BTreeMap<u64, Tally> = std::mem::take(&mut self.slots).into_iter().collect();
        for (slot, tally) in other.slots {
            slots.entry(slot).or_default().merge(&tally);
        }
        self.slots = slots.into_iter().collect();
    }

    /// Requests that were admitted and have not ended.
    pub fn in_flight(&self) -> u64 {
        self.isolates.iter().map(|isolate| u64::from(isolate.state.in_flight)).sum()
    }

    /// The origins, by those isolates that were heard of within a minute of the last: each takes requests if more than half of
    /// them say so, and is as full as it said last.
    pub fn origins(&self) -> Vec<OriginSeen> {
        let last = self.isolates.iter().map(|isolate| isolate.at).max().unwrap_or(0);
        let mut seen: BTreeMap<&str, Vec<&OriginSeen>> = BTreeMap::new();
        for isolate in self.isolates.iter().filter(|isolate| last - isolate.at < LONG_MS) {
            isolate.state.origins.iter().for_each(|origin| seen.entry(&origin.name).or_default().push(origin));
        }
        let origin = |(name, seen): (&str, Vec<&OriginSeen>)| OriginSeen {
            name: name.to_owned(),
            takes_requests: 2 * seen.iter().filter(|one| one.takes_requests).count() > seen.len(),
            said: seen.iter().filter_map(|one| one.said).max_by_key(|said| said.at),
        };
        seen.into_iter().map(origin).collect()
    }
}

fn of(slots: &BTreeMap<u64, Tally>, first: u64) -> Vec<(u64, Tally)> {
    slots.range(first..).map(|(slot, tally)| (*slot, tally.clone())).collect()
}

/// Forgets what is older than is kept, and what a clock that was ahead has left in the future.
fn forget(slots: &mut BTreeMap<u64, Tally>, now: Millis, span: Millis, kept: Millis) -> Vec<u64> {
    let (first, last) = (now.saturating_sub(kept) / span, (now + LONG_MS) / span);
    let gone: Vec<_> = slots.keys().copied().filter(|slot| !(first..=last).contains(slot)).collect();
    gone.iter().for_each(|slot| drop(slots.remove(slot)));
    gone
}

const SHORT_A_MINUTE: u64 = LONG_MS / SHORT_MS;
/// An isolate that has been silent for so long has no request left: no lease is longer than an hour by default.
const SILENT_MS: Millis = 3_600_000;
/// How many isolates a Meter knows at once.
const MAX_ISOLATES: usize = 1_000;
