//! What is watched: incidents while they last, and what is to be sent of them. It is one row, and its size has a bound.

mod met;
mod queue;
mod view;

use super::incident::Incident;
use super::webhook::Webhook;
use crate::limit::plan::AlertRule;
use crate::limit::plan::alert::Condition;
use crate::measures::meter::Reading;
use crate::time::Millis;
use met::Met;
use queue::{GivenUp, Outcome, TestSent, Waiting};
use serde::{Deserialize, Serialize};

pub use super::notice::{Notice, Phase};
pub use queue::{Delivery, Sent};
pub use view::{AlertsView, GivenUpView, IncidentView, OutcomeView, RuleView, WebhookView};

/// All that is watched.
#[derive(Default, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Watch {
    /// In the order in which they began.
    incidents: Vec<Incident>,
    /// In the order in which they were made.
    deliveries: Vec<Waiting>,
    /// The last that was tried in vain.
    given_up: Vec<GivenUp>,
    /// By webhook: what became of what was sent there last.
    outcomes: Vec<Outcome>,
    tests: Vec<TestSent>,
    /// How many incidents and deliveries there have been.
    incidents_made: u64,
    deliveries_made: u64,
}

impl Watch {
    /// Looks at the last hour of all Meters by five seconds ([`crate::measures::report::Span::Short`]), and returns
    /// whether anything has changed. To look again at the same changes nothing.
    pub fn look(&mut self, rules: &[AlertRule], webhooks: &[Webhook], reading: &Reading, now: Millis) -> bool {
        let before = self.clone();
        self.mend_clock(now);
        self.forget_webhooks(webhooks, now);
        self.silence(rules, now);
        for rule in rules.iter().filter(|rule| !rule.muted) {
            self.look_by(rule, webhooks, reading, now);
        }
        *self != before
    }

