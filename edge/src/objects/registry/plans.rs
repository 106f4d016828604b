//! The plan tables that were put lately.

use crate::platform::rows::{Rows, Value};
use crate::platform::{Result, State};
use sluice_protocol::admin::RegistryAnswer;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::order::sorted;
use std::cell::RefCell;

/// The last few plan tables, of which the newest is in force.
pub struct Tables {
    rows: Rows,
    /// Oldest first, once they have been read.
    kept: RefCell<Option<Vec<Table>>>,
}

/// A plan table that was put.
#[derive(Clone)]
struct Table {
    number: i64,
    version: Version,
    json: String,
}

impl Tables {
    /// Those that are stored.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "plans"), kept: RefCell::new(None) }
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
        self.kept.replace(None);
    }

    /// The version of the table in force; `None` if none was ever put.
    pub fn newest(&self) -> Result<Option<Version>> {
        Ok(self.all()?.last().map(|table| table.version))
    }

    /// The table in force, unless it is the one that is known.
    pub fn unless(&self, known: Option<Version>) -> Result<RegistryAnswer> {
        Ok(match self.all()?.pop() {
            Some(table) if Some(table.version) == known => RegistryAnswer::Unchanged,
            table => RegistryAnswer::Plans(table.map(|table| table.json)),
        })
    }

    /// The text of the table of this version.
    pub fn of_version(&self, version: Version) -> Result<Option<String>> {
        Ok(self.all()?.into_iter().find(|table| table.version == version).map(|table| table.json))
    }

    /// Puts a table in force that was checked at the edge, if nobody has put another one meanwhile and everything still has
    /// its plan, which `in_use` knows.
    pub fn put(
        &self,
        json: String,
        replaces: Option<Version>,
        in_force: Version,
        in_use: impl FnOnce(&PlanTable) -> Result<Option<RegistryAnswer>>,
    ) -> Result<RegistryAnswer> {
        let mut tables = self.all()?;
        if replaces.is_some_and(|replaces| replaces != in_force) {
            return Ok(RegistryAnswer::OtherPlans(Some(in_force)));
        }
        let table = PlanTable::parse(&json).map_err(|_| "the edge sent a table that is not one")?;
        if let Some(answer) = in_use(&table)? {
            return Ok(answer);
        }
        let number = tables.last().map_or(0, |table| table.number + 1);
        // Memory must not be ahead of the disk.
        self.kept.replace(None);
        self.rows.put(number, json.as_bytes())?;
        self.rows.exec("DELETE FROM plans WHERE id <= ?", vec![Value::Integer(number - KEPT)])?;
        tables.push(Table { number, version: table.version(), json });
        tables.retain(|table| table.number > number - KEPT);
        self.kept.replace(Some(tables));
        Ok(RegistryAnswer::Done(true))
    }

    fn all(&self) -> Result<Vec<Table>> {
        if let Some(tables) = self.kept.borrow().as_ref() {
            return Ok(tables.clone());
        }
        let mut tables = Vec::new();
        for (number, value) in self.rows.all()? {
            let json = String::from_utf8(value).map_err(|_| "a plan table is not text")?;
            // Its version is that of its text, also if a newer version of ours wrote it and only that can read it.
            tables.push(Table { number, version: Version::of(&json), json });
        }
        let tables = sorted(tables, |one, other| one.number.cmp(&other.number));
        self.kept.replace(Some(tables.clone()));
        Ok(tables)
    }
}

/// Gates are asked with tables that an isolate has kept for some seconds: the last few are there to be had.
const KEPT: i64 = 8;
