//! How many tokens of prompts a step reads. Pure: time is an argument.
//!
//! A model that answers reads little at a time, since every answer in progress waits for the whole step. A model that
//! embeds has no answers: it reads as many texts in one pass as take about [`TARGET`], so that weights are read once
//! for all of them. Longer passes would hold up who comes next, and whoever left would be computed for. While another
//! engine computes, it reads as little as one that answers beside others.

use std::time::Duration;

/// Bounds of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The most tokens of one prompt: a caller that leaves frees its slot after at most this much work. Also the most
    /// of all prompts together while an answer is in progress.
    pub(crate) chunk: usize,
    /// The most tokens of all prompts together while no answer is in progress.
    pub(crate) budget: usize,
}

/// How quickly a model that embeds was seen to read, and how much it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Tokens a second, once it is known.
    speed: Option<f64>,
    /// Tokens that there is memory for.
    most: usize,
}

impl Pace {
    /// Of a model whose pass takes this many bytes for each token.
    pub(crate) fn new(row_bytes: usize) -> Self {
        let most = MOST_BYTES.checked_div(row_bytes).unwrap_or(MOST).clamp(ANSWERING.budget, MOST);
        Self { speed: None, most }
    }

    /// A pass of this many tokens took so long. Short ones tell nothing of long ones.
    pub(crate) fn saw(&mut self, tokens: usize, took: Duration) {
        if tokens >= TELLING {
            self.speed = Some(tokens as f64 / took.as_secs_f64().max(1e-6));
        }
    }

    /// What the next pass may read; `company`: whether another engine computes.
    pub(crate) fn bounds(&self, company: bool) -> Bounds {
        if company {
            return Bounds { chunk: ANSWERING.chunk, budget: ANSWERING.chunk };
        }
        let tokens = self.speed.map_or(ANSWERING.budget, |speed| (speed * TARGET.as_secs_f64()) as usize);
        let tokens = tokens.clamp(ANSWERING.budget, self.most);
        Bounds { chunk: tokens, budget: tokens }
    }
}

/// The bounds of a model that answers.
pub(crate) const ANSWERING: Bounds = Bounds { chunk: 256, budget: 512 };
/// How long a pass of texts may take.
const TARGET: Duration = Duration::from_secs(2);
/// The most tokens of a pass, however quick it is.
const MOST: usize = 8_192;
/// The most bytes that a pass may take for what it computes: 4,096 tokens and more of Qwen3-Embedding-0.6B.
const MOST_BYTES: usize = 256 << 20;
/// A pass of fewer tokens is no measure.
const TELLING: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const fn both(tokens: usize) -> Bounds {
        Bounds { chunk: tokens, budget: tokens }
    }

    #[test]
    fn a_pass_takes_as_much_as_is_read_in_time() {
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.bounds(false), both(512));
        pace.saw(512, Duration::from_millis(250));
        assert_eq!(pace.bounds(false), both(4_096));
        // One text of a word says nothing, and a slow machine reads what it always did.
        pace.saw(3, Duration::from_secs(1));
        assert_eq!(pace.bounds(false), both(4_096));
        pace.saw(512, Duration::from_secs(5));
        assert_eq!(pace.bounds(false), both(512));
        pace.saw(512, Duration::ZERO);
        assert_eq!(pace.bounds(false), both(MOST));
        assert_eq!(pace.bounds(true), both(256));
    }

    #[test]
    fn a_pass_takes_no_more_memory_than_is_meant_for_it() {
        let tokens = |row_bytes| {
            let mut pace = Pace::new(row_bytes);
            pace.saw(1_000, Duration::ZERO);
            pace.bounds(false).budget
        };
        assert_eq!((tokens(0), tokens(64 << 10), tokens(100 << 20)), (MOST, 4_096, 512));
    }
}
