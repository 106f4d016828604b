//! OpenAI's chat API, as far as Sluice serves it: requests parsed at the door, answers as both gates write and read them.
//!
//! What is not served is refused by name and never silently ignored. Members that we do not know are passed over, as
//! OpenAI's own clients send new ones with every release.

mod answer;
mod call;
mod format;
mod json;
mod logprobs;
mod message;
pub(crate) mod sampling;
mod tools;

use crate::refusal::{Reason, Refusal};
pub use answer::{
    AnswerMessage, CallDelta, ChatChunk, ChatCompletion, Choice, ChunkChoice, CompletionDetails, Delta, FinishReason,
    ModelEntry, ModelList, PromptDetails, Timings, Usage, UsageReport, usage_of,
};
pub use call::{AnswerCall, FunctionCall, ToolKind};
pub use format::{JsonSchema, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, ResponseFormat};
pub use json::JsonText;
pub use logprobs::{ChoiceLogprobs, LEAST_LOGPROB, Likelihood, MAX_TOP_LOGPROBS, TokenLogprob};
pub use message::{Arguments, ChatMessage, Speaker, ToolCall};
use sampling::Loose;
pub use sampling::{MAX_BIASES, MAX_REPETITION_PENALTY, MIN_REPETITION_PENALTY, Sampling};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
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
    /// Passed to the chat template; absent means the template's own default.
    pub enable_thinking: Option<bool>,
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

/// The body as it came: every member optional, nothing checked.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
    max_tokens: Option<serde_json::Number>,
    max_completion_tokens: Option<serde_json::Number>,
    stream: Option<bool>,
    stream_options: Option<RawStreamOptions>,
    temperature: Option<Loose<f64>>,
    top_p: Option<Loose<f64>>,
    top_k: Option<Loose<i64>>,
    min_p: Option<Loose<f64>>,
    repetition_penalty: Option<Loose<f64>>,
    presence_penalty: Option<Loose<f64>>,
    frequency_penalty: Option<Loose<f64>>,
    logit_bias: Option<Loose<BTreeMap<String, f64>>>,
    seed: Option<Loose<i64>>,
    logprobs: Option<Loose<bool>>,
    top_logprobs: Option<Loose<i64>>,
    stop: Option<RawStop>,
    n: Option<Loose<i64>>,
    chat_template_kwargs: Option<RawTemplateArguments>,
    enable_thinking: Option<bool>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    parallel_tool_calls: Option<Loose<bool>>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    // Known, not served: refused when they ask for something.
    function_call: Option<serde::de::IgnoredAny>,
    functions: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
pub(crate) struct RawStreamOptions {
    pub(crate) include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum RawStop {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct RawTemplateArguments {
    enable_thinking: Option<bool>,
}

impl ChatRequest {
    /// Parses a body. Refuses with [`Reason::InvalidJson`], [`Reason::InvalidRequest`] or
    /// [`Reason::UnsupportedParameter`], naming the field where there is one.
    pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| refuse_json(&error))?;
        raw.check(bounds)
    }
}

pub(crate) fn refuse_json(error: &serde_json::Error) -> Refusal {
    // serde_json's message may quote the body (`invalid type: string "..."`): the caller may see its own text, the log may not.
    match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::new(Reason::InvalidRequest, format!("The body does not have the form of a chat request: {error}"))
        }
        _ => Refusal::new(Reason::InvalidJson, format!("The body is not valid JSON: {error}")),
    }
}

pub(crate) fn invalid(param: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, message).with_param(param)
}

pub(crate) fn unsupported(param: &'static str) -> Refusal {
    unsupported_because(param, format!("`{param}` is not served by this endpoint. Leave it out."))
}

fn unsupported_because(param: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::UnsupportedParameter, message).with_param(param)
}

/// What is wrong with a part of the body. Without the place, which counts from the part's own beginning.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause).to_owned()
}

