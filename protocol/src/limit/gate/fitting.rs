//! How much of a request fits where all of it does not.

use crate::id::RequestId;
use crate::limit::ask::{Exact, Facts, Rule};
use crate::limit::decision::Outcome;
use crate::limit::state::GateState;
use crate::request::cost::work::Work;
use crate::time::Millis;

impl GateState {
    /// The most tokens that a request may generate to be let through at `now`, if it is refused as it is, by limits of
    /// tokens or cost alone, and so many at least are let through. One token more is refused. `first`: the reservation
    /// that this one takes the place of.
    pub fn fitting(
        &self,
        rules: &[Rule<'_>],
        facts: &Facts,
        least: u32,
        first: Option<RequestId>,
        now: Millis,
    ) -> Option<u32> {
        if self.lease_of(facts.request) || least >= facts.work.max_tokens {
            return None;
        }
        let given_back = first.map(|first| {
            let mut state = self.clone();
            state.settle(first, Outcome::NotServed, now);
            state
        });
        let state = given_back.as_ref().unwrap_or(self);
        let refused = state.evaluate(rules, facts, now);
        if refused.is_empty() || refused.iter().any(|limit| !limit.kind.unit().is_of_tokens()) {
            return None;
        }
        let mut trial = Facts { exact: Exact { max_tokens: true, ..facts.exact }, ..facts.clone() };
        let mut fits = |max_tokens| {
            trial.work = Work { max_tokens, ..facts.work };
            state.evaluate(rules, &trial, now).is_empty()
        };
        if !fits(least) {
            return None;
        }
        let (mut fitting, mut over) = (least, facts.work.max_tokens);
        while over - fitting > 1 {
            let middle = fitting + (over - fitting) / 2;
            if fits(middle) {
                fitting = middle;
            } else {
                over = middle;
            }
        }
        Some(fitting)
    }
}