    /// As it is kept: a version byte and postcard.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("writing to a Vec does not fail")
    }

    /// Reads what [`Self::encode`] has written. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// If they are of another version, or nothing of the kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WatchError> {
        match bytes.split_first() {
            Some((&VERSION, packed)) => match postcard::take_from_bytes(packed) {
                Ok((watch, [])) => Ok(watch),
                _ => Err(WatchError),
            },
            _ => Err(WatchError),
        }
    }

    /// A clock that was ahead leaves nothing that is waited for longer than usual.
    fn mend_clock(&mut self, now: Millis) {
        for incident in self.incidents.iter_mut().filter(|incident| incident.over.is_none()) {
            if incident.opened.is_none() {
                incident.since = incident.since.min(now);
            }
            incident.unmet_since = incident.unmet_since.map(|since| since.min(now));
        }
        self.mend_queue(now);
    }

    /// Incidents of rules that are muted, gone, or say something else now are over, and nobody hears of it.
    fn silence(&mut self, rules: &[AlertRule], now: Millis) {
        let is_wanted = |incident: &Incident| {
            let mut loud = rules.iter().filter(|rule| !rule.muted && rule.name == incident.rule);
            loud.any(|rule| incident.subject.is_of(&rule.when))
        };
        self.incidents.retain(|incident| incident.opened.is_some() || is_wanted(incident));
        let unwanted = self.incidents.iter_mut().filter(|incident| incident.is_open() && !is_wanted(incident));
        let mut silenced = Vec::new();
        for incident in unwanted {
            incident.silence(now);
            silenced.push(incident.number);
        }
        self.deliveries.retain(|waiting| !silenced.contains(&waiting.incident));
    }

    fn look_by(&mut self, rule: &AlertRule, webhooks: &[Webhook], reading: &Reading, now: Millis) {
        // Where nobody says how origins are, they are as they were.
        if matches!(rule.when, Condition::OriginDown { .. }) && reading.isolates.is_empty() {
            return;
        }
        let mut met = met::met(&rule.when, reading, now);
        let (mut opened, mut ended, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        let of_rule = |incident: &&mut Incident| incident.rule == rule.name && incident.over.is_none();
        for incident in self.incidents.iter_mut().filter(of_rule) {
            let is_pending = incident.opened.is_none();
            let known = met.iter().position(|met| met.subject == incident.subject);
            match known.map(|known| met.remove(known)) {
                Some(met) => {
                    incident.unmet_since = None;
                    if is_pending && now.saturating_sub(incident.since) >= wait_ms(&rule.when) {
                        incident.open(&rule.when, met.counted, now);
                        opened.push(incident.number);
                    }
                }
                None if is_pending => forgotten.push(incident.number),
                None => {
                    if is_over(incident, &rule.when, now) {
                        incident.end(now);
                        ended.push(incident.number);
                    }
                }
            }
        }
        self.incidents.retain(|incident| !forgotten.contains(&incident.number));
        opened.into_iter().for_each(|number| self.tell_opened(number, sent_to(rule, webhooks), now));
        ended.into_iter().for_each(|number| self.tell_over(number, now));
        for met in met.into_iter().filter(|met| met.opens) {
            self.begin(rule, webhooks, met, now);
        }
    }

    fn begin(&mut self, rule: &AlertRule, webhooks: &[Webhook], met: Met, now: Millis) {
        // A period is told of once, also by a clock that goes back behind its end.
        let is_told =
            |incident: &Incident| incident.rule == rule.name && !incident.is_silent && incident.subject == met.subject;
        if met.subject.until().is_some() && self.incidents.iter().any(is_told) {
            return;
        }
        if self.is_full(rule) || !self.make_room() {
            return;
        }
        self.incidents_made += 1;
        let mut incident = Incident::new(self.incidents_made, rule, met.subject, now);
        let opens = wait_ms(&rule.when) == 0;
        if opens {
            incident.open(&rule.when, met.counted, now);
        }
        self.incidents.push(incident);
        if opens {
            self.tell_opened(self.incidents_made, sent_to(rule, webhooks), now);
        }
    }

    /// Whether a rule has as many incidents as it may, so that one about many keys leaves room for the others.
    fn is_full(&self, rule: &AlertRule) -> bool {
        let lasting = |incident: &&Incident| incident.rule == rule.name && incident.over.is_none();
        self.incidents.iter().filter(lasting).count() >= MAX_OF_RULE
    }

    /// Whether there is room for another incident. The one that ended first makes it; one of which nobody waits to hear
    /// goes before the others.
    fn make_room(&mut self) -> bool {
        if self.incidents.len() < MAX_INCIDENTS {
            return true;
        }
        let waits = |incident: &Incident| self.deliveries.iter().any(|waiting| waiting.incident == incident.number);
        let ended = self.incidents.iter().filter_map(|one| Some((waits(one), one.over.as_ref()?.at, one.number)));
        let Some((_, _, number)) = ended.min() else { return false };
        self.incidents.retain(|incident| incident.number != number);
        self.deliveries.retain(|waiting| waiting.incident != number);
        true
    }
}

/// Whether an incident whose condition does not hold is over. What is counted falls and rises about its threshold: it
/// is over once it has been below for a minute.
fn is_over(incident: &mut Incident, when: &Condition, now: Millis) -> bool {
    match (incident.subject.until(), when) {
        (Some(until), _) => now >= until,
        (None, Condition::OriginDown { .. }) => true,
        (None, _) => now.saturating_sub(*incident.unmet_since.get_or_insert(now)) >= UNMET_MS,
    }
}

/// How long a condition has to hold before anybody is told.
const fn wait_ms(when: &Condition) -> Millis {
    match when {
        Condition::OriginDown { for_ms } => *for_ms,
        _ => 0,
    }
}

/// The webhooks that a rule tells, of those that there are.
fn sent_to<'a>(rule: &'a AlertRule, webhooks: &'a [Webhook]) -> impl Iterator<Item = &'a str> {
    let is_named = |webhook: &&Webhook| rule.send.is_empty() || rule.send.contains(&webhook.name);
    webhooks.iter().filter(is_named).map(|webhook| webhook.name.as_str())
}

/// Why bytes are not what is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of the alerts' version {VERSION}")]
pub struct WatchError;

/// The version of the row.
const VERSION: u8 = 1;
/// How many incidents are kept, those that are over included.
pub const MAX_INCIDENTS: usize = 256;
/// How many incidents of one rule last at once.
pub const MAX_OF_RULE: usize = 64;
/// For how long a condition has to be without what it looks for before its incident is over.
const UNMET_MS: Millis = 60_000;
