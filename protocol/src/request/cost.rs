//! What a request weighs: its class, and its cost by a small formula or in money.

pub mod money;
pub mod price;
pub mod work;

use crate::request::bodies::chat::Used;
use crate::request::cost::price::Price;
use crate::request::cost::work::Work;
use crate::request::drawing::{Drawing, Drawn};
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
    /// Pictures of at most this many thousands of pixels for each step may be light.
    pub light_kilopixel_steps: u32,
    /// Pictures of more than this are heavy.
    pub heavy_kilopixel_steps: u32,
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            light_body_bytes: 2_048,
            light_max_tokens: 256,
            heavy_body_bytes: 20_480,
            heavy_max_tokens: 2_048,
            // Eight steps of 512 x 512, and of a little more than 1,024 x 1,024.
            light_kilopixel_steps: 2_100,
            heavy_kilopixel_steps: 8_400,
        }
    }
}

impl Classes {
    /// The class of a request with a body of this size that may generate this many tokens and these pictures.
    pub fn class(&self, body_bytes: u32, max_tokens: u32, drawing: Drawing) -> Class {
        let drawn = drawing.whole().kilopixel_steps();
        let is_heavy = body_bytes > self.heavy_body_bytes
            || max_tokens > self.heavy_max_tokens
            || drawn > self.heavy_kilopixel_steps.into();
        if is_heavy {
            Class::Heavy
        } else if body_bytes < self.light_body_bytes
            && max_tokens <= self.light_max_tokens
            && drawn <= self.light_kilopixel_steps.into()
        {
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
    /// For every 1,000 pixels of each step, rounded up once for the request.
    pub image_kilopixel_step: u32,
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
        self.fixed(work.drawing.whole()).saturating_add(as_asked.max(all_prompt))
    }

    /// What was used. What was thought is what the origin says, whatever was asked for; where it does not say, all of the
    /// answer of a request that might think. Steps that were not run cost nothing.
    pub fn used(&self, work: Work, Used { usage, reasoning_tokens, drawn, .. }: Used) -> u64 {
        let answer = usage.completion_tokens;
        let unknown = if work.thinking { answer } else { 0 };
        let thought = reasoning_tokens.unwrap_or(unknown).min(answer);
        self.fixed(drawn).saturating_add(self.tokens(usage.prompt_tokens, answer, thought))
    }

    /// For the request itself, and for what is drawn.
    fn fixed(&self, drawn: Drawn) -> u64 {
        let each = |rate: u32, amount: u64| u64::from(rate).saturating_mul(amount);
        u64::from(self.request)
            .saturating_add(each(self.image_step, drawn.steps.into()))
            .saturating_add(each(self.image_kilopixel, drawn.pixels().div_ceil(1_000)))
            .saturating_add(each(self.image_kilopixel_step, drawn.kilopixel_steps()))
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
            assert_eq!(classes.class(bytes, tokens, Drawing::default()), class, "{bytes} bytes, {tokens} tokens");
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
            image_kilopixel_step: 7,
            ..Rate::default()
        };
        let work = Work { prompt_tokens: 10, max_tokens: 100, thinking: true, ..Work::default() };
        assert_eq!(rate.reserve(work), 1_000 + 10 + 600);
        assert_eq!(rate.used(work, Usage::new(12, 7).into()), 1_000 + 12 + 42);
        // Two pictures of five steps each, of which three steps of the first were run.
        let work = Work { prompt_tokens: 10, drawing: Drawing { n: 2, steps: 5, pixels: 1_001 }, ..Work::default() };
        assert_eq!(rate.reserve(work), 1_000 + 10 + 10 * 10 + 3 * 3 + 7 * 11);
        let part = Drawn { images: 1, steps: 3, pixel_steps: 3_003 };
        assert_eq!(rate.used(work, Used::of_pictures(10, part)), 1_000 + 10 + 3 * 10 + 2 * 3 + 4 * 7);
        assert_eq!(rate.used(work, Used::of_pictures(10, work.drawing.whole())), rate.reserve(work));
        assert_eq!(rate.used(work, Used::NOTHING), 1_000);
        assert_eq!(Rate { prompt_token: u32::MAX, ..rate }.used(work, Usage::new(u64::MAX, 0).into()), u64::MAX);
    }

    #[test]
    fn pictures_have_a_class_by_what_they_take() {
        let classes = Classes::default();
        let class = |n, steps, side: u32| classes.class(100, 0, Drawing { n, steps, pixels: side * side });
        assert_eq!(
            [512, 720, 1_024, 2_048].map(|side| class(1, 8, side)),
            [Class::Light, Class::Medium, Class::Medium, Class::Heavy]
        );
        assert_eq!(
            [class(4, 8, 512), class(10, 8, 512), class(10, 1, 512)],
            [Class::Medium, Class::Heavy, Class::Medium]
        );
        let most = Drawing { n: u16::MAX, steps: u16::MAX, pixels: u32::MAX };
        assert_eq!(classes.class(0, 0, most), Class::Heavy);
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
