//! Qwen2 and Qwen3 as one packed forward pass: the rows of all running sequences and the chunks of prompts of a step
//! are one matrix `[rows, hidden]`, so that the weights are read once for all of them.
//!
//! One row and many take the same path. Attention looks at each sequence's own memory; logits are computed for the rows
//! that sample alone.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod features;
mod layer;
pub(crate) mod linear;
pub(crate) mod load;
pub mod pages;
pub mod precision;
pub(crate) mod rows;
pub mod shape;
pub mod weights;

use crate::engine::model::{Logits, Model, ModelError, Row};
use attention::rope::Frequencies;
use attention::store::Heads;
use attention::{Kind, Memory, Span};
use candle_core::{DType, Device, DeviceLocation, Result, Tensor};
use layer::Layer;
use layer::pass::{Buffers, Pass};
use linear::Linear;
use linear::product::multiply;
use rows::{Target, numbers};
use shape::Shape;

/// A Qwen2 or Qwen3 network with its slots.
pub struct Qwen {
    shape: Shape,
    /// Neither it nor the head has a bias.
    embedding: Linear,
    layers: Vec<Layer>,
    norm: Tensor,
    /// None in a tied model, and in one that embeds. Of one that judges, the rows of its two words.
    head: Option<Linear>,
    /// What becomes of a row that samples.
    outcome: Outcome,
    frequencies: Frequencies,
    heads: Heads,
    memories: Vec<Memory>,
    device: Device,
    /// The type of activations, and of what slots remember.
    dtype: DType,
    /// Whether it computes on tensors, as it does elsewhere than on the CPU.
    on_tensors: bool,
    buffers: Buffers,
}

/// What becomes of a row that samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// What the head gives every token.
    Logits,
    /// What the head would see.
    Hidden,
    /// What the head gives the two words of a verdict, which are all of its rows.
    Verdict,
}

impl Qwen {
    /// The network's numbers.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.matrix.bytes());
        self.embedding.matrix.bytes() + head + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }

    /// How it computes: on slices on the CPU, on tensors elsewhere.
    fn kind(&self) -> Kind<'_> {
        if self.on_tensors { Kind::Tensors(self.dtype, &self.device) } else { Kind::Slices }
    }

    /// Runs the rows through all layers and remembers them, on tensors. Returns the outcome of the sampling rows,
    /// `[rows, width]` in F32, or nothing if none samples.
    fn by_tensors(&mut self, step: &Step) -> Result<Option<Tensor>> {
        let angles = self.angles(step)?;
        let mut hidden = self.embedded_rows(step)?;
        for (number, layer) in self.layers.iter().enumerate() {
            let place = (number, &angles, &step.spans[..]);
            hidden = layer.forward(hidden, place, &mut self.memories, self.heads, self.shape.norm_eps as f32)?;
        }
        if step.sampling.is_empty() {
            return Ok(None);
        }
        let last: Vec<u32> = step.sampling.iter().map(|row| *row as u32).collect();
        let hidden = hidden.index_select(&Tensor::new(last, &self.device)?, 0)?;
        let normed = candle_nn::ops::rms_norm(&hidden, &self.norm, self.shape.norm_eps as f32)?;
        let outcome = match self.outcome {
            Outcome::Hidden => normed,
            Outcome::Logits | Outcome::Verdict => self.head().matrix.forward(&normed)?,
        };
        outcome.to_dtype(DType::F32).map(Some)
    }

    /// The same on slices, into one line per sampling row.
    fn by_slices(&mut self, step: &Step, outcomes: Vec<&mut [f32]>) -> Result<()> {
        let (cosines, sines) = self.frequencies.angles(&step.positions);
        let mut hidden = self.embedded_rows(step)?.flatten_all()?.to_vec1::<f32>()?;
        let eps = self.shape.norm_eps as f32;
        let (spans, heads) = (&step.spans[..], self.heads);
        let pass = Pass { rows: step.ids.len(), spans, heads, angles: (&cosines, &sines), eps };
        for (number, layer) in self.layers.iter().enumerate() {
            layer.pass(number, &mut hidden, &pass, &mut self.memories, &mut self.buffers)?;
        }
        if step.sampling.is_empty() {
            return Ok(());
        }
        let width = self.shape.hidden;
        let norm = numbers(&self.norm)?;
        let fill = |row: usize, line: &mut [f32]| {
            activation::normed(&hidden[step.sampling[row] * width..][..width], &norm, eps, line);
        };
        if self.outcome == Outcome::Hidden {
            outcomes.into_iter().enumerate().for_each(|(row, line)| fill(row, line));
            return Ok(());
        }
        let target = Target { rows: outcomes, add: false };
        multiply(&[self.head()], (step.sampling.len(), width), &fill, vec![target])
    }

    /// The rows of the embedding, `[rows, hidden]`.
    fn embedded_rows(&self, step: &Step) -> Result<Tensor> {
        self.embedding.matrix.rows(&Tensor::new(step.ids.as_slice(), &self.device)?, self.dtype)
    }

    /// Cosines and sines as the pass on tensors takes them.
    fn angles(&self, step: &Step) -> Result<(Tensor, Tensor)> {
        let tensor = |numbers: Vec<f32>| {
            // Every row is a batch of its own, so that they are computed side by side.
            Tensor::from_vec(numbers, (step.ids.len(), 1, self.heads.width / 2), &self.device)?.to_dtype(self.dtype)
        };
        let (cosines, sines) = self.frequencies.angles(&step.positions);
        Ok((tensor(cosines)?, tensor(sines)?))
    }

    /// The embedding, in a tied model.
    fn head(&self) -> &Linear {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// Whether this row may follow what its slot remembers.
    fn check(&self, row: &Row<'_>) -> std::result::Result<(), String> {
        let memory = &self.memories[row.slot];
        if row.position != memory.len() {
            return Err(format!("a row for position {} came to a slot that holds {}", row.position, memory.len()));
        }
        if row.position + row.tokens.len() > memory.capacity() {
            return Err(format!("the slot has room for {} positions", memory.capacity()));
        }
        if let Some(id) = row.tokens.iter().find(|id| **id as usize >= self.shape.vocab) {
            return Err(format!("the token {id} is beyond the vocabulary"));
        }
        Ok(())
    }
}

