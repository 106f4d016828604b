//! Commands that their Gate fails over: how often, and since when. Empty as long as nothing is wrong.

use crate::platform::rows::{Rows, integer, number};
use crate::platform::{Result, State};
use sluice_protocol::hop::gate_call::command::Failing;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::time::Millis;

/// The table.
pub struct Failures(Rows);

impl Failures {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self(Rows::new(state, "outbox_failures"))
    }

    /// Counts one more of this row of the outbox's.
    pub fn count(&self, id: i64, now: Millis) -> Result<Failing> {
        self.0.make("(id INTEGER PRIMARY KEY, count INTEGER NOT NULL, since INTEGER NOT NULL)")?;
        let put = "INSERT INTO outbox_failures (id, count, since) VALUES (?, 1, ?) \
                   ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count, since";
        let rows = self.0.exec(put, vec![integer(id), integer(now as i64)])?;
        let [count, since] = rows.first().and_then(|row| row.first_chunk()).ok_or("a count of two numbers")?;
        let (count, since) = number(count).zip(number(since)).ok_or("a count is a number")?;
        Ok(Failing { count: u32::try_from(count).unwrap_or(u32::MAX), since: Millis::try_from(since).unwrap_or(now) })
    }

    /// A row is gone.
    pub fn strike(&self, id: i64) -> Result<()> {
        // Nothing has failed for as long as there is no table.
        if self.0.exists()? {
            self.0.exec("DELETE FROM outbox_failures WHERE id = ?", vec![integer(id)])?;
        }
        Ok(())
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.0.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.0.forget();
    }
}
