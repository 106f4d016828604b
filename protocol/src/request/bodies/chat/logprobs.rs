//! Log probabilities: what a request may ask for, and the shape in which OpenAI tells them.
//!
//! They are the model's own, before bias, penalties and temperature, as vLLM's default (`raw_logprobs`) has it. OpenAI's
//! reference does not say what comes before.

use crate::refusal::Refusal;
use crate::request::member::{Body, invalid};
use serde::{Deserialize, Serialize};

/// OpenAI's bound on `top_logprobs`.
pub const MAX_TOP_LOGPROBS: u32 = 20;
/// What stands for the logarithm of 0, which JSON cannot say: vLLM's number, and OpenAI's.
pub const LEAST_LOGPROB: f64 = -9999.0;

/// The log probabilities of an answer or of a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceLogprobs {
    /// One for each token that was generated, those of a stop string included; the token that ends an answer is not told.
    pub content: Vec<TokenLogprob>,
}

/// One token that was generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token itself.
    #[serde(flatten)]
    pub chosen: Likelihood,
    /// The likeliest tokens at its place, likeliest first; as many as were asked for.
    pub top_logprobs: Vec<Likelihood>,
}

/// How likely one token was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// Its text; U+FFFD for what is only a part of a character, as OpenAI has it.
    pub token: String,
    /// The natural logarithm of its probability; never less than [`LEAST_LOGPROB`].
    pub logprob: f64,
    /// Its bytes: those of several tokens, joined, are the text in UTF-8 where each alone is only a part of a character.
    /// Null for a token that stands for no bytes.
    pub bytes: Option<Vec<u8>>,
}

/// How many of the likeliest tokens are told with each token; `None` if log probabilities are not asked for.
pub(super) fn read(body: &Body<'_>) -> Result<Option<u32>, Refusal> {
    let asked = body.boolean("logprobs")?.unwrap_or(false);
    match count(body, "top_logprobs")?.unwrap_or(0) {
        0 if !asked => Ok(None),
        _ if !asked => Err(invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true.")),
        count => Ok(Some(count)),
    }
}

/// A number of likeliest tokens.
pub(crate) fn count(body: &Body<'_>, name: &'static str) -> Result<Option<u32>, Refusal> {
    let Some(given) = body.get(name) else { return Ok(None) };
    let must = format!("a whole number from 0 to {MAX_TOP_LOGPROBS}");
    match u32::try_from(given.whole(&must)?).ok().filter(|count| *count <= MAX_TOP_LOGPROBS) {
        None => Err(given.must(&must)),
        count => Ok(count),
    }
}
