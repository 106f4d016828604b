//! An account at its Gate: its keys, its settings and its state. It takes calls and gives answers; the shell around it
//! only loads, stores and carries.

mod change;
mod rules;

use crate::Millis;
use crate::ask::Facts;
use crate::gate::{Admitted, Decision, GateState, Passes, Refused};
use crate::gate_call::{
    AccountChange, AccountDescription, Admission, Answer, Ask, Call, Caller, CallerDescription, Forbidden, KeyChange,
    KeyDescription, KeyRecord, Settings, StorageCounters,
};
use crate::plan::{Allowance, Plan, PlanTable};
use crate::principal::Mark;
use crate::standing::For;
use rules::{facts, rules};
use std::collections::BTreeMap;

/// Everything a Gate keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What an admin has set for the account itself.
    pub settings: Settings,
    /// Its keys.
    pub keys: Vec<KeyRecord>,
    /// What it did.
    pub state: GateState,
}

/// What must be stored before an answer may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// [`Account::keys`] or [`Account::settings`].
    pub keys: bool,
    /// [`Account::state`].
    pub state: bool,
}

/// What calls are decided with, besides the account itself.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'s> {
    /// The account's name, as exemptions have it.
    pub account: &'s str,
    /// The plans.
    pub table: &'s PlanTable,
    /// What the object has done so far.
    pub storage: StorageCounters,
}

/// `max_tokens` where neither a request nor its plan names one.
pub const DEFAULT_MAX_TOKENS: u32 = 1_024;
/// Keys of one account at most: its row must stay small.
pub const MAX_KEYS: usize = 256;

/// Who calls, and what applies to it.
struct Known<'a> {
    plan: &'a Plan,
    record: Option<&'a KeyRecord>,
    mark: Mark,
}

impl Account {
    /// Does several calls, each on its own and in order, as if they had come one by one.
    pub fn answer_all(&mut self, calls: &[Call], setting: Setting<'_>, now: Millis) -> (Vec<Answer>, Changed) {
        let mut changed = Changed::default();
        let answer = |call: &Call| {
            let (answer, by_this) = self.answer(call, setting, now);
            changed.keys |= by_this.keys;
            changed.state |= by_this.state;
            answer
        };
        let answers = calls.iter().map(answer).collect();
        (answers, changed)
    }

    /// Does one call at `now`. What it changed is in the second part of the result.
    pub fn answer(&mut self, call: &Call, setting: Setting<'_>, now: Millis) -> (Answer, Changed) {
        let state_changed = |state| Changed { state, ..Changed::default() };
        let keys_changed = |keys| Changed { keys, ..Changed::default() };
        match call {
            Call::Admit(ask) => {
                let before = self.state.lease_of(ask.request);
                let answer = self.admit(ask, setting, now);
                let admitted = matches!(answer, Answer::Admitted(_));
                (answer, state_changed(admitted && !before))
            }
            Call::Identify { caller } => (self.identify(caller, setting, now), Changed::default()),
            Call::DescribeCaller { caller } => (self.describe_caller(caller, setting, now), Changed::default()),
            Call::Settle { request, outcome } => {
                let changed = self.state.settle(*request, *outcome, now);
                (Answer::Done(changed), state_changed(changed))
            }
            Call::PutKey(record) => {
                let known = self.keys.iter().any(|other| other.key == record.key);
                if !known && self.keys.len() >= MAX_KEYS {
                    let answer = Answer::Unusable(format!("An account holds at most {MAX_KEYS} keys."));
                    return (answer, Changed::default());
                }
                self.keys.retain(|other| other.key != record.key);
                self.keys.push(record.as_ref().clone());
                (Answer::Done(true), keys_changed(true))
            }
            Call::ChangeKey { key, change } => match self.change_key(*key, change, setting.table) {
                Ok(changed) => (Answer::Done(changed), keys_changed(changed)),
                Err(answer) => (answer, Changed::default()),
            },
            Call::DeleteKey { key } => {
                let before = self.keys.len();
                self.keys.retain(|record| record.key != *key);
                let changed = self.keys.len() != before;
                (Answer::Done(changed), keys_changed(changed))
            }
            Call::DescribeKey { key } => (self.describe_key(*key, setting, now), Changed::default()),
            Call::ChangeAccount(change) => match self.change_settings(change, setting.table) {
                Ok(changed) => (Answer::Done(changed), keys_changed(changed)),
                Err(answer) => (answer, Changed::default()),
            },
            Call::DescribeAccount => (self.describe_account(setting, now), Changed::default()),
        }
    }

