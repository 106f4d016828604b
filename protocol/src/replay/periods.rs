//! The calendar that decisions of one table need, over a long time, and no more of it.

use super::drive::Calendars;
use crate::limit::calendar::{Calendar, Cycle, Span};
use crate::limit::plan::PlanTable;
use crate::time::Millis;

/// Periods of a table's budgets, as somebody tells them.
pub struct Periods<F> {
    cycles: Vec<Cycle>,
    span: F,
    calendar: Calendar,
}

impl<F: FnMut(Cycle, Millis) -> Option<Span>> Periods<F> {
    /// Those of a table. `span` tells the period of a cycle that a time lies in, if it can; nothing passes that would have to
    /// be counted in one that it cannot tell.
    pub fn new(table: &PlanTable, span: F) -> Self {
        let mut cycles: Vec<Cycle> = Vec::new();
        for cycle in table.cycles().filter(|cycle| !cycle.is_ever()) {
            if !cycles.contains(&cycle) {
                cycles.push(cycle);
            }
        }
        Self { cycles, span, calendar: Calendar::default() }
    }

    /// Which cycles they are of.
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }
}

impl<F: FnMut(Cycle, Millis) -> Option<Span>> Calendars for Periods<F> {
    fn at(&mut self, times: [Millis; 2]) -> &Calendar {
        for place in 0..self.cycles.len() {
            let cycle = self.cycles[place];
            for at in times {
                if self.calendar.span(cycle, at).is_some() {
                    continue;
                }
                // More than one decision needs, so that it has room in an empty one.
                if self.calendar.len() >= MAX_SPANS.max(2 * self.cycles.len()) {
                    self.calendar = Calendar::default();
                    return self.at(times);
                }
                if let Some(span) = (self.span)(cycle, at) {
                    self.calendar.add(cycle, span);
                }
            }
        }
        &self.calendar
    }
}

/// A calendar is looked through for each decision: it is begun anew before it is long.
pub const MAX_SPANS: usize = 64;
