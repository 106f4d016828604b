//! How a request wants its tokens chosen: parsed at the door and bounded, so that no number of a caller's makes a
//! logit infinite or a sampler divide by nothing.

use super::invalid;
use crate::refusal::Refusal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// How a request wants its tokens chosen. In which order the members take effect, the origin's sampler says.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 to 2; 0 is greedy.
    pub temperature: f64,
    /// Nucleus: only the likeliest tokens that together have this probability. Above 0, at most 1, which is all.
    pub top_p: f64,
    /// Only this many of the likeliest tokens; `None` for all. As vLLM has it: 0 and -1 stand for all too.
    pub top_k: Option<u32>,
    /// Only tokens that are at least this times as likely as the likeliest one. 0, which is all, to 1.
    pub min_p: f64,
    /// Hugging Face's: logits of tokens that are in the prompt or the answer are divided by it where they are positive
    /// and multiplied where they are not. [`MIN_REPETITION_PENALTY`] to [`MAX_REPETITION_PENALTY`]; 1 does nothing.
    pub repetition_penalty: f64,
    /// OpenAI's: taken from the logit of every token that is in the answer. -2 to 2; 0 does nothing.
    pub presence_penalty: f64,
    /// OpenAI's: taken from a token's logit once for each time that it is in the answer. -2 to 2; 0 does nothing.
    pub frequency_penalty: f64,
    /// OpenAI's: added to the logits of these tokens. -100 to 100 each, at most [`MAX_BIASES`] of them.
    pub logit_bias: BTreeMap<u32, f32>,
    /// The same seed and request give the same text, whatever else runs.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    /// What OpenAI's API does for a request that says nothing: every token by its probability.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            seed: None,
        }
    }
}

/// Our bound on the tokens that `logit_bias` names.
pub const MAX_BIASES: usize = 1_024;
/// Our bound: the logits of a model stay finite when they are divided by it.
pub const MIN_REPETITION_PENALTY: f64 = 0.1;
/// Our bound: the logits of a model stay finite when they are multiplied by it.
pub const MAX_REPETITION_PENALTY: f64 = 10.0;

/// A member that should be a `T`. One that is something else is kept until its name can be told with the refusal.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Loose<T> {
    /// As it should be.
    Good(T),
    /// Anything else.
    Other(IgnoredAny),
}

impl<T> Loose<T> {
    /// The value; refuses what is not a `T`, naming `param` and saying what it `must` be.
    pub(crate) fn read(member: Option<Self>, param: &'static str, must: &str) -> Result<Option<T>, Refusal> {
        match member {
            None => Ok(None),
            Some(Self::Good(value)) => Ok(Some(value)),
            Some(Self::Other(_)) => Err(invalid(param, format!("`{param}` must be {must}."))),
        }
    }
}

/// The members as they came.
pub(crate) struct Raw {
    pub(crate) temperature: Option<Loose<f64>>,
    pub(crate) top_p: Option<Loose<f64>>,
    pub(crate) top_k: Option<Loose<i64>>,
    pub(crate) min_p: Option<Loose<f64>>,
    pub(crate) repetition_penalty: Option<Loose<f64>>,
    pub(crate) presence_penalty: Option<Loose<f64>>,
    pub(crate) frequency_penalty: Option<Loose<f64>>,
    pub(crate) logit_bias: Option<Loose<BTreeMap<String, f64>>>,
    pub(crate) seed: Option<Loose<i64>>,
}

impl Raw {
    pub(crate) fn check(self) -> Result<Sampling, Refusal> {
        let default = Sampling::default();
        let top_p = Loose::read(self.top_p, "top_p", "above 0 and at most 1")?.unwrap_or(default.top_p);
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(invalid("top_p", "`top_p` must be above 0 and at most 1."));
        }
        let repetition = [MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY];
        let seed = Loose::read(self.seed, "seed", "a whole number of 64 bits")?;
        Ok(Sampling {
            temperature: within(self.temperature, "temperature", [0.0, 2.0], default.temperature)?,
            top_p,
            top_k: top_k(self.top_k)?,
            min_p: within(self.min_p, "min_p", [0.0, 1.0], default.min_p)?,
            repetition_penalty: within(
                self.repetition_penalty,
                "repetition_penalty",
                repetition,
                default.repetition_penalty,
            )?,
            presence_penalty: within(self.presence_penalty, "presence_penalty", [-2.0, 2.0], default.presence_penalty)?,
            frequency_penalty: within(
                self.frequency_penalty,
                "frequency_penalty",
                [-2.0, 2.0],
                default.frequency_penalty,
            )?,
            logit_bias: logit_bias(self.logit_bias)?,
            // OpenAI's seed is a signed integer; its bits serve as well.
            seed: seed.map(i64::cast_unsigned),
        })
    }
}

fn within(
    member: Option<Loose<f64>>,
    param: &'static str,
    [least, most]: [f64; 2],
    default: f64,
) -> Result<f64, Refusal> {
    let must = format!("from {least} to {most}");
    match Loose::read(member, param, &must)? {
        None => Ok(default),
        Some(value) if (least..=most).contains(&value) => Ok(value),
        Some(_) => Err(invalid(param, format!("`{param}` must be {must}."))),
    }
}

fn top_k(member: Option<Loose<i64>>) -> Result<Option<u32>, Refusal> {
    const MUST: &str = "a whole number from 1 to 4294967295, or 0 or -1 for all tokens";
    match Loose::read(member, "top_k", MUST)? {
        None | Some(-1 | 0) => Ok(None),
        Some(count) => match u32::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(invalid("top_k", format!("`top_k` must be {MUST}."))),
        },
    }
}

fn logit_bias(member: Option<Loose<BTreeMap<String, f64>>>) -> Result<BTreeMap<u32, f32>, Refusal> {
    const MUST: &str = "an object of token ids, in decimal, and numbers from -100 to 100";
    let biases = Loose::read(member, "logit_bias", MUST)?.unwrap_or_default();
    if biases.len() > MAX_BIASES {
        return Err(invalid("logit_bias", format!("`logit_bias` takes at most {MAX_BIASES} tokens.")));
    }
    let check = |(token, bias): (String, f64)| {
        // Only as a number is printed: `5` and `05` would be one token with two values.
        let id = token.parse::<u32>().ok().filter(|id| id.to_string() == token);
        id.filter(|_| (-100.0..=100.0).contains(&bias)).map(|id| (id, bias as f32))
    };
    let checked: Option<BTreeMap<u32, f32>> = biases.into_iter().map(check).collect();
    checked.ok_or_else(|| invalid("logit_bias", format!("`logit_bias` must be {MUST}.")))
}
