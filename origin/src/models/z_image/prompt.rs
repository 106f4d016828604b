//! From a prompt to what the transformer is told of it.

use super::checkpoint::shape::TransformerShape;
use crate::load_error::LoadError;
use crate::models::qwen::precision::Precision;
use crate::models::qwen::shape::Shape;
use crate::models::qwen::{Qwen, features};
use crate::text::Text;
use candle_core::{Result, Tensor};
use sluice_protocol::refusal::{Reason, Refusal};
use std::path::Path;
use std::sync::Arc;

/// Tokens of a prompt, the marks around it included. The reference cuts what is longer, its closing marks with it; here
/// it is refused.
pub const MOST_TOKENS: usize = 512;

/// A prompt on its way through the layers.
pub struct Reading(features::Reading);

/// Reads prompts.
pub struct Encoder {
    captions: Arc<Text>,
    network: Qwen,
}

/// The tokens of a prompt. Refuses an empty one, and one of more than `most` tokens, with their number.
pub(super) fn caption_of(captions: &Text, prompt: &str, most: usize) -> std::result::Result<Vec<u32>, Refusal> {
    if prompt.trim().is_empty() {
        return Err(Refusal::new(Reason::InvalidRequest, "`prompt` must say what to draw.").with_param("prompt"));
    }
    let tokens = captions.caption(prompt)?;
    if tokens.len() > most {
        let why = format!(
            "`prompt` has {} tokens with the marks around it, and at most {most} can be drawn. It is not cut: shorten it.",
            tokens.len()
        );
        return Err(Refusal::new(Reason::ContextLengthExceeded, why).with_param("prompt"));
    }
    Ok(tokens)
}

impl Encoder {
    /// Loads `tokenizer/` and `text_encoder/` of a directory in the hub's layout. Refuses a network whose rows are not
    /// as wide as the transformer's captions.
    pub(crate) fn load(
        directory: &Path,
        shape: &TransformerShape,
        precision: Precision,
    ) -> std::result::Result<Self, LoadError> {
        let place = directory.join("text_encoder");
        let network = Qwen::load_features(&place, precision)?;
        let hidden = network.shape().hidden;
        if hidden != shape.caption {
            let why = format!("hidden_size is {hidden}, and cap_feat_dim of the transformer {}", shape.caption);
            return Err(LoadError::new(place.join("config.json"), &why));
        }
        let text = Text::load_captions(&directory.join("tokenizer"), network.shape().vocab)?;
        Ok(Self { captions: Arc::new(text), network })
    }

    /// The tokens of a prompt. Refuses an empty one, and one of more than `most` tokens, with their number.
    pub fn tokens(&self, prompt: &str, most: usize) -> std::result::Result<Vec<u32>, Refusal> {
        caption_of(&self.captions, prompt, most)
    }

    /// What makes tokens of prompts.
    pub(super) fn captions(&self) -> &Arc<Text> {
        &self.captions
    }

    /// The network's numbers, without its last layer.
    pub(crate) fn shape(&self) -> &Shape {
        self.network.shape()
    }

    /// How many layers a prompt goes through.
    pub fn blocks(&self) -> usize {
        self.network.shape().layers
    }

    /// Begins to read these tokens. Refuses none, tokens beyond the vocabulary, and more of them than the context.
    pub fn begin(&self, tokens: &[u32]) -> Result<Reading> {
        self.network.read(tokens).map(Reading)
    }

    /// Computes the next layer. `true` when it was the last one.
    pub fn advance(&mut self, reading: &mut Reading) -> Result<bool> {
        self.network.read_layer(&mut reading.0)
    }

    /// What the layers but the last made of tokens that are read to their end, `[tokens, hidden]` in F32.
    pub fn features_of(&self, reading: Reading) -> Result<Tensor> {
        self.network.features_of(reading.0)
    }

    /// All of it: what the layers but the last make of these tokens.
    pub fn features(&mut self, tokens: &[u32]) -> Result<Tensor> {
        let mut reading = self.begin(tokens)?;
        while !self.advance(&mut reading)? {}
        self.features_of(reading)
    }

    /// Has the network compute on tensors, as it does on a GPU.
    pub(crate) fn compute_on_tensors(&mut self) {
        self.network.compute_on_tensors();
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.network.weight_bytes()
    }
}
