//! How likely a model found a token, and which tokens it found likeliest. Log probabilities are of the logits as they
//! come, before any sampling. Where an answer must have a form, only the tokens that may come there count, as in vLLM.

/// One token's log probability, and those of the likeliest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logprobs {
    /// Natural logarithm.
    pub(crate) logprob: f64,
    /// The likeliest tokens, likeliest first; of equal ones the lower id first. Tokens that cannot come are left out.
    pub(crate) top: Vec<(u32, f64)>,
}

impl Logprobs {
    /// The log softmax of logits that `token` was sampled from: none is NaN, and the largest is finite. `top` may
    /// exceed the vocabulary. One pass and a short list: the vocabulary is never sorted.
    pub(crate) fn of(logits: &[f32], token: u32, top: usize) -> Self {
        let mut likeliest: Vec<(u32, f32)> = Vec::with_capacity(top.min(logits.len()) + 1);
        let mut max = f32::NEG_INFINITY;
        for (id, logit) in (0u32..).zip(logits) {
            max = max.max(*logit);
            if *logit == f32::NEG_INFINITY {
                continue;
            }
            if likeliest.len() == top && likeliest.last().is_none_or(|(_, least)| logit <= least) {
                continue;
            }
            let place = likeliest.partition_point(|(_, likelier)| likelier >= logit);
            likeliest.insert(place, (id, *logit));
            likeliest.truncate(top);
        }
        // Relative to the largest, so that no exponential overflows.
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
        let logprob = |logit: f32| f64::from(logit - max) - sum.ln();
        let top = likeliest.into_iter().map(|(id, logit)| (id, logprob(logit))).collect();
        Self { logprob: logprob(logits[token as usize]), top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against sorting everything, and against softmax as it is written in books.
        #[test]
        fn as_by_sorting_everything(
            logits in proptest::collection::vec(prop_oneof![4 => -8.0f32..8.0, 1 => Just(1.0f32)], 1..60),
            token in any::<prop::sample::Index>(),
            top in 0usize..25,
        ) {
            let token = token.index(logits.len());
            let found = Logprobs::of(&logits, token as u32, top);
            let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
            let expected = |id: usize| (f64::from(logits[id]).exp() / total).ln();
            let mut ids: Vec<usize> = (0..logits.len()).collect();
            ids.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
            ids.truncate(top);
            prop_assert!((found.logprob - expected(token)).abs() < 1e-5);
            prop_assert_eq!(found.top.iter().map(|(id, _)| *id as usize).collect::<Vec<_>>(), ids.clone());
            for ((_, logprob), id) in found.top.iter().zip(ids) {
                prop_assert!((logprob - expected(id)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn extremes_are_numbers() {
        let found = Logprobs::of(&[f32::MAX, 0.0, f32::NEG_INFINITY], 0, 3);
        assert_eq!((found.logprob, found.top[0]), (0.0, (0, 0.0)));
        assert_eq!(
            found.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            [0, 1],
            "what can never come is not listed"
        );
    }
}
