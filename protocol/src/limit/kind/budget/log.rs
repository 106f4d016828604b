//! What a budget has counted: a sum for each period.

use crate::limit::calendar::{Calendar, Cycle, Span};
use crate::limit::kind::{CountLog, Fit};
use crate::request::cost::money::Currency;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What a budget's log is: sums of other periods, or of another currency, are another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BudgetLogKind {
    pub(super) cycle: Cycle,
    pub(super) currency: Option<Currency>,
}

/// What was counted, period by period. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetLog {
    kind: BudgetLogKind,
    sums: Vec<Sum>,
}

/// What was counted in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    span: Span,
    amount: u64,
}

impl BudgetLog {
    /// Nothing is counted.
    pub(super) const fn new(kind: BudgetLogKind) -> Self {
        Self { kind, sums: Vec::new() }
    }

    /// What counts at `now`: also what a clock that had been ahead has counted in a period to come.
    pub(super) fn used(&self, now: Millis) -> u64 {
        self.live(now).fold(0, |used, sum| used.saturating_add(sum.amount))
    }

    pub(super) fn ends(&self, now: Millis) -> Option<(Millis, Millis)> {
        // Nothing ends for ever.
        let ends = || self.live(now).map(|sum| sum.span.ends).filter(|ends| *ends != Millis::MAX);
        Some((ends().min()?, ends().max()?))
    }

    pub(super) fn fit(&self, now: Millis, quota: u64, amount: u64) -> Fit {
        if amount > quota {
            return Fit::Never;
        }
        let mut over = self.used(now).saturating_add(amount).saturating_sub(quota);
        if over == 0 {
            return Fit::Now;
        }
        let mut live: Vec<&Sum> = self.live(now).collect();
        live.sort_unstable_by_key(|sum| sum.span.ends);
        for sum in live.into_iter().filter(|sum| sum.span.ends != Millis::MAX) {
            over = over.saturating_sub(sum.amount);
            if over == 0 {
                return Fit::At(sum.span.ends);
            }
        }
        Fit::Never
    }

    pub(super) fn add(&mut self, span: Span, amount: u64) {
        match self.sums.iter_mut().find(|sum| sum.span == span) {
            _ if amount == 0 => {}
            Some(sum) => sum.amount = sum.amount.saturating_add(amount),
            None => self.sums.push(Sum { span, amount }),
        }
    }

    fn live(&self, now: Millis) -> impl Iterator<Item = &Sum> {
        self.sums.iter().filter(move |sum| sum.span.ends > now)
    }

    /// What its log is.
    pub(in crate::limit::kind) const fn kind(&self) -> BudgetLogKind {
        self.kind
    }

    /// As it lies in a row.
    pub(in crate::limit::kind) fn pack(&self) -> PackedBudget {
        let pack = |sum: &Sum| PackedSum {
            began: sum.span.began,
            lasts: sum.span.ends.saturating_sub(sum.span.began),
            amount: sum.amount,
        };
        PackedBudget { kind: self.kind, sums: self.sums.iter().map(pack).collect() }
    }
}

impl CountLog for BudgetLog {
    fn is_live(&self, now: Millis) -> bool {
        self.used(now) > 0
    }

    fn is_void(&self) -> bool {
        self.sums.is_empty()
    }

    fn entry_count(&self) -> usize {
        self.sums.len()
    }

    /// Its zone, and the two ends and the amount of each period.
    fn more_bytes(&self) -> usize {
        64 + 20 * self.sums.len()
    }

    /// In the period in which it was counted.
    fn refund(&mut self, at: Millis, amount: u64) {
        if let Some(sum) = self.sums.iter_mut().find(|sum| sum.span.contains(at)) {
            sum.amount = sum.amount.saturating_sub(amount);
        }
        self.sums.retain(|sum| sum.amount > 0);
    }

    fn drop_expired(&mut self, now: Millis) {
        self.sums.retain(|sum| sum.span.ends > now);
    }

    /// It has one sum for each period, and that of a period that is over goes.
    fn coarsen(&mut self, _: u64) {}

    /// What was counted in periods to come is counted in the one of now. Where no calendar says which one that is, it
    /// stays counted until the later one is over.
    fn take_back_to(&mut self, now: Millis, calendar: &Calendar) {
        let (kept, ahead): (Vec<_>, Vec<_>) = self.sums.iter().partition(|sum| sum.span.began <= now);
        self.sums = kept;
        for sum in ahead {
            let late = Span { began: now, ends: sum.span.ends };
            self.add(calendar.span(self.kind.cycle, now).unwrap_or(late), sum.amount);
        }
    }
}

/// A budget's log as it lies in a row.
#[derive(Serialize, Deserialize)]
pub(in crate::limit::kind) struct PackedBudget {
    kind: BudgetLogKind,
    sums: Vec<PackedSum>,
}

#[derive(Serialize, Deserialize)]
struct PackedSum {
    began: Millis,
    lasts: u64,
    amount: u64,
}

impl PackedBudget {
    /// The log again. `None` if it is empty or no log of ours looks so.
    pub(in crate::limit::kind) fn unpack(self) -> Option<BudgetLog> {
        let unpack = |packed: PackedSum| {
            let span = Span { began: packed.began, ends: packed.began.checked_add(packed.lasts)? };
            (packed.amount > 0 && packed.lasts > 0).then_some(Sum { span, amount: packed.amount })
        };
        let sums: Vec<Sum> = self.sums.into_iter().map(unpack).collect::<Option<_>>()?;
        (!sums.is_empty()).then_some(BudgetLog { kind: self.kind, sums })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: BudgetLogKind = BudgetLogKind { cycle: Cycle::EVER, currency: None };

    #[test]
    fn no_row_of_ours_has_a_sum_of_nothing_or_of_no_time() {
        let row = |lasts, amount| PackedBudget { kind: KIND, sums: vec![PackedSum { began: 5, lasts, amount }] };
        assert!(row(1, 1).unpack().is_some());
        assert!([row(0, 1), row(1, 0), row(u64::MAX, 1)].into_iter().all(|row| row.unpack().is_none()));
        assert!(PackedBudget { kind: KIND, sums: Vec::new() }.unpack().is_none());
    }
}
