//! An account at its Gate: its keys, its settings and its state. It takes calls and gives answers; the shell around it
//! only loads, stores and carries.

mod bend;
mod budgets;
mod caller;
mod change;
mod command;
mod describe;
mod rules;

use crate::auth::permission::{Access, Scope};
use crate::auth::principal::Mark;
use crate::hop::gate_call::description::StorageCounters;
use crate::hop::gate_call::{Admission, Answer, Ask, Call, Caller, Kept};
use crate::id::RequestId;
use crate::limit::ask::Facts;
use crate::limit::calendar::{Calendar, Cycle};
use crate::limit::decision::{Admitted, Decision};
use crate::limit::plan::PlanTable;
use crate::limit::standing::For;
use crate::limit::state::GateState;
use crate::time::Millis;
use crate::usage::hours::Hours;
use crate::usage::refusals::Refusals;
use crate::usage::report::{Tally, UsageQuery};
use crate::usage::{DAY_HOURS, HOUR_MS};
use bend::{Bent, bent};
use caller::{Known, bounds, known, models};
use rules::rules;
use std::fmt;

pub use caller::forbidden;
pub use rules::max_tokens;

/// Everything a Gate keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What an admin has set for it, and its keys.
    pub kept: Kept,
    /// What it did.
    pub state: GateState,
    /// Refusals since it was stored. They are not stored by themselves.
    pub refusals: Refusals,
}

/// What must be stored before an answer may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// [`Account::kept`].
    pub kept: bool,
    /// [`Account::state`].
    pub state: bool,
}

/// What calls are decided with, besides the account itself.
#[derive(Clone, Copy, Debug)]
pub struct DecisionContext<'s> {
    /// The account's name, as exemptions have it.
    pub account: &'s str,
    /// The plans.
    pub table: &'s PlanTable,
    /// The periods that its limits count in, at the times of [`Account::times`].
    pub calendar: &'s Calendar,
    /// What the object has done so far.
    pub storage: StorageCounters,
    /// What was used in hours that are over.
    pub history: History<'s>,
}

/// Reads rows of usage that a query is about, where somebody asks for them.
#[derive(Clone, Copy)]
pub struct History<'s>(pub &'s dyn Fn(&UsageQuery) -> Tally);

impl History<'static> {
    /// Nothing was used before this hour.
    pub const NONE: Self = Self(&|_| Tally::default());
}

impl fmt::Debug for History<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("History")
    }
}

/// `max_tokens` where neither a request nor its plan names one.
pub const DEFAULT_MAX_TOKENS: u32 = 1_024;
/// Keys of one account at most: its row must stay small.
pub const MAX_KEYS: usize = 256;

impl Account {
    /// The calendar's periods that its limits may count in: those of all plans, and of its keys' own limits.
    pub fn cycles<'a>(&'a self, table: &'a PlanTable) -> impl Iterator<Item = Cycle> + 'a {
        let own = self.kept.keys.iter().flat_map(|record| &record.limits).filter_map(|limit| limit.kind.cycle());
        table.cycles().chain(own).filter(|cycle| !cycle.is_ever())
    }

    /// The times at which calls are decided that come at `now`: a clock that went back stands still, or was wrong before.
    pub fn times(&self, now: Millis) -> [Millis; 2] {
        [now, self.state.latest(now)]
    }

    /// Does several calls, each on its own and in order, as if they had come one by one.
    pub fn answer_all(&mut self, calls: &[Call], setting: DecisionContext<'_>, now: Millis) -> (Vec<Answer>, Changed) {
        let mut changed = Changed::default();
        let answer = |call: &Call| {
            let (answer, by_this) = self.answer(call, setting, now);
            changed.kept |= by_this.kept;
            changed.state |= by_this.state;
            answer
        };
        let answers = calls.iter().map(answer).collect();
        (answers, changed)
    }

    /// Does one call at `now`. What it changed is in the second part of the result.
    pub fn answer(&mut self, call: &Call, setting: DecisionContext<'_>, now: Millis) -> (Answer, Changed) {
        let answered = self.decide(call, setting, now);
        if answered.1.state {
            self.state.add_refusals(&mut self.refusals);
        }
        answered
    }

