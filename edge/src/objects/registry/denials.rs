//! The list of denials at the Registry: rows that end by themselves.

use crate::platform::rows::{Rows, Value, not_ours, text};
use crate::platform::{self, Result, State};
use sha2::{Digest, Sha256};
use sluice_protocol::admin::RegistryAnswer;
use sluice_protocol::auth::token::{Denial, DenialId, MAX_DENIALS};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The rows.
pub struct DeniedRows {
    rows: Rows,
    /// All of them, once they have been read.
    all: RefCell<Option<BTreeMap<DenialId, Denial>>>,
}

impl DeniedRows {
    /// The rows in this storage; there need not be any.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "denials"), all: RefCell::default() }
    }

    /// Adds one, or replaces it; says so if there are too many.
    pub fn put(&self, denial: Denial) -> Result<RegistryAnswer> {
        self.end_old()?;
        let mut all = self.all()?;
        if all.len() >= MAX_DENIALS && !all.contains_key(&denial.id) {
            return Ok(RegistryAnswer::TooMany);
        }
        self.rows.make("(id TEXT PRIMARY KEY, denial TEXT NOT NULL) WITHOUT ROWID")?;
        let values = vec![text(denial.id.to_string()), text(serde_json::to_string(&denial)?)];
        self.rows.exec("INSERT OR REPLACE INTO denials (id, denial) VALUES (?, ?)", values)?;
        all.insert(denial.id, denial);
        self.all.replace(Some(all));
        Ok(RegistryAnswer::Done(true))
    }

    /// Takes one off.
    pub fn remove(&self, id: DenialId) -> Result<RegistryAnswer> {
        let mut all = self.all()?;
        let was_there = all.remove(&id).is_some();
        if was_there {
            self.rows.exec("DELETE FROM denials WHERE id = ?", vec![text(id.to_string())])?;
            self.all.replace(Some(all));
        }
        Ok(RegistryAnswer::Done(was_there))
    }

    /// All that hold.
    pub fn list(&self) -> Result<Vec<Denial>> {
        let now = platform::now();
        Ok(self.all()?.into_values().filter(|denial| denial.until.is_none_or(|until| now < until)).collect())
    }

    /// All that hold, for isolates; nothing, if it is the list that they know.
    pub fn denials(&self, known: Option<Version>) -> Result<RegistryAnswer> {
        let list = self.list()?;
        let mut digest = Sha256::new();
        for denial in &list {
            digest.update(denial.id.0);
            digest.update(denial.until.unwrap_or(u64::MAX).to_le_bytes());
        }
        let version = Version(digest.finalize()[..8].try_into().expect("32 bytes hold 8"));
        if known == Some(version) {
            return Ok(RegistryAnswer::Unchanged);
        }
        let all = list.into_iter().map(|denial| (denial.id, denial.until)).collect();
        Ok(RegistryAnswer::Denials { version, all })
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
        self.all.replace(None);
    }

    fn end_old(&self) -> Result<()> {
        let (mut all, now) = (self.all()?, platform::now());
        let old: Vec<_> = all.values().filter(|denial| denial.until.is_some_and(|until| until <= now)).collect();
        let old: Vec<_> = old.into_iter().map(|denial| denial.id).collect();
        for id in &old {
            self.rows.exec("DELETE FROM denials WHERE id = ?", vec![text(id.to_string())])?;
            all.remove(id);
        }
        self.all.replace(Some(all));
        Ok(())
    }

    fn all(&self) -> Result<BTreeMap<DenialId, Denial>> {
        if let Some(all) = self.all.borrow().as_ref() {
            return Ok(all.clone());
        }
        let mut all = BTreeMap::new();
        if self.rows.exists()? {
            for row in self.rows.exec("SELECT denial FROM denials", Vec::new())? {
                let Some(Value::Text(denial)) = row.into_iter().next() else {
                    return Err(not_ours());
                };
                let denial: Denial = serde_json::from_str(&denial)?;
                all.insert(denial.id, denial);
            }
        }
        self.all.replace(Some(all.clone()));
        Ok(all)
    }
}
