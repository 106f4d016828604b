//! One of several origins, as an isolate knows it.

use crate::forward::capacity::Capacity;
use crate::route::board::choice::Candidate;
use crate::route::board::{Place, Wanted};
use crate::route::breaker::{Breaker, Standing};
use crate::route::door::Door;
use crate::route::fact::Fact;
use crate::route::load::Load;
use crate::route::met::Met;
use crate::route::rendezvous::Ticket;
use crate::route::serves::Serves;
use crate::route::setting::{OriginSetting, Region};
use crate::time::Millis;
use std::collections::BTreeMap;

/// One origin.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) name: String,
    pub(super) serves: Serves,
    pub(super) door: Door,
    pub(super) load: Load,
    ticket: Ticket,
    weight: u8,
    region: Option<Region>,
    /// By model. What was never met has none.
    breakers: BTreeMap<String, Breaker>,
    /// When this isolate last found its door (`None`) or a model up or down.
    found_at: BTreeMap<Option<String>, Millis>,
}

/// How an origin stands for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It takes requests.
    Up,
    /// It takes one, to try.
    Unsure,
    /// It takes none, perhaps until then.
    Down(Millis),
}

impl Post {
    pub(super) fn new(setting: &OriginSetting) -> Self {
        Self {
            name: setting.name.to_string(),
            serves: Serves::new(setting.models.as_deref(), &setting.aliases),
            door: Door::default(),
            load: Load::default(),
            ticket: Ticket::of(setting.name.as_str()),
            weight: setting.weight,
            region: setting.region,
            breakers: BTreeMap::new(),
            found_at: BTreeMap::new(),
        }
    }

    pub(super) fn health(&self, model: &str, now: Millis) -> Health {
        let standing = self.breakers.get(model).map_or(Standing::Closed, |breaker| breaker.standing(now));
        match (self.door.opens_at(), standing) {
            (Some(at), Standing::Open(until)) => Health::Down(at.max(until)),
            (Some(at), _) => Health::Down(at),
            (None, Standing::Open(until)) => Health::Down(until),
            (None, Standing::Trying) => Health::Down(now),
            (None, Standing::HalfOpen) => Health::Unsure,
            (None, Standing::Closed) => Health::Up,
        }
    }

    pub(super) fn candidate(&self, origin: usize, wanted: &Wanted<'_>, now: Millis) -> Candidate {
        let capacity = self.load.capacity(now);
        Candidate {
            origin,
            draw: self.ticket.draw(wanted.beginning.unwrap_or(wanted.otherwise), self.weight),
            running: self.load.running(now),
            weight: self.weight.into(),
            percent: capacity.as_ref().map(Capacity::percent_in_use),
            wait_ms: capacity.and_then(|capacity| capacity.est_ms),
            is_near: self.region.is_some() && self.region == wanted.region,
        }
    }

    /// Lets a request pass, if one may. What is [`Health::Down`] lets none.
    pub(super) fn breaker(&mut self, model: &str) -> Option<&mut Breaker> {
        self.breakers.get_mut(model)
    }

    /// What a request met; tells what has changed by it.
    pub(super) fn met(&mut self, place: &mut Place, met: Met, now: Millis) -> Vec<Fact> {
        let was_open = self.door.is_open();
        match met {
            Met::Served => {
                self.door.answered();
                if place.is_last_resort {
                    self.door.opened();
                }
            }
            Met::Unreached => drop(self.door.not_reached(now)),
            Met::NotReady => drop(self.door.shut(now)),
            Met::Full(wait) => self.load.is_full(wait, now),
            Met::NoModel => self.serves.lacks(&place.model, now),
            Met::Silent | Met::Broken | Met::Nothing => {}
        }
        let mut facts = self.door_fact(was_open, now);
        let pass = place.take_pass();
        let is_known = self.breakers.contains_key(&place.model);
        if met.is_well().is_some() && !is_known && self.breakers.len() >= MAX_BREAKERS {
            // Callers name what they like: what nobody failed for need not be remembered.
            self.breakers.retain(|_, breaker| breaker.open_until().is_some());
        }
        if is_known || met.is_well().is_some() && self.breakers.len() < MAX_BREAKERS {
            let breaker = self.breakers.entry(place.model.clone()).or_default();
            if breaker.met(pass, met.is_well(), now) {
                let down_until = breaker.open_until();
                facts.push(self.fact(Some(place.model.clone()), down_until, now));
            }
        }
        facts
    }

    /// What a change of its door tells.
    pub(super) fn door_fact(&mut self, was_open: bool, now: Millis) -> Vec<Fact> {
        let is_changed = was_open != self.door.is_open();
        let down_until = self.door.opens_at();
        is_changed.then(|| self.fact(None, down_until, now)).into_iter().collect()
    }

    /// What another isolate found out.
    pub(super) fn learn(&mut self, fact: &Fact, now: Millis) {
        if self.found_at.get(&fact.model).is_some_and(|at| *at >= fact.at) {
            return;
        }
        match (&fact.model, fact.down_until) {
            (None, Some(_)) => drop(self.door.shut(now)),
            (None, None) => self.door.hurry(now),
            (Some(model), Some(until)) => {
                if until > now && (self.breakers.contains_key(model) || self.breakers.len() < MAX_BREAKERS) {
                    self.breakers.entry(model.clone()).or_default().told_open(until);
                }
            }
            (Some(model), None) => {
                if let Some(breaker) = self.breakers.get_mut(model) {
                    breaker.half_open(now);
                }
            }
        }
        self.found(fact.model.clone(), fact.at);
    }

    /// It answers a probe and is ready: whatever it failed over before may be well.
    pub(super) fn is_ready(&mut self, now: Millis) {
        self.breakers.values_mut().for_each(|breaker| breaker.half_open(now));
    }

    fn fact(&mut self, model: Option<String>, down_until: Option<Millis>, now: Millis) -> Fact {
        self.found(model.clone(), now);
        Fact { origin: self.name.clone(), model, down_until, at: now }
    }

    fn found(&mut self, of: Option<String>, at: Millis) {
        if self.found_at.len() > MAX_BREAKERS {
            self.found_at.clear();
        }
        self.found_at.insert(of, at);
    }
}

/// How many breakers an origin has at most.
const MAX_BREAKERS: usize = 64;
