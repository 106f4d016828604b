//! OpenAI's older API of text completions: prompts as they are, without a chat template, and what the model writes
//! after each.
//!
//! The prompt is the caller's alone, so control tokens in it are control tokens: whoever writes a template of its own,
//! or fills in the middle of code, needs them. In a chat they are text.

use crate::refusal::Refusal;
use crate::request::bodies::chat::{
    ChatBounds, FinishReason, Names, Sampling, TokenLogprob, UsageReport, both, logprobs, sampling,
};
use crate::request::bodies::prompts;
pub use crate::request::bodies::prompts::Prompt;
use crate::request::door::Door;
use crate::request::member::{Body, invalid};
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
    /// How many answers to each prompt, 1 to [`crate::request::bodies::chat::MAX_ANSWERS`]; with several prompts at
    /// most [`MAX_PROMPTS`] in all.
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
    /// What its door calls some of this.
    pub names: Names,
}

impl CompletionRequest {
    /// Parses a body; refuses as [`crate::request::bodies::chat::ChatRequest::parse`] does.
    pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Completions)?;
        let (echo, logprobs) = (body.boolean("echo")?.unwrap_or(false), logprobs::count(&body, "logprobs")?);
        if echo && logprobs.is_some() {
            return Err(invalid("logprobs", "How likely the prompt was is not told: leave out `logprobs` or `echo`."));
        }
        let given = both::max_tokens(&body, bounds)?;
        let (stream, include_usage) = both::stream(&body)?;
        let request = Self {
            model: both::model(&body)?,
            prompts: prompts::read(&body, "prompt", MAX_PROMPTS, too_many_prompts)?,
            max_tokens: given.unwrap_or(bounds.default_max_tokens),
            max_tokens_given: given.is_some(),
            answers: both::answers(&body)?,
            echo,
            stream,
            include_usage,
            sampling: sampling::read(&body)?,
            logprobs,
            stop: both::stop(&body)?,
            user: both::end_user(&body)?,
            names: Names::TEXT,
        };
        if request.all_answers() > MAX_PROMPTS {
            return Err(match request.answers > 1 {
                true => invalid("n", format!("`n` times prompts is {TOO_MANY}")),
                false => too_many_prompts(),
            });
        }
        Ok(request)
    }

    /// How many answers to all prompts together.
    pub fn all_answers(&self) -> u32 {
        u32::try_from(self.prompts.len()).unwrap_or(u32::MAX).saturating_mul(self.answers)
    }

    /// As [`crate::request::bodies::chat::ChatRequest::most_tokens`].
    pub fn most_tokens(&self) -> Option<u32> {
        let answers = self.all_answers();
        (self.max_tokens_given || answers > 1).then(|| self.max_tokens.saturating_mul(answers))
    }

    /// A guess at the length of all prompts in tokens, made without a tokenizer: a token for every four bytes of text.
    pub fn guess_prompt_tokens(&self) -> u32 {
        u32::try_from(self.prompts.iter().map(Prompt::guess_tokens).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

/// The most prompts of a request, and the most answers to several prompts: they come one after another in the one slot
/// that the request has, before its one deadline.
pub const MAX_PROMPTS: u32 = 16;

/// What is said of a request with more.
const TOO_MANY: &str = "more than the 16 answers that a request has at most. Send several requests.";

fn too_many_prompts() -> Refusal {
    invalid("prompt", format!("`prompt` is {TOO_MANY}"))
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
    /// Tokens used; in a stream as [`crate::request::bodies::chat::ChatChunk`] has it.
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
    /// The same tokens in this shape; `offset` is where the first of them begins, and afterwards where the next one
    /// will.
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
