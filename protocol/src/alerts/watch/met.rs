//! What meets a condition, by what was counted.

use crate::alerts::incident::{Counted, Subject};
use crate::limit::plan::alert::Condition;
use crate::measures::meter::Reading;
use crate::measures::series::{Label, Series};
use crate::measures::tally::Tally;
use crate::measures::{LONG_MS, SHORT_KEPT_MS, SHORT_MS};
use crate::telemetry::RequestOutcome;
use crate::time::Millis;

/// What meets a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) subject: Subject,
    /// What was counted.
    pub(super) counted: Counted,
    /// Whether that opens an incident. What does not keeps one open that there is.
    pub(super) opens: bool,
}

/// All that meets a condition at `now`, each subject once, in order.
pub(super) fn met(when: &Condition, reading: &Reading, now: Millis) -> Vec<Met> {
    match when {
        Condition::KeyRefused { more_than, within_ms } => keys(*more_than, slots(reading, *within_ms, now)),
        Condition::BudgetUsed { percent } => budgets(percent, slots(reading, SHORT_KEPT_MS, now), now),
        Condition::OriginDown { .. } => {
            let down = reading.origins().into_iter().filter(|origin| !origin.takes_requests);
            down.map(|origin| Met::new(Subject::Origin { name: origin.name }, 0, 0)).collect()
        }
        Condition::Errors { percent, of_at_least, within_ms } => {
            errors(*percent, *of_at_least, slots(reading, *within_ms, now)).into_iter().collect()
        }
        Condition::Lapsed { more_than, within_ms } => {
            let count = sum(&Series::Lapsed, slots(reading, *within_ms, now));
            (count > *more_than).then(|| Met::new(Subject::Lapsed, count, 0)).into_iter().collect()
        }
        Condition::FailedLogins { more_than, within_ms } => {
            let count = sum(&Series::FailedLogins, slots(reading, *within_ms, now));
            (count > *more_than).then(|| Met::new(Subject::FailedLogins, count, 0)).into_iter().collect()
        }
    }
}

impl Met {
    const fn new(subject: Subject, count: u64, of: u64) -> Self {
        Self { subject, counted: Counted { count, of }, opens: true }
    }
}

/// The slots of a span, the one included in which it begins. What lies further ahead than clocks differ was left there
/// by one that was wrong.
fn slots(reading: &Reading, within_ms: Millis, now: Millis) -> impl Iterator<Item = &Tally> {
    let span = now.saturating_sub(within_ms) / SHORT_MS..=now.saturating_add(LONG_MS) / SHORT_MS;
    reading.slots.iter().filter(move |slot| span.contains(&slot.number)).map(|slot| &slot.tally)
}

fn keys<'a>(more_than: u64, slots: impl Iterator<Item = &'a Tally>) -> Vec<Met> {
    let sums = summed(slots, |series| matches!(series, Series::KeyRefused { .. }));
    let often = sums.into_iter().filter(|sum| sum.count > more_than);
    let met = |sum: Sum<'_>| match sum.series {
        Series::KeyRefused { account, key } => {
            let [account, key] = [account, key].map(own);
            Some(Met::new(Subject::Key { account, key }, sum.count, 0))
        }
        _ => None,
    };
    often.filter_map(met).collect()
}

/// A budget is at the most that was seen of it. The highest step that this reaches opens an incident; steps below it
/// last.
fn budgets<'a>(steps: &[u8], slots: impl Iterator<Item = &'a Tally>, now: Millis) -> Vec<Met> {
    let sums = summed(slots, |series| matches!(series, Series::BudgetUsed { .. }));
    let mut met = Vec::new();
    // Sorted as they are, those of one budget stand together.
    for of_one in sums.chunk_by(|one, next| is_same_budget(one.series, next.series)) {
        for seen in of_one {
            let Series::BudgetUsed { account, plan, budget, percent: most, until } = seen.series else { continue };
            let is_more = |other: &Series| match other {
                Series::BudgetUsed { percent, until: ends, .. } => ends == until && percent > most,
                _ => false,
            };
            if (*until != 0 && *until <= now) || of_one.iter().any(|other| is_more(other.series)) {
                continue;
            }
            let reached = steps.iter().rev().copied().filter(|step| step <= most);
            for (place, percent) in reached.enumerate() {
                let [account, plan, budget] = [account, plan, budget].map(own);
                let subject = Subject::Budget { account, plan, budget, percent, until: *until };
                met.push(Met { opens: place == 0, ..Met::new(subject, 0, 0) });
            }
        }
    }
    met
}

fn is_same_budget(one: &Series, other: &Series) -> bool {
    match (one, other) {
        (
            Series::BudgetUsed { account, plan, budget, .. },
            Series::BudgetUsed { account: other_account, plan: other_plan, budget: other_budget, .. },
        ) => account == other_account && plan == other_plan && budget == other_budget,
        _ => false,
    }
}

fn errors<'a>(percent: u8, of_at_least: u64, slots: impl Iterator<Item = &'a Tally>) -> Option<Met> {
    let (mut all, mut bad) = (0_u64, 0_u64);
    for (series, count) in slots.flat_map(Tally::iter) {
        if let Series::Requests { outcome, .. } = series {
            all = all.saturating_add(count);
            if matches!(outcome, RequestOutcome::Failed | RequestOutcome::Cut) {
                bad = bad.saturating_add(count);
            }
        }
    }
    let is_met = all >= of_at_least && u128::from(bad) * 100 > u128::from(all) * u128::from(percent);
    is_met.then(|| Met::new(Subject::Errors, bad, all))
}

fn sum<'a>(series: &Series, slots: impl Iterator<Item = &'a Tally>) -> u64 {
    slots.fold(0, |sum, tally| sum.saturating_add(tally.get(series)))
}

/// One series, and how much there is of it in all slots.
struct Sum<'a> {
    series: &'a Series,
    count: u64,
}

/// The sums of series of one kind, in order. Those that are not told apart are left out: they are many, and no one of
/// them may have reached what all of them have. There may be more than one tally holds, so it is a list, and sorted
/// once.
fn summed<'a>(slots: impl Iterator<Item = &'a Tally>, is_wanted: fn(&Series) -> bool) -> Vec<Sum<'a>> {
    let all = slots.flat_map(Tally::iter).filter(|(series, _)| is_wanted(series) && !series.is_of_others());
    let mut sums: Vec<_> = all.map(|(series, count)| Sum { series, count }).collect();
    sums.sort_unstable_by(|one, other| one.series.cmp(other.series));
    sums.dedup_by(|next, kept| {
        let is_same = next.series == kept.series;
        if is_same {
            kept.count = kept.count.saturating_add(next.count);
        }
        is_same
    });
    sums
}

fn own(label: &Label) -> String {
    label.as_str().to_owned()
}
