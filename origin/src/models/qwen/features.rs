//! What a network makes of a text before its last layer: what models that draw are told of a prompt.

use super::layer::pass::Pass;
use super::precision::Precision;
use super::weights::Source;
use super::weights::safetensors::Safetensors;
use super::{Qwen, Row, Step, load};
use crate::load_error::LoadError;
use candle_core::{DType, Result, Tensor};
use std::path::Path;

impl Qwen {
    /// Loads a directory in Hugging Face's layout without its last layer, for [`Self::features`]. Blocks for as long as
    /// that takes. Refuses a network of fewer than two layers.
    pub(crate) fn load_features(directory: &Path, precision: Precision) -> std::result::Result<Self, LoadError> {
        let mut shape = load::read_shape(directory)?;
        if shape.layers < 2 {
            let why = "a text encoder needs two layers at least: the last one is left out";
            return Err(LoadError::new(directory.join("config.json"), why));
        }
        shape.layers -= 1;
        let source = Source::Safetensors(Safetensors::open(directory)?);
        Self::build((shape, true), source, 1, precision, directory)
    }

    /// What all loaded layers make of a text, `[tokens, hidden]` in F32, without the last norm. `go_on` is asked before
    /// each layer; `None` if it said no.
    ///
    /// Refuses tokens beyond the vocabulary, and more of them than the context.
    pub(crate) fn features(&mut self, tokens: &[u32], go_on: &mut dyn FnMut() -> bool) -> Result<Option<Tensor>> {
        if let Some(id) = tokens.iter().find(|id| **id as usize >= self.shape.vocab) {
            candle_core::bail!("the token {id} is beyond the vocabulary of {}", self.shape.vocab);
        }
        if tokens.is_empty() || tokens.len() > self.shape.context {
            candle_core::bail!("{} tokens for a context of {}", tokens.len(), self.shape.context);
        }
        let mut memory = std::mem::take(&mut self.memories[0]);
        let reserved = memory.reserve(self.shape.layers, self.heads, tokens.len(), self.kind());
        self.memories[0] = memory;
        reserved?;
        let step = Step::new(&[Row { slot: 0, position: 0, tokens, sample: false }]);
        let hidden =
            if self.on_tensors { self.through_tensors(&step, go_on) } else { self.through_slices(&step, go_on) };
        self.memories[0].release();
        hidden
    }

    fn through_tensors(&mut self, step: &Step, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Tensor>> {
        let angles = self.angles(step)?;
        let mut hidden = self.embedded_rows(step)?;
        for (number, layer) in self.layers.iter().enumerate() {
            if !go_on() {
                return Ok(None);
            }
            let place = (number, &angles, &step.spans[..]);
            hidden = layer.forward(hidden, place, &mut self.memories, self.heads, self.shape.norm_eps as f32)?;
        }
        hidden.to_dtype(DType::F32).map(Some)
    }

    fn through_slices(&mut self, step: &Step, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Tensor>> {
        let (cosines, sines) = self.frequencies.angles(&step.positions);
        let mut hidden = self.embedded_rows(step)?.flatten_all()?.to_vec1::<f32>()?;
        let (spans, heads, eps) = (&step.spans[..], self.heads, self.shape.norm_eps as f32);
        let pass = Pass { rows: step.ids.len(), spans, heads, angles: (&cosines, &sines), eps };
        for (number, layer) in self.layers.iter().enumerate() {
            if !go_on() {
                return Ok(None);
            }
            layer.pass(number, &mut hidden, &pass, &mut self.memories, &mut self.buffers)?;
        }
        // Their buffers are as large as this text: it may be a while until the next.
        self.buffers = Default::default();
        Tensor::from_vec(hidden, (step.ids.len(), self.shape.hidden), &self.device).map(Some)
    }
}
