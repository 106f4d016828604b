//! Forms for who runs a model without the engine, as the evaluation of `tiny` does.

use super::grammar::{Constraint, DeadEnd, Grammars};
use crate::text::Text;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatRequest;

/// Compiles what requests ask for, for one model's vocabulary.
pub struct Forms(Grammars);

/// Binds one answer.
pub struct Bound(Constraint);

impl Forms {
    /// For a model with this many tokens.
    pub fn new(vocab: usize) -> Self {
        Self(Grammars::new(vocab))
    }

    /// What binds the answer to a request with this prompt; `None` if nothing does. Refuses what cannot be followed.
    pub fn bind(&self, text: &Text, request: &ChatRequest, prompt: &[u32]) -> Result<Option<Bound>, Refusal> {
        Ok(self.0.constraint(text, request, prompt)?.map(Bound))
    }
}

impl Bound {
    /// Sets the logits of all tokens that must not come next to minus infinity. False: there is none.
    pub fn mask(&mut self, logits: &mut [f32]) -> bool {
        self.0.mask(logits).is_ok()
    }

    /// Goes on with the token that was chosen, which ends nothing. True: the answer is complete, or cannot go on.
    pub fn accept(&mut self, token: u32) -> bool {
        self.0.accept(token).map_or_else(|DeadEnd| true, |accepted| accepted.is_complete)
    }
}
