//! One line on its way: what it is, and what becomes of it next.
//!
//! **waiting -> sent -> told -> over.** A line is `sent` before it is sent, under a request id of its own for each
//! try; `told` as soon as its answer is there; `over` when its request is settled too. So whoever finds one that is
//! sent or told after an end of everything knows which request to ask about and to settle.

use super::packed::{JobsError, decode, encode};
use crate::id::RequestId;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A line of a batch, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The name that its maker gave it.
    pub custom_id: String,
    /// What is asked; nothing is kept of it once there is a result.
    pub body: String,
    /// How often it was tried and failed, or is.
    pub tries: u8,
    /// How far it is.
    pub stage: Stage,
}

/// How far a line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It waits.
    Waiting,
    /// It was sent, or is about to be.
    Sent(Try),
    /// There is a result, and its request is yet to be settled.
    Told(Try, Outcome),
    /// There is a result, and nothing more to do.
    Over(Outcome),
}

/// One try of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Under which id.
    pub request: RequestId,
    /// Since when.
    pub since: Millis,
    /// When nothing of it can run any more, whatever happened.
    pub until: Millis,
}

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// An answer.
    Answered {
        /// Of which request.
        request: RequestId,
        /// All of it, in JSON.
        body: String,
    },
    /// It was refused, as a live request would have been.
    Refused {
        /// Of which request.
        request: RequestId,
        /// With which status.
        status: u16,
        /// All that was said, in JSON.
        body: String,
    },
    /// It has no answer, and for a reason that live requests do not have.
    Unanswered(Why),
}

/// Why a line has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Its batch ran out of time.
    Expired,
    /// Its batch was cancelled.
    Cancelled,
    /// Who made its batch is not let in any more.
    Revoked,
    /// It was answered to its end, and the answer was lost on its way. It is not asked again.
    Lost,
    /// It was tried as often as a line is, and ended everything each time.
    Tries,
    /// Its answer is longer than what is kept.
    TooLong,
}

/// What to do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is the line's result.
    Over,
    /// There was no room for it: it waits for so many milliseconds, and so does all else of its account.
    Later(Millis),
    /// It failed: it is tried again, as long as there are tries left.
    Again,
    /// Who made it is not let in any more: neither is the rest of its batch.
    Stop,
}

/// What is found out about a try that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is over and was answered to its end.
    Whole,
    /// It is over, or never began, or runs where nobody can be asked and its time is over: it was not answered to its
    /// end as far as anybody can know.
    NotWhole,
    /// Nobody can be asked, and it may run.
    Unknown,
}

impl Work {
    /// One that waits.
    pub const fn new(custom_id: String, body: String) -> Self {
        Self { custom_id, body, tries: 0, stage: Stage::Waiting }
    }

    /// It is about to be sent; false if it does not wait.
    pub fn send(&mut self, request: RequestId, since: Millis, until: Millis) -> bool {
        let waits = self.stage == Stage::Waiting;
        if waits {
            self.tries = self.tries.saturating_add(1);
            self.stage = Stage::Sent(Try { request, since, until });
        }
        waits
    }

    /// This try of it has a result. False for a try that is not the one that was sent.
    pub fn tell(&mut self, request: RequestId, outcome: Outcome) -> bool {
        match self.stage {
            Stage::Sent(sent) if sent.request == request => {
                self.stage = Stage::Told(sent, outcome.bounded());
                self.body.clear();
                true
            }
            _ => false,
        }
    }

    /// Its request is settled. False if it has no result.
    pub fn settle(&mut self) -> bool {
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Told(_, outcome) => {
                self.stage = Stage::Over(outcome);
                true
            }
            other => {
                self.stage = other;
                false
            }
        }
    }

    /// A try ended without a result, and its request is settled: it waits again. `counts`: whether it failed, and was
    /// not only without room. One that was tried too often has that as its result.
    pub fn wait(&mut self, request: RequestId, counts: bool) {
        if matches!(self.stage, Stage::Sent(sent) if sent.request == request) {
            if !counts {
                self.tries = self.tries.saturating_sub(1);
            }
            self.stage = Stage::Waiting;
            if self.tries >= MAX_TRIES {
                self.give_up(Why::Tries);
            }
        }
    }

    /// A try that nobody waits for was settled, and this was found out about it. What has a result is over.
    pub fn find(&mut self, found: Found) {
        match (self.stage.clone(), found) {
            (_, Found::Unknown) => {}
            (Stage::Told(..), _) => {
                self.settle();
            }
            (Stage::Sent(sent), Found::NotWhole) => self.wait(sent.request, true),
            (Stage::Sent(_), Found::Whole) => {
                self.body.clear();
                self.stage = Stage::Over(Outcome::Unanswered(Why::Lost));
            }
            (Stage::Waiting | Stage::Over(_), _) => {}
        }
    }

    /// It is not going to be sent. False if it does not wait.
    pub fn give_up(&mut self, why: Why) -> bool {
        let waits = self.stage == Stage::Waiting;
        if waits {
            self.body.clear();
            self.stage = Stage::Over(Outcome::Unanswered(why));
        }
        waits
    }

    /// The try that is under way, or whose request is yet to be settled.
    pub const fn under_way(&self) -> Option<Try> {
        match self.stage {
            Stage::Sent(sent) | Stage::Told(sent, _) => Some(sent),
            Stage::Waiting | Stage::Over(_) => None,
        }
    }

    /// Its result, once there is nothing more to do.
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl Stage {
    /// A number for it, by which rows are found.
    pub const fn number(&self) -> i64 {
        match self {
            Self::Waiting => WAITING,
            Self::Sent(_) => SENT,
            Self::Told(..) => TOLD,
            Self::Over(_) => OVER,
        }
    }
}

