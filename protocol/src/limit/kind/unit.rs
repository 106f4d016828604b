//! What limits count, and what that is called.

use crate::limit::fields::{MAX_AMOUNT, MAX_REQUESTS, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of prompt and answer.
    Tokens,
    /// What the table's formulas make of a request, in units of the operator's own.
    Cost,
    /// What it costs in money, by the table's prices. Plans name it `cost` in a currency.
    Money,
    /// Pictures: those that are asked for, and in the end those that were begun.
    Images,
}

impl Unit {
    /// Behind a number, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost | Self::Money => "of cost",
            Self::Images => "images",
        }
    }

    /// In `RateLimit-Policy`, where it is not the draft's default. The draft registers no unit for tokens, cost or
    /// images: these are ours.
    pub const fn quota_unit(self) -> Option<&'static str> {
        match self {
            Self::Requests => None,
            Self::Tokens => Some("tokens"),
            Self::Cost | Self::Money => Some("cost"),
            Self::Images => Some("images"),
        }
    }

    /// The most that a limit may let through.
    pub(super) const fn most(self) -> u64 {
        match self {
            Self::Requests => MAX_REQUESTS,
            Self::Tokens | Self::Cost | Self::Money | Self::Images => MAX_AMOUNT,
        }
    }

    /// Whether a request with a longer prompt counts for more.
    pub const fn is_of_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::Cost | Self::Money)
    }

    /// As plans name it.
    pub const fn named(self) -> Self {
        match self {
            Self::Money => Self::Cost,
            other => other,
        }
    }

    /// A limit's member `unit`.
    pub(super) fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Self {
        reader.one_of(at, object, "unit", &UNITS).unwrap_or(Self::Requests)
    }

    /// Writes that member, unless it has its default.
    pub(super) fn write(self, object: &mut Map<String, Value>) {
        if self != Self::Requests {
            object.insert("unit".into(), json!(self));
        }
    }
}

const UNITS: [(&str, Unit); 4] =
    [("requests", Unit::Requests), ("tokens", Unit::Tokens), ("cost", Unit::Cost), ("images", Unit::Images)];
