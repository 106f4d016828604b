//! What is counted: one count for each series, and a bound on how many there are of a kind.

use crate::telemetry::RequestOutcome;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A name in a series: a model's, a plan's, a limit's. Empty where there is none, or where nobody knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(String);

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Series {
    /// Requests for an answer that are over.
    Requests {
        /// What became of them.
        outcome: RequestOutcome,
        /// The model that they were for, of those that have answered.
        model: Label,
        /// The plan by which they were decided.
        plan: Label,
    },
    /// Requests for an answer that were refused, for whatever reason.
    Refused {
        /// The refusal's code.
        code: Label,
    },
    /// How often a limit refused; a request that two refuse counts for both.
    RefusedBy {
        /// Whose limit.
        plan: Label,
        /// Its name.
        limit: Label,
    },
    /// Streams, by how long their first token took since they were admitted.
    FirstToken {
        /// Of which model.
        model: Label,
        /// The first of [`BOUNDS`] that it does not exceed.
        bucket: u8,
    },
    /// How long first tokens took together, in milliseconds.
    FirstTokenMs {
        /// Of which model.
        model: Label,
    },
    /// Requests that were answered, by how long that took from their first byte to the answer's last.
    Answer {
        /// By which model.
        model: Label,
        /// As above.
        bucket: u8,
    },
    /// How long answers took together, in milliseconds.
    AnswerMs {
        /// By which model.
        model: Label,
    },
    /// Tokens, as far as origins told.
    Tokens {
        /// Of which model.
        model: Label,
        /// Of what.
        kind: TokenKind,
    },
    /// Messages to Gates.
    GateCalls,
    /// Rows that Gates wrote over them.
    GateRows,
    /// Logins of admins that failed.
    FailedLogins,
}

/// What tokens are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TokenKind {
    /// Of prompts.
    Prompt,
    /// Those of them that origins remembered.
    Cached,
    /// Of answers.
    Completion,
    /// Those of them that were thinking.
    Thinking,
}

/// The upper ends of what durations are told apart by, in milliseconds; what is longer falls behind the last.
pub const BOUNDS: [Millis; 14] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];

/// The bucket of a duration: of the first bound that it does not exceed, or the one behind the last.
pub fn bucket(ms: Millis) -> u8 {
    BOUNDS.partition_point(|bound| *bound < ms) as u8
}

impl Label {
    /// A name, cut after [`MAX_LABEL`] characters.
    pub fn of(name: &str) -> Self {
        Self(name.chars().take(MAX_LABEL).collect())
    }

    /// All that are not told apart.
    pub fn others() -> Self {
        Self(OTHERS.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Series {
    /// How many series of this one's kind are told apart.
    pub const fn most(&self) -> usize {
        match self {
            Self::Requests { .. } => 160,
            Self::Refused { .. } => 64,
            Self::RefusedBy { .. } => 96,
            Self::FirstToken { .. } | Self::Answer { .. } => 16 * (BOUNDS.len() + 1),
            Self::FirstTokenMs { .. } | Self::AnswerMs { .. } => 16,
            Self::Tokens { .. } => 64,
            Self::GateCalls | Self::GateRows | Self::FailedLogins => 1,
        }
    }

    /// Whether it is that of others.
    pub fn is_of_others(&self) -> bool {
        *self == self.other()
    }

    /// The series that takes what would be one too many: without its names.
    pub fn other(&self) -> Self {
        let others = Label::others;
        match self {
            Self::Requests { outcome, .. } => Self::Requests { outcome: *outcome, model: others(), plan: others() },
            Self::Refused { .. } => Self::Refused { code: others() },
            Self::RefusedBy { .. } => Self::RefusedBy { plan: others(), limit: others() },
            Self::FirstToken { bucket, .. } => Self::FirstToken { model: others(), bucket: *bucket },
            Self::FirstTokenMs { .. } => Self::FirstTokenMs { model: others() },
            Self::Answer { bucket, .. } => Self::Answer { model: others(), bucket: *bucket },
            Self::AnswerMs { .. } => Self::AnswerMs { model: others() },
            Self::Tokens { kind, .. } => Self::Tokens { model: others(), kind: *kind },
            Self::GateCalls | Self::GateRows | Self::FailedLogins => self.clone(),
        }
    }
}

impl TokenKind {
    /// As it is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Cached => "cached",
            Self::Completion => "completion",
            Self::Thinking => "thinking",
        }
    }
}

/// How many characters of a name are told.
pub const MAX_LABEL: usize = 64;
/// The name of all that are not told apart.
const OTHERS: &str = "(others)";
