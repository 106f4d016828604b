//! What an admin asks to be made: `POST /admin/v1/keys`, `/keys/bulk`, `/keys/{id}/rotate` and `/accounts`.

use super::change::read_limits;
use super::text::{
    check_addresses, check_expiry, check_metadata, check_models, check_overrides, check_plan, check_scopes, check_text,
    invalid, read,
};
use crate::auth::key::{ApiKey, Peppers, Seed};
use crate::auth::permission::{Permissions, Scopes};
use crate::hop::gate_call::command::{Action, Command};
use crate::hop::gate_call::{AccountChange, KeyRecord};
use crate::id::{AccountId, CommandId};
use crate::limit::plan::{DEFAULT_PLAN, Limit, PlanTable};
use crate::refusal::Refusal;
use crate::time::{Millis, parse_duration};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `POST /admin/v1/keys`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateKey {
    /// For people; at most 128 bytes, may be empty.
    pub name: String,
    /// A plan that exists.
    pub plan: String,
    /// The account that the key joins; absent for one of its own.
    pub account: Option<AccountId>,
    /// Other numbers for limits.
    pub overrides: BTreeMap<String, u32>,
    /// Limits of its own.
    pub limits: Vec<Limit>,
    /// What it may be used for.
    pub permissions: Permissions,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// What an admin keeps with it.
    pub metadata: BTreeMap<String, String>,
}

/// `POST /admin/v1/keys/bulk`, checked: 1 to [`MAX_BULK`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateKeys(pub Vec<CreateKey>);

/// `POST /admin/v1/accounts`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAccount(pub AccountChange);

/// `POST /admin/v1/keys/{id}/rotate`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotateKey {
    /// For how long the old secret is still good, in milliseconds.
    pub overlap_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreateKey {
    #[serde(default)]
    name: String,
    plan: Option<String>,
    account: Option<String>,
    #[serde(default)]
    overrides: BTreeMap<String, Value>,
    limits: Option<Value>,
    scopes: Option<Vec<String>>,
    models: Option<Vec<String>>,
    #[serde(default)]
    addresses: Vec<String>,
    expires_at: Option<Millis>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreateKeys {
    keys: Vec<RawCreateKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRotateKey {
    overlap: Option<String>,
}

impl CreateKey {
    /// Reads the body; an empty one asks for a key with all defaults.
    pub fn parse(body: &[u8], plans: &PlanTable, now: Millis) -> Result<Self, Refusal> {
        Self::check(read(body, "a request for a key")?, plans, now)
    }

    /// The key that is made of it: the same one whenever it is made from the same seed and place. `None` if the seed's pepper
    /// is no longer in force.
    pub fn mint(&self, peppers: &Peppers, seed: &Seed, place: u32) -> Option<ApiKey> {
        ApiKey::derive(peppers, seed, place, self.account, None)
    }

    /// What its account's Gate is told to do.
    pub fn command(&self, id: CommandId, minted: &ApiKey, at: Millis) -> Command {
        let record = KeyRecord {
            name: self.name.clone(),
            overrides: self.overrides.clone(),
            limits: self.limits.clone(),
            permissions: self.permissions.clone(),
            expires_at: self.expires_at,
            metadata: self.metadata.clone(),
            ..KeyRecord::new(minted.id.key, minted.secret_hash(), &self.plan, at)
        };
        Command { id, expects: None, at, action: Action::CreateKey(Box::new(record)) }
    }

    fn check(raw: RawCreateKey, plans: &PlanTable, now: Millis) -> Result<Self, Refusal> {
        let account = raw.account.map(|text| {
            let message = "`account` is 16 hexadecimal digits, as in the answer that made it.";
            AccountId::parse(&text).ok_or_else(|| invalid("account", message.into()))
        });
        let permissions = Permissions {
            scopes: raw.scopes.map_or(Ok(Scopes::ALL), |names| check_scopes(&names))?,
            models: raw.models.map(|names| check_models(&names)).transpose()?,
            addresses: check_addresses(&raw.addresses)?,
        };
        Ok(Self {
            name: check_text("name", raw.name)?,
            plan: check_plan(raw.plan.unwrap_or_else(|| DEFAULT_PLAN.into()), plans)?,
            account: account.transpose()?,
            overrides: check_overrides(raw.overrides)?,
            limits: raw.limits.as_ref().map(read_limits).transpose()?.unwrap_or_default(),
            permissions,
            expires_at: raw.expires_at.map(|at| check_expiry(at, now)).transpose()?,
            metadata: check_metadata(raw.metadata)?,
        })
    }
}

impl CreateKeys {
    /// Reads `{"keys": [...]}`. One that is wrong refuses all of them, and is named: `keys[3].plan`.
    pub fn parse(body: &[u8], plans: &PlanTable, now: Millis) -> Result<Self, Refusal> {
        let raw: RawCreateKeys = read(body, "a request for keys")?;
        if !(1..=MAX_BULK).contains(&raw.keys.len()) {
            return Err(invalid("keys", format!("`keys` is a list of 1 to {MAX_BULK} requests for a key.")));
        }
        let check = |(place, raw)| {
            CreateKey::check(raw, plans, now).map_err(|mut refusal| {
                refusal.param = refusal.param.map(|param| format!("keys[{place}].{param}").into());
                refusal
            })
        };
        raw.keys.into_iter().enumerate().map(check).collect::<Result<_, _>>().map(Self)
    }
}

impl CreateAccount {
    /// Reads the body; an empty one asks for an account with all defaults.
    pub fn parse(body: &[u8], plans: &PlanTable) -> Result<Self, Refusal> {
        AccountChange::read(body, "a request for an account", plans).map(Self)
    }
}

impl RotateKey {
    /// Reads the body; an empty one asks for an overlap of an hour.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let raw: RawRotateKey = read(body, "a request for another secret")?;
        let overlap = parse_duration(raw.overlap.as_deref().unwrap_or(DEFAULT_OVERLAP));
        let overlap_ms = overlap.filter(|overlap| *overlap <= MAX_OVERLAP_MS).ok_or_else(|| {
            let message =
                "`overlap` is how long the old secret stays good, such as \"0s\", \"1h\" or \"7d\"; at most 31 days.";
            invalid("overlap", message.into())
        })?;
        Ok(Self { overlap_ms })
    }
}

/// How many keys are made at once at most.
pub const MAX_BULK: usize = 100;
/// The longest time in which two secrets of one key are good, in milliseconds: 31 days.
pub const MAX_OVERLAP_MS: u64 = 31 * 24 * 60 * 60 * 1000;
/// For how long the old secret is good where nobody says.
const DEFAULT_OVERLAP: &str = "1h";
