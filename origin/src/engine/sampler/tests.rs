//! The sampler against what is published, and against an oracle that sorts everything.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn sampler(temperature: f64, top_p: f64, seed: u64) -> Sampler {
    Sampler::new(Sampling { temperature, top_p, ..Sampling::default() }, seed, &[])
}

/// Takes the likeliest token, after what `how` adds and subtracts.
fn greedy(how: Sampling, prompt: &[u32]) -> Sampler {
    Sampler::new(Sampling { temperature: 0.0, ..how }, 0, prompt)
}

#[test]
fn greedy_takes_the_first_best() {
    for temperature in [0.0, 5e-324, 9e-6] {
        // Also with a nucleus: at such a temperature the weights of all are no numbers.
        for top_p in [1.0, 0.5] {
            let mut sampler = sampler(temperature, top_p, 0);
            assert_eq!(sampler.sample(&[1.0, 3.0, 3.0, f32::NEG_INFINITY]), Ok(1), "{temperature}, {top_p}");
        }
    }
}

#[test]
fn what_is_not_a_number_is_refused() {
    let biased = Sampling { logit_bias: [(0, 5.0)].into(), repetition_penalty: 2.0, ..Sampling::default() };
    for logits in [[0.0, f32::NAN], [0.0, f32::INFINITY], [f32::NEG_INFINITY; 2]] {
        for temperature in [0.0, 1.0] {
            assert_eq!(sampler(temperature, 0.5, 1).sample(&logits), Err(NotFinite), "{logits:?}");
            let how = Sampling { temperature, top_k: Some(1), min_p: 0.5, ..biased.clone() };
            assert_eq!(Sampler::new(how, 1, &[0, 1]).sample(&logits), Err(NotFinite), "{logits:?}");
        }
    }
    let mut overflows = greedy(Sampling { repetition_penalty: 0.1, ..Sampling::default() }, &[0]);
    assert_eq!(overflows.sample(&[f32::MAX, 0.0]), Err(NotFinite));
    assert!(overflows.chosen.is_empty());
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

#[test]
fn a_bias_moves_its_token_alone() {
    let biased = |bias: &[(u32, f32)]| Sampling { logit_bias: bias.iter().copied().collect(), ..Sampling::default() };
    let logits = [1.0, 3.0, 2.0];
    assert_eq!(greedy(biased(&[(1, -1.5)]), &[]).sample(&logits), Ok(2));
    assert_eq!(greedy(biased(&[(0, 2.5)]), &[]).sample(&logits), Ok(0));
    assert_eq!(greedy(biased(&[(3, 100.0), (u32::MAX, 100.0)]), &[]).sample(&logits), Ok(1));
}

/// Hugging Face's formula: a positive logit is divided, a negative one multiplied, once however often the token was
/// there.
#[test]
fn repetition_is_penalised_over_prompt_and_answer() {
    let how = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
    // The prompt has 0 three times: 4 becomes 2, not 0.5; the answer's 1 becomes 1.5 then, and 0 is not divided again.
    let mut positive = greedy(how.clone(), &[0, 0, 0]);
    let tokens: Vec<u32> = (0..3).map(|_| positive.sample(&[4.0, 3.0, 1.0]).unwrap()).collect();
    assert_eq!(tokens, [1, 0, 0]);
    let mut negative = greedy(how, &[0]);
    let tokens: Vec<u32> = (0..3).map(|_| negative.sample(&[-1.0, -1.5, -3.5]).unwrap()).collect();
    assert_eq!(tokens, [1, 0, 0]);
}

/// OpenAI's formula: once for being there, and once for every time; the prompt does not count.
#[test]
fn presence_counts_once_and_frequency_every_time() {
    let run = |how: Sampling, logits: &[f32]| {
        let mut sampler = greedy(how, &[0, 0, 0, 0]);
        (0..5).map(|_| sampler.sample(logits).unwrap()).collect::<Vec<_>>()
    };
    let presence = Sampling { presence_penalty: 1.5, ..Sampling::default() };
    assert_eq!(run(presence, &[2.0, 1.0, 0.6]), [0, 1, 2, 0, 0]);
    let frequency = Sampling { frequency_penalty: 0.5, ..Sampling::default() };
    assert_eq!(run(frequency, &[2.0, 1.2, 0.0]), [0, 0, 1, 0, 1]);
    let wanted = Sampling { presence_penalty: -2.0, ..Sampling::default() };
    assert_eq!(run(wanted, &[2.0, 1.2, 0.0]), [0, 0, 0, 0, 0]);
}

/// In which order things happen, each pair where the other order would choose another token.
#[test]
fn steps_come_in_the_order_that_is_written_down() {
    // The bias first: 1 + 3 = 4, halved 2, is less than 2.5; the other way round 0.5 + 3 would be more.
    let how = Sampling { logit_bias: [(0, 3.0)].into(), repetition_penalty: 2.0, ..Sampling::default() };
    assert_eq!(greedy(how, &[0]).sample(&[1.0, 2.5]), Ok(1));
    // Repetition before presence: 4 / 2 - 1 = 1 is less than 1.2; (4 - 1) / 2 would be more.
    let how = Sampling { presence_penalty: 1.0, repetition_penalty: 2.0, ..Sampling::default() };
    let mut sampler = greedy(how, &[]);
    assert_eq!((sampler.sample(&[4.0, 1.2]), sampler.sample(&[4.0, 1.2])), (Ok(0), Ok(1)));
    // top_k before top_p: of 0.4, 0.3, 0.3 two are left with 4/7 and 3/7, and 0.5 of that is the first alone.
    let logits = [0.4f32.ln(), 0.3f32.ln(), 0.3f32.ln()];
    let how = Sampling { top_k: Some(2), top_p: 0.5, ..Sampling::default() };
    assert!((0..200).all(|seed| Sampler::new(how.clone(), seed, &[]).sample(&logits) == Ok(0)));
    // Temperature before min_p: at 2, e^-2 is e^-1 = 0.37 times as likely, which is enough.
    let how = Sampling { temperature: 2.0, min_p: 0.3, ..Sampling::default() };
    assert!((0..200).any(|seed| Sampler::new(how.clone(), seed, &[]).sample(&[0.0, -2.0]) == Ok(1)));
    let how = Sampling { temperature: 1.0, ..how };
    assert!((0..200).all(|seed| Sampler::new(how.clone(), seed, &[]).sample(&[0.0, -2.0]) == Ok(0)));
}

/// The same by sorting everything, in double precision and with a generator of its own: the next token, or none where
/// it hangs by a thread (rounding may put a border on either side of a token).
struct Oracle {
    how: Sampling,
    state: u64,
    prompt: Vec<u32>,
    answer: Vec<u32>,
}

impl Oracle {
    fn logit(&self, id: u32, raw: f32) -> f64 {
        let mut logit = f64::from(raw);
        if let Some(bias) = self.how.logit_bias.get(&id) {
            logit += f64::from(*bias);
        }
        if self.prompt.contains(&id) || self.answer.contains(&id) {
            let penalty = self.how.repetition_penalty;
            logit = if logit < 0.0 { logit * penalty } else { logit / penalty };
        }
        let times = self.answer.iter().filter(|token| **token == id).count();
        let presence = if times > 0 { self.how.presence_penalty } else { 0.0 };
        logit - self.how.frequency_penalty * times as f64 - presence
    }

    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
        let mut all: Vec<(f64, u32)> = (0u32..).zip(logits).map(|(id, raw)| (self.logit(id, *raw), id)).collect();
        all.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
        let changed = all.iter().any(|(logit, id)| *logit != f64::from(logits[*id as usize]));
        if changed && all.windows(2).any(|pair| close(pair[0].0, pair[1].0)) {
            // Rounded to single precision, these may be in another order.
            return None;
        }
        if self.how.temperature == 0.0 {
            return Some(all[0].1);
        }
        let max = all[0].0;
        let mut likely: Vec<(f64, u32)> =
            all.into_iter().map(|(logit, id)| (((logit - max) / self.how.temperature).exp(), id)).collect();
        if likely.iter().any(|(weight, _)| close(*weight, self.how.min_p)) && self.how.min_p > 0.0 {
            return None;
        }
        likely.retain(|(weight, _)| *weight >= self.how.min_p);
        if let Some(most) = self.how.top_k {
            likely.truncate(most as usize);
        }
        let total: f64 = likely.iter().map(|(weight, _)| weight).sum();
        let mut sum = 0.0;
        let mut kept = Vec::new();
        for (weight, id) in likely {
            kept.push((id, weight / total));
            sum += weight / total;
            if self.how.top_p < 1.0 && close(sum, self.how.top_p) {
                return None;
            }
            if sum >= self.how.top_p && self.how.top_p < 1.0 {
                break;
            }
        }
        kept.sort_by_key(|(id, _)| *id);
        let draw = self.uniform() * sum;
        let mut below = 0.0;
        for (id, share) in &kept {
            below += share;
            if close(below, draw) {
                return None;
            }
            if draw < below {
                return Some(*id);
            }
        }
        None
    }
}

