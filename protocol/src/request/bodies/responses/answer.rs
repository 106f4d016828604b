//! Answers in the shape of OpenAI's responses: whole, and as what events of a stream carry.

use super::repeat::Members;
use crate::request::bodies::chat::{TokenLogprob, UsageReport};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// `POST /v1/responses` without `stream`; events of a stream carry it as it is by then.
#[derive(Clone, Debug, Serialize)]
pub struct Answer<'a> {
    /// `resp_` and the request's id.
    pub id: String,
    /// Always `response`.
    pub object: &'static str,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// How far it is.
    pub status: Status,
    /// Whether it is answered in the background, which its edge says; an origin knows nothing of that.
    pub background: bool,
    /// What went wrong in the background. What else breaks is told by a status, or by an event of the name `error`.
    pub error: Option<Error>,
    /// Why it is not complete, if it is not.
    pub incomplete_details: Option<Incomplete>,
    /// Always null: nothing hosted is called.
    pub max_tool_calls: Option<u32>,
    /// The model that answers.
    pub model: &'a str,
    /// What it thought, said and called, in that order as it came.
    pub output: &'a [OutputItem],
    /// Always `default`.
    pub service_tier: &'static str,
    /// Always `disabled`: a prompt that does not fit is refused.
    pub truncation: &'static str,
    /// What it used; null until it is known.
    pub usage: Option<ResponseUsage>,
    /// What is repeated of its request.
    #[serde(flatten)]
    pub repeated: &'a Members,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// What of.
    pub code: String,
    /// What is to be said about it.
    pub message: String,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It comes.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off.
    Incomplete,
    /// There is none: of answers in the background only.
    Failed,
    /// Somebody ended it: of answers in the background only.
    Cancelled,
}

impl Status {
    /// As OpenAI names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why an answer is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// Always `max_output_tokens`: that, or the context, was reached.
    pub reason: &'static str,
}

impl Incomplete {
    /// The only reason that there is.
    pub const LENGTH: Self = Self { reason: "max_output_tokens" };
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It comes.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off.
    Incomplete,
}

/// A part of what an answer holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// What the model thought.
    Reasoning {
        /// `rs_`, the request's id, and the item's place.
        id: String,
        /// All of it, where a summary was asked for.
        summary: Vec<Part>,
        /// All of it, where none was.
        content: Vec<Part>,
        /// All of it, [`sealed`], where that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
        /// How far it is.
        status: ItemStatus,
    },
    /// What it says.
    Message {
        /// `msg_`, the request's id, and the item's place.
        id: String,
        /// How far it is.
        status: ItemStatus,
        /// Always `assistant`.
        role: &'static str,
        /// One text; none at its beginning.
        content: Vec<Part>,
    },
    /// What is to be called.
    FunctionCall {
        /// `fc_`, the request's id, and the item's place.
        id: String,
        /// By which the result names the call.
        call_id: String,
        /// One of the functions.
        name: String,
        /// What it is called with, as the model wrote it.
        arguments: String,
        /// How far it is.
        status: ItemStatus,
    },
}

impl OutputItem {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. } | Self::Message { id, .. } | Self::FunctionCall { id, .. } => id,
        }
    }
}

/// A part of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Something that is said.
    OutputText {
        /// Always empty: nothing is cited.
        annotations: [(); 0],
        /// How likely its tokens were; empty where that was not asked for.
        logprobs: Vec<TokenLogprob>,
        /// The text.
        text: String,
    },
    /// Something that was thought.
    ReasoningText {
        /// The text.
        text: String,
    },
    /// The summary of what was thought, which is all of it.
    SummaryText {
        /// The text.
        text: String,
    },
}

/// Tokens used, as OpenAI's responses report them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResponseUsage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// How they came about.
    pub input_tokens_details: InputDetails,
    /// Tokens generated, thoughts and the ending one included.
    pub output_tokens: u64,
    /// What they went into.
    pub output_tokens_details: OutputDetails,
    /// Their sum.
    pub total_tokens: u64,
}

/// How a prompt's tokens came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InputDetails {
    /// Always 0: nothing is charged for what is remembered.
    pub cache_write_tokens: u64,
    /// Tokens that were remembered from an earlier request of the same account.
    pub cached_tokens: u64,
}

/// What generated tokens went into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutputDetails {
    /// Tokens of the thinking, its marks included.
    pub reasoning_tokens: u64,
}

impl From<UsageReport> for ResponseUsage {
    fn from(report: UsageReport) -> Self {
        Self {
            input_tokens: report.usage.prompt_tokens,
            input_tokens_details: InputDetails {
                cache_write_tokens: 0,
                cached_tokens: report.prompt_tokens_details.cached_tokens,
            },
            output_tokens: report.usage.completion_tokens,
            output_tokens_details: OutputDetails {
                reasoning_tokens: report.completion_tokens_details.reasoning_tokens,
            },
            total_tokens: report.usage.total_tokens,
        }
    }
}

/// How thoughts of ours begin that were sealed.
const SEAL: &str = "sluice1.";

/// Thoughts as `encrypted_content`, for clients that send back nothing else of them. They are the caller's own, and only
/// written in another alphabet.
pub fn sealed(thoughts: &str) -> String {
    format!("{SEAL}{}", URL_SAFE_NO_PAD.encode(thoughts))
}

/// Thoughts that [`sealed`] wrote, and nothing else.
pub(super) fn unsealed(text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(SEAL)?).ok()?;
    String::from_utf8(bytes).ok()
}
