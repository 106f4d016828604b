//! Answers as both gates write and read them: whole, in chunks, and what they used.

use super::{AnswerCall, ChoiceLogprobs, Role, ToolKind};
use crate::request::drawing::Drawn;
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

/// What a request has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Tokens in and out.
    pub usage: Usage,
    /// How many of the generated ones were thinking; `None` where the origin did not tell.
    pub reasoning_tokens: Option<u64>,
    /// How many of the prompt's needed no computing, as far as the origin told.
    pub cached_tokens: u64,
    /// What was drawn of pictures.
    pub drawn: Drawn,
}

impl Used {
    /// Nothing was computed, as for a request that was wrong: it counts in limits of requests, and for what a formula
    /// takes for the request itself.
    pub const NOTHING: Self =
        Self { usage: Usage::new(0, 0), reasoning_tokens: Some(0), cached_tokens: 0, drawn: Drawn::NOTHING };

    /// By a request for pictures, whose prompt had so many tokens.
    pub const fn of_pictures(prompt_tokens: u64, drawn: Drawn) -> Self {
        Self { usage: Usage::new(prompt_tokens, 0), drawn, ..Self::NOTHING }
    }

    /// Whether nothing was computed.
    pub fn is_nothing(&self) -> bool {
        self.usage.total_tokens == 0 && self.drawn.is_nothing()
    }
}

impl From<Usage> for Used {
    /// Nobody told how much of it was thinking.
    fn from(usage: Usage) -> Self {
        Self { usage, reasoning_tokens: None, cached_tokens: 0, drawn: Drawn::NOTHING }
    }
}

impl From<UsageReport> for Used {
    fn from(report: UsageReport) -> Self {
        Self {
            usage: report.usage,
            reasoning_tokens: Some(report.completion_tokens_details.reasoning_tokens),
            cached_tokens: report.prompt_tokens_details.cached_tokens,
            drawn: Drawn::NOTHING,
        }
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
    /// What the generated tokens went into.
    #[serde(default)]
    pub completion_tokens_details: CompletionDetails,
    /// Where the time went, as this origin tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

/// Where a request's time went, in milliseconds; of several answers, of all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// From its arrival until it had a slot.
    pub queue_ms: u64,
    /// From then until the first token: its prompt was read.
    pub prompt_ms: u64,
    /// From then until the last token.
    pub completion_ms: u64,
}

/// How a prompt's tokens came about, as OpenAI reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptDetails {
    /// Tokens that were remembered from an earlier request of the same account.
    pub cached_tokens: u64,
}

/// What generated tokens went into, as OpenAI reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionDetails {
    /// Tokens of the thinking before the answer, its marks included.
    pub reasoning_tokens: u64,
}

impl UsageReport {
    /// `cached` of the prompt's tokens needed no computing; `reasoning` of the generated ones were thinking.
    pub const fn new(usage: Usage, cached: u64, reasoning: u64) -> Self {
        Self {
            usage,
            prompt_tokens_details: PromptDetails { cached_tokens: cached },
            completion_tokens_details: CompletionDetails { reasoning_tokens: reasoning },
            timings: None,
        }
    }

    /// With where the time went.
    pub const fn with_timings(self, timings: Timings) -> Self {
        Self { timings: Some(timings), ..self }
    }
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended, or a stop string came.
    Stop,
    /// `max_tokens` or the context was reached, whatever the answer holds until there.
    Length,
    /// The model ended, and what it wants is that tools be called.
    ToolCalls,
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
    pub message: AnswerMessage,
    /// How likely its tokens were, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// What the model answers. Its text, its thinking and its calls each in a place of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerMessage {
    /// Always the assistant.
    pub role: Role,
    /// The text; `null` where there are calls and nothing else.
    pub content: Option<String>,
    /// What the model thought before it answered, if it did. The name is vLLM's, SGLang's and llama.cpp's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// What is to be called, in order, if anything is; never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<AnswerCall>>,
}

impl AnswerMessage {
    /// Of all that was said, thought and called. Thinking that is empty is none.
    pub fn new(content: String, reasoning: String, calls: Vec<AnswerCall>) -> Self {
        Self {
            role: Role::Assistant,
            content: (calls.is_empty() || !content.is_empty()).then_some(content),
            reasoning_content: (!reasoning.is_empty()).then_some(reasoning),
            tool_calls: (!calls.is_empty()).then_some(calls),
        }
    }
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
    /// Thinking to append; whole characters always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls that begin, and more of those that have; never an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<CallDelta>>,
}

/// A call in a stream, or a piece of one. OpenAI's clients put calls together from pieces by their index: the first one
/// has all that is not text, and their arguments are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDelta {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// By which the tool's result names the call. On its first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What kind of tool. On its first piece.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ToolKind>,
    /// What is to be called.
    pub function: FunctionDelta,
}

/// A function that is called, or more of what it is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDelta {
    /// One of the functions that the request names. On the call's first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the text of a JSON object; possibly nothing on the first piece.
    pub arguments: String,
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
    /// What it can do besides answering.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
}

/// What not every model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Its template looks at tools.
    Tools,
    /// It may think before it answers.
    Thinking,
    /// It makes embeddings, and no answers.
    Embedding,
    /// It says how well a document fits a query, and answers nothing.
    Rerank,
    /// It draws pictures, and answers nothing.
    Image,
}

/// The usage that a completion or a chunk carries, if it carries one. Reads both gates' own answers and other servers'.
pub fn usage_of(json: &[u8]) -> Option<Used> {
    #[derive(Deserialize)]
    struct Carrier {
        usage: Option<Told>,
    }
    /// Members of other servers may be null.
    #[derive(Deserialize)]
    struct Told {
        #[serde(flatten)]
        usage: Usage,
        completion_tokens_details: Option<Details>,
        prompt_tokens_details: Option<Remembered>,
    }
    #[derive(Deserialize)]
    struct Remembered {
        cached_tokens: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Details {
        reasoning_tokens: Option<u64>,
    }
    let told = serde_json::from_slice::<Carrier>(json).ok()?.usage?;
    Some(Used {
        usage: told.usage,
        reasoning_tokens: told.completion_tokens_details.and_then(|details| details.reasoning_tokens),
        cached_tokens: told.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
        drawn: Drawn::NOTHING,
    })
}