impl Outcome {
    /// Whether it is an answer.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { .. })
    }

    fn bounded(self) -> Self {
        match &self {
            Self::Answered { body, .. } | Self::Refused { body, .. } if body.len() > MAX_RESULT_BYTES => {
                Self::Unanswered(Why::TooLong)
            }
            _ => self,
        }
    }
}

impl Why {
    /// A word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "batch_expired",
            Self::Cancelled => "batch_cancelled",
            Self::Revoked => "invalid_api_key",
            Self::Lost => "answer_lost",
            Self::Tries => "tried_too_often",
            Self::TooLong => "answer_too_long",
        }
    }

    /// What happened.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Expired => "This request was not answered in the time of its batch.",
            Self::Cancelled => "This request was not answered before its batch was cancelled.",
            Self::Revoked => "The key that made the batch is not valid any more, or is disabled.",
            Self::Lost => "This request was answered, and the answer was lost. It was counted, and not asked again.",
            Self::Tries => "This request failed each time that it was tried.",
            Self::TooLong => "The answer to this request is longer than what is kept.",
        }
    }

    /// What happened to a response in the background.
    pub const fn of_response(self) -> &'static str {
        match self {
            Self::Expired => "This request was not answered in its time.",
            Self::Cancelled => "This request was cancelled.",
            Self::Revoked => "The key that asked for it is not valid any more, or is disabled.",
            Self::Lost | Self::Tries | Self::TooLong => self.message(),
        }
    }
}

/// What to do after a refusal.
pub fn after(refusal: &Refusal) -> After {
    let wait = refusal.retry_after_ms;
    match refusal.reason {
        Reason::RateLimited => After::Later(wait.unwrap_or(PRESSED_MS).max(1)),
        Reason::ParallelLimited | Reason::Flooding => After::Later(wait.unwrap_or(BUSY_MS).max(BUSY_MS)),
        Reason::Overloaded | Reason::QueueTimeout | Reason::Draining | Reason::ModelLoading => {
            After::Later(wait.unwrap_or(BUSY_MS).clamp(BUSY_MS, PRESSED_MS))
        }
        Reason::GateUnavailable | Reason::IssuerUnavailable | Reason::Misconfigured => After::Later(PRESSED_MS),
        Reason::OriginFailed | Reason::OriginSilent | Reason::GrantTooSmall | Reason::Internal => After::Again,
        Reason::MissingKey | Reason::InvalidKey | Reason::Disabled => After::Stop,
        _ => After::Over,
    }
}

/// Packs a row.
pub fn encode_work(work: &Work) -> Vec<u8> {
    encode(work)
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode_work(bytes: &[u8]) -> Result<Work, JobsError> {
    decode(bytes)
}

/// The number of [`Stage::Waiting`].
pub const WAITING: i64 = 0;
/// The number of [`Stage::Sent`].
pub const SENT: i64 = 1;
/// The number of [`Stage::Told`].
pub const TOLD: i64 = 2;
/// The number of [`Stage::Over`].
pub const OVER: i64 = 3;
/// How often a line is tried. One may have been under way when something else ended, and that several times.
pub const MAX_TRIES: u8 = 10;
/// The longest result that is kept, in bytes: a row of the platform's takes two megabytes.
pub const MAX_RESULT_BYTES: usize = 1_800_000;
/// How long jobs stay away where there was no room at the moment, at least, in milliseconds.
const BUSY_MS: Millis = 1_000;
/// The same where nobody knows for how long.
const PRESSED_MS: Millis = 5_000;
