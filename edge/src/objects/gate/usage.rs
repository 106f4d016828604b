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

    /// Makes a day of the oldest day's hours that are old by this hour, and forgets days that are older yet. One day at a
    /// time: whoever comes back after a month is not to wait for all of it. A day with a row that cannot be read stays as it
    /// is, and the next one is made; the error is that of the first such day.
    pub(super) fn age(&self, this_hour: u64) -> Result<(), Fault> {
        if !self.rows.exists()? {
            return Ok(());
        }
        let forgotten = row::old_days(this_hour);
        self.delete(row::day_id(forgotten.start)..row::day_id(forgotten.end))?;
        // A day later than queries count on: a report that was begun before midnight is read to its end.
        let old = row::old_hours(this_hour.saturating_sub(DAY_HOURS));
        let (mut from, mut first) = (old.start, Ok(()));
        for _ in 0..MOST_UNREADABLE {
            let Some(day) = self.oldest_day(row::hour_ids(from..old.end))? else { break };
            match self.make_day(day) {
                Ok(()) => break,
                Err(fault) => first = first.and(Err(fault)),
            }
            from = (day + 1) * DAY_HOURS;
        }
        first
    }

    /// All of it, or nothing.
    fn make_day(&self, day: u64) -> Result<(), Fault> {
        together(&self.storage, || {
            let mut merged = Merged::default();
            let hours = row::hour_ids(day * DAY_HOURS..(day + 1) * DAY_HOURS);
            let id = row::day_id(day);
            // An hour that a clock has come back to belongs to a day that is made already.
            for ids in [hours.clone(), id..id + 1] {
                self.each(ids, |_, cells| {
                    merged.add(cells);
                    true
                })?;
            }
            self.rows.put(id, &row::encode(&std::mem::take(&mut merged).cells()))?;
            self.delete(hours)
        })
        .inspect_err(|_| self.rows.forget())
    }

    /// Adds up what a query is about.
    pub(super) fn tally(&self, query: &UsageQuery) -> Result<Tally, Fault> {
        let (mut tally, hours) = (Tally::default(), query.hours_of_page());
        // Days are older.
        for ids in [row::day_ids(hours.clone()), row::hour_ids(hours)] {
            self.each(ids, |id, cells| {
                let is_wanted = tally.wants(query, row::span_of(id));
                if is_wanted {
                    tally.add(query, row::span_of(id), cells);
                }
                is_wanted
            })?;
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

    /// Shows each row of these ids, in order, for as long as `show` wants more. Only some of them are in memory at once.
    fn each(&self, ids: Range<i64>, mut show: impl FnMut(i64, Vec<Cell>) -> bool) -> Result<(), Fault> {
        let mut from = ids.start;
        while from < ids.end && self.rows.exists()? {
            let sql = "SELECT id, value FROM usage WHERE id >= ? AND id < ? ORDER BY id LIMIT ?";
            let rows = self.rows.exec(sql, vec![integer(from), integer(ids.end), integer(AT_ONCE)])?;
            let is_last = rows.len() < AT_ONCE as usize;
            for row in rows {
                let Ok([Value::Integer(id), Value::Blob(value)]) = <[_; 2]>::try_from(row) else {
                    return Err(not_ours());
                };
                if !show(id, row::decode(&value).map_err(|error| error.to_string())?) {
                    return Ok(());
                }
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

/// How many days with rows that cannot be read are passed over at once.
const MOST_UNREADABLE: usize = 8;
/// How many rows are read at once.
const AT_ONCE: i64 = 32;
