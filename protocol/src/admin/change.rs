//! Changes to keys and accounts, as an admin writes them: `PATCH /admin/v1/keys/{id}` and `/admin/v1/accounts/{id}`.

use crate::gate_call::{AccountChange, KeyChange};
use crate::plan::{PlanTable, limits_from_json};
use crate::principal::is_name;
use crate::refusal::{Reason, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyChange {
    name: Option<String>,
    plan: Option<String>,
    disabled: Option<bool>,
    overrides: Option<BTreeMap<String, Value>>,
    limits: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccountChange {
    disabled: Option<bool>,
    // Null takes the plan back; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    plan: Option<Option<String>>,
    overrides: Option<BTreeMap<String, Value>>,
}

impl KeyChange {
    /// Reads the body of `PATCH /admin/v1/keys/{id}`.
    pub fn parse(body: &[u8], plans: &PlanTable) -> Result<Self, Refusal> {
        let raw: RawKeyChange = read(body, "a change to a key")?;
        let limits = match raw.limits {
            None => None,
            Some(value) => Some(limits_from_json("limits", &value).map_err(|mistakes| {
                let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                invalid("limits", format!("The limits have mistakes: {}", all.join("; ")))
            })?),
        };
        Ok(Self {
            name: raw.name.map(check_name).transpose()?,
            plan: raw.plan.map(|plan| check_plan(plan, plans)).transpose()?,
            disabled: raw.disabled,
            overrides: raw.overrides.map(check_overrides).transpose()?,
            limits,
        })
    }
}

impl AccountChange {
    /// Reads the body of `PATCH /admin/v1/accounts/{id}`.
    pub fn parse(body: &[u8], plans: &PlanTable) -> Result<Self, Refusal> {
        let raw: RawAccountChange = read(body, "a change to an account")?;
        Ok(Self {
            disabled: raw.disabled,
            plan: raw.plan.map(|plan| plan.map(|plan| check_plan(plan, plans)).transpose()).transpose()?,
            overrides: raw.overrides.map(check_overrides).transpose()?,
        })
    }
}

/// Reads an admin's body; an empty one is an empty object.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::InvalidJson };
        Refusal::new(reason, format!("The body is not {what}: {error}"))
    })
}

pub(super) fn check_name(name: String) -> Result<String, Refusal> {
    if name.len() > 128 || name.chars().any(char::is_control) {
        return Err(invalid("name", "`name` is at most 128 bytes without control characters.".into()));
    }
    Ok(name)
}

pub(super) fn check_plan(plan: String, plans: &PlanTable) -> Result<String, Refusal> {
    if plans.get(&plan).is_none() {
        let known: Vec<_> = plans.names().collect();
        return Err(invalid("plan", format!("There is no plan of this name. Known: {}.", known.join(", "))));
    }
    Ok(plan)
}

pub(super) fn invalid(param: impl Into<Cow<'static, str>>, message: String) -> Refusal {
    Refusal::new(Reason::InvalidRequest, message).with_param(param)
}

fn check_overrides(raw: BTreeMap<String, Value>) -> Result<BTreeMap<String, u32>, Refusal> {
    if raw.len() > MAX_OVERRIDES {
        return Err(invalid("overrides", format!("`overrides` holds at most {MAX_OVERRIDES} numbers.")));
    }
    let number = |(name, value): (String, Value)| {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| is_name(&name) && (1..=MAX_OVERRIDE).contains(number)) {
            Some(number) => Ok((name, number)),
            None => {
                let message = format!("`overrides` maps names of limits to whole numbers from 1 to {MAX_OVERRIDE}.");
                Err(invalid(format!("overrides.{name}"), message))
            }
        }
    };
    raw.into_iter().map(number).collect()
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

const MAX_OVERRIDES: usize = 16;
const MAX_OVERRIDE: u32 = 1_000_000_000;
