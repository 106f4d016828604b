//! Answers in Anthropic's shape: whole, and as the events of a stream.

use super::input::closed;
use crate::request::bodies::chat::UsageReport;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `POST /v1/messages` without `stream`; in a stream what begins it, with nothing in it yet.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// `msg_` and the request's id.
    pub id: String,
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Always `assistant`.
    pub role: Cow<'static, str>,
    /// The model that answers.
    pub model: String,
    /// What it thought, said and called, in that order as it came.
    pub content: Vec<AnswerBlock>,
    /// Why it ended; null until then.
    pub stop_reason: Option<StopReason>,
    /// The caller's string that ended it, if one did.
    pub stop_sequence: Option<String>,
    /// Tokens used.
    pub usage: MessageUsage,
}

/// A block of an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerBlock {
    /// What the model thought.
    Thinking {
        /// The thoughts.
        thinking: String,
        /// Whose they are: the request's id. Nobody looks at it when it comes back.
        signature: String,
    },
    /// What it says.
    Text {
        /// The text.
        text: String,
    },
    /// What is to be called.
    ToolUse {
        /// By which the result names the call.
        id: String,
        /// One of the tools.
        name: String,
        /// What it is called with: an object, as the model wrote it, or what of it is whole.
        input: Box<RawValue>,
    },
}

impl AnswerBlock {
    /// A call as the model wrote it. Of arguments that were cut off there are the members that are whole, as Anthropic's
    /// clients make them of the same pieces. Arguments that are no JSON would be a text.
    pub fn call(id: String, name: String, arguments: &str) -> Self {
        let input = RawValue::from_string(arguments.to_owned())
            .or_else(|_| RawValue::from_string(closed(arguments)))
            .or_else(|_| serde_json::value::to_raw_value(arguments))
            .expect("a text can be written as JSON");
        Self::ToolUse { id, name, input }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended.
    EndTurn,
    /// `max_tokens` or the context was reached.
    MaxTokens,
    /// A string of the caller's came.
    StopSequence,
    /// The model wants tools to be called.
    ToolUse,
}

/// Tokens used, as Anthropic counts: what was remembered of a prompt is not a part of `input_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageUsage {
    /// Tokens of the prompt that were computed. At the start of a stream whose prompt nobody has begun with: all.
    pub input_tokens: u64,
    /// Always 0: nothing is charged for what is remembered.
    pub cache_creation_input_tokens: u64,
    /// Tokens of the prompt that were remembered from an earlier request of the same account.
    pub cache_read_input_tokens: u64,
    /// Tokens generated, thoughts and the ending one included.
    pub output_tokens: u64,
    /// What they went into; absent at the start of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputDetails>,
}

/// What generated tokens went into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDetails {
    /// Tokens of the thinking, its marks included.
    pub thinking_tokens: u64,
}

impl MessageUsage {
    /// Of an answer that begins, to a prompt of so many tokens, `cached` of which were remembered.
    pub fn begun(prompt_tokens: u64, cached: u64) -> Self {
        let cached = cached.min(prompt_tokens);
        Self { input_tokens: prompt_tokens - cached, cache_read_input_tokens: cached, ..Self::default() }
    }
}

impl From<UsageReport> for MessageUsage {
    fn from(report: UsageReport) -> Self {
        let cached = report.prompt_tokens_details.cached_tokens.min(report.usage.prompt_tokens);
        let thinking_tokens = report.completion_tokens_details.reasoning_tokens;
        Self {
            input_tokens: report.usage.prompt_tokens - cached,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
            output_tokens: report.usage.completion_tokens,
            output_tokens_details: Some(OutputDetails { thinking_tokens }),
        }
    }
}

/// One event of a stream; its name is its `type`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first one.
    MessageStart {
        /// The answer, with nothing in it yet.
        message: Message,
    },
    /// That the stream lives.
    Ping,
    /// A block begins.
    ContentBlockStart {
        /// Which, from 0.
        index: u32,
        /// With nothing in it yet.
        content_block: BlockStart,
    },
    /// More of the block.
    ContentBlockDelta {
        /// Which.
        index: u32,
        /// What is new.
        delta: BlockDelta,
    },
    /// The block is whole.
    ContentBlockStop {
        /// Which.
        index: u32,
    },
    /// The answer is whole.
    MessageDelta {
        /// Why.
        delta: Ended,
        /// What all of it used.
        usage: MessageUsage,
    },
    /// The last one.
    MessageStop,
}

impl Event {
    /// Its name, by which clients tell events apart.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::Ping => "ping",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

/// A block with nothing in it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockStart {
    /// Thoughts.
    Thinking {
        /// Empty.
        thinking: String,
        /// Empty.
        signature: String,
    },
    /// Text.
    Text {
        /// Empty.
        text: String,
    },
    /// A call.
    ToolUse {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// An empty object.
        input: serde_json::Map<String, serde_json::Value>,
    },
}

/// What is new in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockDelta {
    /// Thoughts to append.
    ThinkingDelta {
        /// The thoughts.
        thinking: String,
    },
    /// Whose they are; the last of the block.
    SignatureDelta {
        /// As in [`AnswerBlock::Thinking`].
        signature: String,
    },
    /// Text to append.
    TextDelta {
        /// The text.
        text: String,
    },
    /// More of the JSON that is the call's input.
    InputJsonDelta {
        /// The text of it.
        partial_json: String,
    },
}

/// Why an answer ended, at the end of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The reason.
    pub stop_reason: StopReason,
    /// The caller's string that ended it, if one did.
    pub stop_sequence: Option<String>,
}

/// `POST /v1/messages/count_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many tokens the prompt has: what is charged for it.
    pub input_tokens: u64,
}
