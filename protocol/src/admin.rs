//! The JSON of `/admin/v1/`. Unknown members are refused, so that a misspelt one is not silently without effect.

use crate::Millis;
use crate::gate::Totals;
use crate::gate_call::StorageCounters;
use crate::id::{AccountId, KeyId};
use crate::key::ApiKey;
use crate::plan::{DEFAULT_PLAN, PlanTable};
use crate::refusal::{Reason, Refusal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `POST /admin/v1/keys`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateKey {
    /// For people; at most 128 bytes, may be empty.
    pub name: String,
    /// A plan that exists.
    pub plan: String,
    /// The account that the key joins; absent for one of its own.
    pub account: Option<AccountId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreateKey {
    #[serde(default)]
    name: String,
    plan: Option<String>,
    account: Option<String>,
}

impl CreateKey {
    /// Reads the body; an empty one asks for a key with all defaults.
    pub fn parse(body: &[u8], plans: &PlanTable) -> Result<Self, Refusal> {
        let body = if body.is_empty() { b"{}" } else { body };
        let raw: RawCreateKey = serde_json::from_slice(body).map_err(|error| {
            let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::InvalidJson };
            Refusal::new(reason, format!("The body is not a request for a key: {error}"))
        })?;
        let invalid =
            |param: &'static str, message: String| Refusal::new(Reason::InvalidRequest, message).with_param(param);
        if raw.name.len() > 128 || raw.name.chars().any(char::is_control) {
            return Err(invalid("name", "`name` is at most 128 bytes without control characters.".into()));
        }
        let plan = raw.plan.unwrap_or_else(|| DEFAULT_PLAN.into());
        if plans.get(&plan).is_none() {
            let known: Vec<_> = plans.names().collect();
            return Err(invalid("plan", format!("There is no plan of this name. Known: {}.", known.join(", "))));
        }
        let account = match raw.account {
            None => None,
            Some(text) => Some(AccountId::parse(&text).ok_or_else(|| {
                invalid("account", "`account` is 16 hexadecimal digits, as in the answer that made it.".into())
            })?),
        };
        Ok(Self { name: raw.name, plan, account })
    }
}

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
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.id).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl CreatedKey {
    /// Joins what was minted with what was asked.
    pub fn new(minted: &ApiKey, asked: &CreateKey, created_at: Millis) -> Self {
        Self {
            id: minted.id,
            account: minted.id.account.to_string(),
            key: minted.reveal(),
            name: asked.name.clone(),
            plan: asked.plan.clone(),
            created_at,
        }
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
}

/// `GET /admin/v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// In order of their ids.
    pub data: Vec<KeyEntry>,
    /// Pass it as `after` to go on; absent on the last page.
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
    /// Requests of its account that hold a lease now.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// What its Gate did since it was started.
    pub storage: StorageCounters,
}

/// `DELETE /admin/v1/keys/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedKey {
    /// The key.
    pub id: KeyId,
    /// Always true; a key that was not there is refused with 404.
    pub deleted: bool,
}

/// How many keys a page of the list holds.
pub const PAGE: usize = 100;

/// What the edge asks of the Registry: the index of all keys. The keys' truth is at their Gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryCall {
    /// Adds a key to the index, or replaces it.
    Put(KeyEntry),
    /// Removes a key from the index.
    Remove(KeyId),
    /// The page of keys whose ids come after this one.
    List(Option<KeyId>),
}

/// What the Registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryAnswer {
    /// Done, and whether anything changed.
    Done(bool),
    /// A page.
    Page(KeyList),
}
