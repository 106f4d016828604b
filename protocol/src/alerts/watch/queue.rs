//! What is to be sent, again and again until it is taken or given up.

use super::Watch;
use crate::alerts::incident::{Incident, Subject};
use crate::alerts::notice::{Notice, Phase};
use crate::alerts::webhook::Webhook;
use crate::measures::SHORT_KEPT_MS;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One message to one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By this its outcome is told ([`Watch::sent`]).
    pub id: u64,
    /// The webhook's name.
    pub webhook: String,
    /// What is told: the same in every try.
    pub notice: Notice,
    /// How often it was tried.
    pub tries: u32,
    /// When it is to be sent, in milliseconds since 1970.
    pub next_at: Millis,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sent {
    /// The webhook has it.
    Taken,
    /// The webhook answered with this status, and does not want it, or not now.
    Refused(u16),
    /// There was no answer.
    Unreached,
}

/// A delivery that waits: what it tells is at its incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) webhook: String,
    pub(super) incident: u64,
    pub(super) phase: Phase,
    tries: u32,
    next_at: Millis,
    first_at: Millis,
    /// Since when it is not to be sent any more. It may be under way, so what becomes of it is still of interest.
    void_since: Option<Millis>,
}

/// What became of what was sent last to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) webhook: String,
    pub(super) at: Millis,
    pub(super) sent: Sent,
}

/// A delivery that nobody tries any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GivenUp {
    pub(super) webhook: String,
    pub(super) notice: String,
    pub(super) rule: String,
    pub(super) at: Millis,
    pub(super) tries: u32,
    /// What became of the last try; `None` if it had to make room.
    pub(super) sent: Option<Sent>,
}

/// A test that was sent, and of which nobody has said yet what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TestSent {
    id: u64,
    webhook: String,
}

impl Watch {
    /// What is to be sent at `now`, in order.
    pub fn due(&self, now: Millis) -> Vec<Delivery> {
        let due = self.deliveries.iter().filter(|waiting| waiting.void_since.is_none() && waiting.at(now) <= now);
        let delivery = |waiting: &Waiting| {
            let incident = self.incidents.iter().find(|incident| incident.number == waiting.incident)?;
            Some(Delivery {
                id: waiting.id,
                webhook: waiting.webhook.clone(),
                notice: incident.notice(waiting.phase)?,
                tries: waiting.tries,
                next_at: waiting.next_at,
            })
        };
        due.filter_map(delivery).collect()
    }

    /// What became of a try. A delivery that is not known any more changes nothing.
    pub fn sent(&mut self, delivery: u64, result: Sent, now: Millis) {
        if let Some(index) = self.tests.iter().position(|test| test.id == delivery) {
            let test = self.tests.remove(index);
            self.note(test.webhook, result, now);
        }
        let Some(index) = self.deliveries.iter().position(|waiting| waiting.id == delivery) else { return };
        self.note(self.deliveries[index].webhook.clone(), result, now);
        if result == Sent::Taken {
            let taken = self.deliveries.remove(index);
            self.taken(taken, now);
            return;
        }
        let waiting = &mut self.deliveries[index];
        waiting.tries += 1;
        let is_late = waiting.tries >= MAX_TRIES || now.saturating_sub(waiting.first_at) >= MAX_AGE_MS;
        let is_hopeless = is_final(result) && waiting.tries >= MAX_FINAL_TRIES;
        if waiting.void_since.is_some() {
            self.deliveries.remove(index);
        } else if is_late || is_hopeless {
            self.give_up(index, Some(result), now);
        } else {
            waiting.next_at = now.saturating_add(backoff(waiting.tries));
        }
    }

