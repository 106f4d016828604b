//! OpenAI's older API of text completions: prompts as they are, without a chat template, and what the model writes after each.
//!
//! The prompt is the caller's alone, so control tokens in it are control tokens: whoever writes a template of its own, or
//! fills in the middle of code, needs them. In a chat they are text.

use crate::chat::sampling::{self, Loose};
use crate::chat::{
    ChatBounds, FinishReason, MAX_TOP_LOGPROBS, RawStop, RawStreamOptions, Sampling, TokenLogprob, UsageReport,
    answers, invalid, max_tokens, model_name, refuse_json, unsupported,
};
use crate::refusal::{Reason, Refusal};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request for a text completion that is within its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// The model's name, not empty.
    pub model: String,
    /// What to continue, each by itself: 1 to [`MAX_PROMPTS`].
    pub prompts: Vec<Prompt>,
    /// At least 1.
    pub max_tokens: u32,
    /// Whether the caller named `max_tokens` itself.
    pub max_tokens_given: bool,
    /// How many answers to each prompt, 1 to [`crate::chat::MAX_ANSWERS`]; with several prompts at most [`MAX_PROMPTS`] in all.
    pub answers: u32,
    /// Whether each answer begins with the prompt.
    pub echo: bool,
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
    /// The end user that the caller names, for limits that count by it.
    pub user: Option<String>,
}

/// What to continue; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text, in which control tokens are themselves.
    Text(String),
    /// Tokens by their ids.
    Tokens(Vec<u32>),
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    prompt: Option<Loose<RawPrompt>>,
    max_tokens: Option<serde_json::Number>,
    echo: Option<bool>,
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
    logprobs: Option<Loose<i64>>,
    stop: Option<RawStop>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    n: Option<Loose<i64>>,
    // Known, not served: refused when they ask for something.
    best_of: Option<u32>,
    #[serde(borrow)]
    suffix: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrompt {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    TokenLists(Vec<Vec<u32>>),
}

