//! What a plan makes of a request while the origins are full, before its limits are asked.

use super::rules::facts;
use super::{Access, Known, Scope};
use crate::hop::gate_call::{Answer, Ask};
use crate::limit::ask::Facts;
use crate::limit::degrade::{Bendable, Degraded};
use crate::limit::plan::PlanTable;
use crate::request::cost::work::Work;

/// A request as its limits see it, and what was made of it by then.
pub(super) struct Bent {
    pub(super) facts: Facts,
    pub(super) degraded: Degraded,
}

/// What the level that holds for a plan makes of a request. [`Answer::TooFull`], where its caller does not take that.
pub(super) fn bent(known: &Known<'_>, ask: &Ask, table: &PlanTable) -> Result<Bent, Answer> {
    let as_asked = facts(ask, known, table);
    let degraded = degraded(known, ask, as_asked.work.max_tokens);
    if !degraded.is_any() {
        return Ok(Bent { facts: as_asked, degraded });
    }
    if !ask.bending.may {
        return Err(Answer::TooFull(known.plan.name.clone()));
    }
    let less = Ask {
        model: degraded.model.clone().unwrap_or_else(|| ask.model.clone()),
        thinking: ask.thinking && !degraded.no_thinking,
        max_tokens: degraded.max_tokens.or(ask.max_tokens),
        ..ask.clone()
    };
    let mut facts = Facts { exact: as_asked.exact, ..facts(&less, known, table) };
    if degraded.static_answer {
        // No model is asked: it is a request, and nothing more.
        facts.work = Work::default();
        facts.exact.prompt = true;
        facts.exact.max_tokens = true;
    }
    Ok(Bent { facts, degraded })
}

fn degraded(known: &Known<'_>, ask: &Ask, max_tokens: u32) -> Degraded {
    let Some(setting) = &known.plan.degrade else { return Degraded::default() };
    let broken = if ask.bending.broken_until.is_some() { setting.level_when_broken() } else { 0 };
    let level = ask.bending.level_of(&known.plan.name).max(broken);
    let asked = Bendable {
        model: &ask.model,
        streams: ask.bending.streams,
        thinks: ask.thinking,
        max_tokens,
        may_change_model: !ask.bending.keeps_model,
    };
    let degraded = setting.bend(level, asked);
    match &degraded.model {
        Some(model) if !may_use(known, ask, model) => {
            setting.bend(level, Bendable { may_change_model: false, ..asked })
        }
        _ => degraded,
    }
}

/// Whether its plan and its key let a caller use a model that it has not asked for.
fn may_use(known: &Known<'_>, ask: &Ask, model: &str) -> bool {
    let models = known.plan.allowance.models.as_ref();
    let access = Access { scope: Some(Scope::from(ask.endpoint)), model: Some(model), address: ask.address };
    models.is_none_or(|models| models.iter().any(|pattern| pattern.matches(model)))
        && known.record.is_none_or(|record| record.permissions.check(&access).is_ok())
}
