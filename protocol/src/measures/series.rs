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
    /// Leases that ended by themselves, as far as Gates have found that out.
    Lapsed,
    /// Requests of one key that limits refused. For alerts: of the last hour, and in no sum.
    KeyRefused {
        /// Whose.
        account: Label,
        /// The key, the subject of a token, or the account of those who have neither.
        key: Label,
    },
    /// Requests that met a budget so far used up. For alerts: of the last hour, and in no sum.
    BudgetUsed {
        /// Whose.
        account: Label,
        /// The plan.
        plan: Label,
        /// The budget's name.
        budget: Label,
        /// How much of it, in the steps of [`BUDGET_STEPS`].
        percent: u8,
        /// When its period ends; 0 of one that has none.
        until: Millis,
    },
    /// Spans of requests that were to be exported and were dropped.
    SpansDropped,
    /// Pictures that were begun, as far as origins told.
    Images {
        /// By which model.
        model: Label,
    },
    /// Steps of pictures that were run, as far as origins told.
    ImageSteps {
        /// By which model.
        model: Label,
    },
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
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000]; // not a status: milliseconds

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
    /// How many series of this one's kind are told apart: of what has buckets, how many models.
    pub const fn most(&self) -> usize {
        match self {
            Self::Requests { .. } => 160,
            Self::RefusedBy { .. } => 96,
            Self::FirstToken { .. } | Self::Answer { .. } | Self::FirstTokenMs { .. } | Self::AnswerMs { .. } => 16,
            Self::Images { .. } | Self::ImageSteps { .. } => 16,
            Self::Refused { .. } | Self::Tokens { .. } | Self::KeyRefused { .. } | Self::BudgetUsed { .. } => 64,
            Self::GateCalls | Self::GateRows | Self::FailedLogins | Self::Lapsed | Self::SpansDropped => 1,
        }
    }

    /// Whether another one of its kind takes none of the places of [`Self::most`] beside this one.
    pub fn shares_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::FirstToken { model: one, .. }, Self::FirstToken { model: other, .. })
            | (Self::Answer { model: one, .. }, Self::Answer { model: other, .. }) => one == other,
            _ => self == other,
        }
    }

    /// The place of its kind among all: series are in order of their kinds.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Requests { .. } => 0,
            Self::Refused { .. } => 1,
            Self::RefusedBy { .. } => 2,
            Self::FirstToken { .. } => 3,
            Self::FirstTokenMs { .. } => 4,
            Self::Answer { .. } => 5,
            Self::AnswerMs { .. } => 6,
            Self::Tokens { .. } => 7,
            Self::GateCalls => 8,
            Self::GateRows => 9,
            Self::FailedLogins => 10,
            Self::Lapsed => 11,
            Self::KeyRefused { .. } => 12,
            Self::BudgetUsed { .. } => 13,
            Self::SpansDropped => 14,
            Self::Images { .. } => 15,
            Self::ImageSteps { .. } => 16,
        }
    }

    /// Whether it is only looked at for a while, and not added up for ever.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::KeyRefused { .. } | Self::BudgetUsed { .. })
    }

    /// Whether it is that of others.
    pub fn is_of_others(&self) -> bool {
        let name = match self {
            Self::Requests { model, plan, .. } if model.as_str() == OTHERS => plan,
            Self::Requests { .. } => return false,
            Self::Refused { code } => code,
            Self::RefusedBy { limit, .. } => limit,
            Self::FirstToken { model, .. }
            | Self::FirstTokenMs { model }
            | Self::Answer { model, .. }
            | Self::AnswerMs { model }
            | Self::Tokens { model, .. }
            | Self::Images { model }
            | Self::ImageSteps { model } => model,
            Self::KeyRefused { key, .. } => key,
            Self::BudgetUsed { budget, .. } => budget,
            Self::GateCalls | Self::GateRows | Self::FailedLogins | Self::Lapsed | Self::SpansDropped => return true,
        };
        name.as_str() == OTHERS
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
            Self::Images { .. } => Self::Images { model: others() },
            Self::ImageSteps { .. } => Self::ImageSteps { model: others() },
            Self::KeyRefused { .. } => Self::KeyRefused { account: others(), key: others() },
            Self::BudgetUsed { percent, .. } => {
                let [account, plan, budget] = [others(), others(), others()];
                Self::BudgetUsed { account, plan, budget, percent: *percent, until: 0 }
            }
            Self::GateCalls | Self::GateRows | Self::FailedLogins | Self::Lapsed | Self::SpansDropped => self.clone(),
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

/// How much of a budget is used up, in percent, before anybody is told: the most that it has reached of these.
pub const BUDGET_STEPS: [u8; 4] = [50, 80, 90, 100];

/// The step that so much of a budget has reached, if it has reached one.
pub fn budget_step(used: u64, quota: u64) -> Option<u8> {
    let reached = |step: &u8| u128::from(used) * 100 >= u128::from(quota) * u128::from(*step);
    BUDGET_STEPS.into_iter().rev().find(reached)
}

/// How many characters of a name are told.
pub const MAX_LABEL: usize = 64;
/// The name of all that are not told apart.
const OTHERS: &str = "(others)";