fn samplings() -> impl Strategy<Value = Sampling> {
    let penalties = (
        prop_oneof![Just(1.0), 0.5f64..2.0],
        prop_oneof![Just(0.0), -2.0f64..2.0],
        prop_oneof![Just(0.0), -2.0f64..2.0],
    );
    let bias = prop_oneof![Just(BTreeMap::new()), proptest::collection::btree_map(0u32..60, -8.0f32..8.0, 0..6),];
    let sets = (
        prop_oneof![Just(None), (1u32..60).prop_map(Some)],
        prop_oneof![Just(0.0), 0.0f64..0.5],
        prop_oneof![Just(1.0), 0.01f64..1.0],
    );
    (prop_oneof![Just(0.0), 0.3f64..2.0], penalties, bias, sets).prop_map(
        |(
            temperature,
            (repetition_penalty, presence_penalty, frequency_penalty),
            logit_bias,
            (top_k, min_p, top_p),
        )| {
            Sampling {
                temperature,
                top_p,
                top_k,
                min_p,
                repetition_penalty,
                presence_penalty,
                frequency_penalty,
                logit_bias,
                seed: None,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Token by token the same as sorting everything, with all members at once; equal logits among them.
    #[test]
    fn sorting_everything_chooses_the_same(
        how in samplings(),
        seed in any::<u64>(),
        prompt in proptest::collection::vec(0u32..60, 0..8),
        steps in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![9 => -6.0f32..6.0, 1 => Just(2.5f32)], 50), 1..8),
    ) {
        let mut sampler = Sampler::new(how.clone(), seed, &prompt);
        let mut oracle = Oracle { how, state: seed, prompt, answer: Vec::new() };
        for logits in steps {
            let Some(expected) = oracle.next(&logits) else { break };
            prop_assert_eq!(sampler.sample(&logits), Ok(expected));
            oracle.answer.push(expected);
        }
    }

    #[test]
    fn a_seed_decides(how in samplings(), logits in proptest::collection::vec(-3.0f32..3.0, 1..50), seed in any::<u64>()) {
        let draw = || {
            let mut sampler = Sampler::new(how.clone(), seed, &[1, 2]);
            (0..8).map(|_| sampler.sample(&logits).unwrap()).collect::<Vec<_>>()
        };
        prop_assert_eq!(draw(), draw());
    }
}

/// The oracle decides nearly always: a test that never compares proves nothing.
#[test]
fn the_oracle_seldom_hangs_by_a_thread() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut decided = 0;
    for seed in 0..1_000 {
        let how = samplings().new_tree(&mut runner).unwrap().current();
        let logits = proptest::collection::vec(-6.0f32..6.0, 50).new_tree(&mut runner).unwrap().current();
        let mut oracle = Oracle { how, state: seed, prompt: vec![3], answer: vec![4, 4, 5] };
        decided += u32::from(oracle.next(&logits).is_some());
    }
    assert!(decided > 950, "{decided}");
}
