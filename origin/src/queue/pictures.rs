//! queue, the decisions for pictures: one is drawn at a time, the others wait in a line of their own.
//!
//! Pictures have their own line because a place in it is held for as long as a picture takes, which may be minutes: texts
//! would find theirs taken. What each computes is known before it begins ([`Effort`]), and how long that takes is measured
//! while pictures are drawn. So whoever waits is told for how long, and whoever finds no place, when there is one.

use crate::models::z_image::drawing::Part;
use crate::models::z_image::effort::Effort;
use crate::queue::admission::{Admission, Ticket};
use sluice_protocol::time::Millis;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The line of pictures.
#[derive(Debug)]
pub(crate) struct Pictures {
    /// Who draws and who waits.
    pub(crate) line: Admission,
    /// What is left of each, once its request has been read.
    efforts: HashMap<Ticket, Effort>,
    /// Of the latest request that was read.
    latest: Option<Effort>,
    pace: Pace,
    /// When those who found no place were told to come again, in the order of time.
    promised: VecDeque<Millis>,
}

/// Somebody who comes when he was told to is to find the place free: some of the time on top, and a little.
const MARGIN: f64 = 1.05;
const MARGIN_MS: f64 = 25.0;
/// The longest time that a caller is told to stay away. Beyond it the line is another one.
const MOST_MS: f64 = 3_600_000.0;

impl Pictures {
    /// `queue`: how many may wait.
    pub(crate) fn new(queue: usize) -> Self {
        let (efforts, pace, promised) = (HashMap::new(), Pace::default(), VecDeque::new());
        Self { line: Admission::new(1, queue), efforts, latest: None, pace, promised }
    }

    /// Notes what a place's picture computes.
    pub(crate) fn expects(&mut self, ticket: Ticket, effort: Effort) {
        self.efforts.insert(ticket, effort);
        self.latest = Some(effort);
    }

    /// Notes that so many blocks of a part took so long.
    pub(crate) fn did(&mut self, ticket: Ticket, part: Part, blocks: usize, took: Duration) {
        if let Some(effort) = self.efforts.get_mut(&ticket) {
            self.pace.saw(part, blocks as f64 * effort.left(part).each, took);
            effort.did(part, blocks);
        }
    }

    /// Gives a place back, as [`Admission::leave`] does.
    pub(crate) fn leave(&mut self, ticket: Ticket, now: Millis) -> Option<Ticket> {
        self.efforts.remove(&ticket);
        self.line.leave(ticket, false, now)
    }

    /// Takes those out of the line whose deadline has come.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Ticket> {
        let expired = self.line.expire(now);
        for ticket in &expired {
            self.efforts.remove(ticket);
        }
        expired
    }

    /// In how many milliseconds this place's picture begins, as the line stands. `None` before anything was measured, and
    /// where it does not wait.
    pub(crate) fn begins_in(&self, ticket: Ticket) -> Option<u64> {
        let ahead = self.line.ahead(ticket)?;
        self.ends().get(ahead).copied().flatten().map(whole)
    }

    /// What whoever finds no place is told, in milliseconds: when one is free that nobody else was told of. `None` before
    /// anything was measured. Places are free one after another, so each is told another time.
    pub(crate) fn promise(&mut self, now: Millis) -> Option<u64> {
        while self.promised.front().is_some_and(|promised| *promised <= now) {
            self.promised.pop_front();
        }
        let (ends, told) = (self.ends(), self.promised.len());
        let last = ends.last().copied().flatten()?;
        let free = match ends.get(told) {
            Some(end) => (*end)?,
            // Nobody knows what those will draw who come then: as much as those who are here, on the average.
            None => last + last / ends.len() as f64 * (told + 1 - ends.len()) as f64,
        };
        let wait = whole((free * MARGIN + MARGIN_MS).min(MOST_MS));
        self.promised.push_back(now.saturating_add(wait));
        Some(wait)
    }

    /// When each picture ends, from the one that is drawn on, in milliseconds from now: then the next one begins, and a
    /// place is free.
    fn ends(&self) -> Vec<Option<f64>> {
        let mut end = Some(0.0);
        let mut ends = Vec::new();
        for ticket in self.line.running().into_iter().chain(self.line.line()) {
            // One whose request is being read: it is one of those that are known.
            let takes = match self.efforts.get(&ticket) {
                Some(effort) => self.pace.takes(effort),
                None => self.typical(),
            };
            end = end.zip(takes).map(|(end, takes)| end + takes);
            ends.push(end);
        }
        ends
    }

    /// How long those that are known take, on the average; where none is, as long as the latest one that was. `None` before
    /// there was one.
    fn typical(&self) -> Option<f64> {
        if self.efforts.is_empty() {
            return self.pace.takes(self.latest.as_ref()?);
        }
        let sum = self.efforts.values().map(|effort| self.pace.takes(effort)).sum::<Option<f64>>()?;
        Some(sum / self.efforts.len() as f64)
    }
}

fn whole(milliseconds: f64) -> u64 {
    // The cast saturates.
    (milliseconds.ceil() as u64).max(1)
}

/// How long what pictures compute takes here, by the part.
#[derive(Debug, Default)]
struct Pace([Measure; Part::ALL.len()]);

/// What was seen of a part: older work counts less.
#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    multiplications: f64,
    nanoseconds: f64,
}

/// The work of so much time is remembered: what was before weighs less, the older it is.
const REMEMBERED_NS: f64 = 10e9;

impl Pace {
    fn saw(&mut self, part: Part, multiplications: f64, took: Duration) {
        let Some(measure) = self.0.get_mut(part as usize) else { return };
        let nanoseconds = took.as_nanos() as f64;
        let fades = (-nanoseconds / REMEMBERED_NS).exp();
        measure.multiplications = measure.multiplications * fades + multiplications;
        measure.nanoseconds = measure.nanoseconds * fades + nanoseconds;
    }

    /// How long an effort takes, in milliseconds. `None` before anything was seen; a part that was not takes as long as the
    /// others, by what it computes.
    fn takes(&self, effort: &Effort) -> Option<f64> {
        let add = |sum: Measure, part: &Measure| Measure {
            multiplications: sum.multiplications + part.multiplications,
            nanoseconds: sum.nanoseconds + part.nanoseconds,
        };
        let all = self.0.iter().fold(Measure::default(), add).each()?;
        let takes = |part: Part| {
            let (left, measure) = (effort.left(part), self.0.get(part as usize));
            left.blocks as f64 * left.each * measure.and_then(Measure::each).unwrap_or(all)
        };
        Some(Part::ALL.into_iter().map(takes).sum::<f64>() / 1e6)
    }
}

impl Measure {
    /// Nanoseconds of a multiplication, once one was seen.
    fn each(&self) -> Option<f64> {
        (self.multiplications > 0.0).then(|| self.nanoseconds / self.multiplications)
    }
}

#[cfg(test)]
mod tests;
