//! The list of origins that is in force, as an admin sees it and puts it: text, and what it says.

use super::setting::{self, OriginSetting};
use crate::id::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A list of origins as it was written, in the form of the setting `ORIGINS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginList {
    json: String,
    origins: Vec<OriginSetting>,
}

/// What an admin is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginsView {
    /// Where the list comes from.
    pub source: Source,
    /// As it was written.
    pub origins: Value,
    /// How they are, as far as the isolate knows that answers.
    pub state: Vec<OriginState>,
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From `ORIGINS` or `ORIGIN_URL`.
    Settings,
    /// An admin has put it.
    Admin,
}

/// How an origin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginState {
    /// Which.
    pub name: String,
    /// Whether it is sent requests.
    pub takes_requests: bool,
}

impl OriginList {
    /// Reads a list, or every mistake that it has.
    pub fn parse(json: &str) -> Result<Self, Vec<String>> {
        setting::parse(json).map(|origins| Self { json: json.to_owned(), origins })
    }

    /// As it was written.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What it says, in its order.
    pub fn origins(&self) -> &[OriginSetting] {
        &self.origins
    }

    /// What it is known by: another text has another one.
    pub fn version(&self) -> Version {
        Version::of(&self.json)
    }

    /// A model that one of these names leads to and no origin has, as far as the list says which they have.
    pub fn missing_model<'a>(&self, mut models: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let all: Option<Vec<&[String]>> = self.origins.iter().map(|origin| origin.models.as_deref()).collect();
        let all = all?;
        models.find(|model| !all.iter().any(|models| models.iter().any(|has| has == model)))
    }
}

/// The largest list that is put, in bytes.
pub const MAX_LIST_BYTES: usize = 64 * 1024;
