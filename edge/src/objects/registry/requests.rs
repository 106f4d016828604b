//! Requests with an `Idempotency-Key`: what they were, and what became of each of their commands. Kept for a day: the Registry's
//! alarm rings when the oldest is over.

use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::admin::{CommandOutcome, Idempotency};
use sluice_protocol::auth::key::Seed;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::hex;
use sluice_protocol::time::Millis;

/// The requests, and the outcomes of their commands.
pub struct Requests {
    requests: Rows,
    outcomes: Rows,
}

/// A request that was sent before.
pub struct Before {
    /// SHA-256 of it, in hexadecimal.
    pub request: String,
    /// What its secrets were made from.
    pub seed: Seed,
}

impl Requests {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self { requests: Rows::new(state, "requests"), outcomes: Rows::new(state, "outcomes") }
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.requests.counters() + self.outcomes.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.requests.forget();
        self.outcomes.forget();
    }

    /// The request of this name, if it was sent within a day.
    pub fn find(&self, idempotency: &Idempotency, now: Millis) -> Result<Option<Before>> {
        if !self.requests.exists()? {
            return Ok(None);
        }
        let find = "SELECT request, seed FROM requests WHERE name = ? AND at > ?";
        let since = integer(now.saturating_sub(KEPT_MS) as i64);
        match self.requests.exec(find, vec![text(name(idempotency)), since])?.pop().map(<[_; 2]>::try_from) {
            None => Ok(None),
            Some(Ok([Value::Text(request), Value::Text(seed)])) => {
                Ok(Some(Before { request, seed: serde_json::from_str(&seed)? }))
            }
            Some(_) => Err(not_ours()),
        }
    }

    /// When the oldest one is to be forgotten.
    pub fn ends_at(&self) -> Result<Option<Millis>> {
        if !self.requests.exists()? {
            return Ok(None);
        }
        let oldest = self.requests.exec("SELECT at FROM requests ORDER BY at LIMIT 1", Vec::new())?;
        let at = oldest.first().and_then(|row| number(row.first()?));
        Ok(at.map(|at| u64::try_from(at).unwrap_or(0).saturating_add(KEPT_MS)))
    }

    /// Forgets what is a day old, with all that its secrets were made from.
    pub fn forget_old(&self, now: Millis) -> Result<()> {
        if !self.requests.exists()? {
            return Ok(());
        }
        let until = integer(now.saturating_sub(KEPT_MS) as i64);
        if self.outcomes.exists()? {
            let outcomes = "DELETE FROM outcomes WHERE name IN (SELECT name FROM requests WHERE at <= ?)";
            self.outcomes.exec(outcomes, vec![until.clone()])?;
        }
        self.requests.exec("DELETE FROM requests WHERE at <= ?", vec![until]).map(drop)
    }

    /// Notes a request.
    pub fn begin(&self, idempotency: &Idempotency, seed: &Seed, now: Millis) -> Result<()> {
        if !self.requests.is_made() {
            self.requests.make(
                "(name TEXT PRIMARY KEY, request TEXT NOT NULL, seed TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
            )?;
            self.requests.run("CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at)")?;
        }
        if self.outcomes.exists()? {
            // Of one of the same name that is a day old: it is about to be forgotten.
            self.outcomes.exec("DELETE FROM outcomes WHERE name = ?", vec![text(name(idempotency))])?;
        }
        let values = vec![
            text(name(idempotency)),
            text(hex(&idempotency.request)),
            text(serde_json::to_string(seed)?),
            integer(now as i64),
        ];
        let put = "INSERT OR REPLACE INTO requests (name, request, seed, at) VALUES (?, ?, ?, ?)";
        self.requests.exec(put, values).map(drop)
    }

    /// Notes what became of a request's command.
    pub fn end(&self, name: &str, place: i64, outcome: &CommandOutcome) -> Result<()> {
        self.outcomes.make(
            "(name TEXT NOT NULL, place INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (name, place)) WITHOUT ROWID",
        )?;
        let values = vec![text(name), integer(place), text(serde_json::to_string(outcome)?)];
        let put = "INSERT OR REPLACE INTO outcomes (name, place, outcome) VALUES (?, ?, ?)";
        self.outcomes.exec(put, values).map(drop)
    }

    /// What became of its commands so far, by their places.
    pub fn outcomes(&self, idempotency: &Idempotency) -> Result<Vec<(i64, CommandOutcome)>> {
        if !self.outcomes.exists()? {
            return Ok(Vec::new());
        }
        let find = "SELECT place, outcome FROM outcomes WHERE name = ?";
        let rows = self.outcomes.exec(find, vec![text(name(idempotency))])?;
        let read = |row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Integer(place), Value::Text(outcome)]) => Ok((place, serde_json::from_str(&outcome)?)),
            _ => Err(not_ours()),
        };
        rows.into_iter().map(read).collect()
    }
}

/// How a request is called in its row.
pub fn name(idempotency: &Idempotency) -> String {
    hex(&idempotency.name)
}

/// How long a request is known, in milliseconds.
const KEPT_MS: Millis = 24 * 60 * 60 * 1000;
