//! From a prompt to what the transformer is told of it.

use super::checkpoint::shape::TransformerShape;
use crate::load_error::LoadError;
use crate::models::qwen::Qwen;
use crate::models::qwen::precision::Precision;
use crate::text::Text;
use candle_core::{Result, Tensor};
use sluice_protocol::refusal::{Reason, Refusal};
use std::path::Path;

/// Tokens of a prompt, the marks around it included. The reference cuts what is longer, its closing marks with it; here
/// it is refused.
pub const MOST_TOKENS: usize = 512;

/// Reads prompts.
pub struct Encoder {
    text: Text,
    network: Qwen,
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
        Ok(Self { text, network })
    }

    /// The tokens of a prompt. Refuses an empty one, and one of more than `most` tokens, with their number.
    pub fn tokens(&self, prompt: &str, most: usize) -> std::result::Result<Vec<u32>, Refusal> {
        if prompt.trim().is_empty() {
            return Err(Refusal::new(Reason::InvalidRequest, "`prompt` must say what to draw.").with_param("prompt"));
        }
        let tokens = self.text.caption(prompt)?;
        if tokens.len() > most {
            let why = format!(
                "`prompt` has {} tokens with the marks around it, and at most {most} can be drawn. It is not cut: shorten it.",
                tokens.len()
            );
            return Err(Refusal::new(Reason::ContextLengthExceeded, why).with_param("prompt"));
        }
        Ok(tokens)
    }

    /// What the layers but the last make of these tokens, `[tokens, hidden]` in F32; `None` if `goes_on` said no before
    /// one of them. Refuses tokens beyond the vocabulary.
    pub fn features(&mut self, tokens: &[u32], goes_on: &mut dyn FnMut() -> bool) -> Result<Option<Tensor>> {
        self.network.features(tokens, goes_on)
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.network.weight_bytes()
    }
}
