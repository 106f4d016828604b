//! How models share what memory is free.

use crate::engine::model::Model;

/// How many tokens the slots of each of these loaded models may hold, in their order: every slot's whole context, or
/// what half of the free memory holds for all models together. The rest is for prompts, logits and the kernel. Besides,
/// `reserved` bytes are left for pictures, or half of what is free where that is less.
pub(crate) fn kv_tokens<'a>(
    models: impl Iterator<Item = &'a dyn Model>,
    free: Option<u64>,
    reserved: u64,
) -> Vec<usize> {
    let models: Vec<(usize, usize)> = models.map(|model| (wanted(model), model.token_bytes())).collect();
    divide(free.map(|free| (free - reserved.min(free / 2)) / 2), &models)
}

/// The whole context of every slot. A model that embeds keeps nothing of a text that is read, so that a few contexts are
/// all that it fills at a time.
fn wanted(model: &dyn Model) -> usize {
    const CONTEXTS: usize = 8;
    let contexts = if model.vectors().is_some() { model.slots().min(CONTEXTS) } else { model.slots() };
    model.context_length().saturating_mul(contexts)
}

/// The same for a known budget in bytes and models of `(tokens wanted, bytes of a token)`.
///
/// No model gets less than an even share unless it wants less; what it does not want goes to the others. The sum stays
/// within the budget. Every model gets at least one token, so that it refuses by name what does not fit.
fn divide(budget: Option<u64>, models: &[(usize, usize)]) -> Vec<usize> {
    let Some(mut left) = budget else { return models.iter().map(|(tokens, _)| *tokens).collect() };
    let bytes = |(tokens, bytes): &(usize, usize)| (*tokens as u64).saturating_mul(*bytes as u64);
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by_key(|index| bytes(&models[*index]));
    let mut granted = vec![0; models.len()];
    for (done, index) in order.into_iter().enumerate() {
        let (tokens, size) = models[index];
        let even = left / (models.len() - done) as u64;
        // A share of 2^64 bytes is more than any model wants.
        let held = even.checked_div(size as u64).and_then(|held| usize::try_from(held).ok()).unwrap_or(tokens);
        granted[index] = tokens.min(held).max(1);
        left = left.saturating_sub(bytes(&(granted[index], size)));
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_share_what_is_free() {
        // What one does not want goes to the others, in whatever order they come.
        assert_eq!(divide(Some(1_000), &[(100, 10)]), [100]);
        assert_eq!(divide(Some(1_000), &[(1_000, 10)]), [100]);
        assert_eq!(divide(Some(1_000), &[(1_000, 10), (1_000, 10)]), [50, 50]);
        assert_eq!(divide(Some(1_000), &[(1_000, 10), (20, 10)]), [80, 20]);
        assert_eq!(divide(Some(1_000), &[(20, 10), (1_000, 10)]), [20, 80]);
        assert_eq!(divide(Some(900), &[(1_000, 30), (1_000, 10), (5, 2)]), [15, 44, 5]);
        // A model without memory of its own takes nothing from the others.
        assert_eq!(divide(Some(1_000), &[(7, 0), (1_000, 10)]), [7, 100]);
        assert_eq!(divide(Some(0), &[(7, 1), (7, 1)]), [1, 1]);
        assert_eq!(divide(None, &[(7, 1), (9, 1)]), [7, 9]);
    }

    #[test]
    fn the_sum_stays_within_the_budget() {
        let mut seed = 1_u64;
        let mut next = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        for _ in 0..2_000 {
            let count = 1 + next(5) as usize;
            let models: Vec<(usize, usize)> =
                (0..count).map(|_| (1 + next(5_000) as usize, 1 + next(300) as usize)).collect();
            let budget = 2_000 + next(2_000_000);
            let granted = divide(Some(budget), &models);
            let sum: u64 = granted.iter().zip(&models).map(|(tokens, (_, bytes))| (tokens * bytes) as u64).sum();
            assert!(sum <= budget, "{budget}: {models:?} got {granted:?}");
            for (tokens, (wanted, bytes)) in granted.iter().zip(&models) {
                let even = (budget / count as u64) as usize / bytes;
                assert!(*tokens <= *wanted && *tokens >= even.min(*wanted), "{budget}: {models:?} got {granted:?}");
            }
        }
    }
}