impl Raw<'_> {
    fn check(self, bounds: ChatBounds) -> Result<ChatRequest, Refusal> {
        self.refuse_unserved()?;
        let model = model_name(self.model)?;
        let messages = self.messages.unwrap_or_default();
        if messages.is_empty() {
            return Err(invalid("messages", "`messages` must hold at least one message."));
        }
        let message = |(index, message): (usize, &RawValue)| ChatMessage::parse(index, message.get());
        let messages = messages.into_iter().enumerate().map(message).collect::<Result<_, _>>()?;
        let tools = tools::Raw {
            tools: self.tools,
            tool_choice: self.tool_choice,
            parallel_tool_calls: self.parallel_tool_calls,
        };
        let (tools, tool_choice, parallel_tool_calls) = tools.check()?;
        let given = match (&self.max_completion_tokens, &self.max_tokens) {
            (Some(number), _) => Some(max_tokens("max_completion_tokens", number, bounds)?),
            (None, Some(number)) => Some(max_tokens("max_tokens", number, bounds)?),
            (None, None) => None,
        };
        let sampling = sampling::Raw {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: self.logit_bias,
            seed: self.seed,
        };
        let sampling = sampling.check()?;
        Ok(ChatRequest {
            model,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls,
            max_tokens: given.unwrap_or(bounds.default_max_tokens),
            max_tokens_given: given.is_some(),
            answers: answers(self.n)?,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
            sampling,
            logprobs: logprobs::check(self.logprobs, self.top_logprobs)?,
            stop: RawStop::check(self.stop)?,
            format: format::check(self.response_format)?,
            user: self.user.map(Cow::into_owned),
            enable_thinking: self.enable_thinking.or(self.chat_template_kwargs.and_then(|a| a.enable_thinking)),
        })
    }

    /// Rather refused than ignored: a caller that asks for a function and gets prose has been lied to.
    fn refuse_unserved(&self) -> Result<(), Refusal> {
        let unserved = [
            ("function_call", self.function_call.is_some()),
            ("functions", self.functions.as_ref().is_some_and(|functions| !functions.is_empty())),
        ];
        match unserved.into_iter().find(|(_, asked)| *asked) {
            Some((param, _)) => Err(unsupported(param)),
            None => Ok(()),
        }
    }
}

/// The model's name, not empty and not too long.
pub(crate) fn model_name(name: Option<Cow<'_, str>>) -> Result<String, Refusal> {
    match name {
        Some(name) if name.len() > MAX_NAME_BYTES => {
            Err(invalid("model", format!("`model` is at most {MAX_NAME_BYTES} bytes long.")))
        }
        Some(name) if !name.is_empty() => Ok(name.into_owned()),
        _ => Err(invalid("model", "Name a model; GET /v1/models lists them.")),
    }
}

impl RawStop {
    /// At most four strings, none empty.
    pub(crate) fn check(stop: Option<Self>) -> Result<Vec<String>, Refusal> {
        let stop = match stop {
            None => Vec::new(),
            Some(Self::One(one)) => vec![one],
            Some(Self::Several(several)) => several,
        };
        if stop.len() > MAX_STOPS || stop.iter().any(|text| text.is_empty() || text.len() > MAX_STOP_BYTES) {
            return Err(invalid("stop", "`stop` takes at most 4 strings of 1 to 256 bytes."));
        }
        Ok(stop)
    }
}

/// How many answers a request may ask for.
pub(crate) fn answers(n: Option<Loose<i64>>) -> Result<u32, Refusal> {
    let answers = Loose::read(n, "n", "a whole number")?.unwrap_or(1);
    let answers = u32::try_from(answers).ok().filter(|n| (1..=MAX_ANSWERS).contains(n));
    answers.ok_or_else(|| invalid("n", format!("`n` must be a whole number from 1 to {MAX_ANSWERS}.")))
}

/// What a request may generate: a whole number from 1 to the bound.
pub(crate) fn max_tokens(param: &'static str, number: &serde_json::Number, bounds: ChatBounds) -> Result<u32, Refusal> {
    number
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=bounds.max_max_tokens).contains(n))
        .ok_or_else(|| invalid(param, format!("`{param}` must be a whole number from 1 to {}.", bounds.max_max_tokens)))
}

/// The most answers that one request may want. They come one after another in the one slot that the request has, before
/// its one deadline.
pub const MAX_ANSWERS: u32 = 8;
/// Our bound on the name of a model.
const MAX_NAME_BYTES: usize = 256;
/// OpenAI's bound on stop strings.
const MAX_STOPS: usize = 4;
/// Our bound on the length of one.
const MAX_STOP_BYTES: usize = 256;

impl ChatRequest {
    /// How many tokens all answers together may take, where a gate cannot find that out by itself: it knows its plan's
    /// default for one answer, and nothing of several. Those are reserved as if the default had been named.
    pub fn most_tokens(&self) -> Option<u32> {
        (self.max_tokens_given || self.answers > 1).then(|| self.max_tokens.saturating_mul(self.answers))
    }

    /// Whether its answer may begin with thoughts, for whoever reserves: a template thinks unless it is told not to.
    pub fn thinks(&self) -> bool {
        self.enable_thinking != Some(false)
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
