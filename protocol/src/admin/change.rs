//! Changes to keys and accounts, as an admin writes them: `PATCH /admin/v1/keys/{id}` and `/admin/v1/accounts/{id}`.

use super::text::{
    check_addresses, check_expiry, check_metadata, check_models, check_overrides, check_plan, check_scopes, check_text,
    invalid, read,
};
use crate::auth::permission::Scopes;
use crate::hop::gate_call::{AccountChange, KeyChange};
use crate::limit::plan::{Limit, PlanTable, limits_from_json};
use crate::refusal::Refusal;
use crate::time::Millis;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyChange {
    name: Option<String>,
    plan: Option<String>,
    disabled: Option<bool>,
    overrides: Option<BTreeMap<String, Value>>,
    limits: Option<Value>,
    // Null takes a bound away; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    scopes: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    models: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    addresses: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    expires_at: Option<Option<Millis>>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccountChange {
    name: Option<String>,
    owner: Option<String>,
    disabled: Option<bool>,
    // Null takes the plan back; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    plan: Option<Option<String>>,
    overrides: Option<BTreeMap<String, Value>>,
}

impl KeyChange {
    /// Reads the body of `PATCH /admin/v1/keys/{id}`.
    pub fn parse(body: &[u8], plans: &PlanTable, now: Millis) -> Result<Self, Refusal> {
        let raw: RawKeyChange = read(body, "a change to a key")?;
        let scopes = raw.scopes.map(|scopes| scopes.map_or(Ok(Scopes::ALL), |names| check_scopes(&names)));
        let models = raw.models.map(|models| models.map(|names| check_models(&names)).transpose());
        let addresses = raw.addresses.map(|texts| check_addresses(&texts.unwrap_or_default()));
        let expires_at = raw.expires_at.map(|at| at.map(|at| check_expiry(at, now)).transpose());
        Ok(Self {
            name: raw.name.map(|name| check_text("name", name)).transpose()?,
            plan: raw.plan.map(|plan| check_plan(plan, plans)).transpose()?,
            disabled: raw.disabled,
            overrides: raw.overrides.map(check_overrides).transpose()?,
            limits: raw.limits.as_ref().map(read_limits).transpose()?,
            scopes: scopes.transpose()?,
            models: models.transpose()?,
            addresses: addresses.transpose()?,
            expires_at: expires_at.transpose()?,
            metadata: raw.metadata.map(check_metadata).transpose()?,
        })
    }
}

impl AccountChange {
    /// Reads the body of `PATCH /admin/v1/accounts/{id}`.
    pub fn parse(body: &[u8], plans: &PlanTable) -> Result<Self, Refusal> {
        Self::read(body, "a change to an account", plans)
    }

    pub(super) fn read(body: &[u8], what: &str, plans: &PlanTable) -> Result<Self, Refusal> {
        let raw: RawAccountChange = read(body, what)?;
        Ok(Self {
            name: raw.name.map(|name| check_text("name", name)).transpose()?,
            owner: raw.owner.map(|owner| check_text("owner", owner)).transpose()?,
            disabled: raw.disabled,
            plan: raw.plan.map(|plan| plan.map(|plan| check_plan(plan, plans)).transpose()).transpose()?,
            overrides: raw.overrides.map(check_overrides).transpose()?,
        })
    }
}

pub(super) fn read_limits(value: &Value) -> Result<Vec<Limit>, Refusal> {
    limits_from_json("limits", value).map_err(|mistakes| {
        let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        invalid("limits", format!("The limits have mistakes: {}", all.join("; ")))
    })
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
