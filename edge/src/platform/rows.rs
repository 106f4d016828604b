//! Packed rows in a Durable Object's SQLite, and a count of what they cost.
//!
//! The table has an integer primary key and nothing else, so a write is exactly one row. It is made with the first write:
//! an object that is only asked leaves nothing behind.

use crate::platform;
use js_sys::Uint8Array;
use sluice_protocol::gate_call::description::StorageCounters;
use std::cell::Cell;
use worker::{Result, SqlStorage, SqlStorageValue};

/// A table of packed rows.
pub struct Rows {
    sql: SqlStorage,
    table: &'static str,
    /// The statement that writes a row.
    put: String,
    made: Cell<bool>,
    counters: Cell<StorageCounters>,
}

impl Rows {
    /// The table of this name; it need not exist.
    pub fn new(sql: SqlStorage, table: &'static str) -> Self {
        let put = format!(
            "INSERT INTO {table} (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value"
        );
        Self { sql, table, put, made: Cell::new(false), counters: Cell::default() }
    }

    /// All rows; none if the table was never written.
    pub fn all(&self) -> Result<Vec<(i64, Vec<u8>)>> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        self.exec(&format!("SELECT id, value FROM {}", self.table), Vec::new())?
            .into_iter()
            .map(|row| match <[SqlStorageValue; 2]>::try_from(row) {
                Ok([SqlStorageValue::Integer(id), SqlStorageValue::Blob(value)]) => Ok((id, value)),
                // Integers come back as JavaScript numbers.
                Ok([SqlStorageValue::Float(id), SqlStorageValue::Blob(value)]) => Ok((id as i64, value)),
                _ => Err("a row is not of the form that we write".into()),
            })
            .collect()
    }

    /// Writes one row.
    pub fn put(&self, id: i64, value: &[u8]) -> Result<()> {
        self.make("(id INTEGER PRIMARY KEY, value BLOB NOT NULL)")?;
        // Ids are small.
        let rows = platform::put_row(self.sql.as_ref(), &self.put, id as f64, &Uint8Array::from(value).into())?;
        self.count(rows.first().copied(), rows.get(1).copied());
        Ok(())
    }

    /// Whether the table was ever written. Writes nothing itself.
    pub fn exists(&self) -> Result<bool> {
        if !self.made.get() {
            let find = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?";
            self.made.set(!self.exec(find, vec![text(self.table)])?.is_empty());
        }
        Ok(self.made.get())
    }

    /// Makes the table with these columns, unless it is there.
    pub fn make(&self, columns: &str) -> Result<()> {
        if !self.made.get() {
            self.sql.exec(&format!("CREATE TABLE IF NOT EXISTS {} {columns}", self.table), None)?;
            self.made.set(true);
        }
        Ok(())
    }

    /// Forgets that the table exists: its making may have been taken back.
    pub fn forget(&self) {
        self.made.set(false);
    }

    /// Whether the table is known to be there, because it was made or found by this instance.
    pub fn is_made(&self) -> bool {
        self.made.get()
    }

    /// Runs a statement that makes something, and counts nothing.
    pub fn run(&self, sql: &str) -> Result<()> {
        self.sql.exec(sql, None).map(drop)
    }

    /// Runs any statement and counts its rows.
    pub fn exec(&self, sql: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Vec<SqlStorageValue>>> {
        let cursor = self.sql.exec(sql, values)?;
        let rows = cursor.raw().collect::<Result<Vec<_>>>()?;
        self.count(Some(cursor.rows_read() as f64), Some(cursor.rows_written() as f64));
        Ok(rows)
    }

    /// One message more.
    pub fn count_call(&self) {
        self.update(|counters| counters.calls += 1);
    }

    /// What was done since the object was started.
    pub fn counters(&self) -> StorageCounters {
        self.counters.get()
    }

    fn count(&self, read: Option<f64>, written: Option<f64>) {
        self.update(|counters| {
            counters.rows_read += read.unwrap_or_default() as u64;
            counters.rows_written += written.unwrap_or_default() as u64;
        });
    }

    fn update(&self, change: impl FnOnce(&mut StorageCounters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

/// A whole number as a value.
pub fn integer(value: i64) -> SqlStorageValue {
    SqlStorageValue::Integer(value)
}

/// A text value.
pub fn text(value: impl Into<String>) -> SqlStorageValue {
    SqlStorageValue::String(value.into())
}
