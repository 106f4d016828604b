//! An object's SQLite: the real one, in memory.
//!
//! What is written between two awaits is kept together. So the first write of a turn opens a transaction, and the world
//! ends it with the turn: it keeps it, or it takes it back where the object ended before.

use crate::platform::Fault;
use crate::platform::rows::{Cost, Exec, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use std::cell::Cell;
use std::rc::Rc;

/// What an object has stored, which outlives it.
pub(super) struct Disk {
    connection: Connection,
    /// Whether something was written in this turn.
    is_open: Cell<bool>,
    /// Writes that this disk still takes; any number, unless a test says so.
    pub(super) room: Cell<Option<u32>>,
}

/// An object's SQLite.
pub struct Sql(pub(super) Rc<Disk>);

impl Disk {
    pub(super) fn new() -> Self {
        let connection = Connection::open_in_memory().expect("memory holds an empty database");
        Self { connection, is_open: Cell::new(false), room: Cell::new(None) }
    }

    /// Ends the turn: what it wrote is kept, or taken back.
    pub(super) fn end_turn(&self, is_kept: bool) {
        if self.is_open.replace(false) {
            let end = if is_kept { "COMMIT" } else { "ROLLBACK" };
            self.connection.execute_batch(end).expect("a transaction in memory ends");
        }
    }

    /// Runs a function whose writes are kept all together, or not at all if it fails.
    pub(super) fn transaction(&self, body: &mut dyn FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        self.open()?;
        self.connection.execute_batch("SAVEPOINT part")?;
        let done = body();
        let end = if done.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        self.connection.execute_batch(end)?;
        done
    }

    fn open(&self) -> Result<(), Fault> {
        if !self.is_open.replace(true) {
            self.connection.execute_batch("BEGIN")?;
        }
        Ok(())
    }

    fn exec(&self, statement: &str, values: &[Value]) -> Result<Exec, Fault> {
        let mut prepared = self.connection.prepare(statement)?;
        let is_write = !prepared.readonly();
        if is_write {
            if let Some(room) = self.room.get() {
                self.room.set(Some(room.checked_sub(1).ok_or("the disk is full")?));
            }
            self.open()?;
        }
        let before = self.connection.total_changes();
        let columns = prepared.column_count();
        let mut found = prepared.query(params_from_iter(values.iter().map(to_sqlite)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push((0..columns).map(|column| of_sqlite(row.get_ref(column)?)).collect::<Result<_, Fault>>()?);
        }
        drop(found);
        let cost = Cost { read: rows.len() as u64, written: self.connection.total_changes() - before };
        Ok(Exec { rows, cost })
    }
}

impl Sql {
    /// Runs a statement that makes something.
    pub fn run(&self, statement: &str) -> Result<(), Fault> {
        self.0.exec(statement, &[]).map(drop)
    }

    /// Runs any statement.
    #[expect(clippy::needless_pass_by_value, reason = "workerd's takes them so")]
    pub fn exec(&self, statement: &str, values: Vec<Value>) -> Result<Exec, Fault> {
        self.0.exec(statement, &values)
    }

    /// Runs a statement that writes one packed row.
    pub fn put(&self, statement: &str, id: i64, value: &[u8]) -> Result<Cost, Fault> {
        Ok(self.0.exec(statement, &[Value::Integer(id), Value::Blob(value.to_vec())])?.cost)
    }
}

fn to_sqlite(value: &Value) -> rusqlite::types::ToSqlOutput<'_> {
    rusqlite::types::ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

fn of_sqlite(value: ValueRef<'_>) -> Result<Value, Fault> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(_) => return Err("no table of ours has numbers that are not whole".into()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}
