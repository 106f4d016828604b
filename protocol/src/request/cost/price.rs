//! Prices: what tokens and pictures cost in money.

use crate::request::bodies::chat::Used;
use crate::request::cost::work::Work;
use crate::request::drawing::Drawn;
use serde::{Deserialize, Serialize};

/// What tokens and pictures cost, in nano-units of the table's currency for every `per` of them. A request costs the exact
/// sum of its prices, rounded up once, to a whole nano-unit. All sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens of the prompt that the origin remembered and did not compute.
    pub cached: u64,
    /// Generated tokens, thinking among them.
    pub completion: u64,
    /// Thousands of pixels for each step that draws them. A part of a thousand costs its part.
    pub image_kilopixel_step: u64,
    /// For so many tokens; 0 is the price of what has none: it costs nothing.
    pub per: u32,
}

impl Price {
    /// What is reserved: no split of `prompt_tokens + max_tokens` between what was remembered, what was computed and the
    /// answer costs more, as long as at least `prompt_tokens` of them are the prompt's or the answer keeps to `max_tokens`.
    pub fn reserve(&self, work: Work) -> u64 {
        let (prompt, answer) = (u64::from(work.prompt_tokens), u64::from(work.max_tokens));
        let dearest = Self { prompt: self.prompt.max(self.cached), ..*self };
        // A prompt that is longer than guessed takes from the answer's tokens; it may be the dearer of the two.
        let drawn = work.drawing.whole();
        dearest.of(prompt, 0, answer, drawn).max(dearest.of(prompt.saturating_add(answer), 0, 0, drawn))
    }

    /// What was used costs.
    pub fn used(&self, used: Used) -> u64 {
        let prompt = used.usage.prompt_tokens;
        let cached = used.cached_tokens.min(prompt);
        self.of(prompt - cached, cached, used.usage.completion_tokens, used.drawn)
    }

    fn of(&self, prompt: u64, cached: u64, completion: u64, drawn: Drawn) -> u64 {
        if self.per == 0 {
            return 0;
        }
        // Prices have less than 57 bits and tokens 64, so that three of them fit.
        let each = |price: u64, tokens: u64| u128::from(price) * u128::from(tokens);
        let tokens = each(self.prompt, prompt)
            .saturating_add(each(self.cached, cached))
            .saturating_add(each(self.completion, completion));
        // Pixels are told one by one: all is counted in thousandths.
        let sum = tokens.saturating_mul(1_000).saturating_add(each(self.image_kilopixel_step, drawn.pixel_steps));
        u64::try_from(sum.div_ceil(u128::from(self.per) * 1_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::bodies::chat::Usage;
    use crate::request::drawing::Drawing;

    /// 0.10, 0.02 and 0.40 for a million.
    const PRICE: Price = Price {
        prompt: 100_000_000,
        cached: 20_000_000,
        completion: 400_000_000,
        image_kilopixel_step: 50_000_000,
        per: 1_000_000,
    };

    fn used(prompt: u64, cached_tokens: u64, completion: u64) -> Used {
        Used { cached_tokens, ..Usage::new(prompt, completion).into() }
    }

    #[test]
    fn a_price_is_exact_to_the_nano_unit() {
        assert_eq!(PRICE.used(used(1_000, 0, 500)), 100_000 + 200_000);
        assert_eq!(PRICE.used(used(1_000, 400, 500)), 60_000 + 8_000 + 200_000);
        assert_eq!(PRICE.used(used(5, 9, 0)), 100, "no more was remembered than was sent");
        // A third of a nano-unit is rounded up, once for the request.
        let third = Price { prompt: 1, cached: 1, completion: 1, image_kilopixel_step: 1, per: 3 };
        let costs = [(0, 0), (1, 1), (3, 1), (4, 2)].map(|(tokens, _)| third.used(used(tokens, 0, 0)));
        assert_eq!(costs, [0, 1, 1, 2]);
        assert_eq!(PRICE.used(used(u64::MAX, 0, u64::MAX)), u64::MAX);
        assert_eq!(Price::default().used(used(9, 9, 9)), 0);
    }

    #[test]
    fn pictures_cost_what_was_drawn_of_them() {
        let whole = Drawing { n: 1, steps: 8, pixels: 1_024 * 1_024 }.whole();
        // 8,388.608 thousands at 50 nano-units each, and a prompt of 12 tokens.
        assert_eq!(PRICE.used(Used::of_pictures(12, whole)), 1_200 + 419_431);
        let half = Drawn { steps: 4, pixel_steps: whole.pixel_steps / 2, ..whole };
        assert_eq!(PRICE.used(Used::of_pictures(12, half)), 1_200 + 209_716);
        let all = Drawn { images: u32::MAX, steps: u32::MAX, pixel_steps: u64::MAX };
        let dear = Price { image_kilopixel_step: (1 << 57) - 1, per: 1, ..PRICE };
        assert_eq!(dear.used(Used { drawn: all, ..used(u64::MAX, 0, u64::MAX) }), u64::MAX);
    }

    #[test]
    fn what_is_reserved_is_never_less_than_what_is_used() {
        let prices = [PRICE, Price { cached: 900_000_000, ..PRICE }, Price { prompt: 900_000_000, ..PRICE }];
        for price in prices {
            let reserved = price.reserve(Work { prompt_tokens: 7, max_tokens: 5, ..Work::default() });
            for prompt in 7..=12 {
                for cached in 0..=prompt {
                    assert!(price.used(used(prompt, cached, 12 - prompt)) <= reserved, "{price:?}");
                }
            }
        }
    }
}
