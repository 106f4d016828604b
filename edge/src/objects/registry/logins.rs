//! Failed logins of admins: a ring of rows, beside the audit log, so that nobody can fill that from outside. A row counts what one
//! address did within an hour.

use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{self, Result, State};
use core::net::IpAddr;
use sluice_protocol::admin::RegistryAnswer;
use sluice_protocol::admin::failed_logins::{FailedLogin, FailedLogins, Failures, MAX_ROWS, ROW_MS, shown};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::time::Millis;
use std::cell::RefCell;

/// The rows, and the failures of the last minute.
pub struct Logins {
    rows: Rows,
    failures: RefCell<Failures>,
}

impl Logins {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "failed_logins"), failures: RefCell::default() }
    }

    /// Writes a failed login down, or only counts it; for how long its address is not to be heard. `unnoted`: how many before it
    /// an isolate has only counted.
    pub fn failed(&self, address: Option<IpAddr>, unnoted: u64) -> Result<RegistryAnswer> {
        let now = platform::now();
        let verdict = self.failures.borrow_mut().fail(address, now);
        let wait = self.failures.borrow().wait(address, now);
        if let Some(before) = verdict.note {
            self.note(&shown(address), before + unnoted, now)?;
        }
        Ok(RegistryAnswer::LoginFailed(wait))
    }

    /// All that are kept, newest first.
    pub fn list(&self) -> Result<FailedLogins> {
        let list = "SELECT address, first, last, count, unnoted FROM failed_logins ORDER BY id DESC";
        let rows = if self.rows.exists()? { self.rows.exec(list, Vec::new())? } else { Vec::new() };
        let read = |row: Vec<Value>| {
            let [Value::Text(address), numbers @ ..] = row.as_slice() else { return None };
            let numbers: Vec<u64> = numbers
                .iter()
                .map(|value| number(value).and_then(|number| number.try_into().ok()))
                .collect::<Option<_>>()?;
            let [first, last, count, not_noted_before] = <[u64; 4]>::try_from(numbers).ok()?;
            Some(FailedLogin { address: address.clone(), first, last, count, not_noted_before })
        };
        let data = rows.into_iter().map(read).collect::<Option<Vec<_>>>();
        Ok(FailedLogins { data: data.ok_or_else(not_ours)? })
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
    }

    fn note(&self, address: &str, unnoted: u64, now: Millis) -> Result<()> {
        self.rows.make(
            "(id INTEGER PRIMARY KEY, address TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, \
             count INTEGER NOT NULL, unnoted INTEGER NOT NULL)",
        )?;
        let since = integer(now.saturating_sub(ROW_MS) as i64);
        let unnoted = integer(i64::try_from(unnoted).unwrap_or(i64::MAX));
        let count = "UPDATE failed_logins SET last = ?, count = count + 1, unnoted = unnoted + ? WHERE id = \
                     (SELECT MAX(id) FROM failed_logins WHERE address = ? AND first > ?) RETURNING id";
        let at = || integer(now as i64);
        if !self.rows.exec(count, vec![at(), unnoted.clone(), text(address), since])?.is_empty() {
            return Ok(());
        }
        let add =
            "INSERT INTO failed_logins (address, first, last, count, unnoted) VALUES (?, ?, ?, 1, ?) RETURNING id";
        let added = self.rows.exec(add, vec![text(address), at(), at(), unnoted])?;
        let id = added.first().and_then(|row| number(row.first()?)).ok_or("a row that was written has no id")?;
        let old = integer(id.saturating_sub(MAX_ROWS));
        self.rows.exec("DELETE FROM failed_logins WHERE id <= ?", vec![old]).map(drop)
    }
}
