//! Vectors of a model that is written down, as the origin computes them.

use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::qwen::Qwen;
use sluice_protocol::request::bodies::embeddings::direction;
use std::error::Error;
use std::path::Path;
use tokenizers::Tokenizer;

/// Texts that are computed at once.
const AT_ONCE: usize = 64;

/// A model of a directory in Hugging Face's layout.
pub(crate) struct Embedder {
    model: Qwen,
    tokenizer: Tokenizer,
}

impl Embedder {
    /// Loads it.
    pub(crate) fn load(directory: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tokenizer = Tokenizer::from_file(directory.join("tokenizer.json"))?;
        Ok(Self { model: Qwen::load_embedding(directory, AT_ONCE, None)?, tokenizer })
    }

    /// The vector of each of these texts, not cut and not brought to length 1.
    pub(crate) fn vectors(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Box<dyn Error + Send + Sync>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(AT_ONCE) {
            let tokens = texts.iter().map(|text| Ok(self.tokenizer.encode_fast(*text, true)?.get_ids().to_vec()));
            let tokens: Vec<Vec<u32>> = tokens.collect::<Result<_, Box<dyn Error + Send + Sync>>>()?;
            let mut rows = Vec::with_capacity(tokens.len());
            for (slot, tokens) in tokens.iter().enumerate() {
                self.model.begin(slot, tokens.len())?;
                rows.push(Row { slot, position: 0, tokens, sample: true });
            }
            let mut outcomes = Logits::default();
            outcomes.reset(rows.len(), self.model.width());
            self.model.step(&rows, &mut outcomes)?;
            for row in 0..rows.len() {
                vectors.push(outcomes.row(row)?.ok_or("a row has no outcome")?.to_vec());
                self.model.release(row);
            }
        }
        Ok(vectors)
    }
}

/// Vectors of so many numbers and of length 1.
pub(crate) fn cut(vectors: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    vectors.iter().map(|vector| direction(vector, width).unwrap_or_else(|| vec![0.0; width])).collect()
}
