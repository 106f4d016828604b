//! An account's budgets: what is added to credits, what each lets through, and how all of them stand.

use super::{Account, DecisionContext};
use crate::hop::gate_call::{Answer, Credit, Kept};
use crate::limit::ask::Rule;
use crate::limit::calendar::Cycle;
use crate::limit::kind::budget::most_credits;
use crate::limit::plan::{Limit, Per, PlanTable};
use crate::limit::standing::{For, Standing};
use crate::order;
use crate::request::cost::money::Currency;
use crate::time::Millis;

impl Kept {
    /// A limit as it applies to the account at this time; `None` for a budget that cannot be counted.
    pub(super) fn rule<'l>(&self, limit: &'l Limit, setting: DecisionContext<'_>, at: Millis) -> Option<Rule<'l>> {
        let has_price = limit.kind.currency().is_none_or(|currency| setting.table.currency == Some(currency));
        let span = match limit.kind.cycle() {
            Some(cycle) => Some(setting.calendar.span(cycle, at).filter(|_| has_price)?),
            None => None,
        };
        let rule = Rule::of(limit);
        Some(Rule { quota: rule.quota.saturating_add(self.added_to(limit)), span, ..rule })
    }

    /// What was added to a limit: nothing, unless it is of the account's credits.
    pub(super) fn added_to(&self, limit: &Limit) -> u64 {
        let credit = self.credits.get(&limit.name).filter(|credit| takes_credits(limit) && credit.is_of(limit));
        credit.map_or(0, |credit| credit.amount)
    }

    /// Adds to the credits of this name.
    pub(super) fn add_credits(
        &mut self,
        name: &str,
        amount: u64,
        currency: Option<Currency>,
        table: &PlanTable,
    ) -> Result<(), Answer> {
        let mut of_name = table.limits().filter(|limit| limit.name == name && takes_credits(limit)).peekable();
        if of_name.peek().is_none() {
            let message = format!("No plan has a budget `{name}` that lasts for ever and counts by account.");
            return Err(Answer::Unusable(message));
        }
        let Some(limit) = of_name.find(|limit| limit.kind.currency() == currency) else {
            let message = format!("`{name}` is not in this currency: money has one, and other units have none.");
            return Err(Answer::Unusable(message));
        };
        let unit = limit.unit();
        let credit = self.credits.entry(name.to_owned()).or_insert(Credit { unit, currency, amount: 0 });
        if !credit.is_of(limit) {
            let message = format!("`{name}` has had credits of another unit, which are kept. Take another name.");
            return Err(Answer::Unusable(message));
        }
        credit.amount = credit.amount.saturating_add(amount);
        if credit.amount > most_credits(unit) {
            return Err(Answer::Unusable(format!("`{name}` would have more credits than can be counted.")));
        }
        Ok(())
    }
}

impl Account {
    /// How its budgets stand: those of the plans that it has, and those of others that something was counted in or added
    /// to. Of one that counts by key, model, session or user, the fullest count.
    pub(super) fn budgets(&self, setting: DecisionContext<'_>, now: Millis) -> Vec<Standing> {
        let Self { kept, state, .. } = self;
        let of_keys = || order::set(kept.keys.iter().map(|record| &record.plan));
        let plans = kept.settings.plan.as_ref().map_or_else(of_keys, |plan| [plan].into());
        let mut budgets: Vec<Rule<'_>> = Vec::new();
        let mut add = |limit| {
            let Some(rule) = kept.rule(limit, setting, state.latest(now)) else { return };
            let is_same = |other: &Rule<'_>| other.limit.name == rule.limit.name && other.limit.kind == rule.limit.kind;
            if !budgets.iter().any(is_same) {
                budgets.push(rule);
            }
        };
        for plan in setting.table.names().filter_map(|name| setting.table.get(name)) {
            let is_own = plans.contains(&plan.name);
            let of_plan = plan.limits.iter().filter(|limit| limit.kind.cycle().is_some());
            of_plan.filter(|limit| is_own || state.holds(limit) || kept.added_to(limit) > 0).for_each(&mut add);
        }
        state.standings(&budgets, For::Account, now)
    }
}

/// Whether credits are added to a limit: it lasts for ever, and is the account's.
fn takes_credits(limit: &Limit) -> bool {
    limit.kind.cycle().is_some_and(Cycle::is_ever) && limit.per == Per::Account
}
