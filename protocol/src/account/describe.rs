//! What an account tells of itself: to its callers, and to an admin.

use super::rules::{facts, rules};
use super::{Account, DecisionContext, known};
use crate::auth::permission::Access;
use crate::auth::principal::Mark;
use crate::hop::gate_call::description::{AccountDescription, CallerDescription, KeyDescription};
use crate::hop::gate_call::{Answer, Ask, Asker, Caller, KeyRecord};
use crate::limit::decision::{Passes, Refused};
use crate::limit::standing::For;
use crate::time::Millis;
use crate::usage::report::UsageQuery;

impl Account {
    pub(super) fn describe_caller(
        &self,
        caller: &Caller,
        access: &Access<'_>,
        setting: DecisionContext<'_>,
        now: Millis,
    ) -> Answer {
        let known = match known(&self.kept, caller, access, setting.table, self.state.latest(now)) {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        let rules = match rules(&self.kept, &known, setting, (None, self.state.latest(now))) {
            Ok(rules) => rules,
            Err(answer) => return answer,
        };
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

    pub(super) fn describe_key(&self, key: [u8; 4], setting: DecisionContext<'_>, now: Millis) -> Answer {
        Answer::Key(self.key(key, setting, now).map(Box::new))
    }

    pub(super) fn key(&self, key: [u8; 4], setting: DecisionContext<'_>, now: Millis) -> Option<KeyDescription> {
        let record = self.kept.keys.iter().find(|record| record.key == key)?;
        Some(KeyDescription {
            record: record.clone(),
            live_leases: self.live_leases(now),
            used: self.state.totals(),
            used_by_key: self.state.usage(Mark::of_key(key)),
            storage: setting.storage,
        })
    }

    pub(super) fn describe_account(&self, setting: DecisionContext<'_>, now: Millis) -> AccountDescription {
        let usage = |record: &KeyRecord| (record.key, self.state.usage(Mark::of_key(record.key)));
        AccountDescription {
            settings: self.kept.settings.clone(),
            keys: self.kept.keys.iter().map(usage).collect(),
            live_leases: self.live_leases(now),
            used: self.state.totals(),
            storage: setting.storage,
            budgets: self.budgets(setting, now),
            credits: self.kept.credits.clone(),
            now: self.state.clamp(now),
        }
    }

    pub(super) fn describe_usage(
        &self,
        asker: Option<&Asker>,
        query: &UsageQuery,
        setting: DecisionContext<'_>,
        now: Millis,
    ) -> Answer {
        if let Some(Asker { caller, address }) = asker {
            let access = Access { address: *address, ..Access::default() };
            match known(&self.kept, caller, &access, setting.table, self.state.latest(now)) {
                // A caller asks for its own.
                Ok(known) if query.key == Some(known.mark) => {}
                Ok(_) => return Answer::UnknownCaller,
                Err(answer) => return answer,
            }
        }
        let mut tally = (setting.history.0)(query);
        tally.add_current(query, self.state.hours(), &self.refusals);
        Answer::Usage(Box::new(tally.report()))
    }

    fn live_leases(&self, now: Millis) -> u32 {
        u32::try_from(self.state.live_leases(now)).unwrap_or(u32::MAX)
    }
}

/// When all of these let a request through; `None` if one of them never does, or nobody knows when.
fn passes_at(refused: &[Refused], now: Millis) -> Option<Millis> {
    refused.iter().try_fold(now, |latest, limit| match limit.passes {
        Passes::At(at) => Some(latest.max(at)),
        Passes::LessFull | Passes::Never => None,
    })
}
