//! Calendars, as an isolate asks the platform for them: which day, week or month it is in a time zone.

use crate::platform::{self, isolate_local};
use sluice_protocol::account::Account;
use sluice_protocol::limit::calendar::{Calendar, Cycle, Period, Span, Zone};
use sluice_protocol::limit::plan::{Limit, PlanTable};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::time::Millis;
use std::cell::RefCell;

/// What an account's decisions at `now` need to know. What the platform does not know is left out: nothing passes that it
/// would have to count.
pub fn of(account: &Account, table: &PlanTable, now: Millis) -> Calendar {
    let mut calendar = Calendar::default();
    for cycle in account.cycles(table) {
        for at in account.times(now) {
            if calendar.span(cycle, at).is_none()
                && let Some(span) = span(cycle, at)
            {
                calendar.add(cycle, span);
            }
        }
    }
    calendar
}

/// Whether the platform knows a time zone.
pub fn knows(zone: Zone) -> bool {
    span(Cycle { period: Period::Day, zone }, platform::now()).is_some()
}

/// Refuses a key's own limits that count by the clocks of a time zone that there is not.
pub fn check(limits: &[Limit]) -> Result<(), Refusal> {
    let mut cycles = limits.iter().filter_map(|limit| limit.kind.cycle()).filter(|cycle| !cycle.is_ever());
    match cycles.find(|cycle| !knows(cycle.zone)) {
        Some(cycle) => {
            let message = format!("There is no time zone `{}`.", cycle.zone.name());
            Err(Refusal::new(Reason::InvalidRequest, message).with_param("limits"))
        }
        None => Ok(()),
    }
}

/// The period of a cycle that a time lies in, if the platform knows it. One that was asked for lately holds for whatever time
/// lies in it.
pub fn span(cycle: Cycle, at: Millis) -> Option<Span> {
    LATELY.with_borrow_mut(|lately| {
        if let Some(span) = lately.span(cycle, at) {
            return Some(span);
        }
        let span = platform::period(cycle, at).filter(|span| span.contains(at))?;
        if lately.len() >= MAX_LATELY {
            *lately = Calendar::default();
        }
        lately.add(cycle, span);
        Some(span)
    })
}

isolate_local! {
    static LATELY: RefCell<Calendar> = RefCell::default();
}

/// More than the budgets of any table have.
const MAX_LATELY: usize = 256;
