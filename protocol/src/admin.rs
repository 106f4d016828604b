//! The JSON of `/admin/v1/`. Unknown members are refused, so that a misspelt one is not silently without effect.

mod change;

use crate::Millis;
use crate::audit::{AuditPage, Note};
use crate::gate::Totals;
use crate::gate_call::{AccountDescription, KeyDescription, KeyRecord, StorageCounters};
use crate::id::{AccountId, KeyId};
use crate::key::ApiKey;
use crate::plan::{DEFAULT_PLAN, PlanTable, TableVersion, limits_to_json};
use crate::principal::Account;
use crate::refusal::Refusal;
use crate::token::{Denial, DenialId, DenialList};
use change::{check_name, check_plan, invalid, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
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
        let raw: RawCreateKey = read(body, "a request for a key")?;
        let name = check_name(raw.name)?;
        let plan = check_plan(raw.plan.unwrap_or_else(|| DEFAULT_PLAN.into()), plans)?;
        let account = match raw.account {
            None => None,
            Some(text) => Some(AccountId::parse(&text).ok_or_else(|| {
                invalid("account", "`account` is 16 hexadecimal digits, as in the answer that made it.".into())
            })?),
        };
        Ok(Self { name, plan, account })
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
    /// Whether it is refused for now.
    pub disabled: bool,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Limits of its own, as a plan has them.
    pub limits: Value,
    /// Requests of its account that hold a lease now.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// What its Gate did since it was started.
    pub storage: StorageCounters,
}

impl KeyView {
    /// From what the key's Gate says.
    pub fn new(id: KeyId, described: KeyDescription) -> Self {
        let KeyDescription { record, live_leases, used, storage } = described;
        Self {
            disabled: record.disabled,
            overrides: record.overrides.clone(),
            limits: limits_to_json(&record.limits),
            key: KeyEntry::new(id, &record),
            live_leases,
            used,
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
        }
    }
}

/// `GET /admin/v1/accounts/{id}`: what its Gate knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// 16 hexadecimal digits, `jwt:...` or `ip:...`.
    pub account: String,
    /// Whether all of it is refused for now.
    pub disabled: bool,
    /// The plan in place of those that its keys or its issuer name; null for none.
    pub plan: Option<String>,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Its keys.
    pub keys: Vec<KeyId>,
    /// Its requests that hold a lease now.
    pub live_leases: u32,
    /// What it has used in all.
    pub used: Totals,
    /// What its Gate did since it was started.
    pub storage: StorageCounters,
}

impl AccountView {
    /// From what the account's Gate says.
    pub fn new(account: &Account, described: AccountDescription) -> Self {
        let id = account.key_account();
        let key_id = |key| id.map(|account| KeyId { account, key });
        Self {
            account: account.to_string(),
            disabled: described.settings.disabled,
            plan: described.settings.plan,
            overrides: described.settings.overrides,
            keys: described.keys.into_iter().filter_map(key_id).collect(),
            live_leases: described.live_leases,
            used: described.used,
            storage: described.storage,
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

/// How many keys a page of the list holds.
pub const PAGE: usize = 100;

/// What the edge asks of the Registry: the index of all keys, and the plans. The keys' truth is at their Gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryCall {
    /// Adds a key to the index, or replaces it.
    Put(KeyEntry),
    /// Removes a key from the index.
    Remove(KeyId),
    /// The page of keys whose ids come after this one.
    List(Option<KeyId>),
    /// The plan table, unless it is the one of this version.
    Plans {
        /// Which one is known already.
        known: Option<TableVersion>,
    },
    /// The plan table of this version, if it is in force or was a moment ago.
    PlansOf(TableVersion),
    /// Does this, and writes the note if that changed anything: both are kept, or neither.
    Noted {
        /// What the log says of it.
        note: Note,
        /// What is done.
        call: Box<Self>,
    },
    /// Writes a note of what is done elsewhere.
    Note(Note),
    /// Writes a failed admin login down, or counts it if there are too many.
    LoginFailed {
        /// What the log says of it.
        note: Note,
        /// How many before it an isolate has only counted.
        unnoted: u64,
    },
    /// The page of the audit log after this number.
    Audit(u64),
    /// Adds a denial, or replaces it.
    PutDenial(Denial),
    /// Takes a denial off.
    RemoveDenial(DenialId),
    /// All denials, for people.
    ListDenials,
    /// All denials, unless the list is the one of this version.
    Denials {
        /// Which one is known already.
        known: Option<TableVersion>,
    },
    /// Puts a plan table in force, if the one that is has this version (`None`: whichever it is).
    PutPlans {
        /// The table's text, checked.
        json: String,
        /// What it replaces.
        replaces: Option<TableVersion>,
    },
}

/// What the Registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryAnswer {
    /// Done, and whether anything changed.
    Done(bool),
    /// A page.
    Page(KeyList),
    /// A plan table's text; `None` if none was ever put, or there is none of that version.
    Plans(Option<String>),
    /// A page of the audit log.
    Audit(AuditPage),
    /// A failed login is counted; for how many milliseconds its address is not heard, if it has failed too often.
    LoginFailed(Option<Millis>),
    /// There is no room for one more.
    TooMany,
    /// All denials, for people.
    ListedDenials(DenialList),
    /// All denials.
    Denials {
        /// What the list changes with.
        version: TableVersion,
        /// Their names, and when they end.
        all: Vec<(DenialId, Option<Millis>)>,
    },
    /// The table, or the list, that is asked for is the one that is known.
    Unchanged,
    /// The table in force is another one than the one to be replaced.
    OtherPlans(Option<TableVersion>),
    /// Keys name plans that the new table does not have: such a plan, and one of the keys.
    PlanInUse {
        /// The plan.
        plan: String,
        /// A key that names it.
        key: KeyId,
    },
}
