//! How a request wants its tokens chosen: parsed at the door and bounded, so that no number of a caller's makes a
//! logit infinite or a sampler divide by nothing.

use crate::refusal::Refusal;
use crate::request::member::{Body, invalid, raw};
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

/// Reads what of a body says how its tokens are chosen.
pub(crate) fn read(body: &Body<'_>) -> Result<Sampling, Refusal> {
    let default = Sampling::default();
    let repetition = [MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY];
    let seed = body.get("seed").map(|seed| seed.whole("a whole number of 64 bits")).transpose()?;
    Ok(Sampling {
        temperature: within(body, "temperature", [0.0, 2.0])?.unwrap_or(default.temperature),
        top_p: top_p(body)?.unwrap_or(default.top_p),
        top_k: top_k(body)?,
        min_p: within(body, "min_p", [0.0, 1.0])?.unwrap_or(default.min_p),
        repetition_penalty: within(body, "repetition_penalty", repetition)?.unwrap_or(default.repetition_penalty),
        presence_penalty: within(body, "presence_penalty", [-2.0, 2.0])?.unwrap_or(default.presence_penalty),
        frequency_penalty: within(body, "frequency_penalty", [-2.0, 2.0])?.unwrap_or(default.frequency_penalty),
        logit_bias: logit_bias(body)?,
        // OpenAI's seed is a signed integer; its bits serve as well.
        seed: seed.map(i64::cast_unsigned),
    })
}

/// The same of a body that can say no more than these three.
pub(crate) fn nucleus(body: &Body<'_>) -> Result<Sampling, Refusal> {
    let default = Sampling::default();
    Ok(Sampling {
        temperature: within(body, "temperature", [0.0, 2.0])?.unwrap_or(default.temperature),
        top_p: top_p(body)?.unwrap_or(default.top_p),
        top_k: top_k(body)?,
        ..default
    })
}

fn within(body: &Body<'_>, param: &'static str, [least, most]: [f64; 2]) -> Result<Option<f64>, Refusal> {
    let Some(given) = body.get(param) else { return Ok(None) };
    let must = format!("a number from {least} to {most}");
    match given.number(&must)? {
        value if (least..=most).contains(&value) => Ok(Some(value)),
        _ => Err(given.must(&must)),
    }
}

fn top_p(body: &Body<'_>) -> Result<Option<f64>, Refusal> {
    const MUST: &str = "a number above 0 and at most 1";
    let Some(given) = body.get("top_p") else { return Ok(None) };
    match given.number(MUST)? {
        value if value > 0.0 && value <= 1.0 => Ok(Some(value)),
        _ => Err(given.must(MUST)),
    }
}

fn top_k(body: &Body<'_>) -> Result<Option<u32>, Refusal> {
    const MUST: &str = "a whole number from 1 to 4294967295, or 0 or -1 for all tokens";
    let Some(given) = body.get("top_k") else { return Ok(None) };
    match given.whole(MUST)? {
        -1 | 0 => Ok(None),
        count => u32::try_from(count).map(Some).map_err(|_| given.must(MUST)),
    }
}

fn logit_bias(body: &Body<'_>) -> Result<BTreeMap<u32, f32>, Refusal> {
    const MUST: &str = "an object of token ids, in decimal, and numbers from -100 to 100";
    let mut biases = BTreeMap::new();
    let Some(given) = body.get("logit_bias") else { return Ok(biases) };
    given.entries(MUST, |token, bias| {
        // Only as a number is printed: `5` and `05` would be one token with two values.
        let id = token.parse::<u32>().ok().filter(|id| id.to_string() == token);
        let bias = raw::number(bias).filter(|bias| (-100.0..=100.0).contains(bias));
        let (Some(id), Some(bias)) = (id, bias) else { return Err(given.must(MUST)) };
        if biases.len() == MAX_BIASES {
            return Err(invalid("logit_bias", format!("`logit_bias` takes at most {MAX_BIASES} tokens.")));
        }
        match biases.insert(id, bias as f32) {
            Some(_) => Err(invalid("logit_bias", format!("`logit_bias` names the token {id} twice."))),
            None => Ok(()),
        }
    })?;
    Ok(biases)
}
