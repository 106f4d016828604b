//! What somebody is told.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One message, in whichever form it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The same however often it is sent: `<incident>-opened`, `<incident>-over` or `test-<number>`.
    pub id: String,
    /// Whose; `test` for a test.
    pub rule: String,
    /// What happened.
    pub phase: Phase,
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// In a line, without names that callers chose.
    pub title: String,
    /// In a sentence or two.
    pub text: String,
    /// What it is about, and what was counted.
    pub facts: BTreeMap<String, String>,
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began.
    Opened,
    /// It is over.
    Over,
    /// Nothing: somebody wants to see whether messages come.
    Test,
}

impl Phase {
    /// As it is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Over => "over",
            Self::Test => "test",
        }
    }
}
