//! The decision: rules + state + facts + now -> admit or refuse, and later settle.
//!
//! Every rule is evaluated first; then all are committed or none. A refusal changes nothing, names every limit that
//! refused, and carries the exact time at which this very request would pass. Admit and settle are keyed by the request's
//! id: repeated, reordered and late messages change nothing.

mod clock;
mod fitting;
mod passes;

pub use clock::{CLOSED_MS, GRACE_MS, MAX_CLOSED, STEP_BACK_MS};

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::ask::{Facts, Rule, is_metered, reserve};
use crate::limit::count::{Moment, Room, Scope};
use crate::limit::decision::{Admitted, Blanket, Decision, Outcome, Passes, Refused, Totals};
use crate::limit::kind::parallel::Parallel;
use crate::limit::kind::{CountInLog, Fit, Kind, Tally, Unit};
use crate::limit::lease::{Among, Counted, Lease, Metered};
use crate::limit::plan::{Limit, Per, When};
use crate::limit::state::{ClosedMark, GateState, MAX_BYTES, most_bytes};
use crate::request::bodies::chat::Used;
use crate::request::cost::work::Work;
use crate::time::Millis;
use crate::usage::hours::{Finished, Hours};
use crate::usage::refusals::Refusals;
use passes::passes;

fn mark(request: RequestId) -> ClosedMark {
    let [a, b, c, d, e, f, g, h, ..] = request.0;
    [a, b, c, d, e, f, g, h]
}

