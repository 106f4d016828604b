//! Runs the model on prompts, as the origin does: greedily, within the form that a request asks for.

use crate::dialogue::Dialogue;
use crate::examples::Texts;
use crate::vocabulary;
use sluice_origin::engine::bound::{Bound, Forms};
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::qwen::Qwen;
use std::error::Error;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// No intended answer is longer.
const MOST_TOKENS: usize = 128;
/// Tokens of a prompt from which on what it shares with the one before is worth keeping.
const LONG: usize = 2_000;
/// Tokens of a prompt that are computed in one step.
const CHUNK: usize = 1_024;
/// The slot whose beginning later prompts may share.
const KEPT: usize = 0;
/// The slot that answers.
const ASKED: usize = 1;

/// The model with its text side.
pub(super) struct Runner {
    pub(super) texts: Texts,
    model: Qwen,
    forms: Forms,
    logits: Logits,
    /// What the slot [`KEPT`] holds.
    kept: Vec<u32>,
}

/// What came of a question.
pub(super) struct Said {
    /// The answer, control tokens included but the last.
    pub(super) text: String,
    /// Whether it ended by itself.
    pub(super) ended: bool,
    /// Tokens of the prompt.
    pub(super) prompt: usize,
}

impl Runner {
    /// Of a directory in Hugging Face's layout.
    pub(super) fn load(directory: &Path) -> Outcome<Self> {
        let model = Qwen::load(directory, 2, None)?;
        let forms = Forms::new(model.vocab_size());
        Ok(Self { texts: Texts::load(directory)?, model, forms, logits: Logits::default(), kept: Vec::new() })
    }

    /// The most likely answer.
    pub(super) fn ask(&mut self, dialogue: &Dialogue) -> Outcome<Said> {
        let (prompt, mut bound) = self.texts.bound(dialogue, &self.forms)?;
        self.model.begin(ASKED, prompt.len() + MOST_TOKENS)?;
        let shared = self.shared(&prompt)?;
        if shared > 0 {
            self.model.copy_prefix(KEPT, ASKED, shared)?;
        }
        let mut position = self.read(ASKED, &prompt[..prompt.len() - 1], shared)?;
        let mut next = prompt[prompt.len() - 1];
        let mut answer = Vec::new();
        let ended = loop {
            self.step(ASKED, position, &[next], true)?;
            position += 1;
            let mut logits = self.logits.row(0)?.ok_or("no logits came")?.to_vec();
            if bound.as_mut().is_some_and(|bound| !bound.mask(&mut logits)) {
                break false;
            }
            next = best(&logits);
            if next == vocabulary::end() || next == vocabulary::id("<|endoftext|>") {
                break true;
            }
            answer.push(next);
            if bound.as_mut().is_some_and(|bound| bound.accept(next)) {
                break true;
            }
            if answer.len() == MOST_TOKENS {
                break false;
            }
        };
        self.model.release(ASKED);
        Ok(Said { text: self.texts.spell(&answer)?, ended, prompt: prompt.len() })
    }

    /// How many of these tokens, but the last, are computed already: of a long prompt as many as it shares with the one
    /// that is kept, which is replaced if that is less than half.
    fn shared(&mut self, prompt: &[u32]) -> Outcome<usize> {
        if prompt.len() < LONG {
            return Ok(0);
        }
        let common = self.kept.iter().zip(prompt).take_while(|(one, other)| one == other).count();
        if common >= prompt.len() / 2 {
            return Ok(common.min(prompt.len() - 1));
        }
        if !self.kept.is_empty() {
            self.model.release(KEPT);
        }
        self.model.begin(KEPT, prompt.len())?;
        self.read(KEPT, prompt, 0)?;
        self.kept = prompt.to_vec();
        Ok(prompt.len() - 1)
    }

    /// Computes these tokens from a position on; returns where they end.
    fn read(&mut self, slot: usize, tokens: &[u32], from: usize) -> Outcome<usize> {
        let mut position = from;
        while position < tokens.len() {
            let chunk = &tokens[position..tokens.len().min(position + CHUNK)];
            self.step(slot, position, chunk, false)?;
            position += chunk.len();
        }
        Ok(position)
    }

    fn step(&mut self, slot: usize, position: usize, tokens: &[u32], sample: bool) -> Outcome<()> {
        self.logits.reset(1, self.model.vocab_size());
        Ok(self.model.step(&[Row { slot, position, tokens, sample }], &mut self.logits)?)
    }
}

impl Texts {
    /// The prompt, and what binds the answer if a form or a call is asked for.
    fn bound(&self, dialogue: &Dialogue, forms: &Forms) -> Outcome<(Vec<u32>, Option<Bound>)> {
        let (request, prompt) = self.prompt(dialogue)?;
        let is_bound = dialogue.form.is_some() || dialogue.choice.is_some();
        let bound = match is_bound {
            true => forms
                .bind(self.text(), &request, &prompt)
                .map_err(|refusal| format!("{}: {refusal:?}", dialogue.body()))?,
            false => None,
        };
        Ok((prompt, bound))
    }
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: (u32, f32), (id, logit): (u32, &f32)| if *logit > best.1 { (id, *logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), better).0
}
