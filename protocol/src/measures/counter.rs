//! What an isolate counts, and when it hands that on: after a request that finds nobody else about to, so an isolate without
//! requests says nothing. What it has not handed on when it ends is lost: what was counted in [`HAND_OVER_MS`], and in what
//! time its Meter could not be reached. So is a report that it could not hand on for [`GIVEN_UP_MS`].

use super::report::{IsolateState, Report};
use super::series::{Label, Series};
use super::tally::Tally;
use super::{GIVEN_UP_MS, HAND_OVER_MS};
use crate::id::RequestId;
use crate::replay::lines::Lines;
use crate::request::bodies::chat::Used;
use crate::telemetry::Decided;
use crate::time::Millis;

/// One isolate's counts.
#[derive(Debug, Default)]
pub struct Counter {
    tally: Tally,
    lines: Lines,
    /// Sent, and perhaps not taken.
    sent: Option<Sent>,
    number: u64,
    /// Since when somebody is about to hand on.
    handing_over: Option<Millis>,
    /// When somebody last did.
    handed_over_at: Millis,
    /// What was admitted and has not ended, and when it ends by itself.
    in_flight: Vec<InFlight>,
    /// Models that have answered.
    models: Vec<Label>,
}

#[derive(Debug)]
struct InFlight {
    request: RequestId,
    deadline: Millis,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    /// When it was sent first.
    since: Millis,
    tally: Tally,
    lines: Lines,
}

impl Counter {
    /// Counts.
    pub fn add(&mut self, series: Series, count: u64) {
        self.tally.add(series, count);
    }

    /// A request that came at `at` is over: what was decided of it is to be kept. `used`: what its caller was told that it has
    /// used. See [`Lines::add`].
    pub fn keep(&mut self, decided: &Decided, used: Option<Used>, at: Millis, now: Millis) {
        self.lines.add(decided, used.or(decided.used), at, now);
    }

    /// A request was admitted, until then at the latest.
    pub fn admitted(&mut self, request: RequestId, deadline: Millis) {
        self.in_flight.push(InFlight { request, deadline });
    }

    /// It is over.
    pub fn ended(&mut self, request: RequestId) {
        self.in_flight.retain(|one| one.request != request);
    }

    /// The label of a model that has answered. Callers write what they like for a model, so others have none.
    pub fn model(&mut self, name: &str, has_answered: bool) -> Label {
        let label = Label::of(name);
        if label.is_empty() {
            return label;
        }
        if self.models.contains(&label) {
            return label;
        }
        if has_answered && self.models.len() < MAX_MODELS {
            self.models.push(label.clone());
            return label;
        }
        if has_answered { Label::others() } else { Label::default() }
    }

    /// Whether whoever asks is to hand on, after [`HAND_OVER_MS`]: nobody else is about to. One who said so long ago has been
    /// lost with its request.
    pub fn begin(&mut self, now: Millis) -> bool {
        let is_begun = self.handing_over.is_some_and(|since| now.abs_diff(since) < LOST_MS);
        if !is_begun {
            self.handing_over = Some(now);
        }
        !is_begun
    }

    /// Whether whoever asks is to hand on now, without waiting: nobody has for [`HAND_OVER_MS`], or nothing else is in flight;
    /// and nobody is about to.
    pub fn begin_now(&mut self, now: Millis) -> bool {
        // What is the last for a while has nobody to hand it on later.
        let is_due = now.abs_diff(self.handed_over_at) >= HAND_OVER_MS || self.in_flight.is_empty();
        is_due && self.has_news() && self.begin(now)
    }

    /// What is to be sent: what was sent and not taken, or else what was counted since. What was not taken for [`GIVEN_UP_MS`] is
    /// given up: its Meter may have taken it, and does not know that for ever. `kept_ms`: how long requests are kept.
    pub fn report(&mut self, isolate: u64, state: IsolateState, kept_ms: Millis, now: Millis) -> Report {
        self.sent.take_if(|sent| now.saturating_sub(sent.since) >= GIVEN_UP_MS);
        let sent = self.sent.get_or_insert_with(|| {
            self.number += 1;
            let (tally, lines) = (std::mem::take(&mut self.tally), std::mem::take(&mut self.lines));
            Sent { number: self.number, since: now, tally, lines }
        });
        self.in_flight.retain(|one| one.deadline > now);
        let in_flight = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let (tally, lines) = (sent.tally.clone(), sent.lines.clone());
        Report { isolate, number: sent.number, tally, lines, kept_ms, state: IsolateState { in_flight, ..state } }
    }

    /// The report of this number has been sent; whether it was taken, and whether whoever sent it would hand on more. Returns
    /// whether there is more, which is then for them to do: nobody else begins meanwhile.
    pub fn handed_over(&mut self, number: u64, is_taken: bool, goes_on: bool, now: Millis) -> bool {
        if is_taken {
            self.sent.take_if(|sent| sent.number == number);
        }
        let goes_on = goes_on && self.has_news();
        (self.handing_over, self.handed_over_at) = (goes_on.then_some(now), now);
        goes_on
    }

    /// Whether nothing that was admitted is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether anything was counted that is not known to be taken.
    pub fn has_news(&self) -> bool {
        !self.tally.is_empty() || !self.lines.is_empty() || self.sent.is_some()
    }
}

/// After so long whoever was to hand on is taken for lost.
const LOST_MS: Millis = 4 * HAND_OVER_MS;
/// How many models an isolate tells apart.
const MAX_MODELS: usize = 15;