/// How a lease ends.
#[derive(Clone, Copy)]
enum Ended {
    /// As its edge says.
    Told(Outcome),
    /// The same request is asked for again, with what the origin has counted.
    GivenBack,
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
    /// Decides one ask. [`Decision::Admit`] has changed the state (unless the request held its lease already), and the
    /// caller must store it before it answers; any other decision has changed nothing.
    pub fn admit(&mut self, rules: &[Rule<'_>], lease_ms: u64, facts: &Facts, now: Millis) -> Decision {
        let (now, changed_at) = (self.clamp(now), self.latest(now));
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
        Decision::Admit(self.commit(evaluation, rules, lease_ms, facts, (now, changed_at)))
    }

    /// Decides one ask for a request whose first reservation was too small for what the origin then counted: that one is
    /// given back, and this one is asked for. Where it is refused, the first stays counted as a request and nothing more:
    /// the origin has worked for it. Returns whether the state changed.
    pub fn readmit(
        &mut self,
        rules: &[Rule<'_>],
        lease_ms: u64,
        first: RequestId,
        facts: &Facts,
        now: Millis,
    ) -> (Decision, bool) {
        let is_new = !self.lease_of(facts.request);
        let mut given_back = self.clone();
        let is_ended = given_back.end(first, Ended::GivenBack, now);
        let decision = given_back.admit(rules, lease_ms, facts, now);
        if let Decision::Admit(_) = decision {
            *self = given_back;
            return (decision, is_ended || is_new);
        }
        let is_ended = self.end_counted(first, now);
        // Asked once more, because what it has to wait for counts that request, too.
        let decision = self.admit(rules, lease_ms, facts, now);
        let is_admitted = matches!(decision, Decision::Admit(_));
        (decision, is_ended || (is_admitted && is_new))
    }

    /// Ends the lease of a request that the origin took up and nothing was computed for. Returns whether the state changed.
    pub fn end_counted(&mut self, request: RequestId, now: Millis) -> bool {
        self.settle(request, Outcome::Served(Some(Used::NOTHING)), now)
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
        self.end(request, Ended::Told(outcome), now)
    }

    /// What was used in the current hour.
    pub const fn hours(&self) -> &Hours {
        &self.hours
    }

    /// Adds refusals that nobody has stored yet, once something is stored.
    pub fn add_refusals(&mut self, refusals: &mut Refusals) {
        self.hours.add_refusals(refusals);
    }

    /// Hours that ended since this was asked last, for whoever stores the state: they are to be stored before it.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        self.hours.take_finished()
    }

    /// Leases that ended by themselves since this was asked last, for whoever tells of them.
    pub fn take_lapsed(&mut self) -> u64 {
        self.hours.take_lapsed()
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

    /// Whether anything is kept for a limit.
    pub fn holds(&self, limit: &Limit) -> bool {
        self.counts.holds(limit)
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
        self.leases.live(self.clamp(now), Among::All).count()
    }

    /// [`Self::settle`], also of what is asked for again.
    fn end(&mut self, request: RequestId, ended: Ended, now: Millis) -> bool {
        let now = self.latest(now);
        if self.is_closed(request) {
            return false;
        }
        self.turn(now);
        if let Some(lease) = self.leases.release(request) {
            for counted in &lease.counted {
                let Some(log) = counted.log else { continue };
                let unused = match ended {
                    Ended::Told(Outcome::NotServed) | Ended::GivenBack => counted.amount,
                    Ended::Told(Outcome::Served(None)) => 0,
                    Ended::Told(Outcome::Served(Some(used))) => counted.unused(lease.metered, used),
                };
                let name = (counted.limit.clone(), counted.unit, log);
                self.counts.refund(&name, counted.scope, counted.at, unused);
            }
            match ended {
                Ended::Told(Outcome::Served(used)) => {
                    self.totals.add(used, lease.metered);
                    if let Some(totals) = self.usage.get_mut(&lease.key) {
                        totals.add(used, lease.metered);
                    }
                    self.hours.served(lease.place, used, lease.metered.map(|metered| metered.work));
                }
                Ended::Told(Outcome::NotServed) => self.hours.failed(lease.place),
                Ended::GivenBack => {}
            }
        }
        self.closed.push_back((now, mark(request)));
        self.tidy(now);
        true
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
        let all = self.leases.live(now, Among::All);
        let Parallel { limit: most } = Parallel::OF_ACCOUNT;
        if let Fit::At(at) = Parallel::OF_ACCOUNT.fit(Tally { log: None, leases: &all }, now, most.into(), 1) {
            evaluation.refused.push(Refused {
                limit: "leases".into(),
                kind: Parallel::OF_ACCOUNT.into(),
                amount: 1,
                used: most.into(),
                passes: Passes::At(at),
                blanket: Blanket::No,
            });
        }
        evaluation
    }

    fn evaluate_rule(&self, rule: &Rule<'_>, facts: &Facts, work: Work, now: Millis) -> (Counted, Option<Refused>) {
        let limit = rule.limit;
        let amount = rule.amount(facts.rate, work);
        let counted_amount = match limit.unit() {
            Unit::Money => amount,
            // What is too large for any count is too large for any limit.
            Unit::Requests | Unit::Tokens | Unit::Cost | Unit::Images => amount.min(u32::MAX.into()),
        };
        let scope = self.counts.scope(limit, rule.value(facts), now, Room::OF_ACCOUNT);
        let live = self.leases.live(now, among(rule, scope));
        let tally = Tally { log: self.counts.get(limit, scope, now), leases: &live };
        let earliest = |quota: u64| match quota {
            // Its hours have closed it. A budget of nothing lets through what costs nothing.
            0 if rule.quota > 0 || counted_amount > 0 => Fit::Never,
            quota if counted_amount > quota => Fit::Never,
            quota => limit.kind.fit(tally, now, quota, counted_amount),
        };
        let refused = passes(rule, facts.pressure, now, earliest).map(|passes| Refused {
            limit: limit.name.clone(),
            kind: limit.kind.refused(rule.quota_at(limit.schedule.percent_at(now), facts.pressure), limit.per),
            amount: counted_amount,
            used: limit.kind.used(tally, now),
            passes,
            blanket: rule.blanket,
        });
        let counted = Counted {
            limit: limit.name.clone(),
            unit: limit.unit(),
            log: limit.kind.in_log().map(CountInLog::log_kind),
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
        (decided_at, now): (Millis, Millis),
    ) -> Admitted {
        self.tidy(now);
        // What a bucket folds has drained for good, so it may only be what came before a reading that is sure.
        let oldest = self.leases.oldest().unwrap_or(now).min(self.sure);
        let Evaluation { shadowed, counted, metered, .. } = evaluation;
        let add = |(place, mut counted): (usize, Counted)| {
            let rule: &Rule<'_> = &rules[place];
            let moment = Moment { now, oldest, span: rule.span };
            counted.at = self.counts.add(rule.limit, counted.scope, counted.amount, moment);
            counted
        };
        let counted = counted.into_iter().map(add).collect();
        for limit in &shadowed {
            let count = self.shadowed.entry(limit.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let (deadline, told) = (now.saturating_add(lease_ms), decided_at.saturating_add(lease_ms));
        let place = Some(self.hours.place(facts.whose(), facts.rate));
        self.leases.grant(Lease { request: facts.request, key: facts.key, at: now, deadline, metered, place, counted });
        self.keep_small();
        Admitted { deadline: told, metered: metered.and_then(Metered::granted), shadowed }
    }

    /// Keeps the row below what an object can store: logs become coarser, which lets nothing more through. Where even that
    /// does not suffice, leases give nothing back.
    fn keep_small(&mut self) {
        for parts in [32, 8, 1] {
            if most_bytes(self) <= MAX_BYTES {
                return;
            }
            self.counts.coarsen(parts);
        }
        if most_bytes(self) > MAX_BYTES {
            self.leases.keep_what_they_count();
        }
    }

    fn is_closed(&self, request: RequestId) -> bool {
        let mark = mark(request);
        self.closed.iter().any(|(_, closed)| *closed == mark)
    }
}

/// Which leases a limit counts, if leases are its count. One that is about all requests of the account counts all, also those that were
/// admitted before it existed.
pub(crate) fn among<'r>(rule: &Rule<'r>, scope: Scope) -> Among<'r> {
    match rule.limit.per {
        Per::Account if rule.limit.when == When::default() => Among::All,
        _ => Among::Counted(&rule.limit.name, scope),
    }
}
