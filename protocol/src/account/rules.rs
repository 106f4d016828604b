//! Which limits apply to a caller, and what they see of its request.

use super::{DEFAULT_MAX_TOKENS, DecisionContext, Known};
use crate::hop::gate_call::{Answer, Ask, Kept};
use crate::limit::ask::{Exact, Facts, Rule};
use crate::limit::decision::Blanket;
use crate::limit::plan::{Allowance, Limit, PlanTable};
use crate::request::cost::work::Work;
use crate::time::Millis;
use core::net::IpAddr;

/// The plan's limits and the key's own, without those that the caller skips and with the numbers that an admin set for the
/// key or, if not for that, for the account. What was added to credits is in, too.
///
/// A budget that cannot be counted is a no: one whose periods the calendar does not know at this time, and one in a
/// currency that nothing has a price in.
pub(super) fn rules<'a>(
    kept: &Kept,
    known: &Known<'a>,
    setting: DecisionContext<'_>,
    (address, at): (Option<IpAddr>, Millis),
) -> Result<Vec<Rule<'a>>, Answer> {
    let own = known.record.map(|record| record.limits.as_slice()).unwrap_or_default();
    let key = known.record.filter(|_| !setting.table.exemptions.is_empty());
    let key = key.map(|record| format_key(setting.account, record.key));
    let exemptions = &setting.table.exemptions;
    let is_exempt = |limit: &str| {
        exemptions.iter().filter(|exemption| exemption.limit == limit).any(|exemption| {
            exemption.principals.iter().any(|one| one == setting.account || Some(one) == key.as_ref())
                || address.is_some_and(|address| exemption.addresses.iter().any(|network| network.contains(address)))
        })
    };
    let depends_on_address =
        |limit: &str| exemptions.iter().any(|exemption| exemption.limit == limit && !exemption.addresses.is_empty());
    let set = |limit: &str| {
        let of_key = known.record.and_then(|record| record.overrides.get(limit));
        of_key.or_else(|| kept.settings.overrides.get(limit)).copied().map(u64::from)
    };
    let limits = known.plan.limits.iter().chain(own).filter(|limit| !is_exempt(&limit.name));
    let is_bound = known.record.is_some_and(|record| !record.permissions.addresses.is_empty());
    let rule = |limit: &'a Limit| {
        let rule = kept.rule(limit, setting, at).ok_or_else(|| Answer::Uncounted(limit.name.clone()))?;
        // A number of somebody's own says nothing of money.
        let set = set(&limit.name).filter(|_| limit.kind.currency().is_none());
        Ok(Rule {
            quota: set.map_or(rule.quota, |set| set.saturating_add(kept.added_to(limit))),
            blanket: match limit.is_blanket() {
                false => Blanket::No,
                // From another address the same caller may be exempt, or is told that it may not call from there.
                true if is_bound || depends_on_address(&limit.name) => Blanket::Address,
                true => Blanket::Caller,
            },
            ..rule
        })
    };
    limits.map(rule).collect()
}

/// A key's id in the text form that exemptions name, from its account's name.
fn format_key(account: &str, key: [u8; 4]) -> String {
    let account = account.strip_prefix("acct:").unwrap_or(account);
    format!("key_{account}{}", crate::id::hex(&key))
}

/// How many tokens a request may generate: as many as it names, or else its plan's default.
pub fn max_tokens(allowance: &Allowance, asked: Option<u32>) -> u32 {
    let most = allowance.max_tokens.unwrap_or(u32::MAX);
    asked.unwrap_or(allowance.default_max_tokens.unwrap_or(DEFAULT_MAX_TOKENS).min(most))
}

/// The request as limits see it.
pub(super) fn facts(ask: &Ask, known: &Known<'_>, table: &PlanTable) -> Facts {
    let max_tokens = max_tokens(&known.plan.allowance, ask.max_tokens);
    let class = table.classes.class(ask.body_bytes, max_tokens, ask.drawing);
    Facts {
        request: ask.request,
        key: known.mark,
        model: ask.model.clone(),
        session: ask.session,
        user: ask.user,
        class,
        endpoint: ask.endpoint,
        batch: ask.batch,
        work: Work { prompt_tokens: ask.prompt_tokens, max_tokens, thinking: ask.thinking, drawing: ask.drawing },
        exact: Exact { prompt: ask.prompt_is_counted, max_tokens: ask.max_tokens.is_some() },
        rate: table.rate(class, &ask.model, ask.endpoint, ask.batch),
        pressure: ask.pressure,
    }
}