    /// A message that says that messages come. It does not wait here: whoever asked sends it, once. `nonce` is what its
    /// id is made of.
    pub fn test(&mut self, webhook: &Webhook, now: Millis, nonce: u64) -> Delivery {
        let id = self.next_delivery();
        if self.tests.len() >= MAX_TESTS {
            self.tests.remove(0);
        }
        self.tests.push(TestSent { id, webhook: webhook.name.clone() });
        let notice = Notice {
            id: format!("test-{nonce:016x}"),
            rule: "test".to_owned(),
            phase: Phase::Test,
            at: now,
            title: "Test: alerts come here".to_owned(),
            text: format!("An admin asked for this message to the webhook {}. Nothing has happened.", webhook.name),
            facts: BTreeMap::new(),
        };
        Delivery { id, webhook: webhook.name.clone(), notice, tries: 0, next_at: now }
    }

    /// When to look or to send next; `None` if nothing is waited for. An open incident is looked at every ten seconds,
    /// but for a budget's, which lasts until its period ends, or for an hour at least.
    pub fn next_at(&self, now: Millis) -> Option<Millis> {
        let is_old = |incident: &Incident| now.saturating_sub(incident.since) >= SHORT_KEPT_MS;
        let look = |incident: &Incident| match (incident.subject.until(), &incident.subject) {
            (Some(until), _) => until.max(now),
            (None, Subject::Budget { .. }) => now.saturating_add(LOOK_SELDOM_MS),
            // It may be one of a deployment that nobody uses any more. Whoever uses it wakes who looks.
            (None, Subject::Origin { .. }) if is_old(incident) => now.saturating_add(LOOK_SELDOM_MS),
            (None, _) => now.saturating_add(LOOK_MS),
        };
        let looks = self.incidents.iter().filter(|one| one.over.is_none()).map(look);
        let sends = self.deliveries.iter().filter(|one| one.void_since.is_none()).map(|waiting| waiting.at(now));
        looks.chain(sends).min()
    }

    pub(super) fn tell_opened<'a>(&mut self, incident: u64, webhooks: impl Iterator<Item = &'a str>, now: Millis) {
        webhooks.for_each(|webhook| self.push(incident, Phase::Opened, webhook, now));
    }

    /// Who has been told that it opened is told that it is over. Who has not been, and may be under way to be, hears of
    /// neither.
    pub(super) fn tell_over(&mut self, incident: u64, now: Millis) {
        for waiting in self.deliveries.iter_mut().filter(|waiting| waiting.incident == incident) {
            waiting.void_since = Some(now);
        }
        let told = self.incidents.iter().find(|one| one.number == incident).map(|one| one.told.clone());
        told.unwrap_or_default().iter().for_each(|webhook| self.push(incident, Phase::Over, webhook, now));
    }

    /// How many messages wait for a webhook.
    pub(super) fn waiting_for(&self, webhook: &str) -> usize {
        let waits = |waiting: &&Waiting| waiting.webhook == webhook && waiting.void_since.is_none();
        self.deliveries.iter().filter(waits).count()
    }

    /// A clock that was ahead makes nobody wait.
    pub(super) fn mend_queue(&mut self, now: Millis) {
        for waiting in &mut self.deliveries {
            waiting.next_at = waiting.at(now);
            waiting.first_at = waiting.first_at.min(now);
            waiting.void_since = waiting.void_since.map(|since| since.min(now));
        }
    }

    /// Forgets what is about webhooks that are gone, and what was under way so long ago that it has come or has not.
    pub(super) fn forget_webhooks(&mut self, webhooks: &[Webhook], now: Millis) {
        let is_there = |name: &String| webhooks.iter().any(|webhook| webhook.name == *name);
        let is_gone = |since: Millis| now.saturating_sub(since) >= UNDER_WAY_MS;
        self.deliveries.retain(|waiting| is_there(&waiting.webhook) && !waiting.void_since.is_some_and(is_gone));
        self.outcomes.retain(|outcome| is_there(&outcome.webhook));
        self.tests.retain(|test| is_there(&test.webhook));
        self.incidents.iter_mut().for_each(|incident| incident.told.retain(is_there));
    }

    fn note(&mut self, webhook: String, sent: Sent, at: Millis) {
        self.outcomes.retain(|outcome| outcome.webhook != webhook);
        self.outcomes.push(Outcome { webhook, at, sent });
    }

    /// Whoever took it hears how it ends, also if that has happened meanwhile.
    fn taken(&mut self, taken: Waiting, now: Millis) {
        if taken.phase != Phase::Opened {
            return;
        }
        let Some(incident) = self.incidents.iter_mut().find(|one| one.number == taken.incident) else { return };
        let is_over = incident.over.is_some();
        if is_over {
            self.push(taken.incident, Phase::Over, &taken.webhook, now);
        } else {
            incident.told.push(taken.webhook);
        }
    }

    fn push(&mut self, incident: u64, phase: Phase, webhook: &str, now: Millis) {
        let id = self.next_delivery();
        let webhook = webhook.to_owned();
        let waiting = Waiting { id, webhook, incident, phase, tries: 0, next_at: now, first_at: now, void_since: None };
        self.deliveries.push(waiting);
        if self.deliveries.len() > MAX_DELIVERIES {
            let is_over = |waiting: &Waiting| {
                self.incidents.iter().any(|one| one.number == waiting.incident && one.over.is_some())
            };
            let oldest = self.deliveries.iter().position(is_over);
            self.give_up(oldest.unwrap_or(MAX_DELIVERIES), None, now);
        }
    }

    fn give_up(&mut self, index: usize, sent: Option<Sent>, now: Millis) {
        let Waiting { webhook, incident, phase, tries, void_since, .. } = self.deliveries.remove(index);
        let incident = self.incidents.iter().find(|one| one.number == incident);
        // Nobody missed what was not to be sent any more.
        let Some(incident) = incident.filter(|_| void_since.is_none()) else { return };
        let notice = format!("{}-{}", incident.id(), phase.name());
        self.given_up.push(GivenUp { webhook, notice, rule: incident.rule.clone(), at: now, tries, sent });
        let too_many = self.given_up.len().saturating_sub(MAX_GIVEN_UP);
        self.given_up.drain(..too_many);
    }

    const fn next_delivery(&mut self) -> u64 {
        self.deliveries_made += 1;
        self.deliveries_made
    }
}

