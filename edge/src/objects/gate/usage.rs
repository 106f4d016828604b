//! Rows of what an account has used: hours that are over, and days made of hours that are old.

use crate::objects::transaction::together;
use crate::platform::rows::{Rows, Value, integer, not_ours, number};
use crate::platform::{Fault, State, Storage};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::usage::hours::Finished;
use sluice_protocol::usage::report::{Tally, UsageQuery};
use sluice_protocol::usage::row::{self, Merged, Span};
use sluice_protocol::usage::{Cell, DAY_HOURS};
use std::ops::Range;
use std::rc::Rc;

/// The rows.
pub(super) struct UsageRows {
    rows: Rows,
    storage: Rc<Storage>,
}

impl UsageRows {
    pub(super) fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "usage"), storage: state.storage() }
    }

    pub(super) fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Stores hours that are over, a row for each, in the turn in which the state is stored that has them no longer.
    pub(super) fn store(&self, finished: &[Finished]) -> Result<(), Fault> {
        for Finished { hour, number, cells } in finished {
            self.rows.put(row::hour_id(*hour, *number), &row::encode(cells))?;
        }
        Ok(())
    }

    /// Makes a day of the oldest day's hours that are old by this hour, and forgets days that are older yet: all of it, or
    /// nothing. One day at a time: whoever comes back after a month is not to wait for all of it.
    pub(super) fn age(&self, this_hour: u64) -> Result<(), Fault> {
        let forgotten = row::old_days(this_hour);
        let Some(day) = self.oldest_day(row::hour_ids(row::old_hours(this_hour)))? else { return Ok(()) };
        together(&self.storage, || {
            let mut merged = Merged::default();
            let hours = row::hour_ids(day * DAY_HOURS..(day + 1) * DAY_HOURS);
            let id = row::day_id(day);
            // An hour that a clock has come back to belongs to a day that is made already.
            for ids in [hours.clone(), id..id + 1] {
                self.each(ids, |_, cells| merged.add(cells))?;
            }
            self.rows.put(id, &row::encode(&std::mem::take(&mut merged).cells()))?;
            self.delete(hours)?;
            self.delete(row::day_id(forgotten.start)..row::day_id(forgotten.end))
        })
        .inspect_err(|_| self.rows.forget())
    }

    /// Adds up what a query is about.
    pub(super) fn tally(&self, query: &UsageQuery) -> Result<Tally, Fault> {
        let mut tally = Tally::default();
        for ids in [row::hour_ids(query.hours.clone()), row::day_ids(query.hours.clone())] {
            self.each(ids, |id, cells| tally.add(query, row::span_of(id), cells))?;
        }
        Ok(tally)
    }

    /// The day of the first hour of these ids.
    fn oldest_day(&self, hours: Range<i64>) -> Result<Option<u64>, Fault> {
        if hours.is_empty() || !self.rows.exists()? {
            return Ok(None);
        }
        let sql = "SELECT id FROM usage WHERE id >= ? AND id < ? ORDER BY id LIMIT 1";
        let found = self.rows.exec(sql, vec![integer(hours.start), integer(hours.end)])?;
        let id = found.first().and_then(|row| row.first()).and_then(number);
        Ok(id.and_then(|id| match row::span_of(id) {
            Span::Hour(hour) => Some(hour / DAY_HOURS),
            Span::Day(_) => None,
        }))
    }

    /// Shows each row of these ids, in order. Only some of them are in memory at once.
    fn each(&self, ids: Range<i64>, mut show: impl FnMut(i64, Vec<Cell>)) -> Result<(), Fault> {
        let mut from = ids.start;
        while from < ids.end && self.rows.exists()? {
            let sql = "SELECT id, value FROM usage WHERE id >= ? AND id < ? ORDER BY id LIMIT ?";
            let rows = self.rows.exec(sql, vec![integer(from), integer(ids.end), integer(AT_ONCE)])?;
            let is_last = rows.len() < AT_ONCE as usize;
            for row in rows {
                let Ok([Value::Integer(id), Value::Blob(value)]) = <[_; 2]>::try_from(row) else {
                    return Err(not_ours());
                };
                show(id, row::decode(&value).map_err(|error| error.to_string())?);
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
