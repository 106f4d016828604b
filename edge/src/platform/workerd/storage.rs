//! What a Durable Object keeps.

use super::calls;
use super::wait::turn::turn;
use crate::platform::Fault;
use crate::platform::rows::{Cost, Exec, Value};
use js_sys::Uint8Array;
use sluice_protocol::time::Millis;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use worker::{SqlStorage, SqlStorageValue};

/// What an object is given at its start.
pub struct State(Rc<Storage>);

/// An object's transactions and its alarm.
pub struct Storage {
    storage: worker::Storage,
    /// For transactions, which `worker` has no call for.
    raw: JsValue,
}

/// An object's SQLite.
pub struct Sql(SqlStorage);

impl State {
    /// The platform's.
    pub fn new(state: worker::State) -> Self {
        let storage = state.storage();
        // Without storage an object could not even be asked for its rows.
        let raw = state._inner().storage().map(JsValue::from).unwrap_or_default();
        Self(Rc::new(Storage { storage, raw }))
    }

    /// Its SQLite.
    pub fn sql(&self) -> Sql {
        Sql(self.0.storage.sql())
    }

    /// Its transactions and its alarm.
    pub fn storage(&self) -> Rc<Storage> {
        self.0.clone()
    }
}

impl Storage {
    /// When the alarm rings, if it is set.
    pub async fn alarm(&self) -> Result<Option<Millis>, Fault> {
        let alarm = self.storage.get_alarm().await;
        turn();
        Ok(alarm?.map(|at| at as Millis))
    }

    /// Sets the alarm to this many milliseconds from now, and to no other time.
    pub async fn set_alarm(&self, wait: Millis) -> Result<(), Fault> {
        let set = self.storage.set_alarm(wait as i64).await;
        turn();
        Ok(set?)
    }

    /// Runs a function whose writes are kept all together, or not at all if it fails.
    pub fn transaction(&self, body: &mut dyn FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        // What is thrown here takes back everything that was written.
        let mut body = || body().map_err(JsValue::from);
        Ok(calls::transaction(&self.raw, &mut body)?)
    }
}

impl Sql {
    /// Runs a statement that makes something.
    pub fn run(&self, statement: &str) -> Result<(), Fault> {
        Ok(self.0.exec(statement, None).map(drop)?)
    }

    /// Runs any statement.
    pub fn exec(&self, statement: &str, values: Vec<Value>) -> Result<Exec, Fault> {
        let values: Vec<SqlStorageValue> = values.into_iter().map(to_platform).collect();
        let cursor = self.0.exec(statement, values)?;
        let rows = cursor.raw().map(|row| Ok(row?.into_iter().map(of_platform).collect()));
        let rows = rows.collect::<Result<_, Fault>>()?;
        Ok(Exec { rows, cost: Cost { read: cursor.rows_read() as u64, written: cursor.rows_written() as u64 } })
    }

    /// Runs a statement that writes one packed row.
    pub fn put(&self, statement: &str, id: i64, value: &[u8]) -> Result<Cost, Fault> {
        // Ids are small.
        let rows = calls::put_row(self.0.as_ref(), statement, id as f64, &Uint8Array::from(value).into())?;
        let count = |place: usize| rows.get(place).copied().unwrap_or_default() as u64;
        Ok(Cost { read: count(0), written: count(1) })
    }
}

fn to_platform(value: Value) -> SqlStorageValue {
    match value {
        Value::Null => SqlStorageValue::Null,
        Value::Integer(number) => SqlStorageValue::Integer(number),
        Value::Text(text) => SqlStorageValue::String(text),
        Value::Blob(bytes) => SqlStorageValue::Blob(bytes),
    }
}

fn of_platform(value: SqlStorageValue) -> Value {
    match value {
        SqlStorageValue::Null => Value::Null,
        SqlStorageValue::Boolean(is_true) => Value::Integer(is_true.into()),
        SqlStorageValue::Integer(number) => Value::Integer(number),
        // Integers come back as JavaScript numbers, and no table of ours has others.
        SqlStorageValue::Float(number) => Value::Integer(number as i64),
        SqlStorageValue::String(text) => Value::Text(text),
        SqlStorageValue::Blob(bytes) => Value::Blob(bytes),
    }
}
