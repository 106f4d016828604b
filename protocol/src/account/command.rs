//! An admin's commands at the account's Gate: each is done once, as a whole or not at all.

use super::{Account, Changed, DecisionContext, MAX_KEYS};
use crate::auth::principal::Mark;
use crate::hop::gate_call::command::{Action, Command, Effect, REMEMBERED};
use crate::hop::gate_call::{AccountChange, Answer, Kept, KeyChange, KeyRecord, MAX_KEPT_BYTES, Settings, encode_kept};
use crate::limit::plan::PlanTable;
use crate::limit::state::GateState;
use crate::time::Millis;

impl Account {
    /// Does a command, unless it was done before; both give the same answer.
    pub(super) fn command(
        &mut self,
        command: &Command,
        setting: DecisionContext<'_>,
        now: Millis,
    ) -> (Answer, Changed) {
        if self.kept.done.contains(&command.id) {
            return (self.effect(&command.action, true, setting, now), Changed::default());
        }
        let mut next = self.kept.clone();
        let is_changed = match next.act(command, setting, self.state.latest(now)) {
            Ok(is_changed) => is_changed,
            Err(answer) => return (answer, Changed::default()),
        };
        if !is_changed {
            return (self.effect(&command.action, false, setting, now), Changed::default());
        }
        next.done.push(command.id);
        next.done.drain(..next.done.len().saturating_sub(REMEMBERED));
        if encode_kept(&next).len() > MAX_KEPT_BYTES {
            let message = format!("An account's keys take at most {MAX_KEPT_BYTES} bytes in all.");
            return (Answer::Unusable(message), Changed::default());
        }
        self.kept = next;
        let state = match &command.action {
            Action::DeleteKey { key } => self.state.forget_usage(Mark::of_key(*key)),
            Action::DeleteAccount => {
                // Time does not go back, also not for an account that is made again. What was used is told for as long as
                // that of others.
                let mut hours = std::mem::take(&mut self.state.hours);
                hours.end();
                let GateState { last_now, sure, behind, .. } = self.state;
                self.state = GateState { last_now, sure, behind, hours, ..GateState::default() };
                true
            }
            _ => false,
        };
        (self.effect(&command.action, true, setting, now), Changed { kept: true, state })
    }

    fn effect(&self, action: &Action, is_done: bool, setting: DecisionContext<'_>, now: Millis) -> Answer {
        let key = match action {
            Action::DeleteKey { .. } | Action::DeleteAccount => return Answer::Did(Effect::Gone(is_done)),
            Action::CreateAccount(_) | Action::ChangeAccount(_) | Action::AddCredits { .. } => {
                return Answer::Did(Effect::Account(Box::new(self.describe_account(setting, now))));
            }
            Action::CreateKey(record) => record.key,
            Action::ChangeKey { key, .. } | Action::RotateKey { key, .. } => *key,
        };
        match self.key(key, setting, now) {
            Some(described) => Answer::Did(Effect::Key(Box::new(described))),
            // It was made and has been removed since.
            None => Answer::NotFound,
        }
    }
}

impl Kept {
    /// Whether anybody has made this account, or set something for it.
    pub fn is_made(&self) -> bool {
        !self.keys.is_empty() || !self.credits.is_empty() || self.settings != Settings::default()
    }

    /// Makes the change, and says whether there was one to make. An error may leave half of it.
    fn act(&mut self, command: &Command, setting: DecisionContext<'_>, now: Millis) -> Result<bool, Answer> {
        let expected = |version: u32| match command.expects {
            Some(expected) if expected != version => Err(Answer::OtherVersion),
            _ => Ok(version.wrapping_add(1)),
        };
        match &command.action {
            Action::CreateAccount(change) => {
                self.settings.version = expected(self.settings.version)?;
                self.settings.created_at = self.settings.created_at.or(Some(command.at));
                self.change(change, setting.table)?;
            }
            Action::ChangeAccount(change) => {
                // Subjects and addresses are accounts without anybody's doing.
                if setting.account.starts_with("acct:") && !self.is_made() {
                    return Err(Answer::NotFound);
                }
                self.settings.version = expected(self.settings.version)?;
                self.change(change, setting.table)?;
            }
            Action::AddCredits { limit, amount, currency } => {
                if setting.account.starts_with("acct:") && !self.is_made() {
                    return Err(Answer::NotFound);
                }
                self.add_credits(limit, *amount, *currency, setting.table)?;
            }
            Action::DeleteAccount if !self.is_made() => return Ok(false),
            Action::DeleteAccount => {
                expected(self.settings.version)?;
                *self = Self { done: std::mem::take(&mut self.done), ..Self::default() };
            }
            Action::CreateKey(record) => {
                if self.keys.iter().any(|other| other.key == record.key) {
                    return Err(Answer::Unusable("There is a key of this number already.".into()));
                }
                if self.keys.len() >= MAX_KEYS {
                    return Err(Answer::Unusable(format!("An account holds at most {MAX_KEYS} keys.")));
                }
                check(record, &self.settings, setting.table)?;
                self.settings.created_at = self.settings.created_at.or(Some(command.at));
                let mut record = record.as_ref().clone();
                super::change::own(&mut record);
                self.keys.push(record);
            }
            Action::ChangeKey { key, change } => {
                let Self { settings, keys, .. } = self;
                let record = find(keys, *key)?;
                record.version = expected(record.version)?;
                change.apply(record);
                // Whatever else is wrong by now: a key can always be named, disabled and enabled.
                if touches_limits(change) {
                    check(record, settings, setting.table)?;
                }
            }
            Action::RotateKey { key, secret_hash, until } => {
                let record = find(&mut self.keys, *key)?;
                record.version = expected(record.version)?;
                record.rotate(*secret_hash, *until, now);
            }
            Action::DeleteKey { key } => {
                let Some(place) = self.keys.iter().position(|record| record.key == *key) else { return Ok(false) };
                expected(self.keys[place].version)?;
                self.keys.remove(place);
            }
        }
        Ok(true)
    }