    fn admit(&mut self, ask: &Ask, setting: Setting<'_>, now: Millis) -> Answer {
        let Self { settings, keys, state } = self;
        let known = match known(settings, keys, &ask.caller, setting.table) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let allowance = &known.plan.allowance;
        if let Some(forbidden) = forbidden(allowance, ask) {
            return Answer::NotAllowed(forbidden);
        }
        let facts = facts(ask, &known, setting.table);
        let rules = rules(settings, &known, setting, ask.address);
        match state.admit(&rules, known.plan.lease_ms, &facts, now) {
            Decision::Admit(admitted) => Answer::Admitted(Box::new(Admission {
                standings: state.standings(&rules, For::Request(&facts), now),
                ..admission(&known, &facts, admitted, state.clamp(now))
            })),
            Decision::Refuse(refused) => Answer::Limited {
                refused,
                standings: state.standings(&rules, For::Request(&facts), now),
                now: state.clamp(now),
            },
            Decision::Closed => Answer::Closed,
        }
    }

    fn identify(&self, caller: &Caller, setting: Setting<'_>, now: Millis) -> Answer {
        let known = match known(&self.settings, &self.keys, caller, setting.table) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let rules = rules(&self.settings, &known, setting, None);
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
            now,
        }))
    }

    fn describe_caller(&self, caller: &Caller, setting: Setting<'_>, now: Millis) -> Answer {
        let known = match known(&self.settings, &self.keys, caller, setting.table) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let rules = rules(&self.settings, &known, setting, None);
        let now = self.state.clamp(now);
        // The smallest request that there is: one token in, one token out.
        let smallest = Ask::smallest(caller.clone());
        let refused = self.state.evaluate(&rules, &facts(&smallest, &known, setting.table), now);
        Answer::Caller(Box::new(CallerDescription {
            name: known.record.map(|record| record.name.clone()).unwrap_or_default(),
            plan: known.plan.name.clone(),
            standings: self.state.standings(&rules, For::Caller(known.mark), now),
            live_leases: self.live_leases(now),
            used: self.state.totals(),
            passes_at: passes_at(&refused, now),
            now,
        }))
    }

    fn describe_key(&self, key: [u8; 4], setting: Setting<'_>, now: Millis) -> Answer {
        let record = self.keys.iter().find(|record| record.key == key);
        Answer::Key(record.map(|record| {
            Box::new(KeyDescription {
                record: record.clone(),
                live_leases: self.live_leases(now),
                used: self.state.totals(),
                storage: setting.storage,
            })
        }))
    }

    fn describe_account(&self, setting: Setting<'_>, now: Millis) -> Answer {
        Answer::Account(Box::new(AccountDescription {
            settings: self.settings.clone(),
            keys: self.keys.iter().map(|record| record.key).collect(),
            live_leases: self.live_leases(now),
            used: self.state.totals(),
            storage: setting.storage,
        }))
    }

    fn change_key(&mut self, key: [u8; 4], change: &KeyChange, table: &PlanTable) -> Result<bool, Answer> {
        let Some(place) = self.keys.iter().position(|record| record.key == key) else { return Ok(false) };
        let mut record = self.keys[place].clone();
        change.apply(&mut record);
        if change.plan.is_none() && change.overrides.is_none() && change.limits.is_none() {
            // Whatever else is wrong by now: a key can always be named, disabled and enabled.
            self.keys[place] = record;
            return Ok(true);
        }
        let plan = table.get(self.settings.plan.as_ref().unwrap_or(&record.plan));
        let plan = plan.ok_or_else(|| Answer::UnknownPlan(record.plan.clone()))?;
        let own = || record.limits.iter().map(|limit| limit.name.as_str());
        let of_plan = || plan.limits.iter().map(|limit| limit.name.as_str());
        if let Some(twice) = own().find(|name| of_plan().any(|other| other == *name)) {
            return Err(Answer::Unusable(format!("The plan `{}` has a limit `{twice}` already.", plan.name)));
        }
        if let Some(name) = record.overrides.keys().find(|name| !of_plan().chain(own()).any(|known| known == *name)) {
            return Err(Answer::Unusable(format!("There is no limit `{name}` in the plan `{}`.", plan.name)));
        }
        self.keys[place] = record;
        Ok(true)
    }

    fn change_settings(&mut self, change: &AccountChange, table: &PlanTable) -> Result<bool, Answer> {
        let mut settings = self.settings.clone();
        change.apply(&mut settings);
        if let Some(plan) = change.plan.iter().flatten().find(|plan| table.get(plan).is_none()) {
            return Err(Answer::UnknownPlan(plan.clone()));
        }
        // Whoever calls for an account may have any plan; a name that no plan knows is a slip of the pen.
        let of_plans = || table.names().filter_map(|plan| table.get(plan)).flat_map(|plan| &plan.limits);
        let of_keys = || self.keys.iter().flat_map(|record| &record.limits);
        let is_known = |name: &str| of_plans().chain(of_keys()).any(|limit| limit.name == name);
        if let Some(name) = change.overrides.iter().flat_map(BTreeMap::keys).find(|name| !is_known(name)) {
            let message = format!("There is no limit `{name}` in any plan, nor of a key of this account.");
            return Err(Answer::Unusable(message));
        }
        let changed = self.settings != settings;
        self.settings = settings;
        Ok(changed)
    }

    fn live_leases(&self, now: Millis) -> u32 {
        u32::try_from(self.state.live_leases(now)).unwrap_or(u32::MAX)
    }
}

