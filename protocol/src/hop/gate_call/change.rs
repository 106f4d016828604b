//! What is to change about a key or an account.

use crate::auth::pattern::Pattern;
use crate::auth::permission::Scopes;
use crate::auth::principal::Network;
use crate::limit::plan::Limit;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to change about a key. Absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// For people.
    pub name: Option<String>,
    /// The plan's name.
    pub plan: Option<String>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
    /// All other numbers for limits.
    pub overrides: Option<BTreeMap<String, u32>>,
    /// All limits of its own.
    pub limits: Option<Vec<Limit>>,
    /// All scopes.
    pub scopes: Option<Scopes>,
    /// All models; `Some(None)` for whatever its plan allows.
    #[serde(with = "twice")]
    pub models: Option<Option<Vec<Pattern>>>,
    /// All addresses.
    pub addresses: Option<Vec<Network>>,
    /// When it ends; `Some(None)` for never.
    #[serde(with = "twice")]
    pub expires_at: Option<Option<Millis>>,
    /// All that an admin keeps with it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// What is to change about an account's settings. Absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// Whether all of it is refused.
    pub disabled: Option<bool>,
    /// A plan in place of those that its keys or its issuer name; `Some(None)` takes that back.
    #[serde(with = "twice")]
    pub plan: Option<Option<String>>,
    /// All other numbers for limits.
    pub overrides: Option<BTreeMap<String, u32>>,
    /// For people.
    pub name: Option<String>,
    /// Whose it is, for people.
    pub owner: Option<String>,
}

/// `None`, `Some(None)` and `Some(Some(_))` as lists of nothing, of null and of a value: JSON knows one null.
mod twice {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        let mut values = Vec::<Option<T>>::deserialize(deserializer)?;
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(de::Error::custom("more than one value")) }
    }
}
