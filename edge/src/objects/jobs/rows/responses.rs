//! The rows of responses in the background: what was asked, and what is sent on until it is over.

use super::{at, blob, name_of, work_of};
use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::id::ResponseId;
use sluice_protocol::jobs::background::{Background, decode_background, encode_background};
use sluice_protocol::jobs::work::{Work, encode_work};
use sluice_protocol::time::Millis;

/// Both tables: neither part of a response alone has more bytes than a row may have, and both together do.
pub struct ResponseRows {
    responses: Rows,
    tries: Rows,
}

/// A response, and its request if it is not over.
pub struct Found {
    /// What is kept of it.
    pub response: Background,
    /// How far its request is.
    pub work: Option<Work>,
}

impl ResponseRows {
    /// What is stored; there need not be anything.
    pub fn new(state: &State) -> Self {
        Self { responses: Rows::new(state, "responses"), tries: Rows::new(state, "tries") }
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.responses.forget();
        self.tries.forget();
    }

    /// Whether anything was ever written.
    pub fn exist(&self) -> Result<bool> {
        // They are made together, the last one last.
        self.tries.exists()
    }

    /// Writes one that begins to wait.
    pub fn begin(&self, response: &Background, work: &Work, bytes: u64) -> Result<()> {
        self.responses.make(
            "(id TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL, due INTEGER NOT NULL, \
             bytes INTEGER NOT NULL, is_over INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
        )?;
        self.tries.make("(id TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")?;
        let put = "INSERT INTO responses (id, at, until, due, bytes, is_over, value) VALUES (?, ?, ?, ?, ?, 0, ?)";
        let (id, created) = (response.asked.id.to_string(), at(response.created_at));
        let bytes = integer(bytes as i64);
        let value = Value::Blob(encode_background(response));
        self.responses.exec(put, vec![text(id), created.clone(), at(response.expires_at), created, bytes, value])?;
        self.put_work(response.asked.id, work)
    }

    /// Writes what has changed of one; once it is over, it is kept until then, and its request is not.
    pub fn put(&self, response: &Background, work: Option<&Work>, until: Millis) -> Result<()> {
        let id = response.asked.id;
        let value = Value::Blob(encode_background(response));
        if response.end.is_none() {
            let update = "UPDATE responses SET value = ? WHERE id = ?";
            self.responses.exec(update, vec![value, text(id.to_string())])?;
            return work.map_or(Ok(()), |work| self.put_work(id, work));
        }
        let update = "UPDATE responses SET until = ?, bytes = 0, is_over = 1, value = ? WHERE id = ?";
        self.responses.exec(update, vec![at(until), value, text(id.to_string())])?;
        self.tries.exec("DELETE FROM tries WHERE id = ?", vec![text(id.to_string())]).map(drop)
    }

    /// When one is to be looked at again.
    pub fn put_due(&self, id: ResponseId, due: Millis) -> Result<()> {
        let update = "UPDATE responses SET due = ? WHERE id = ?";
        self.responses.exec(update, vec![at(due), text(id.to_string())]).map(drop)
    }

    /// One of them.
    pub fn find(&self, id: ResponseId) -> Result<Option<Found>> {
        if !self.exist()? {
            return Ok(None);
        }
        let find = "SELECT value FROM responses WHERE id = ?";
        let Some(row) = self.responses.exec(find, vec![text(id.to_string())])?.pop() else { return Ok(None) };
        let response = decode_background(&blob(row.into_iter().next())?).map_err(|error| error.to_string())?;
        let row = self.tries.exec("SELECT value FROM tries WHERE id = ?", vec![text(id.to_string())])?.pop();
        let work = row.map(|row| work_of(row.into_iter().next())).transpose()?;
        Ok(Some(Found { response, work }))
    }

    /// Those that are not over and due, the one that is so for longest first.
    pub fn due(&self, now: Millis, most: usize) -> Result<Vec<ResponseId>> {
        if !self.exist()? {
            return Ok(Vec::new());
        }
        let due = "SELECT id FROM responses WHERE is_over = 0 AND due <= ? ORDER BY due, at, id LIMIT ?";
        let rows = self.responses.exec(due, vec![at(now), integer(i64::try_from(most).unwrap_or(i64::MAX))])?;
        rows.iter().map(|row| name_of(row).and_then(ResponseId::parse).ok_or_else(not_ours)).collect()
    }

    /// When the first of those is due that are not over, if there are any.
    pub fn next_due(&self) -> Result<Option<Millis>> {
        self.least("SELECT min(due) FROM responses WHERE is_over = 0")
    }

    /// When the first of those is to be forgotten that are over, if there are any.
    pub fn next_end(&self) -> Result<Option<Millis>> {
        self.least("SELECT min(until) FROM responses WHERE is_over = 1")
    }

    /// How many are not over, and how many bytes they have.
    pub fn room(&self) -> Result<[u64; 2]> {
        if !self.exist()? {
            return Ok([0; 2]);
        }
        let live = "SELECT count(*), coalesce(sum(bytes), 0) FROM responses WHERE is_over = 0";
        match self.responses.exec(live, Vec::new())?.pop().unwrap_or_default()[..] {
            [Value::Integer(count), Value::Integer(bytes)] => Ok([count as u64, bytes as u64]),
            _ => Err(not_ours()),
        }
    }

    /// Deletes those that are over.
    pub fn forget_until(&self, now: Millis) -> Result<()> {
        if !self.exist()? {
            return Ok(());
        }
        let over = "DELETE FROM responses WHERE is_over = 1 AND until <= ?";
        self.responses.exec(over, vec![at(now)]).map(drop)
    }

    /// Deletes all.
    pub fn clear(&self) -> Result<()> {
        if !self.exist()? {
            return Ok(());
        }
        self.responses.exec("DELETE FROM responses", Vec::new())?;
        self.tries.exec("DELETE FROM tries", Vec::new()).map(drop)
    }

    fn put_work(&self, id: ResponseId, work: &Work) -> Result<()> {
        let put = "INSERT INTO tries (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value";
        self.tries.exec(put, vec![text(id.to_string()), Value::Blob(encode_work(work))]).map(drop)
    }

    fn least(&self, select: &str) -> Result<Option<Millis>> {
        if !self.exist()? {
            return Ok(None);
        }
        let row = self.responses.exec(select, Vec::new())?.pop().unwrap_or_default();
        Ok(row.first().and_then(number).map(|at| at as Millis))
    }
}
