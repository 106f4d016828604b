//! The JSON of `/admin/v1/`. Unknown members are refused, so that a misspelt one is not silently without effect.

pub mod access;
pub mod audit;
mod audit_query;
mod change;
mod create;
mod credits;
pub mod failed_logins;
mod filter;
pub mod jobs;
mod registry;
mod text;
pub mod usage;

use crate::auth::key::ApiKey;
use crate::auth::pattern::Pattern;
use crate::auth::permission::Scopes;
use crate::auth::principal::{AccountName, Network};
use crate::hop::gate_call::description::{AccountDescription, KeyDescription, StorageCounters};
use crate::hop::gate_call::own_key::OwnLimit;
use crate::hop::gate_call::{KeyRecord, Settings};
use crate::hop::responses_call::KeptCount;
use crate::id::KeyId;
use crate::limit::decision::Totals;
use crate::limit::plan::limits_to_json;
use crate::order;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

pub use audit_query::{AUDIT_EXAMINED, AuditQuery, From as AuditFrom, Span};
pub use create::{CreateAccount, CreateKey, CreateKeys, MAX_BULK, MAX_OVERLAP_MS, RotateKey};
pub use credits::{AddCredits, CreditView};
pub use filter::{AccountFilter, AccountPage, KeyFilter, KeyPage, MAX_EXAMINED, PAGE, no_query};
pub use registry::{Addressed, CommandOutcome, Executed, Idempotency, RegistryAnswer, RegistryCall, StoredRefusal};
pub use text::{idempotency_key, version_of_etag};

/// The answer to `POST /admin/v1/keys`: the only time that the key itself is shown. Its `Debug` leaves the key out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedKey {
    /// `key_...`: names the key ever after.
    pub id: KeyId,
    /// Its account, 16 hexadecimal digits.
    pub account: String,
    /// `slc_...`: the secret.
    pub key: String,
    /// As asked.
    pub name: String,
    /// As asked.
    pub plan: String,
    /// Milliseconds since the epoch.
    pub created_at: Millis,
    /// As asked: milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.id).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl CreatedKey {
    /// Joins what was minted with what its Gate keeps.
    pub fn new(minted: &ApiKey, entry: &KeyEntry) -> Self {
        Self {
            id: minted.id,
            account: minted.id.account.to_string(),
            key: minted.reveal(),
            name: entry.name.clone(),
            plan: entry.plan.clone(),
            created_at: entry.created_at,
            expires_at: entry.expires_at,
        }
    }
}

/// The answer to `POST /admin/v1/keys/{id}/rotate`: the only time that the new secret is shown. Its `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// `key_...`: as before.
    pub id: KeyId,
    /// `slc_...`: the new secret.
    pub key: String,
    /// Until when the old secret is good, milliseconds since the epoch.
    pub old_until: Millis,
}

impl fmt::Debug for RotatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotatedKey").field("id", &self.id).field("old_until", &self.old_until).finish_non_exhaustive()
    }
}

/// One key in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// `key_...`.
    pub id: KeyId,
    /// Its account.
    pub account: String,
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// Milliseconds since the epoch.
    pub created_at: Millis,
    /// Whether it is refused for now.
    #[serde(default)]
    pub disabled: bool,
    /// When it ends, milliseconds since the epoch; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

/// `GET /admin/v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// In order of their ids.
    pub data: Vec<KeyEntry>,
    /// Pass it as `after` to go on; absent on the last page. A page with a filter may hold few keys, or none, and still
    /// have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<KeyId>,
    /// What the Registry did since it was started.
    pub storage: StorageCounters,
}

/// `GET /admin/v1/keys/{id}`: what its Gate knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// The key.
    #[serde(flatten)]
    pub key: KeyEntry,
    /// Counts its changes; the `etag` that `If-Match` takes.
    pub version: u32,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Limits of its own, as a plan has them.
    pub limits: Value,
    /// Which routes it may call.
    pub scopes: Scopes,
    /// Which models it may use; null for all that its plan allows.
    pub models: Option<Vec<Pattern>>,
    /// From which addresses it may call; empty for all.
    pub addresses: Vec<Network>,
    /// What an admin keeps with it.
    pub metadata: BTreeMap<String, String>,
    /// Until when secrets before its newest are good, milliseconds since the epoch.
    pub old_until: Vec<Millis>,
    /// Requests of its account that hold a lease now.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// What of that the key has used.
    pub used_by_key: Totals,
    /// What its Gate did since it was started.
    pub storage: StorageCounters,
}

