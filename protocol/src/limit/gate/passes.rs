//! When a request would pass a rule: the search over what its schedule makes of it.

use crate::limit::ask::Rule;
use crate::limit::decision::Passes;
use crate::limit::kind::Fit;
use crate::time::Millis;

/// When a request passes that does not pass now; `None` if it does. `earliest` says when it fits under a quota that stays
/// as it is.
pub(super) fn passes(rule: &Rule<'_>, pressure: u8, now: Millis, earliest: impl Fn(u64) -> Fit) -> Option<Passes> {
    let schedule = &rule.limit.schedule;
    if earliest(rule.quota_at(schedule.percent_at(now), pressure)) == Fit::Now {
        return None;
    }
    // For each percentage of the schedule: when it fits under that, and when after that the percentage next holds.
    let soonest = |pressure: u8| {
        let each = schedule.percents().into_iter().filter_map(|percent| {
            let from = match earliest(rule.quota_at(percent, pressure)) {
                Fit::Now => now,
                Fit::At(at) => at,
                Fit::Never => return None,
            };
            schedule.next_with(percent, from)
        });
        each.min()
    };
    Some(match (soonest(pressure), soonest(0)) {
        // The origin is most likely less full long before that.
        (under_pressure, Some(at)) if under_pressure.is_none_or(|later| at < later) => Passes::LessFull,
        (Some(at), _) => Passes::At(at),
        (None, _) => Passes::Never,
    })
}
