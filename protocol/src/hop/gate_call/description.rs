//! What is shown of a caller, a key and an account, and what an object did.

use super::{Credit, KeyRecord, Settings};
use crate::limit::decision::Totals;
use crate::limit::standing::Standing;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a caller sees of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerDescription {
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// How its limits stand.
    pub standings: Vec<Standing>,
    /// Leases of its account that are live.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// When its smallest request passes, if nothing is counted or settled before: now, or later; `None` if never.
    pub passes_at: Option<Millis>,
    /// When it was decided.
    pub now: Millis,
}

/// What an admin sees of a key at its Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDescription {
    /// What is kept.
    pub record: KeyRecord,
    /// Leases of its account that are live now.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// What of that the key has used.
    pub used_by_key: Totals,
    /// What the object did since it was started.
    pub storage: StorageCounters,
}

/// What an admin sees of an account at its Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDescription {
    /// What is set for it.
    pub settings: Settings,
    /// Its keys, and what each has used.
    pub keys: Vec<([u8; 4], Totals)>,
    /// Its leases that are live now.
    pub live_leases: u32,
    /// What it has used in all.
    pub used: Totals,
    /// What the object did since it was started.
    pub storage: StorageCounters,
    /// How its budgets stand.
    pub budgets: Vec<Standing>,
    /// What was added to its credits, by their names.
    pub credits: BTreeMap<String, Credit>,
    /// When that was.
    pub now: Millis,
}

/// What a Durable Object did since it was started. A refusal of a forged key leaves all of them as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageCounters {
    /// Messages that reached it.
    pub calls: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
}

impl core::ops::Add for StorageCounters {
    type Output = Self;

    /// Of both together.
    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            rows_read: self.rows_read + other.rows_read,
            rows_written: self.rows_written + other.rows_written,
        }
    }
}

impl AccountDescription {
    /// Whether anybody has made this account, or set something for it.
    pub fn is_made(&self) -> bool {
        !self.keys.is_empty() || !self.credits.is_empty() || self.settings != Settings::default()
    }
}