impl KeyView {
    /// From what the key's Gate says.
    pub fn new(id: KeyId, described: KeyDescription) -> Self {
        let KeyDescription { record, live_leases, used, used_by_key, storage } = described;
        let key = KeyEntry::new(id, &record);
        let permissions = record.permissions;
        Self {
            key,
            version: record.version,
            overrides: record.overrides,
            limits: limits_to_json(&record.limits),
            scopes: permissions.scopes,
            models: permissions.models,
            addresses: permissions.addresses,
            metadata: record.metadata,
            old_until: record.retiring.iter().map(|retiring| retiring.until).collect(),
            live_leases,
            used,
            used_by_key,
            storage,
        }
    }
}

impl KeyEntry {
    /// What an index keeps of a key.
    pub fn new(id: KeyId, record: &KeyRecord) -> Self {
        Self {
            id,
            account: id.account.to_string(),
            name: record.name.clone(),
            plan: record.plan.clone(),
            created_at: record.created_at,
            disabled: record.disabled,
            expires_at: record.expires_at,
        }
    }
}

/// One account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEntry {
    /// 16 hexadecimal digits, `jwt:...` or `ip:...`.
    pub account: String,
    /// For people.
    pub name: String,
    /// Whose it is, for people.
    pub owner: String,
    /// The plan in place of those that its keys or its issuer name; null for none.
    pub plan: Option<String>,
    /// Whether all of it is refused for now.
    pub disabled: bool,
    /// Milliseconds since the epoch; null for one that nobody made.
    pub created_at: Option<Millis>,
}

impl AccountEntry {
    /// Of one that nobody made.
    pub const fn nobodys(account: String) -> Self {
        Self { account, name: String::new(), owner: String::new(), plan: None, disabled: false, created_at: None }
    }
}

/// `GET /admin/v1/accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountList {
    /// In order of their ids.
    pub data: Vec<AccountEntry>,
    /// Pass it as `after` to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /admin/v1/accounts/{id}`: what its Gate knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The account.
    #[serde(flatten)]
    pub entry: AccountEntry,
    /// Counts its changes; the `etag` that `If-Match` takes.
    pub version: u32,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Its keys.
    pub keys: Vec<KeyId>,
    /// Its requests that hold a lease now.
    pub live_leases: u32,
    /// What it has used in all.
    pub used: Totals,
    /// What of that each of its keys has used.
    pub used_by_key: BTreeMap<String, Totals>,
    /// What its Gate did since it was started.
    pub storage: StorageCounters,
    /// How its budgets stand, where it has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<OwnLimit>,
    /// What was added to its credits, by the budgets' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credits: BTreeMap<String, CreditView>,
    /// What it has asked to be kept, where an account is looked at alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_responses: Option<KeptCount>,
}

impl AccountEntry {
    /// What an index keeps of an account.
    pub fn new(account: &AccountName, settings: &Settings) -> Self {
        Self {
            account: account.to_string(),
            name: settings.name.clone(),
            owner: settings.owner.clone(),
            plan: settings.plan.clone(),
            disabled: settings.disabled,
            created_at: settings.created_at,
        }
    }
}

impl AccountView {
    /// From what the account's Gate says.
    pub fn new(account: &AccountName, described: AccountDescription) -> Self {
        let id = account.key_account();
        let keys = described.keys.iter().filter_map(|(key, used)| Some((KeyId { account: id?, key: *key }, *used)));
        Self {
            entry: AccountEntry::new(account, &described.settings),
            version: described.settings.version,
            overrides: described.settings.overrides,
            keys: keys.clone().map(|(key, _)| key).collect(),
            live_leases: described.live_leases,
            used: described.used,
            used_by_key: order::map(keys.map(|(key, used)| (key.to_string(), used))),
            storage: described.storage,
            budgets: described.budgets.into_iter().map(|standing| OwnLimit::new(standing, described.now)).collect(),
            credits: order::map(described.credits.iter().map(|(name, credit)| (name.clone(), CreditView::new(credit)))),
            kept_responses: None,
        }
    }
}

/// `DELETE /admin/v1/keys/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedKey {
    /// The key.
    pub id: KeyId,
    /// Always true; a key that was not there is refused with 404.
    pub deleted: bool,
}

/// `DELETE /admin/v1/accounts/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedAccount {
    /// The account.
    pub account: String,
    /// Always true; an account that was not there is refused with 404.
    pub deleted: bool,
}
