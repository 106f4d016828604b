//! Degrading, as an isolate sees it: a dial for each plan that makes less of its requests while the origins are full.
//! Isolates share nothing of it: each goes by what origins said to it.

use crate::auth::principal::Principal;
use crate::platform::{self, isolate_local};
use sluice_protocol::account::max_tokens;
use sluice_protocol::hop::gate_call::{Answer, Ask, Bending, PlanLevel};
use sluice_protocol::limit::degrade::{Bendable, Dial, Signal};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Whether a caller takes less than it asks for, by its header. Refuses what the header may not say.
pub fn is_taken(header: Option<&str>) -> Result<bool, Refusal> {
    match header.map(str::trim) {
        None => Ok(true),
        Some("none") => Ok(false),
        Some(_) => {
            let message = "`x-sluice-degrade` is `none`, or is left out.";
            Err(Refusal::new(Reason::InvalidRequest, message).with_param("x-sluice-degrade"))
        }
    }
}

/// How a question may be bent. `signal`: how full the origins are; `broken_until`: until when none takes requests for its
/// model. Both are asked for only where some plan looks at them.
pub fn bending(
    table: &PlanTable,
    principal: &Principal,
    question: &Question,
    is_taken: bool,
    signal: Signal,
    broken_until: impl FnOnce() -> Option<Millis>,
) -> Bending {
    if !matches!(question, Question::Chat(_) | Question::Text(_)) {
        return Bending::default();
    }
    let is_watched = table.degrading().any(|(_, setting)| setting.watches_breakers());
    Bending {
        may: is_taken,
        streams: question.stream(),
        // Which models a token may use is not known to its Gate.
        keeps_model: principal.permissions.models.is_some(),
        levels: levels(table, signal),
        broken_until: if is_watched { broken_until() } else { None },
    }
}

/// The levels that hold now, of the plans that are above the lowest.
fn levels(table: &PlanTable, signal: Signal) -> Vec<PlanLevel> {
    let now = platform::now();
    DIALS.with_borrow_mut(|dials| {
        dials.retain(|plan, _| table.get(plan).is_some_and(|plan| plan.degrade.is_some()));
        let turn = |(plan, setting): (&str, _)| {
            let level = dials.entry(plan.to_owned()).or_default().turn(setting, signal, now);
            (level > 0).then(|| PlanLevel { plan: plan.to_owned(), level })
        };
        table.degrading().filter_map(turn).collect()
    })
}

/// What a caller is told that takes no less than it asks for, with the wait after which this very request is answered as it
/// asks, if nothing fills the origins meanwhile.
pub fn too_full(table: &PlanTable, plan: &str, ask: &Ask) -> Refusal {
    let refusal = Answer::TooFull(plan.to_owned()).refusal().expect("it is a no");
    let Some((allowance, setting)) = table.get(plan).and_then(|plan| Some((&plan.allowance, plan.degrade.as_ref()?)))
    else {
        return refusal;
    };
    let asked = Bendable {
        model: &ask.model,
        streams: ask.bending.streams,
        thinks: ask.thinking,
        max_tokens: max_tokens(allowance, ask.max_tokens),
        may_change_model: !ask.bending.keeps_model,
    };
    let broken = if ask.bending.broken_until.is_some() { setting.level_when_broken() } else { 0 };
    let level = ask.bending.level_of(plan).max(broken);
    // The highest level that leaves it as it is.
    let bearable = (0..level).rev().find(|level| !setting.bend(*level, asked).is_any()).unwrap_or(0);
    let now = platform::now();
    let dial = DIALS.with_borrow(|dials| dials.get(plan).copied().unwrap_or_default());
    let opens_in = ask.bending.broken_until.filter(|_| broken > bearable).map_or(0, |until| until.saturating_sub(now));
    refusal.with_retry_after_ms(dial.falls_in(setting, bearable, now).max(opens_in).max(1))
}

isolate_local! {
    static DIALS: RefCell<BTreeMap<String, Dial>> = RefCell::default();
}