impl CompletionRequest {
    /// Parses a body. Refuses with [`Reason::InvalidJson`], [`Reason::InvalidRequest`] or
    /// [`Reason::UnsupportedParameter`], naming the field where there is one.
    pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| refuse_json(&error))?;
        raw.check(bounds)
    }

    /// How many answers to all prompts together.
    pub fn all_answers(&self) -> u32 {
        u32::try_from(self.prompts.len()).unwrap_or(u32::MAX).saturating_mul(self.answers)
    }

    /// As [`crate::chat::ChatRequest::most_tokens`].
    pub fn most_tokens(&self) -> Option<u32> {
        let answers = self.all_answers();
        (self.max_tokens_given || answers > 1).then(|| self.max_tokens.saturating_mul(answers))
    }

    /// A guess at the length of all prompts in tokens, made without a tokenizer: a token for every four bytes of text.
    pub fn guess_prompt_tokens(&self) -> u32 {
        let tokens = |prompt: &Prompt| match prompt {
            Prompt::Text(text) => text.len().div_ceil(4),
            Prompt::Tokens(tokens) => tokens.len(),
        };
        u32::try_from(self.prompts.iter().map(tokens).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

/// The most prompts of a request, and the most answers to several prompts: they come one after another in the one slot that
/// the request has, before its one deadline.
pub const MAX_PROMPTS: u32 = 16;

impl Raw<'_> {
    fn check(self, bounds: ChatBounds) -> Result<CompletionRequest, Refusal> {
        // Rather refused than ignored: a caller that asks for the best of two and gets the first has been lied to.
        let unserved = [
            ("best_of", self.best_of.is_some_and(|best_of| best_of != 1)),
            ("suffix", self.suffix.is_some_and(|suffix| !suffix.is_empty())),
        ];
        if let Some((param, _)) = unserved.into_iter().find(|(_, asked)| *asked) {
            return Err(unsupported(param));
        }
        let echo = self.echo.unwrap_or(false);
        let logprobs = logprobs(self.logprobs)?;
        if echo && logprobs.is_some() {
            return Err(invalid("logprobs", "How likely the prompt was is not told: leave out `logprobs` or `echo`."));
        }
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
        let given = self.max_tokens.map(|number| max_tokens("max_tokens", &number, bounds)).transpose()?;
        let request = CompletionRequest {
            model: model_name(self.model)?,
            prompts: prompts(self.prompt)?,
            max_tokens: given.unwrap_or(bounds.default_max_tokens),
            max_tokens_given: given.is_some(),
            answers: answers(self.n)?,
            echo,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
            sampling: sampling.check()?,
            logprobs,
            stop: RawStop::check(self.stop)?,
            user: self.user.map(Cow::into_owned),
        };
        if request.all_answers() > MAX_PROMPTS {
            let message =
                format!("A request has at most {MAX_PROMPTS} answers: prompts times `n`. Send several requests.");
            return Err(invalid(if request.answers > 1 { "n" } else { "prompt" }, message));
        }
        Ok(request)
    }
}

fn prompts(member: Option<Loose<RawPrompt>>) -> Result<Vec<Prompt>, Refusal> {
    const MUST: &str = "a text or a list of token ids, or a list of those; none empty";
    let prompts = match Loose::read(member, "prompt", MUST)? {
        None => Vec::new(),
        Some(RawPrompt::Text(text)) => vec![Prompt::Text(text)],
        Some(RawPrompt::Tokens(tokens)) => vec![Prompt::Tokens(tokens)],
        Some(RawPrompt::Texts(texts)) => texts.into_iter().map(Prompt::Text).collect(),
        Some(RawPrompt::TokenLists(lists)) => lists.into_iter().map(Prompt::Tokens).collect(),
    };
    let is_empty = |prompt: &Prompt| match prompt {
        Prompt::Text(text) => text.is_empty(),
        Prompt::Tokens(tokens) => tokens.is_empty(),
    };
    match prompts.is_empty() || prompts.iter().any(is_empty) {
        false => Ok(prompts),
        true => Err(invalid("prompt", format!("`prompt` must be {MUST}."))),
    }
}

fn logprobs(member: Option<Loose<i64>>) -> Result<Option<u32>, Refusal> {
    let must = format!("a whole number from 0 to {MAX_TOP_LOGPROBS}");
    match Loose::read(member, "logprobs", &must)? {
        None => Ok(None),
        Some(count) => match u32::try_from(count).ok().filter(|count| *count <= MAX_TOP_LOGPROBS) {
            None => Err(invalid("logprobs", format!("`logprobs` must be {must}."))),
            count => Ok(count),
        },
    }
}

/// A text completion, or one event of a streamed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// `cmpl-` and the request's id.
    pub id: String,
    /// Always `text_completion`.
    pub object: Cow<'static, str>,
    /// Seconds since the epoch.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers; in a stream one at a time, and none in the event that carries usage alone.
    pub choices: Vec<TextChoice>,
    /// Tokens used; in a stream as [`crate::chat::ChatChunk`] has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
}

/// What the model wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextChoice {
    /// Which answer, from 0: those to the first prompt, then those to the second.
    pub index: u32,
    /// The text, or in a stream what is new of it.
    pub text: String,
    /// How likely its tokens were; null unless asked for.
    pub logprobs: Option<TextLogprobs>,
    /// Why it ended; null in a stream until it has.
    pub finish_reason: Option<FinishReason>,
}

/// Log probabilities in the older API's shape: lists side by side, one place for each token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// How likely each was.
    pub token_logprobs: Vec<f64>,
    /// The likeliest at each place.
    pub top_logprobs: Vec<BTreeMap<String, f64>>,
    /// Where each begins, in characters from the beginning of what was generated.
    pub text_offset: Vec<u64>,
}

impl TextLogprobs {
    /// The same tokens in this shape; `offset` is where the first of them begins, and afterwards where the next one will.
    pub fn new(tokens: Vec<TokenLogprob>, offset: &mut u64) -> Self {
        let mut lists = Self::default();
        for TokenLogprob { chosen, top_logprobs } in tokens {
            lists.text_offset.push(*offset);
            *offset += chosen.token.chars().count() as u64;
            lists.token_logprobs.push(chosen.logprob);
            // OpenAI's list always holds the token that was chosen.
            let chosen = (chosen.token, chosen.logprob);
            lists.tokens.push(chosen.0.clone());
            let top = top_logprobs.into_iter().map(|likely| (likely.token, likely.logprob));
            lists.top_logprobs.push(top.chain([chosen]).collect());
        }
        lists
    }
}