    fn decide(&mut self, call: &Call, setting: DecisionContext<'_>, now: Millis) -> (Answer, Changed) {
        let moves_on = matches!(call, Call::Admit(_) | Call::Readmit { .. } | Call::Settle { .. });
        let seen = moves_on && self.state.see(now, setting.calendar);
        let state_changed = |state| Changed { state: state || seen, ..Changed::default() };
        match call {
            Call::Admit(ask) => {
                let (answer, changed) = self.admit(ask, None, setting, now);
                (answer, state_changed(changed))
            }
            Call::Readmit { first, ask } => {
                let (answer, changed) = self.admit(ask, Some(*first), setting, now);
                (answer, state_changed(changed))
            }
            Call::Identify { caller, scope, address } => {
                let access = Access { scope: *scope, model: None, address: *address };
                (self.identify(caller, &access, setting, now), Changed::default())
            }
            Call::DescribeCaller { caller, address } => {
                let access = Access { address: *address, ..Access::default() };
                (self.describe_caller(caller, &access, setting, now), Changed::default())
            }
            Call::Settle { request, outcome } => {
                let changed = self.state.settle(*request, *outcome, now);
                (Answer::Done(changed), state_changed(changed))
            }
            Call::Do(command) => self.command(command, setting, now),
            Call::DescribeKey { key } => (self.describe_key(*key, setting, now), Changed::default()),
            Call::NoteRefusals { id, refusals } => {
                let hour = self.state.latest(now) / HOUR_MS;
                let is_new = self.refusals.is_new(*id);
                for one in refusals.iter().filter(|_| is_new) {
                    // By the isolate's clock, which may be ahead.
                    self.refusals.add(one.hour.min(hour), &one.whose, &one.limit, one.count);
                }
                (Answer::Done(false), Changed::default())
            }
            Call::DescribeUsage { asker, query } => {
                (self.describe_usage(asker.as_deref(), query, setting, now), Changed::default())
            }
            Call::DescribeAccount => {
                (Answer::Account(Box::new(self.describe_account(setting, now))), Changed::default())
            }
        }
    }

    /// Decides one ask, and says whether the state changed. `first`: see [`Call::Readmit`].
    fn admit(
        &mut self,
        ask: &Ask,
        first: Option<RequestId>,
        setting: DecisionContext<'_>,
        now: Millis,
    ) -> (Answer, bool) {
        let Self { kept, state, refusals } = self;
        let access = Access { scope: Some(Scope::from(ask.endpoint)), model: Some(&ask.model), address: ask.address };
        let known = known(kept, &ask.caller, &access, setting.table, state.latest(now));
        let known = known.and_then(|known| match forbidden(&known.plan.allowance, ask) {
            Some(forbidden) => Err(Answer::NotAllowed { plan: known.plan.name.clone(), forbidden }),
            None => bent(&known, ask, setting.table).map(|bent| (known, bent)),
        });
        let (known, Bent { mut facts, mut degraded }) = match known {
            Ok(known) => known,
            Err(answer) => return (answer, first.is_some_and(|first| state.end_counted(first, now))),
        };
        let rules = match rules(kept, &known, setting, (ask.address, state.latest(now))) {
            Ok(rules) => rules,
            Err(answer) => return (answer, first.is_some_and(|first| state.end_counted(first, now))),
        };
        let wanted = facts.work.max_tokens;
        let least = known.plan.clamp.filter(|_| ask.bending.may);
        if let Some(most) = least.and_then(|least| state.fitting(&rules, &facts, least, first, now)) {
            (facts.work.max_tokens, facts.exact.max_tokens) = (most, true);
        }
        let is_new = !state.lease_of(ask.request);
        let hour = state.hours().hour();
        let lease_ms = known.plan.lease_ms;
        let (decision, changed) = match first {
            Some(first) => state.readmit(&rules, lease_ms, first, &facts, now),
            None => {
                let decision = state.admit(&rules, lease_ms, &facts, now);
                let is_admitted = matches!(decision, Decision::Admit(_));
                (decision, is_admitted && is_new)
            }
        };
        let answer = match decision {
            Decision::Admit(admitted) => {
                if is_new && known.record.is_some() {
                    state.watch_usage(known.mark);
                }
                if let (Some(_), Some(granted)) = (least, admitted.metered) {
                    // Also of a message that came again.
                    degraded.clamped = Some(granted.max_tokens).filter(|granted| *granted < wanted);
                }
                let admission = admission(&known, &facts, admitted, state.clamp(now));
                let max_tokens = match admission.max_tokens {
                    // No limit counts tokens, and the plan has no bound of its own.
                    0 => degraded.max_tokens.unwrap_or(0),
                    bound => bound,
                };
                Answer::Admitted(Box::new(Admission {
                    standings: state.standings(&rules, For::Request(&facts), now),
                    max_tokens,
                    degraded: Some(Box::new(degraded)).filter(|degraded| degraded.is_any()),
                    is_to_be_listed: state.hours().hour() != hour
                        && is_to_be_listed(setting.account, hour, state.hours()),
                    ..admission
                }))
            }
            Decision::Refuse(refused) => {
                if refusals.is_new(ask.request) {
                    refusals.note(&facts.whose(), refused.iter().map(|one| one.limit.as_str()), state.latest(now));
                }
                Answer::Limited {
                    plan: known.plan.name.clone(),
                    refused,
                    standings: state.standings(&rules, For::Request(&facts), now),
                    now: state.clamp(now),
                }
            }
            Decision::Closed => Answer::Closed,
        };
        (answer, changed)
    }

