//! The list of origins that an admin has put, if any.

use crate::platform::rows::Rows;
use crate::platform::{Result, State};
use sluice_protocol::admin::RegistryAnswer;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;
use std::cell::RefCell;

/// One row at most.
pub struct OriginRows {
    rows: Rows,
    /// What was put, once it has been looked up.
    kept: RefCell<Option<Option<String>>>,
}

impl OriginRows {
    /// The row in this storage; there need not be any.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "origins"), kept: RefCell::default() }
    }

    /// The list that was put, unless it is the one that is known; `None` in it if none was.
    pub fn unless(&self, known: Option<Version>) -> Result<RegistryAnswer> {
        Ok(match self.list()? {
            Some(list) if Some(Version::of(&list)) == known => RegistryAnswer::Unchanged,
            list => RegistryAnswer::OriginList(list),
        })
    }

    /// Puts a list that was checked at the edge, or takes back what was put, if nobody has put another one meanwhile.
    /// `settings`: the version of the list that is in force where none was put.
    pub fn put(&self, json: Option<String>, replaces: Option<Version>, settings: Version) -> Result<RegistryAnswer> {
        let list = self.list()?;
        let in_force = list.as_deref().map_or(settings, Version::of);
        if replaces.is_some_and(|replaces| replaces != in_force) {
            return Ok(RegistryAnswer::OtherOrigins);
        }
        // Memory must not be ahead of the disk.
        self.kept.replace(None);
        match &json {
            Some(json) => self.rows.put(0, json.as_bytes())?,
            None if list.is_some() => drop(self.rows.exec("DELETE FROM origins WHERE id = 0", Vec::new())?),
            None => {}
        }
        let is_changed = json != list;
        self.kept.replace(Some(json));
        Ok(RegistryAnswer::Done(is_changed))
    }

    /// What its row has cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
        self.kept.replace(None);
    }

    fn list(&self) -> Result<Option<String>> {
        if let Some(list) = self.kept.borrow().as_ref() {
            return Ok(list.clone());
        }
        let row = self.rows.all()?.pop();
        let list =
            row.map(|(_, json)| String::from_utf8(json)).transpose().map_err(|_| "a list of origins is no text")?;
        self.kept.replace(Some(list.clone()));
        Ok(list)
    }
}
