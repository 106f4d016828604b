//! Who calls, and what it may do.

use crate::auth::pattern::Pattern;
use crate::auth::permission::{Access, Bounds, Permissions};
use crate::auth::principal::Mark;
use crate::hop::gate_call::{Answer, Ask, Caller, Forbidden, Kept, KeyRecord};
use crate::limit::plan::{Allowance, Plan, PlanTable};
use crate::time::Millis;

/// Who calls, and what applies to it.
pub(super) struct Known<'a> {
    pub(super) plan: &'a Plan,
    pub(super) record: Option<&'a KeyRecord>,
    pub(super) mark: Mark,
    /// When what was sent is no longer good.
    pub(super) until: Millis,
}

/// Who calls with this. An answer is a no: nobody who is known, or who may do this.
pub(super) fn known<'a>(
    kept: &'a Kept,
    caller: &'a Caller,
    access: &Access<'_>,
    table: &'a PlanTable,
    now: Millis,
) -> Result<Known<'a>, Answer> {
    let settings = &kept.settings;
    let (record, mark, plan, until) = match caller {
        Caller::Key { key, secret_hash } => {
            let record = kept.keys.iter().find(|record| record.key == *key && record.knows(secret_hash));
            let record = record.ok_or(Answer::UnknownCaller)?;
            let until = record.good_until(secret_hash, now).ok_or(Answer::Expired)?;
            (Some(record), Mark::of_key(*key), &record.plan, until)
        }
        Caller::Short { key, mark } => {
            // The edge has made the mark itself and has checked its signature: nobody can try others.
            let made = |record: &&KeyRecord| record.key == *key && record.marked(mark).is_some();
            let record = kept.keys.iter().find(made).ok_or(Answer::UnknownCaller)?;
            let secret_hash = record.marked(mark).ok_or(Answer::UnknownCaller)?;
            let until = record.good_until(secret_hash, now).ok_or(Answer::Expired)?;
            (Some(record), Mark::of_key(*key), &record.plan, until)
        }
        Caller::Known { subject, plan } => (None, *subject, plan, Millis::MAX),
    };
    if settings.disabled || record.is_some_and(|record| record.disabled) {
        return Err(Answer::Disabled);
    }
    if let Some(record) = record {
        record.permissions.check(access).map_err(Answer::Denied)?;
    }
    // What an admin set for the account goes before what its key or its issuer names.
    let plan = settings.plan.as_ref().unwrap_or(plan);
    let plan = table.get(plan).ok_or_else(|| Answer::UnknownPlan(plan.clone()))?;
    Ok(Known { plan, record, mark, until })
}

/// What bounds the key besides its plan, if anything does.
pub(super) fn bounds(known: &Known<'_>) -> Option<Box<Bounds>> {
    let permissions = known.record.map(|record| &record.permissions).filter(|all| !all.is_unbounded());
    let is_bounded = permissions.is_some() || known.until != Millis::MAX;
    let permissions = permissions.cloned().unwrap_or_else(Permissions::default);
    is_bounded.then(|| Box::new(Bounds { permissions, until: known.until }))
}

/// The lists of models of its plan and of its key, as far as there are any: a model must be on each.
pub(super) fn models(known: &Known<'_>) -> Vec<Vec<Pattern>> {
    let of_key = known.record.and_then(|record| record.permissions.models.clone());
    known.plan.allowance.models.clone().into_iter().chain(of_key).collect()
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
