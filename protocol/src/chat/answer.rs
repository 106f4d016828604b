//! Answers as both gates write and read them: whole, in chunks, and what they used.

use super::{ChoiceLogprobs, Message, Role};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Tokens used, as OpenAI reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the rendered prompt.
    pub prompt_tokens: u64,
    /// Tokens generated, the ending one included.
    pub completion_tokens: u64,
    /// Their sum.
    pub total_tokens: u64,
}

impl Usage {
    /// Fills in the sum.
    pub const fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) }
    }
}

/// Tokens used, as an answer reports them: with what of the prompt needed no computing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// What counts.
    #[serde(flatten)]
    pub usage: Usage,
    /// How the prompt's tokens came about.
    #[serde(default)]
    pub prompt_tokens_details: PromptDetails,
}

/// How a prompt's tokens came about, as OpenAI reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptDetails {
    /// Tokens that were remembered from an earlier request of the same account.
    pub cached_tokens: u64,
}

impl UsageReport {
    /// `cached` of the prompt's tokens needed no computing.
    pub const fn new(usage: Usage, cached: u64) -> Self {
        Self { usage, prompt_tokens_details: PromptDetails { cached_tokens: cached } }
    }
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended, or a stop string came.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
}

/// `POST /v1/chat/completions` without `stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// `chatcmpl-` and the request's id.
    pub id: String,
    /// Always `chat.completion`.
    pub object: Cow<'static, str>,
    /// Seconds since the epoch.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// One choice.
    pub choices: Vec<Choice>,
    /// Tokens used.
    pub usage: UsageReport,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// 0.
    pub index: u32,
    /// The answer.
    pub message: Message,
    /// How likely its tokens were, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// As in [`ChatCompletion`].
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: Cow<'static, str>,
    /// Seconds since the epoch.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// One choice; none in the event that carries usage alone.
    pub choices: Vec<ChunkChoice>,
    /// On the stream's last event before `[DONE]`: with `include_usage` an event of its own, as OpenAI defines it;
    /// otherwise on the event that carries `finish_reason`, so that the edge can settle every stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
}

/// One step of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// How likely the tokens were that came since the last event, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Set on the last one.
    pub finish_reason: Option<FinishReason>,
}

/// What is new since the last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// On the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Text to append; whole characters always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: Cow<'static, str>,
    /// The models that the origin serves.
    pub data: Vec<ModelEntry>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The name to call it by.
    pub id: String,
    /// Always `model`.
    pub object: Cow<'static, str>,
    /// When it was loaded, in seconds since the epoch.
    pub created: u64,
    /// Always `sluice`.
    pub owned_by: Cow<'static, str>,
    /// The longest prompt and answer together, in tokens.
    pub context_length: u64,
}

/// The usage that a completion or a chunk carries, if it carries one. Reads both gates' own answers and other servers'.
pub fn usage_of(json: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Carrier {
        usage: Option<Usage>,
    }
    serde_json::from_slice::<Carrier>(json).ok()?.usage
}
