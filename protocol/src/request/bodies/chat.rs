//! OpenAI's chat API, as far as Sluice serves it: requests parsed at the door, answers as both gates write and read them.
//!
//! What is not served is refused by name and never silently ignored; [`crate::request::member`] says what is what.

mod answer;
pub(crate) mod both;
mod call;
pub(crate) mod format;
mod json;
pub(crate) mod logprobs;
pub(crate) mod message;
mod names;
pub(crate) mod sampling;
pub(crate) mod thinking;
pub(crate) mod tools;

use crate::refusal::Refusal;
use crate::request::door::Door;
use crate::request::member::{Body, invalid};
pub use answer::{
    AnswerMessage, CallDelta, Capability, ChatChunk, ChatCompletion, Choice, ChunkChoice, CompletionDetails, Delta,
    FinishReason, FunctionDelta, ModelEntry, ModelList, PromptDetails, Timings, Usage, UsageReport, Used, usage_of,
};
pub use both::MAX_ANSWERS;
pub use call::{AnswerCall, FunctionCall, ToolKind};
pub(crate) use format::is_within_bounds;
pub use format::{JsonSchema, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, ResponseFormat};
pub use json::JsonText;
pub(crate) use json::cause;
pub use logprobs::{ChoiceLogprobs, LEAST_LOGPROB, Likelihood, MAX_TOP_LOGPROBS, TokenLogprob};
use message::Manner;
pub use message::{Arguments, ChatMessage, MAX_CALLS, MAX_MESSAGES, Speaker, ToolCall};
pub use names::Names;
pub use sampling::{MAX_BIASES, MAX_REPETITION_PENALTY, MIN_REPETITION_PENALTY, Sampling};
use serde::{Deserialize, Serialize};
use thinking::Thinking;
pub use tools::{MAX_FUNCTION_NAME, MAX_TOOLS, Tool, ToolChoice};

/// What a chat request may ask for at most; the edge has it from its configuration, the origin from its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatBounds {
    /// `max_tokens` where the request names none.
    pub default_max_tokens: u32,
    /// The largest `max_tokens` accepted.
    pub max_max_tokens: u32,
}

/// A chat request that is within its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The model's name, not empty.
    pub model: String,
    /// At least one message.
    pub messages: Vec<ChatMessage>,
    /// The functions that the model is told of and may call; none where `tool_choice` is `none`.
    pub tools: Vec<Tool>,
    /// Whether the model has to call them.
    pub tool_choice: ToolChoice,
    /// Whether an answer may hold more than one call.
    pub parallel_tool_calls: bool,
    /// At least 1.
    pub max_tokens: u32,
    /// Whether the caller named `max_tokens` itself.
    pub max_tokens_given: bool,
    /// How many answers are wanted, each of at most `max_tokens`: 1 to [`MAX_ANSWERS`].
    pub answers: u32,
    /// Whether to stream.
    pub stream: bool,
    /// Whether a stream ends with an event of its own for usage.
    pub include_usage: bool,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Whether every token is told with its log probability, and with those of how many of the likeliest.
    pub logprobs: Option<u32>,
    /// At most four, none empty.
    pub stop: Vec<String>,
    /// What form the answer must have.
    pub format: ResponseFormat,
    /// The end user that the caller names, for limits that count by it.
    pub user: Option<String>,
    /// Whether the model thinks, in whichever way the caller says so; absent means the template's own default.
    pub enable_thinking: Option<bool>,
    /// The member that says so, for a refusal where the model cannot. Empty where none does: then it is a wish, and a
    /// model that cannot is not refused for it.
    pub thinking_param: &'static str,
    /// What else `chat_template_kwargs` tells the template, by name: nothing of it is passed on, so whoever knows the
    /// template refuses what it reads.
    pub template_arguments: Vec<String>,
    /// What its door calls some of this.
    pub names: Names,
}

/// Who speaks in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    #[serde(alias = "developer")]
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
}

impl ChatRequest {
    /// Parses a body. Refuses with [`Reason::InvalidJson`], [`Reason::InvalidRequest`] or
    /// [`Reason::UnsupportedParameter`], naming the member where there is one.
    ///
    /// [`Reason::InvalidJson`]: crate::refusal::Reason::InvalidJson
    /// [`Reason::InvalidRequest`]: crate::refusal::Reason::InvalidRequest
    /// [`Reason::UnsupportedParameter`]: crate::refusal::Reason::UnsupportedParameter
    pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Chat)?;
        let model = both::model(&body)?;
        match message::read(&body, Manner::OpenAi)? {
            messages if messages.is_empty() => Err(invalid("messages", "`messages` must hold at least one message.")),
            messages => Self::new(model, messages, &body, bounds),
        }
    }

    /// With what the other members of a body say, which is by the names of this door.
    pub(crate) fn new(
        model: String,
        messages: Vec<ChatMessage>,
        body: &Body<'_>,
        bounds: ChatBounds,
    ) -> Result<Self, Refusal> {
        let (tools, tool_choice, parallel_tool_calls) = tools::read(body)?;
        let given = both::max_tokens(body, bounds)?;
        let (stream, include_usage) = both::stream(body)?;
        let thinking = Thinking::read(body)?;
        Ok(Self {
            model,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls,
            max_tokens: given.unwrap_or(bounds.default_max_tokens),
            max_tokens_given: given.is_some(),
            answers: both::answers(body)?,
            stream,
            include_usage,
            sampling: sampling::read(body)?,
            logprobs: logprobs::read(body)?,
            stop: both::stop(body)?,
            format: format::read(body)?,
            user: both::end_user(body)?,
            enable_thinking: thinking.enable,
            thinking_param: thinking.by,
            template_arguments: thinking.arguments,
            names: Names::CHAT,
        })
    }

    /// How many tokens all answers together may take, where a gate cannot find that out by itself: it knows its plan's
    /// default for one answer, and nothing of several. Those are reserved as if the default had been named.
    pub fn most_tokens(&self) -> Option<u32> {
        (self.max_tokens_given || self.answers > 1).then(|| self.max_tokens.saturating_mul(self.answers))
    }

    /// Whether its answer may begin with thoughts, for whoever reserves: a template thinks unless it is told not to.
    pub fn thinks(&self) -> bool {
        // Where nobody named a member, a template that always thinks does so all the same.
        self.enable_thinking != Some(false) || self.thinking_param.is_empty()
    }

    /// A guess at the prompt's length in tokens, made without a tokenizer: a token for every four bytes and four for what
    /// stands around each message, tool and call, which is what English text comes to; and what templates say about tools.
    /// The origin counts, and says so if it was too low.
    pub fn guess_prompt_tokens(&self) -> u32 {
        let said: usize = self.messages.iter().map(ChatMessage::bytes).sum();
        let told: usize = self.tools.iter().map(|tool| tool.json().as_str().len()).sum();
        let about = if self.tools.is_empty() { 0 } else { TOOL_INSTRUCTIONS };
        let around =
            4 * (self.messages.len() + self.tools.len() + self.messages.iter().map(ChatMessage::calls).sum::<usize>());
        u32::try_from((said + told).div_ceil(4) + around + about + 4).unwrap_or(u32::MAX)
    }
}

/// What Qwen's templates say about tools before they name them, and after, in tokens.
const TOOL_INSTRUCTIONS: usize = 120;
