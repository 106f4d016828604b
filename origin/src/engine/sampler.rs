//! From logits to a token: bias, penalties, temperature, the likeliest, a draw; seeded per request.

use sluice_protocol::request::bodies::chat::Sampling;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same on every machine. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// Any seed will do, 0 too.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1), all 53 bits of it.
    pub(crate) const fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One request's source of choices.
///
/// In this order, which is vLLM's (`vllm.v1.sample.sampler.Sampler`, steps 5 to 7) and, for what it has, that of
/// Hugging Face's `transformers` (`_get_logits_processor`, penalties before temperature before top-k before top-p):
///
/// 1. `logit_bias` is added.
/// 2. `repetition_penalty` (Keskar and others 2019, as Hugging Face has it): logits of tokens in the prompt or the
///    answer are divided by it if positive, multiplied if not.
/// 3. `frequency_penalty`, once for each time that a token is in the answer, and `presence_penalty`, once, are
///    subtracted (OpenAI's formula).
/// 4. Below a temperature of 0.00001 (vLLM's border) the likeliest token is taken, and nothing more is asked.
/// 5. Logits are divided by the temperature and become probabilities.
/// 6. `min_p`: what is less than this times as likely as the likeliest goes.
/// 7. `top_k`: all but so many of the likeliest go.
/// 8. `top_p`: of what is left, and of the probability that is left, the smallest set of the likeliest with that share
///    stays.
/// 9. One of those is drawn, by a generator that belongs to this request alone.
///
/// Tokens that are equally likely go by their id, the lowest first; vLLM keeps all that tie with the last of `top_k`.
#[derive(Debug)]
pub(crate) struct Sampler {
    how: Sampling,
    random: SplitMix64,
    /// The prompt's different tokens, ascending; none where repetition is not penalised.
    prompt: Vec<u32>,
    /// How often each token was chosen; empty where nothing is penalised.
    chosen: BTreeMap<u32, u32>,
    adjusted: Vec<f32>,
    weights: Vec<f32>,
    order: Vec<u32>,
}

/// Logits that no token can be chosen from: NaN, plus infinity, or nothing but minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logits are not finite numbers")]
pub(crate) struct NotFinite;

/// The lightest token of a set of the heaviest: its weight and its id. A token is in the set if it is heavier, or as
/// heavy with an id that is not higher.
type Lightest = (f32, u32);

impl Sampler {
    /// For one answer to this prompt. `seed` decides all draws. The seed in `how` is ignored: a request without one
    /// gets a random one.
    pub(crate) fn new(how: Sampling, seed: u64, prompt: &[u32]) -> Self {
        let mut seen = if how.repetition_penalty == 1.0 { Vec::new() } else { prompt.to_vec() };
        seen.sort_unstable();
        seen.dedup();
        Self {
            how,
            random: SplitMix64::new(seed),
            prompt: seen,
            chosen: BTreeMap::new(),
            adjusted: Vec::new(),
            weights: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Chooses the answer's next token and remembers it for the penalties. Minus infinity stands for "never".
    ///
    /// Refuses logits of which one is NaN or plus infinity, or all are minus infinity. That holds also for what bias
    /// and penalties make of them. Then nothing is remembered.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let token = if self.penalises() || !self.how.logit_bias.is_empty() {
            let mut adjusted = std::mem::take(&mut self.adjusted);
            self.adjust(logits, &mut adjusted);
            let token = self.choose(&adjusted);
            self.adjusted = adjusted;
            token?
        } else {
            self.choose(logits)?
        };
        if self.penalises() {
            *self.chosen.entry(token).or_default() += 1;
        }
        Ok(token)
    }

    fn penalises(&self) -> bool {
        let how = &self.how;
        how.repetition_penalty != 1.0 || how.presence_penalty != 0.0 || how.frequency_penalty != 0.0
    }

    /// Steps 1 to 3. Tokens that the model does not have are passed over.
    fn adjust(&self, logits: &[f32], adjusted: &mut Vec<f32>) {
        adjusted.clear();
        adjusted.extend_from_slice(logits);
        for (id, bias) in &self.how.logit_bias {
            if let Some(logit) = adjusted.get_mut(*id as usize) {
                *logit += bias;
            }
        }
        let repetition = self.how.repetition_penalty as f32;
        if repetition != 1.0 {
            let answer = self.chosen.keys().filter(|id| self.prompt.binary_search(id).is_err());
            for id in self.prompt.iter().chain(answer) {
                if let Some(logit) = adjusted.get_mut(*id as usize) {
                    *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                }
            }
        }
        let (presence, frequency) = (self.how.presence_penalty as f32, self.how.frequency_penalty as f32);
        for (id, times) in &self.chosen {
            if let Some(logit) = adjusted.get_mut(*id as usize) {
                *logit -= frequency * *times as f32;
                *logit -= presence;
            }
        }
    }

