//! Rows in an object's SQLite, and a count of what they cost.
//!
//! A table of packed rows has an integer primary key and nothing else, so a write is exactly one row. A table is made with
//! its first write: an object that is only asked leaves nothing behind.

use crate::platform::{Fault, Sql, State};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use std::cell::Cell;

/// A table.
pub struct Rows {
    sql: Sql,
    table: &'static str,
    /// The statement that writes a packed row.
    put: String,
    made: Cell<bool>,
    counters: Cell<StorageCounters>,
}

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number; there are no others.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What a statement gives.
pub struct Exec {
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
    /// What it cost.
    pub cost: Cost,
}

/// How many rows a statement has touched.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

impl Rows {
    /// The table of this name; it need not exist.
    pub fn new(state: &State, table: &'static str) -> Self {
        let put = format!(
            "INSERT INTO {table} (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value"
        );
        Self { sql: state.sql(), table, put, made: Cell::new(false), counters: Cell::default() }
    }

    /// All packed rows; none if the table was never written.
    pub fn all(&self) -> Result<Vec<(i64, Vec<u8>)>, Fault> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        self.exec(&format!("SELECT id, value FROM {}", self.table), Vec::new())?
            .into_iter()
            .map(|row| match <[Value; 2]>::try_from(row) {
                Ok([Value::Integer(id), Value::Blob(value)]) => Ok((id, value)),
                _ => Err(not_ours()),
            })
            .collect()
    }

    /// Writes one packed row.
    pub fn put(&self, id: i64, value: &[u8]) -> Result<(), Fault> {
        self.make("(id INTEGER PRIMARY KEY, value BLOB NOT NULL)")?;
        self.count(self.sql.put(&self.put, id, value)?);
        Ok(())
    }

    /// Deletes one packed row, if it is there.
    pub fn delete(&self, id: i64) -> Result<(), Fault> {
        self.exec(&format!("DELETE FROM {} WHERE id = ?", self.table), vec![integer(id)]).map(drop)
    }

    /// Whether the table was ever written. Writes nothing itself.
    pub fn exists(&self) -> Result<bool, Fault> {
        if !self.made.get() {
            let find = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?";
            self.made.set(!self.exec(find, vec![text(self.table)])?.is_empty());
        }
        Ok(self.made.get())
    }

    /// Makes the table with these columns, unless it is there.
    pub fn make(&self, columns: &str) -> Result<(), Fault> {
        if !self.made.get() {
            self.sql.run(&format!("CREATE TABLE IF NOT EXISTS {} {columns}", self.table))?;
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
    pub fn run(&self, sql: &str) -> Result<(), Fault> {
        self.sql.run(sql)
    }

    /// Runs any statement and counts its rows.
    pub fn exec(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Vec<Value>>, Fault> {
        let Exec { rows, cost } = self.sql.exec(sql, values)?;
        self.count(cost);
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

    fn count(&self, Cost { read, written }: Cost) {
        self.update(|counters| {
            counters.rows_read += read;
            counters.rows_written += written;
        });
    }

    fn update(&self, change: impl FnOnce(&mut StorageCounters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

/// A whole number as a value.
pub const fn integer(value: i64) -> Value {
    Value::Integer(value)
}

/// A text value.
pub fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

/// A whole number, if it is one.
pub const fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// What a row is told that no version of ours writes.
pub fn not_ours() -> Fault {
    "a row is not of the form that we write".into()
}
