//! Rows of what an account has used: hours that are over, and days made of hours that are old.

use crate::platform::rows::{Rows, Value, integer, not_ours};
use crate::platform::{Fault, State};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::usage::hours::Finished;
use sluice_protocol::usage::report::{Tally, UsageQuery};
use sluice_protocol::usage::row::{self, Merged, Span};
use sluice_protocol::usage::{Cell, DAY_HOURS};
use std::collections::BTreeMap;
use std::ops::Range;

/// The rows.
pub(super) struct UsageRows {
    rows: Rows,
}

impl UsageRows {
    pub(super) fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "usage") }
    }

    pub(super) fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Stores hours that are over, a row for each, in the turn in which the state is stored that has them no longer. What
    /// has become old by then is made into days, and what is older yet is forgotten.
    pub(super) fn store(&self, finished: &[Finished], this_hour: u64) -> Result<(), Fault> {
        for Finished { hour, number, cells } in finished {
            self.rows.put(row::hour_id(*hour, *number), &row::encode(cells))?;
        }
        if finished.is_empty() { Ok(()) } else { self.age(this_hour) }
    }

    /// Adds up what a query is about.
    pub(super) fn tally(&self, query: &UsageQuery) -> Result<Tally, Fault> {
        let mut tally = Tally::default();
        for ids in [row::hour_ids(query.hours.clone()), row::day_ids(query.hours.clone())] {
            self.each(ids, |id, cells| {
                tally.add(query, row::span_of(id), cells);
                Ok(())
            })?;
        }
        Ok(tally)
    }

    fn age(&self, this_hour: u64) -> Result<(), Fault> {
        let old = row::hour_ids(row::old_hours(this_hour));
        let mut days: BTreeMap<u64, Merged> = BTreeMap::new();
        self.each(old.clone(), |id, cells| {
            if let Span::Hour(hour) = row::span_of(id) {
                days.entry(hour / DAY_HOURS).or_default().add(cells);
            }
            Ok(())
        })?;
        if days.is_empty() {
            return Ok(());
        }
        for (day, mut merged) in days {
            // An hour that a clock has come back to belongs to a day that is made already.
            let id = row::day_id(day);
            self.each(id..id + 1, |_, cells| {
                merged.add(cells);
                Ok(())
            })?;
            self.rows.put(id, &row::encode(&merged.cells()))?;
        }
        self.delete(old)?;
        let forgotten = row::old_days(this_hour);
        self.delete(row::day_id(forgotten.start)..row::day_id(forgotten.end))
    }

    /// Shows each row of these ids, in order. Only some of them are in memory at once.
    fn each(&self, ids: Range<i64>, mut show: impl FnMut(i64, Vec<Cell>) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut from = ids.start;
        while from < ids.end && self.rows.exists()? {
            let sql = "SELECT id, value FROM usage WHERE id >= ? AND id < ? ORDER BY id LIMIT ?";
            let rows = self.rows.exec(sql, vec![integer(from), integer(ids.end), integer(AT_ONCE)])?;
            let is_last = rows.len() < AT_ONCE as usize;
            for row in rows {
                let Ok([Value::Integer(id), Value::Blob(value)]) = <[_; 2]>::try_from(row) else {
                    return Err(not_ours());
                };
                show(id, row::decode(&value).map_err(|error| error.to_string())?)?;
                from = id + 1;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn delete(&self, ids: Range<i64>) -> Result<(), Fault> {
        let sql = "DELETE FROM usage WHERE id >= ? AND id < ?";
        self.rows.exec(sql, vec![integer(ids.start), integer(ids.end)]).map(drop)
    }
}

/// How many rows are read at once.
const AT_ONCE: i64 = 32;
