//! The decision: rules + state + facts + now -> admit or refuse, and later settle.
//!
//! Every rule is evaluated first; then all are committed or none. A refusal changes nothing, names every limit that
//! refused, and carries the exact time at which this very request would pass. Admit and settle are keyed by the request's
//! id: repeated, reordered and late messages change nothing.

mod passes;

use crate::Millis;
use crate::ask::{Facts, Rule, is_metered, reserve};
use crate::chat::Usage;
use crate::cost::Work;
use crate::count::{self, Counts};
use crate::id::RequestId;
use crate::lease::{Among, Counted, Lease, Leases, Metered};
use crate::plan::{LimitKind, Per, Unit, When};
use crate::principal::Mark;
use crate::window::Fit;
use passes::{kind_now, passes};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// All that a Gate knows of what an account did. Plain data: see [`crate::state`] for how it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateState {
    /// The latest time that was ever decided at. Time never goes back behind it.
    pub(crate) last_now: Millis,
    /// What was counted.
    pub(crate) counts: Counts,
    /// What is admitted and not settled.
    pub(crate) leases: Leases,
    /// What was settled lately, oldest first, so that a late or repeated message for it is recognised. Half of the
    /// request's random id is enough to tell requests apart, and keeps a busy account's row small.
    pub(crate) closed: VecDeque<(Millis, ClosedMark)>,
    /// What was used in all.
    pub(crate) totals: Totals,
    /// How many requests each watched limit would have refused.
    pub(crate) shadowed: BTreeMap<String, u64>,
    /// What of the totals each key has used, of those that are watched.
    pub(crate) usage: BTreeMap<Mark, Totals>,
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go.
    Admit(Admitted),
    /// No. Nothing changed.
    Refuse(Vec<Refused>),
    /// This request was settled before: the message is late. Nothing changed, and it must not be forwarded.
    Closed,
}

/// What was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// When the lease ends by itself.
    pub deadline: Millis,
    /// What the request may use, if some limit of tokens or cost counts it.
    pub metered: Option<Work>,
    /// Watched limits that would have refused it.
    pub shadowed: Vec<String>,
}

/// One limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The limit's name.
    pub limit: String,
    /// What kind it is, and what it lets through at the time of the decision.
    pub kind: RefusedKind,
    /// What the request asked for.
    pub amount: u32,
    /// What counted already.
    pub used: u32,
    /// When the request would pass this limit.
    pub passes: Passes,
    /// Whether it refuses, until then, whatever this caller asks for.
    pub is_blanket: bool,
}

/// When a refused request would pass, if nothing else is counted or settled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passes {
    /// At this time, in milliseconds since the epoch; not one millisecond earlier.
    At(Millis),
    /// When the origin is less full: it would pass then, or at least sooner.
    LessFull,
    /// Never: it asks for more than the limit ever lets through.
    Never,
}

/// What kind of limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedKind {
    /// `limit` in any span of `window_ms`.
    Window {
        /// Of what.
        unit: Unit,
        /// The limit.
        limit: u32,
        /// The span.
        window_ms: u64,
    },
    /// A token bucket.
    Bucket {
        /// Of what.
        unit: Unit,
        /// What it holds when it is full.
        capacity: u32,
    },
    /// `limit` at once.
    Parallel {
        /// The limit.
        limit: u32,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The origin took it, to the end or until the caller left, or refused it as a bad request: it stays counted.
    /// The usage is absent where the origin gave none or the stream broke off before its last event: then all that was
    /// reserved stays counted.
    Served(Option<Usage>),
    /// It was a good request and we failed it (origin full, down or draining): taken back from every limit.
    NotServed,
}

/// What an account has used since its Gate first saw it. Saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were settled as served.
    pub served: u64,
    /// Tokens of their prompts, as far as the origin told.
    pub prompt_tokens: u64,
    /// Tokens of their answers, as far as the origin told.
    pub completion_tokens: u64,
    /// What they cost, as far as a limit counted cost.
    #[serde(default)]
    pub cost: u64,
}

/// How long a settled request is remembered. An edge gives up on a lost message long before.
pub const CLOSED_MS: u64 = 2 * 60 * 1000;
/// How many settled requests are remembered at most. Past it a late message can only make the Gate stricter: a settle
/// without a lease takes nothing back and adds nothing up, and an admit is counted and holds a lease until its deadline.
pub const MAX_CLOSED: usize = 128;
/// Leases of one account at once, whatever its plan says: its row must stay small.
pub const MAX_LEASES: usize = 2_048;

/// Half of a request's id.
pub(crate) type ClosedMark = [u8; 8];

fn mark(request: RequestId) -> ClosedMark {
    let [a, b, c, d, e, f, g, h, ..] = request.0;
    [a, b, c, d, e, f, g, h]
}

