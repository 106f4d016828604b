//! What was forgotten of answers that are kept: a row for each account, and one for all. They end by themselves when no
//! answer of before can be left.

use crate::platform::rows::{Rows, Value, not_ours, text};
use crate::platform::{self, Result, State};
use sha2::{Digest, Sha256};
use sluice_protocol::admin::RegistryAnswer;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;
use sluice_protocol::limit::cache::MAX_TTL_MS;
use sluice_protocol::order::sorted;
use sluice_protocol::time::Millis;

/// The rows.
pub struct PurgeRows {
    rows: Rows,
}

impl PurgeRows {
    /// The rows in this storage; there need not be any.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "purges") }
    }

    /// Forgets what is kept of an account, or of all. With too many accounts, that of all.
    pub fn forget_answers(&self, account: Option<String>) -> Result<RegistryAnswer> {
        let all = self.all()?;
        self.rows.make("(account TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID")?;
        // A time that nothing was forgotten at before, also if the clock went back.
        let at = all.iter().map(|(_, at)| at + 1).fold(platform::now(), Millis::max);
        let is_known = account.as_ref().is_some_and(|account| all.iter().any(|(known, _)| known == account));
        let account = account.filter(|_| is_known || all.len() < MAX_ROWS).unwrap_or_default();
        for (old, _) in all.iter().filter(|(_, then)| is_over(*then, at) || account.is_empty()) {
            self.rows.exec("DELETE FROM purges WHERE account = ?", vec![text(old.clone())])?;
        }
        let values = vec![text(account), text(at.to_string())];
        self.rows.exec("INSERT OR REPLACE INTO purges (account, at) VALUES (?, ?)", values)?;
        Ok(RegistryAnswer::Done(true))
    }

    /// All of it, for isolates; nothing, if it is what they know.
    pub fn forgotten(&self, known: Option<Version>) -> Result<RegistryAnswer> {
        let all = sorted(self.all()?, Ord::cmp);
        let digest = Sha256::digest(serde_json::to_vec(&all)?);
        let version = Version(digest[..8].try_into().expect("32 bytes hold 8"));
        Ok(if known == Some(version) { RegistryAnswer::Unchanged } else { RegistryAnswer::Forgotten { version, all } })
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
    }

    fn all(&self) -> Result<Vec<(String, Millis)>> {
        if !self.rows.exists()? {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for row in self.rows.exec("SELECT account, at FROM purges", Vec::new())? {
            let mut row = row.into_iter();
            let (Some(Value::Text(account)), Some(Value::Text(at))) = (row.next(), row.next()) else {
                return Err(not_ours());
            };
            all.push((account, at.parse().map_err(|_| not_ours())?));
        }
        Ok(all)
    }
}

/// Whether what was kept before is over by itself.
const fn is_over(then: Millis, now: Millis) -> bool {
    now > then && now - then > 2 * MAX_TTL_MS
}

/// How many accounts have a row of their own.
const MAX_ROWS: usize = 512;
