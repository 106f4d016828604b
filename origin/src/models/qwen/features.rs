//! What a network makes of a text before its last layer: what models that draw are told of a prompt.

use super::attention::Memory;
use super::layer::pass::Pass;
use super::precision::Precision;
use super::weights::Source;
use super::weights::safetensors::Safetensors;
use super::{Qwen, Row, Step, load};
use crate::load_error::LoadError;
use candle_core::{DType, Result, Tensor};
use std::path::Path;

/// A text on its way through the layers. It has a memory of its own, so that several may be read in turns.
pub(crate) struct Reading {
    step: Step,
    memory: [Memory; 1],
    rows: Rows,
    /// Layers that are done.
    done: usize,
}

/// What the layers have made of the text so far, `[tokens, hidden]`, with the angles of its positions.
enum Rows {
    Slices { hidden: Vec<f32>, cosines: Vec<f32>, sines: Vec<f32> },
    Tensors { hidden: Tensor, angles: (Tensor, Tensor) },
}

impl Qwen {
    /// Loads a directory in Hugging Face's layout without its last layer, for [`Self::read`]. Blocks for as long as
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

    /// Begins to read a text. Refuses tokens beyond the vocabulary, and more of them than the context.
    pub(crate) fn read(&self, tokens: &[u32]) -> Result<Reading> {
        if let Some(id) = tokens.iter().find(|id| **id as usize >= self.shape.vocab) {
            candle_core::bail!("the token {id} is beyond the vocabulary of {}", self.shape.vocab);
        }
        if tokens.is_empty() || tokens.len() > self.shape.context {
            candle_core::bail!("{} tokens for a context of {}", tokens.len(), self.shape.context);
        }
        let mut memory = Memory::default();
        memory.reserve(self.shape.layers, self.heads, tokens.len(), self.kind())?;
        let step = Step::new(&[Row { slot: 0, position: 0, tokens, sample: false }]);
        let hidden = self.embedded_rows(&step)?;
        let rows = if self.on_tensors {
            Rows::Tensors { hidden, angles: self.angles(&step)? }
        } else {
            let (cosines, sines) = self.frequencies.angles(&step.positions);
            Rows::Slices { hidden: hidden.flatten_all()?.to_vec1()?, cosines, sines }
        };
        Ok(Reading { step, memory: [memory], rows, done: 0 })
    }

    /// Computes the next layer. `true` when it was the last one, or was done before.
    pub(crate) fn read_layer(&mut self, reading: &mut Reading) -> Result<bool> {
        let Reading { step, memory, rows, done } = reading;
        let Some(layer) = self.layers.get(*done) else { return Ok(true) };
        let (spans, heads, eps) = (&step.spans[..], self.heads, self.shape.norm_eps as f32);
        match rows {
            Rows::Tensors { hidden, angles } => {
                *hidden = layer.forward(hidden.clone(), (*done, &*angles, spans), memory, heads, eps)?;
            }
            Rows::Slices { hidden, cosines, sines } => {
                let pass = Pass { rows: step.ids.len(), spans, heads, angles: (&*cosines, &*sines), eps };
                layer.pass(*done, hidden, &pass, memory, &mut self.buffers)?;
            }
        }
        *done += 1;
        let is_last = *done == self.layers.len();
        if is_last {
            // They are as large as this text: it may be a while until the next.
            self.buffers = Default::default();
        }
        Ok(is_last)
    }

    /// What the layers made of a text that is read to its end: `[tokens, hidden]` in F32, without the last norm.
    pub(crate) fn features_of(&self, reading: Reading) -> Result<Tensor> {
        match reading.rows {
            Rows::Tensors { hidden, .. } => hidden.to_dtype(DType::F32),
            Rows::Slices { hidden, .. } => {
                Tensor::from_vec(hidden, (reading.step.ids.len(), self.shape.hidden), &self.device)
            }
        }
    }

    /// Has the network compute on tensors, as it does on a GPU.
    pub(crate) fn compute_on_tensors(&mut self) {
        self.on_tensors = true;
    }
}