fn known<'a>(
    settings: &'a Settings,
    keys: &'a [KeyRecord],
    caller: &'a Caller,
    table: &'a PlanTable,
) -> Result<Known<'a>, Answer> {
    let (record, mark, plan) = match caller {
        Caller::Key { key, secret_hash } => {
            let record = keys
                .iter()
                .find(|record| record.key == *key && record.secret_hash.matches(secret_hash))
                .ok_or(Answer::UnknownCaller)?;
            (Some(record), Mark::of_key(*key), &record.plan)
        }
        Caller::Short { key, mark } => {
            // The edge has made the mark itself and has checked its signature: nobody can try others.
            let made = |record: &&KeyRecord| record.key == *key && record.secret_hash.mark() == *mark;
            let record = keys.iter().find(made).ok_or(Answer::UnknownCaller)?;
            (Some(record), Mark::of_key(*key), &record.plan)
        }
        Caller::Known { subject, plan } => (None, *subject, plan),
    };
    if settings.disabled || record.is_some_and(|record| record.disabled) {
        return Err(Answer::Disabled);
    }
    // What an admin set for the account goes before what its key or its issuer names.
    let plan = settings.plan.as_ref().unwrap_or(plan);
    let plan = table.get(plan).ok_or_else(|| Answer::UnknownPlan(plan.clone()))?;
    Ok(Known { plan, record, mark })
}

/// What of a request its plan does not allow, if anything.
pub fn forbidden(allowance: &Allowance, ask: &Ask) -> Option<Forbidden> {
    let models = allowance.models.as_ref();
    if models.is_some_and(|models| !models.iter().any(|pattern| pattern.matches(&ask.model))) {
        return Some(Forbidden::Model);
    }
    if let Some(most) = allowance.max_input_bytes.filter(|most| ask.body_bytes > *most) {
        return Some(Forbidden::InputBytes(most));
    }
    let most = allowance.max_tokens.filter(|most| ask.max_tokens.is_some_and(|asked| asked > *most))?;
    Some(Forbidden::MaxTokens(most))
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
        now,
    }
}

/// When all of these let a request through; `None` if one of them never does, or nobody knows when.
fn passes_at(refused: &[Refused], now: Millis) -> Option<Millis> {
    refused.iter().try_fold(now, |latest, limit| match limit.passes {
        Passes::At(at) => Some(latest.max(at)),
        Passes::LessFull | Passes::Never => None,
    })
}
