//! The line of one request that is over: who asked for what, what became of it, and what it used. Never what it said.

use super::decided::{Decided, cut};
use crate::id::RequestId;
use crate::refusal::Reason;
use crate::request::bodies::chat::Used;
use crate::request::drawing::Drawn;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// One request that is over. Its members are what the line has, in this order; what is not known is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestLine {
    /// [`LINE_VERSION`].
    pub version: u8,
    /// Which.
    pub request: String,
    /// When it came, in milliseconds since 1970.
    pub at: Millis,
    /// By which path, cut after 64 characters.
    pub path: String,
    /// Who asked for what, and what was decided; once that is known.
    #[serde(flatten)]
    pub decided: Option<Box<Decided>>,
    /// What became of it.
    pub outcome: RequestOutcome,
    /// The status that its caller was told, if it was still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// How many tokens its prompt had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// How many of these the origin remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// How many its answer had, thinking included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// How many of these were thinking, if the origin says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// What was drawn of its pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    /// How long it took, in milliseconds: till the last byte of its answer was gone.
    pub ms: Millis,
}

/// What became of a request, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// Its answer was passed on to its end.
    Served,
    /// Its answer broke off: its caller left, its time was over, or the origin failed.
    Cut,
    /// It was refused, for a reason of its caller's.
    Refused,
    /// It was refused for a reason of ours.
    Failed,
    /// Its caller left before there was an answer.
    Left,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    /// Its answer began.
    Answered {
        /// Whether it came to its end.
        is_whole: bool,
        /// What it used, if that is known.
        used: Option<Used>,
    },
    /// It was refused.
    Refused {
        /// Why.
        reason: Reason,
        /// What it used all the same, if that is known.
        used: Option<Used>,
    },
    /// Its caller left before it was sent on.
    Left,
}

/// Which requests a line is written of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestLog {
    /// None.
    Off,
    /// Those for an answer, of somebody who is known. Whoever sends a thousand bad keys a second does not fill the log.
    Known,
    /// All but those for `/healthz`.
    All,
}

impl RequestLine {
    /// The line of a request that came at `at` and is over at `now`.
    pub fn new(
        request: RequestId,
        path: &str,
        decided: Option<Box<Decided>>,
        end: RequestEnd,
        at: Millis,
        now: Millis,
    ) -> Self {
        let (status, reason) = match end {
            RequestEnd::Answered { .. } => (Some(OK), None),
            RequestEnd::Refused { reason, .. } => (Some(reason.row().status), Some(reason)),
            RequestEnd::Left => (None, None),
        };
        let used = end.used().or_else(|| decided.as_ref()?.used);
        Self {
            version: LINE_VERSION,
            request: request.to_string(),
            at,
            path: cut(path),
            decided,
            outcome: end.outcome(),
            status,
            code: reason.map(|reason| reason.row().code),
            prompt_tokens: used.map(|used| used.usage.prompt_tokens),
            cached_tokens: used.map(|used| used.cached_tokens).filter(|cached| *cached > 0),
            completion_tokens: used.map(|used| used.usage.completion_tokens),
            reasoning_tokens: used.and_then(|used| used.reasoning_tokens),
            drawn: used.map(|used| used.drawn).filter(|drawn| !drawn.is_nothing()),
            ms: now.saturating_sub(at),
        }
    }
}

impl RequestOutcome {
    /// As lines and measures have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Cut => "cut",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

impl RequestEnd {
    /// What it used, if that is known.
    pub const fn used(&self) -> Option<Used> {
        match self {
            Self::Answered { used, .. } | Self::Refused { used, .. } => *used,
            Self::Left => None,
        }
    }

    /// In one word.
    pub fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Answered { is_whole: true, .. } => RequestOutcome::Served,
            Self::Answered { is_whole: false, .. } => RequestOutcome::Cut,
            Self::Refused { reason, .. } if reason.is_callers() => RequestOutcome::Refused,
            Self::Refused { .. } => RequestOutcome::Failed,
            Self::Left => RequestOutcome::Left,
        }
    }
}

impl RequestLog {
    /// `off`, `known` or `all`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "known" => Ok(Self::Known),
            "all" => Ok(Self::All),
            _ => Err("must be off, known or all".to_owned()),
        }
    }
}

/// The version of these lines. The first had no member for it, and too little to decide again.
pub const LINE_VERSION: u8 = 2;
/// The status of an answer that began.
const OK: u16 = 200;