impl Waiting {
    /// When it is to be sent, as seen from `now`: no wait is longer than the longest, so a later time is a wrong
    /// clock's.
    const fn at(&self, now: Millis) -> Millis {
        if self.next_at > now.saturating_add(MAX_BACKOFF_MS) { now } else { self.next_at }
    }
}

impl Sent {
    /// As it is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused(_) => "refused",
            Self::Unreached => "unreached",
        }
    }

    /// The status, if there was one.
    pub(super) const fn status(self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Taken | Self::Unreached => None,
        }
    }
}

/// Whether a webhook is likely to say the same again.
const fn is_final(sent: Sent) -> bool {
    match sent {
        Sent::Refused(408 | 429) => false, // not a status: what a webhook answered
        Sent::Refused(400..=499) => true,  // not a status: what a webhook answered
        Sent::Refused(_) | Sent::Taken | Sent::Unreached => false,
    }
}

/// How long to wait after so many tries: 5 s, 10 s, 20 s, and so on to 15 minutes.
fn backoff(tries: u32) -> Millis {
    let doubled = FIRST_BACKOFF_MS.saturating_mul(1 << tries.saturating_sub(1).min(16));
    doubled.min(MAX_BACKOFF_MS)
}

/// How many deliveries wait at once.
pub(super) const MAX_DELIVERIES: usize = 512;
const MAX_TRIES: u32 = 12;
/// How often is tried what was refused for good.
const MAX_FINAL_TRIES: u32 = 3;
const MAX_AGE_MS: Millis = 24 * 3_600_000;
const FIRST_BACKOFF_MS: Millis = 5_000;
const MAX_BACKOFF_MS: Millis = 15 * 60_000;
/// For how long a request to a webhook may be under way.
const UNDER_WAY_MS: Millis = 5 * 60_000;
const LOOK_MS: Millis = 10_000;
const LOOK_SELDOM_MS: Millis = 5 * 60_000;
const MAX_GIVEN_UP: usize = 50;
const MAX_TESTS: usize = 16;
