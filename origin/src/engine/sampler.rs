//! From logits to a token: greedy, temperature, nucleus; seeded per request.

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

/// How a request wants its tokens chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampling {
    /// 0 is greedy.
    pub(crate) temperature: f64,
    /// Above 0, at most 1.
    pub(crate) top_p: f64,
    /// The same seed and logits give the same tokens, whatever else runs.
    pub(crate) seed: u64,
}

/// One request's source of choices.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f64,
    top_p: f64,
    random: SplitMix64,
    weights: Vec<f32>,
    order: Vec<u32>,
}

/// Logits that no token can be chosen from: NaN, plus infinity, or nothing but minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logits are not finite numbers")]
pub(crate) struct NotFinite;

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            random: SplitMix64::new(sampling.seed),
            weights: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Chooses a token. Minus infinity stands for "never"; ties go to the lowest id when greedy.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let (best, max) = best(logits)?;
        if self.temperature == 0.0 {
            return Ok(best);
        }
        let scale = 1.0 / self.temperature;
        self.weights.clear();
        self.weights.extend(logits.iter().map(|logit| (f64::from(*logit - max) * scale).exp() as f32));
        let total: f64 = self.weights.iter().copied().map(f64::from).sum();
        let (cutoff, mass) = if self.top_p < 1.0 { self.nucleus(self.top_p * total) } else { ((0.0, u32::MAX), total) };
        // Summed in the order of ids, so that the choice does not depend on how the nucleus was found.
        let mut left = self.random.uniform() * mass;
        let mut last = best;
        for (id, weight) in (0u32..).zip(&self.weights) {
            if *weight > 0.0 && (*weight > cutoff.0 || (*weight == cutoff.0 && id <= cutoff.1)) {
                last = id;
                left -= f64::from(*weight);
                if left < 0.0 {
                    break;
                }
            }
        }
        Ok(last)
    }

    /// The smallest set of the heaviest tokens that weighs at least `need`: its lightest member (ties go to low ids) and
    /// its weight. Found by halving, in linear time on average; the vocabulary is never sorted.
    fn nucleus(&mut self, need: f64) -> ((f32, u32), f64) {
        let weights = &self.weights;
        self.order.clear();
        self.order.extend((0u32..).zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(id, _)| id));
        let heavier = |a: &u32, b: &u32| {
            let (left, right) = (weights[*a as usize], weights[*b as usize]);
            right.total_cmp(&left).then(a.cmp(b))
        };
        let mut rest = self.order.as_mut_slice();
        let mut mass = 0.0;
        while rest.len() > 1 {
            let middle = rest.len() / 2;
            rest.select_nth_unstable_by(middle, heavier);
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sampler(temperature: f64, top_p: f64, seed: u64) -> Sampler {
        Sampler::new(Sampling { temperature, top_p, seed })
    }

    #[test]
    fn greedy_takes_the_first_best() {
        assert_eq!(sampler(0.0, 1.0, 0).sample(&[1.0, 3.0, 3.0, f32::NEG_INFINITY]), Ok(1));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for logits in [[0.0, f32::NAN], [0.0, f32::INFINITY], [f32::NEG_INFINITY; 2]] {
            for temperature in [0.0, 1.0] {
                assert_eq!(sampler(temperature, 0.5, 1).sample(&logits), Err(NotFinite), "{logits:?}");
            }
        }
    }

    #[test]
    fn frequencies_follow_the_logits() {
        let mut sampler = sampler(1.0, 1.0, 7);
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
        let mut counts = [0u32; 3];
        for _ in 0..20_000 {
            counts[sampler.sample(&logits).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([10_000, 6_000, 4_000]) {
            // Five standard deviations of a binomial with n = 20,000.
            assert!(count.abs_diff(expected) < 360, "{counts:?}");
        }
    }

    #[test]
    fn splitmix_is_the_published_one() {
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    proptest! {
        /// Against sorting everything: the same set, and only its members are ever chosen.
        #[test]
        fn the_nucleus_is_the_smallest_set(
            logits in proptest::collection::vec(-6.0f32..6.0, 1..200),
            top_p in 0.01f64..0.999,
            seed in any::<u64>(),
        ) {
            let mut sampler = sampler(1.0, top_p, seed);
            let chosen = sampler.sample(&logits).unwrap();
            let weights = sampler.weights.clone();
            let total: f64 = weights.iter().copied().map(f64::from).sum();
            let mut ids: Vec<usize> = (0..logits.len()).collect();
            ids.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
            let mut mass = 0.0;
            let mut members = Vec::new();
            for id in ids {
                members.push(id);
                mass += f64::from(weights[id]);
                if mass >= top_p * total {
                    break;
                }
            }
            let (cutoff, found) = sampler.nucleus(top_p * total);
            // Sums in another order may differ in the last bits, which can move the border by one token.
            let count = weights.iter().enumerate().filter(|(id, w)| **w > cutoff.0 || (**w == cutoff.0 && *id as u32 <= cutoff.1)).count();
            prop_assert!(count.abs_diff(members.len()) <= 1);
            prop_assert!(found >= top_p * total - 1e-6);
            prop_assert!(count != members.len() || members.contains(&(chosen as usize)));
        }

        #[test]
        fn a_seed_decides(logits in proptest::collection::vec(-3.0f32..3.0, 1..50), seed in any::<u64>()) {
            let draw = || {
                let mut sampler = sampler(0.8, 0.9, seed);
                (0..8).map(|_| sampler.sample(&logits).unwrap()).collect::<Vec<_>>()
            };
            prop_assert_eq!(draw(), draw());
        }
    }
}
