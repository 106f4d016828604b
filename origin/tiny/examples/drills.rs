//! What dialogues teach too slowly, many times over in one text: to copy, to add and to spell.

use super::example::Example;
use crate::dialogue::Split;
use crate::families::{echo, sums};
use crate::random::Random;
use crate::vocabulary;
use std::error::Error;
use tokenizers::Tokenizer;

/// How many of a thousand examples are drills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drills {
    copying: usize,
    adding: usize,
    spelling: usize,
}

/// One kind of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drill {
    Copying,
    Adding,
    Spelling,
}

/// Steps in which copying comes first.
const COPYING_FIRST: usize = 320;
/// Sums, or words, in one text.
const EACH: usize = 8;

impl Drills {
    /// At this step of the training.
    pub(crate) const fn at(step: usize) -> Self {
        Self { copying: if step < COPYING_FIRST { 250 } else { 40 }, adding: 40, spelling: 35 }
    }

    /// In the second stage.
    pub(crate) const fn late() -> Self {
        Self::at(COPYING_FIRST)
    }

    /// A kind of drill by its share, or none.
    pub(crate) fn pick(self, random: &mut Random) -> Option<Drill> {
        let number = random.below(1_000);
        let kinds = [(Drill::Copying, self.copying), (Drill::Adding, self.adding), (Drill::Spelling, self.spelling)];
        let mut below = 0;
        kinds.into_iter().find_map(|(kind, share)| {
            below += share;
            (number < below).then_some(kind)
        })
    }
}

impl Drill {
    /// One text of this kind.
    pub(crate) fn example(
        self,
        tokenizer: &Tokenizer,
        random: &mut Random,
    ) -> Result<Example, Box<dyn Error + Send + Sync>> {
        let mut text = Text { tokenizer, tokens: Vec::new(), free: Vec::new() };
        match self {
            Self::Copying => return Ok(copying(random)),
            Self::Adding => {
                for _ in 0..EACH {
                    let (left, right) = sums::pair(random, Split::Train);
                    let way = if random.once_in(3) { sums::way(left, right) + "\n" } else { String::new() };
                    // Numbers are given, and what comes behind a sign is told from them.
                    for part in format!("{way}{left} + {right} = {}.\n", left + right).split_inclusive([',', '.']) {
                        let (given, told) = part.split_once('=').unwrap_or((part, ""));
                        let sign = if told.is_empty() { "" } else { "=" };
                        text.push(&format!("{given}{sign}"), false)?;
                        text.push(told, true)?;
                    }
                }
            }
            Self::Spelling => {
                for _ in 0..EACH {
                    let word = if random.once_in(3) { echo::syllables(random) } else { echo::word(random) };
                    text.push(&format!(" {word}"), false)?;
                    text.push(&format!("\n{}\n", echo::letters(&word)), true)?;
                }
            }
        }
        Ok(Example { prompt: vec![vocabulary::end()], answer: text.tokens, free: text.free })
    }
}

/// Tokens without a meaning, and the same again: they can only be told from what stands before.
fn copying(random: &mut Random) -> Example {
    let mut noise = |most: usize| -> Vec<u32> {
        (0..1 + random.below(most)).map(|_| random.below(vocabulary::LEARNT) as u32).collect()
    };
    let (before, copied, between) = (noise(20), noise(40), noise(10));
    let prompt = [before, copied.clone(), between, copied[..1].to_vec()].concat();
    Example { prompt, answer: [&copied[1..], &[vocabulary::end()]].concat(), free: Vec::new() }
}

struct Text<'a> {
    tokenizer: &'a Tokenizer,
    tokens: Vec<u32>,
    free: Vec<usize>,
}

impl Text<'_> {
    fn push(&mut self, text: &str, learnt: bool) -> Result<(), Box<dyn Error + Send + Sync>> {
        let first = self.tokens.len();
        self.tokens.extend(self.tokenizer.encode_fast(text, false)?.get_ids());
        if !learnt {
            self.free.extend(first..self.tokens.len());
        }
        Ok(())
    }
}
