//! Rules of a plan table that say when somebody is to be told. What they look at, and whom they tell, is in
//! `protocol/src/alerts.rs`.

use crate::time::{Millis, write_duration};

/// One rule: when, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name, which no other rule of the table has: 1 to 32 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// When it tells.
    pub when: Condition,
    /// The names of the webhooks that it tells; all of them where none is named.
    pub send: Vec<String>,
    /// Whether it is kept quiet.
    pub muted: bool,
}

/// When a rule tells. Spans are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Limits refused one key more often than this within a span.
    KeyRefused {
        /// How often they may.
        more_than: u64,
        /// Within which span.
        within_ms: Millis,
    },
    /// A request met a budget of which so much is used up.
    BudgetUsed {
        /// How much, in percent, each once and in order: of [`BUDGET_PERCENT`].
        percent: Vec<u8>,
    },
    /// An origin takes no requests.
    OriginDown {
        /// For how long, before anybody is told.
        for_ms: Millis,
    },
    /// More than a share of all requests failed or were cut.
    Errors {
        /// The share, in percent: 1 to 99.
        percent: u8,
        /// Of how many requests at least, before anybody is told.
        of_at_least: u64,
        /// Within which span.
        within_ms: Millis,
    },
    /// Leases had to end by themselves more often than this within a span.
    Lapsed {
        /// How often they may.
        more_than: u64,
        /// Within which span.
        within_ms: Millis,
    },
    /// Logins of admins failed more often than this within a span.
    FailedLogins {
        /// How often they may.
        more_than: u64,
        /// Within which span.
        within_ms: Millis,
    },
}

impl AlertRule {
    /// The rules of a table that says nothing of alerts.
    pub fn built_in() -> Vec<Self> {
        let when = Condition::KeyRefused { more_than: 50, within_ms: MAX_WITHIN_MS };
        vec![Self { name: "key-refused".to_owned(), when, send: Vec::new(), muted: false }]
    }
}

impl Condition {
    /// Its kind, as a table names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::KeyRefused { .. } => "key_refused",
            Self::BudgetUsed { .. } => "budget",
            Self::OriginDown { .. } => "origin_down",
            Self::Errors { .. } => "errors",
            Self::Lapsed { .. } => "lapsed",
            Self::FailedLogins { .. } => "failed_logins",
        }
    }

    /// What it says, for people: `a key is refused more than 50 times within 1h`.
    pub fn text(&self) -> String {
        let more = |what: &str, more_than: &u64, within_ms: &Millis| {
            format!("{what} more than {more_than} times within {}", write_duration(*within_ms))
        };
        match self {
            Self::KeyRefused { more_than, within_ms } => more("a key is refused", more_than, within_ms),
            Self::BudgetUsed { percent } => {
                let steps: Vec<_> = percent.iter().map(|step| format!("{step} %")).collect();
                format!("{} of a budget are used up", steps.join(" or "))
            }
            Self::OriginDown { for_ms } => format!("an origin takes no requests for {}", write_duration(*for_ms)),
            Self::Errors { percent, of_at_least, within_ms } => {
                let within = write_duration(*within_ms);
                format!("more than {percent} % of requests fail or are cut within {within}, of {of_at_least} at least")
            }
            Self::Lapsed { more_than, within_ms } => more("leases end by themselves", more_than, within_ms),
            Self::FailedLogins { more_than, within_ms } => more("logins of admins fail", more_than, within_ms),
        }
    }
}

/// What may be said of how much of a budget is used up, in percent: the steps at which requests that meet a budget are
/// counted.
pub const BUDGET_PERCENT: [u8; 4] = [50, 80, 90, 100];
/// The shortest span that a rule looks at, in milliseconds: what is counted comes a few seconds later.
pub const MIN_WITHIN_MS: Millis = 10_000;
/// The longest one: what is counted by seconds is kept for so long.
pub const MAX_WITHIN_MS: Millis = 3_600_000;
