//! What a request weighs: its class, and its cost by a small formula or in money.

pub mod money;
pub mod price;
pub mod work;

use crate::request::bodies::chat::Used;
use crate::request::cost::price::Price;
use crate::request::cost::work::Work;
use serde::{Deserialize, Serialize};

/// How heavy a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Small in both directions.
    Light,
    /// Neither.
    Medium,
    /// Large in either direction.
    Heavy,
}

/// Where the classes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// A body of fewer bytes than this may be light.
    pub light_body_bytes: u32,
    /// A request for at most this many tokens may be light.
    pub light_max_tokens: u32,
    /// A body of more bytes than this is heavy.
    pub heavy_body_bytes: u32,
    /// A request for more tokens than this is heavy.
    pub heavy_max_tokens: u32,
}

impl Default for Classes {
    fn default() -> Self {
        Self { light_body_bytes: 2_048, light_max_tokens: 256, heavy_body_bytes: 20_480, heavy_max_tokens: 2_048 }
    }
}

impl Classes {
    /// The class of a request with a body of this size that may generate this many tokens.
    pub const fn class(&self, body_bytes: u32, max_tokens: u32) -> Class {
        if body_bytes > self.heavy_body_bytes || max_tokens > self.heavy_max_tokens {
            Class::Heavy
        } else if body_bytes < self.light_body_bytes && max_tokens <= self.light_max_tokens {
            Class::Light
        } else {
            Class::Medium
        }
    }
}

/// A formula: what each thing costs, in whole units of the operator's choice, and what it costs in money. All sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// For the request itself.
    pub request: u32,
    /// For each token of the prompt.
    pub prompt_token: u32,
    /// For each generated token.
    pub completion_token: u32,
    /// For each generated token that is thinking, on top of `completion_token`.
    pub thinking_token: u32,
    /// For each denoising step.
    pub image_step: u32,
    /// For every 1,000 pixels, rounded up.
    pub image_kilopixel: u32,
    /// In money.
    pub price: Price,
}

impl Rate {
    /// What is reserved: no split of `prompt_tokens + max_tokens` between prompt, thinking and answer costs more, as long
    /// as at least `prompt_tokens` of them are the prompt's or the answer keeps to `max_tokens`. Of a request that is not
    /// to think nothing is reserved for thinking.
    pub fn reserve(&self, work: Work) -> u64 {
        let (prompt, answer) = (u64::from(work.prompt_tokens), u64::from(work.max_tokens));
        let as_asked = self.tokens(prompt, answer, if work.thinking { answer } else { 0 });
        // A prompt that is longer than guessed takes from the answer's tokens; it may be the dearer of the two.
        let all_prompt = self.tokens(prompt.saturating_add(answer), 0, 0);
        self.fixed(work).saturating_add(as_asked.max(all_prompt))
    }

    /// What was used. What was thought is what the origin says, whatever was asked for; where it does not say, all of the
    /// answer of a request that might think.
    pub fn used(&self, work: Work, Used { usage, reasoning_tokens, .. }: Used) -> u64 {
        let answer = usage.completion_tokens;
        let unknown = if work.thinking { answer } else { 0 };
        let thought = reasoning_tokens.unwrap_or(unknown).min(answer);
        self.fixed(work).saturating_add(self.tokens(usage.prompt_tokens, answer, thought))
    }

    fn fixed(&self, work: Work) -> u64 {
        let steps = u64::from(self.image_step) * u64::from(work.image_steps);
        let pixels = u64::from(self.image_kilopixel) * u64::from(work.image_pixels.div_ceil(1_000));
        u64::from(self.request).saturating_add(steps).saturating_add(pixels)
    }

    /// `thought` of the `answer` tokens were thinking.
    fn tokens(&self, prompt: u64, answer: u64, thought: u64) -> u64 {
        let each = |rate: u32, tokens: u64| u64::from(rate).saturating_mul(tokens);
        each(self.prompt_token, prompt)
            .saturating_add(each(self.completion_token, answer))
            .saturating_add(each(self.thinking_token, thought))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::bodies::chat::Usage;

    #[test]
    fn classes_begin_where_the_table_says() {
        let classes = Classes::default();
        let cases = [
            (2_047, 256, Class::Light),
            (2_048, 256, Class::Medium),
            (2_047, 257, Class::Medium),
            (20_480, 2_048, Class::Medium),
            (20_481, 1, Class::Heavy),
            (1, 2_049, Class::Heavy),
        ];
        for (bytes, tokens, class) in cases {
            assert_eq!(classes.class(bytes, tokens), class, "{bytes} bytes, {tokens} tokens");
        }
    }

    #[test]
    fn a_formula_adds_up() {
        let rate = Rate {
            request: 1_000,
            prompt_token: 1,
            completion_token: 4,
            thinking_token: 2,
            image_step: 10,
            image_kilopixel: 3,
            ..Rate::default()
        };
        let work = Work { prompt_tokens: 10, max_tokens: 100, thinking: true, image_steps: 5, image_pixels: 1_001 };
        assert_eq!(rate.reserve(work), 1_000 + 10 + 600 + 50 + 6);
        assert_eq!(rate.used(work, Usage::new(12, 7).into()), 1_000 + 12 + 42 + 50 + 6);
        assert_eq!(Rate { prompt_token: u32::MAX, ..rate }.used(work, Usage::new(u64::MAX, 0).into()), u64::MAX);
    }

    /// The member of a request only says what is reserved, and what is assumed where the origin does not tell.
    #[test]
    fn thinking_is_charged_by_what_was_thought() {
        let rate = Rate { completion_token: 1, thinking_token: 100, ..Rate::default() };
        let work = |thinking| Work { max_tokens: 50, thinking, ..Work::default() };
        let used = |thinking, reasoning_tokens| {
            rate.used(work(thinking), Used { reasoning_tokens, ..Usage::new(0, 38).into() })
        };
        assert_eq!((rate.reserve(work(true)), rate.reserve(work(false))), (5_050, 50));
        for thinking in [true, false] {
            assert_eq!(used(thinking, Some(24)), 38 + 2_400);
            assert_eq!(used(thinking, Some(0)), 38);
            assert_eq!(used(thinking, Some(99)), 38 + 3_800, "no more was thought than was generated");
        }
        assert_eq!((used(true, None), used(false, None)), (38 + 3_800, 38));
    }
}