impl Model for Qwen {
    fn context_length(&self) -> usize {
        self.shape.context
    }

    fn vocab_size(&self) -> usize {
        self.shape.vocab
    }

    fn vectors(&self) -> Option<usize> {
        match self.outcome {
            Outcome::Logits => None,
            Outcome::Hidden => Some(self.shape.hidden),
            Outcome::Verdict => Some(2),
        }
    }

    fn cuda(&self) -> Option<usize> {
        match self.device.location() {
            DeviceLocation::Cuda { gpu_id } => Some(gpu_id),
            DeviceLocation::Cpu | DeviceLocation::Metal { .. } => None,
        }
    }

    fn slots(&self) -> usize {
        self.memories.len()
    }

    fn token_bytes(&self) -> usize {
        self.shape.kv_bytes(self.dtype.size_in_bytes())
    }

    fn row_bytes(&self) -> usize {
        // The residual stream and what is read of it; queries and what they saw; keys and values; gate and up.
        let Shape { hidden, intermediate, heads, kv_heads, head_dim, .. } = self.shape;
        2 * (hidden + (heads + kv_heads) * head_dim + intermediate) * size_of::<f32>()
    }

    fn begin(&mut self, slot: usize, tokens: usize) -> std::result::Result<(), ModelError> {
        let mut memory = std::mem::take(&mut self.memories[slot]);
        let reserved = memory.reserve(self.shape.layers, self.heads, tokens, self.kind());
        self.memories[slot] = memory;
        reserved.map_err(|error| ModelError(error.to_string()))
    }

    fn copy_prefix(&mut self, from: usize, to: usize, tokens: usize) -> std::result::Result<(), ModelError> {
        let mut target = std::mem::take(&mut self.memories[to]);
        let copied = match from == to || tokens > self.memories[from].len() || tokens > target.capacity() {
            true => Err(ModelError(format!("slot {from} does not hold {tokens} positions for slot {to}"))),
            false => target.copy_prefix(&self.memories[from], tokens).map_err(|error| ModelError(error.to_string())),
        };
        self.memories[to] = target;
        copied
    }

    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> std::result::Result<(), ModelError> {
        let mut good = Vec::with_capacity(rows.len());
        let mut numbers = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            match self.check(row) {
                Ok(()) => {
                    good.push(*row);
                    numbers.push(number);
                }
                Err(why) => logits.fail(number, why),
            }
        }
        if good.is_empty() {
            return Ok(());
        }
        let step = Step::new(&good);
        let sampling: Vec<usize> =
            good.iter().zip(numbers).filter(|(row, _)| row.sample).map(|(_, number)| number).collect();
        let fault = |error: candle_core::Error| ModelError(error.to_string());
        if self.on_tensors {
            if let Some(output) = self.by_tensors(&step).map_err(fault)? {
                let output = output.flatten_all().and_then(|output| output.to_vec1::<f32>()).map_err(fault)?;
                for (lines, values) in logits.rows_mut(&sampling).into_iter().zip(output.chunks(self.width())) {
                    lines.copy_from_slice(values);
                }
            }
        } else {
            self.by_slices(&step, logits.rows_mut(&sampling)).map_err(fault)?;
        }
        for span in &step.spans {
            self.memories[span.slot].advance(span.rows.len());
        }
        Ok(())
    }

    fn release(&mut self, slot: usize) {
        self.memories[slot].release();
    }
}

/// The rows of a step, laid one after another.
struct Step {
    ids: Vec<u32>,
    positions: Vec<usize>,
    spans: Vec<Span>,
    /// The rows whose logits are wanted.
    sampling: Vec<usize>,
}

impl Step {
    fn new(rows: &[Row<'_>]) -> Self {
        let mut step = Self { ids: Vec::new(), positions: Vec::new(), spans: Vec::new(), sampling: Vec::new() };
        for row in rows {
            let start = step.ids.len();
            step.ids.extend_from_slice(row.tokens);
            step.positions.extend(row.position..row.position + row.tokens.len());
            step.spans.push(Span { slot: row.slot, rows: start..step.ids.len(), position: row.position });
            if row.sample {
                step.sampling.push(step.ids.len() - 1);
            }
        }
        step
    }
}

#[cfg(test)]
mod tests;
