//! What a model that draws is told of a prompt: one question in ChatML, whatever template its files have.

use super::parts::Parts;
use super::{Text, parse_tokenizer};
use crate::load_error::LoadError;
use sluice_protocol::refusal::Refusal;
use std::collections::BTreeMap;
use std::path::Path;

/// The control tokens around a question.
const OPEN: &str = "<|im_start|>";
const CLOSE: &str = "<|im_end|>";

impl Text {
    /// The text side of a model that draws: `tokenizer.json` of this directory. Its template and its ending tokens are
    /// not asked for. Refuses a tokenizer without ChatML's control tokens, or with ids that a vocabulary of `vocab`
    /// does not have.
    pub(crate) fn load_captions(directory: &Path, vocab: usize) -> Result<Self, LoadError> {
        let file = directory.join("tokenizer.json");
        let fault = |why: &dyn std::fmt::Display| LoadError::new(&file, &why.to_string());
        let tokenizer = std::fs::read(&file).map_err(|error| fault(&error))?;
        let known = parse_tokenizer(&tokenizer).map_err(|why| fault(&why))?;
        let most = known.get_vocab(true).into_values().max().unwrap_or_default();
        if most as usize >= vocab {
            return Err(fault(&format!("has the id {most}, and the text encoder a vocabulary of {vocab}")));
        }
        let added = known.get_added_tokens_decoder();
        let control = |text: &str| {
            let found = added.iter().find(|(_, token)| token.content == text).map(|(id, _)| *id);
            found.ok_or_else(|| fault(&format!("{text} is not one of its control tokens")))
        };
        let (_, close) = (control(OPEN)?, control(CLOSE)?);
        // Nothing is rendered with a template: `caption` writes it.
        let parts = Parts { tokenizer, template: String::new(), tokens: BTreeMap::new(), ends: vec![close] };
        Self::new(parts, directory)
    }

    /// The tokens of a prompt as a question, and of where its answer would begin: what Qwen3's template makes of it,
    /// thinking left on. A control token in the prompt is text.
    pub(crate) fn caption(&self, prompt: &str) -> Result<Vec<u32>, Refusal> {
        let covered = self.marks.cover(prompt);
        self.read(&format!("{OPEN}user\n{covered}{CLOSE}\n{OPEN}assistant\n"), "")
    }
}