    fn change(&mut self, change: &AccountChange, table: &PlanTable) -> Result<(), Answer> {
        change.apply(&mut self.settings);
        if let Some(plan) = change.plan.iter().flatten().find(|plan| table.get(plan).is_none()) {
            return Err(Answer::UnknownPlan(plan.clone()));
        }
        // Whoever calls for an account may have any plan; a name that no plan knows is a slip of the pen.
        let of_plans = || table.names().filter_map(|plan| table.get(plan)).flat_map(|plan| &plan.limits);
        let of_keys = || self.keys.iter().flat_map(|record| &record.limits);
        let is_known = |name: &str| of_plans().chain(of_keys()).any(|limit| limit.name == name);
        let is_money = |name: &str| of_plans().any(|limit| limit.name == name && limit.kind.currency().is_some());
        if let Some(name) = change.overrides.iter().flatten().map(|(name, _)| name).find(|name| is_money(name)) {
            return Err(no_number(name));
        }
        match change.overrides.iter().flatten().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => {
                let message = format!("There is no limit `{name}` in any plan, nor of a key of this account.");
                Err(Answer::Unusable(message))
            }
            None => Ok(()),
        }
    }
}

fn find(keys: &mut [KeyRecord], key: [u8; 4]) -> Result<&mut KeyRecord, Answer> {
    keys.iter_mut().find(|record| record.key == key).ok_or(Answer::NotFound)
}

fn touches_limits(change: &KeyChange) -> bool {
    change.plan.is_some() || change.overrides.is_some() || change.limits.is_some()
}

/// Money is no number: a budget in money is another limit, of a plan or of the key.
fn no_number(name: &str) -> Answer {
    Answer::Unusable(format!("`{name}` is in money, for which there is no other number. Give it another plan."))
}

/// Whether a key's own limits and numbers fit its plan.
fn check(record: &KeyRecord, settings: &Settings, table: &PlanTable) -> Result<(), Answer> {
    let plan = table.get(settings.plan.as_ref().unwrap_or(&record.plan));
    let plan = plan.ok_or_else(|| Answer::UnknownPlan(record.plan.clone()))?;
    let own = || record.limits.iter().map(|limit| limit.name.as_str());
    let of_plan = || plan.limits.iter().map(|limit| limit.name.as_str());
    if let Some(twice) = own().find(|name| of_plan().any(|other| other == *name)) {
        return Err(Answer::Unusable(format!("The plan `{}` has a limit `{twice}` already.", plan.name)));
    }
    let all = || plan.limits.iter().chain(&record.limits);
    let is_money = |name: &str| all().any(|limit| limit.name == name && limit.kind.currency().is_some());
    if let Some(name) = record.overrides.keys().find(|name| is_money(name)) {
        return Err(no_number(name));
    }
    let mut currencies = record.limits.iter().filter_map(|limit| limit.kind.currency());
    if let Some(currency) = currencies.find(|currency| table.currency != Some(*currency)) {
        return Err(Answer::Unusable(format!("The plan table has no price in {currency}.")));
    }
    if let Some(name) = record.overrides.keys().find(|name| !of_plan().chain(own()).any(|known| known == *name)) {
        return Err(Answer::Unusable(format!("There is no limit `{name}` in the plan `{}`.", plan.name)));
    }
    Ok(())
}