    fn identify(&self, caller: &Caller, access: &Access<'_>, setting: DecisionContext<'_>, now: Millis) -> Answer {
        let known = match known(&self.kept, caller, access, setting.table, self.state.latest(now)) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let rules = match rules(&self.kept, &known, setting, (None, self.state.latest(now))) {
            Ok(rules) => rules,
            Err(answer) => return answer,
        };
        let now = self.state.clamp(now);
        Answer::Identified(Box::new(Admission {
            plan: known.plan.name.clone(),
            priority: known.plan.priority,
            deadline: now.saturating_add(known.plan.lease_ms),
            tokens: 0,
            max_tokens: 0,
            max_prompt_tokens: 0,
            standings: self.state.standings(&rules, For::Caller(known.mark), now),
            shadowed: Vec::new(),
            bounds: bounds(&known),
            models: models(&known),
            now,
            degraded: None,
            is_to_be_listed: false,
        }))
    }
}

/// Whether somebody is to know now that there is such an account: with the first request of all, and then once a day, each
/// account in an hour of its own.
fn is_to_be_listed(account: &str, before: u64, hours: &Hours) -> bool {
    let Mark([turn, ..]) = Mark::of(account);
    before == 0 || hours.hour() % DAY_HOURS == u64::from(turn) % DAY_HOURS
}

fn admission(known: &Known<'_>, facts: &Facts, admitted: Admitted, now: Millis) -> Admission {
    let Admitted { deadline, metered, shadowed } = admitted;
    let allowance = &known.plan.allowance;
    let is_bounded = allowance.max_tokens.is_some() || allowance.default_max_tokens.is_some();
    let max_tokens = match metered {
        Some(work) => work.max_tokens,
        None if is_bounded => facts.work.max_tokens,
        None => 0,
    };
    Admission {
        plan: known.plan.name.clone(),
        priority: known.plan.priority,
        deadline,
        tokens: metered.map_or(0, |work| u64::from(work.prompt_tokens) + u64::from(work.max_tokens)),
        max_tokens,
        max_prompt_tokens: allowance.max_input_tokens.unwrap_or(0),
        standings: Vec::new(),
        shadowed,
        bounds: bounds(known),
        models: Vec::new(),
        now,
        degraded: None,
        is_to_be_listed: false,
    }
}