/// What the rules say of a request, before anything is changed.
struct Evaluation {
    refused: Vec<Refused>,
    shadowed: Vec<String>,
    /// Where it will be counted, if it is admitted, and by which rule; `at` is filled in then.
    counted: Vec<(usize, Counted)>,
    metered: Option<Metered>,
}

impl GateState {
    /// The time to decide at: `now`, or the last time if the clock went back.
    pub fn clamp(&self, now: Millis) -> Millis {
        now.max(self.last_now)
    }

    /// Decides one ask. [`Decision::Admit`] has changed the state (unless the request held its lease already), and the
    /// caller must store it before it answers; any other decision has changed nothing.
    pub fn admit(&mut self, rules: &[Rule<'_>], lease_ms: u64, facts: &Facts, now: Millis) -> Decision {
        let now = self.clamp(now);
        if let Some(lease) = self.leases.find(facts.request) {
            let metered = lease.metered.and_then(Metered::granted);
            return Decision::Admit(Admitted { deadline: lease.deadline, metered, shadowed: Vec::new() });
        }
        if self.is_closed(facts.request) {
            return Decision::Closed;
        }
        let evaluation = self.evaluation(rules, facts, now);
        if !evaluation.refused.is_empty() {
            return Decision::Refuse(evaluation.refused);
        }
        Decision::Admit(self.commit(evaluation, rules, lease_ms, facts, now))
    }

    /// Which rules refuse this request at `now`, and until when. Empty if it would pass.
    pub fn evaluate(&self, rules: &[Rule<'_>], facts: &Facts, now: Millis) -> Vec<Refused> {
        self.evaluation(rules, facts, self.clamp(now)).refused
    }

    /// Ends a request's lease. Returns whether the state changed and must be stored.
    ///
    /// A settle that comes before its admit (or long after its lease) leaves a mark, so that the admit, if it comes yet,
    /// is recognised as late.
    pub fn settle(&mut self, request: RequestId, outcome: Outcome, now: Millis) -> bool {
        let now = self.clamp(now);
        if self.is_closed(request) {
            return false;
        }
        if let Some(lease) = self.leases.release(request) {
            for counted in &lease.counted {
                let Some(log) = counted.log else { continue };
                let unused = match outcome {
                    Outcome::NotServed => counted.amount,
                    Outcome::Served(None) => 0,
                    Outcome::Served(Some(usage)) => counted.unused(lease.metered, usage),
                };
                let name = (counted.limit.clone(), counted.unit, log);
                self.counts.refund(&name, counted.scope, counted.at, unused);
            }
            if let Outcome::Served(usage) = outcome {
                self.totals.add(usage, lease.metered);
                if let Some(totals) = self.usage.get_mut(&lease.key) {
                    totals.add(usage, lease.metered);
                }
            }
        }
        self.closed.push_back((now, mark(request)));
        self.tidy(now);
        true
    }

    /// What was used in all.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// What a key has used since it is watched.
    pub fn usage(&self, key: Mark) -> Totals {
        self.usage.get(&key).copied().unwrap_or_default()
    }

    /// Adds up from now on what this key uses. Nothing that must be stored at once: it comes with the next lease.
    pub fn watch_usage(&mut self, key: Mark) {
        self.usage.entry(key).or_default();
    }

    /// Forgets what a key has used. Returns whether there was anything to forget.
    pub fn forget_usage(&mut self, key: Mark) -> bool {
        self.usage.remove(&key).is_some()
    }

    /// How many requests this watched limit would have refused.
    pub fn shadowed(&self, limit: &str) -> u64 {
        self.shadowed.get(limit).copied().unwrap_or(0)
    }

    /// Whether this request holds a lease that is kept: a repeated admit for it changes nothing.
    pub fn lease_of(&self, request: RequestId) -> bool {
        self.leases.find(request).is_some()
    }

    /// How many requests hold a lease at `now`.
    pub fn live_leases(&self, now: Millis) -> usize {
        self.leases.live(self.clamp(now), Among::All)
    }

    fn evaluation(&self, rules: &[Rule<'_>], facts: &Facts, now: Millis) -> Evaluation {
        let work = reserve(rules, facts);
        let metered = is_metered(rules, facts);
        let metered = metered.map(|is_enforced| Metered { work, rate: facts.rate, is_enforced });
        let mut evaluation = Evaluation { refused: Vec::new(), shadowed: Vec::new(), counted: Vec::new(), metered };
        for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.applies(facts)) {
            let (counted, refused) = self.evaluate_rule(rule, facts, work, now);
            match refused {
                Some(_) if rule.limit.shadow => evaluation.shadowed.push(rule.limit.name.clone()),
                Some(refused) => evaluation.refused.push(refused),
                None => {}
            }
            evaluation.counted.push((place, counted));
        }
        if let Some(at) = self.leases.fits_at(now, MAX_LEASES, Among::All) {
            evaluation.refused.push(Refused {
                limit: "leases".into(),
                kind: RefusedKind::Parallel { limit: MAX_LEASES as u32 },
                amount: 1,
                used: MAX_LEASES as u32,
                passes: Passes::At(at),
                is_blanket: false,
            });
        }
        evaluation
    }

    fn evaluate_rule(&self, rule: &Rule<'_>, facts: &Facts, work: Work, now: Millis) -> (Counted, Option<Refused>) {
        let limit = rule.limit;
        let amount = rule.amount(facts.rate, work);
        // What is too large for any count is too large for any limit.
        let counted_amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let value = rule.value(facts);
        let is_parallel = matches!(limit.kind, LimitKind::Parallel { .. });
        let scope = match value {
            // Leases are counted value by value: there are never too many.
            Some(value) if is_parallel => count::Scope::Value(value),
            value => self.counts.scope(limit, value, now),
        };
        let log = self.counts.get(limit, scope);
        let among = among(rule, scope);
        let earliest = |quota: u32| match limit.kind {
            _ if quota == 0 => Fit::Never,
            LimitKind::Parallel { .. } => self.leases.fits_at(now, quota as usize, among).map_or(Fit::Now, Fit::At),
            _ if counted_amount > quota => Fit::Never,
            _ => log.map_or(Fit::Now, |log| log.fit(limit, now, quota, counted_amount)),
        };
        let refused = passes(rule, facts.pressure, now, earliest).map(|passes| Refused {
            limit: limit.name.clone(),
            kind: kind_now(rule, facts.pressure, now),
            amount: counted_amount,
            used: match is_parallel {
                true => self.leases.live(now, among) as u32,
                false => log.map_or(0, |log| u32::try_from(log.used(limit, now)).unwrap_or(u32::MAX)),
            },
            passes,
            is_blanket: rule.is_blanket,
        });
        let counted = Counted {
            limit: limit.name.clone(),
            unit: limit.unit(),
            log: count::kind(limit),
            scope,
            at: now,
            amount: counted_amount,
        };
        (counted, refused)
    }

    fn commit(
        &mut self,
        evaluation: Evaluation,
        rules: &[Rule<'_>],
        lease_ms: u64,
        facts: &Facts,
        now: Millis,
    ) -> Admitted {
        self.tidy(now);
        let oldest = self.leases.oldest().unwrap_or(now);
        let Evaluation { shadowed, counted, metered, .. } = evaluation;
        let add = |(place, mut counted): (usize, Counted)| {
            let rule: &Rule<'_> = &rules[place];
            counted.at = self.counts.add(rule.limit, counted.scope, counted.amount, now, oldest);
            counted
        };
        let counted = counted.into_iter().map(add).collect();
        for limit in &shadowed {
            let count = self.shadowed.entry(limit.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let deadline = now.saturating_add(lease_ms);
        self.leases.grant(Lease { request: facts.request, key: facts.key, at: now, deadline, metered, counted });
        Admitted { deadline, metered: metered.and_then(Metered::granted), shadowed }
    }

    fn is_closed(&self, request: RequestId) -> bool {
        let mark = mark(request);
        self.closed.iter().any(|(_, closed)| *closed == mark)
    }

    /// Moves time on and forgets what no longer matters.
    fn tidy(&mut self, now: Millis) {
        self.last_now = now;
        self.leases.drop_expired(now);
        self.counts.drop_expired(now);
        while self.closed.front().is_some_and(|(at, _)| at.saturating_add(CLOSED_MS) <= now)
            || self.closed.len() > MAX_CLOSED
        {
            self.closed.pop_front();
        }
    }
}

/// Which leases a parallel limit counts. One that is about all requests of the account counts all, also those that were
/// admitted before it existed.
pub(crate) fn among<'r>(rule: &Rule<'r>, scope: count::Scope) -> Among<'r> {
    match rule.limit.per {
        Per::Account if rule.limit.when == When::default() => Among::All,
        _ => Among::Counted(&rule.limit.name, scope),
    }
}

impl Totals {
    fn add(&mut self, usage: Option<Usage>, metered: Option<Metered>) {
        let told = usage.unwrap_or_default();
        self.served = self.served.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(told.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(told.completion_tokens);
        if let Some(Metered { work, rate, .. }) = metered {
            let cost = usage.map_or_else(|| rate.reserve(work), |usage| rate.used(work, usage));
            self.cost = self.cost.saturating_add(cost);
        }
    }
}