    /// Steps 4 to 9.
    fn choose(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let (best, max) = best(logits)?;
        if self.how.temperature < GREEDY {
            return Ok(best);
        }
        let scale = 1.0 / self.how.temperature;
        self.weights.clear();
        self.weights.extend(logits.iter().map(|logit| (f64::from(*logit - max) * scale).exp() as f32));
        let (lightest, mass) = self.survivors();
        // Summed in the order of ids, so that the choice does not depend on how the set was found.
        let mut left = self.random.uniform() * mass;
        let mut last = best;
        for (id, weight) in (0u32..).zip(&self.weights) {
            if *weight > 0.0 && (*weight > lightest.0 || (*weight == lightest.0 && id <= lightest.1)) {
                last = id;
                left -= f64::from(*weight);
                if left < 0.0 {
                    break;
                }
            }
        }
        Ok(last)
    }

    /// Steps 6 to 8. Each leaves a set of the heaviest tokens, which its lightest member describes. Returns that one
    /// and the weight of the set. Never sorts: it takes linear time on average.
    fn survivors(&mut self) -> (Lightest, f64) {
        // The likeliest token weighs exp(0), which is 1.
        let least = self.how.min_p as f32;
        let heavy = |weight: &f32| *weight > 0.0 && *weight >= least;
        let top_k = self.how.top_k.map_or(usize::MAX, |most| most as usize);
        if top_k == usize::MAX && self.how.top_p == 1.0 {
            let mass = self.weights.iter().filter(|weight| heavy(weight)).copied().map(f64::from).sum();
            return ((least, u32::MAX), mass);
        }
        let weights = &self.weights;
        self.order.clear();
        self.order.extend((0u32..).zip(weights).filter(|(_, weight)| heavy(weight)).map(|(id, _)| id));
        if top_k < self.order.len() {
            self.order.select_nth_unstable_by(top_k - 1, |a, b| heavier(weights, *a, *b));
            self.order.truncate(top_k);
        }
        let mass: f64 = self.order.iter().map(|id| f64::from(weights[*id as usize])).sum();
        if self.how.top_p < 1.0 {
            return self.nucleus(self.how.top_p * mass);
        }
        let lightest = self.order.iter().copied().max_by(|a, b| heavier(weights, *a, *b));
        let lightest = lightest.expect("the likeliest token weighs 1 and `top_k` is at least 1");
        ((weights[lightest as usize], lightest), mass)
    }

    /// The smallest set of the heaviest tokens of `order` that weighs at least `need`: its lightest member and its
    /// weight. Found by halving, in linear time on average; the vocabulary is never sorted.
    fn nucleus(&mut self, need: f64) -> (Lightest, f64) {
        let weights = &self.weights;
        let mut rest = self.order.as_mut_slice();
        let mut mass = 0.0;
        while rest.len() > 1 {
            let middle = rest.len() / 2;
            rest.select_nth_unstable_by(middle, |a, b| heavier(weights, *a, *b));
            let upper: f64 = rest[..middle].iter().map(|id| f64::from(weights[*id as usize])).sum();
            if mass + upper >= need {
                rest = &mut rest[..middle];
            } else {
                mass += upper;
                rest = &mut rest[middle..];
            }
        }
        // `rest` is not empty: the best token's weight is exp(0).
        let id = rest[0];
        let weight = weights[id as usize];
        ((weight, id), mass + f64::from(weight))
    }
}

/// The heavier of two tokens comes first; of equal ones that with the lower id.
fn heavier(weights: &[f32], a: u32, b: u32) -> Ordering {
    weights[b as usize].total_cmp(&weights[a as usize]).then(a.cmp(&b))
}

/// Below this temperature the likeliest token is taken, as vLLM does: its logits divided by less are no numbers.
const GREEDY: f64 = 1e-5;

fn best(logits: &[f32]) -> Result<(u32, f32), NotFinite> {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in (0u32..).zip(logits) {
        if logit.is_nan() {
            return Err(NotFinite);
        }
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    if best.1.is_finite() { Ok(best) } else { Err(NotFinite) }
}

#[cfg(test)]
mod tests;
