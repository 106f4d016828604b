//! Qwen2 and Qwen3 as one packed forward pass: the rows of all running sequences and the chunks of prompts of a step are
//! one matrix `[rows, hidden]`, so that the weights are read once for all of them.
//!
//! One row and many take the same path. Attention looks at each sequence's own memory; logits are computed for the rows
//! that sample alone.

mod activation;
mod attention;
mod layer;
mod linear;
pub mod pages;
pub mod precision;
mod rows;
pub mod shape;
pub mod weights;

use crate::engine::model::{Logits, Model, ModelError, Row};
use crate::load_error::LoadError;
use crate::memory;
use attention::rope::Frequencies;
use attention::store::Heads;
use attention::{Kind, Memory, Span};
use candle_core::{DType, Device, Result, Tensor};
use layer::Layer;
use layer::pass::{Buffers, Pass};
use linear::product::multiply;
use linear::{Linear, Matrix, activation_dtype};
use precision::{Keep, Precision};
use rows::{Target, numbers};
use shape::Shape;
use std::path::Path;
use weights::gguf::{self, Gguf};
use weights::safetensors::Safetensors;
use weights::tensor_name::Name;
use weights::{Random, Source};

/// A Qwen2 or Qwen3 network with its slots.
pub struct Qwen {
    shape: Shape,
    /// Without a bias, as is the head.
    embedding: Linear,
    layers: Vec<Layer>,
    norm: Tensor,
    /// None in a tied model.
    head: Option<Linear>,
    frequencies: Frequencies,
    heads: Heads,
    memories: Vec<Memory>,
    device: Device,
    /// Of activations, and of what slots remember.
    dtype: DType,
    /// Whether it computes on tensors, as it does elsewhere than on the CPU.
    on_tensors: bool,
    buffers: Buffers,
}

impl Qwen {
    /// Loads `config.json` and all `*.safetensors` of a directory, or a GGUF file. Blocks for as long as that takes.
    ///
    /// `precision` is that of the matrices; a GGUF file's are kept as they are and it must be `None`. Without one,
    /// safetensors are served in F32.
    pub fn load(path: &Path, slots: usize, precision: Option<Precision>) -> std::result::Result<Self, LoadError> {
        if path.extension().is_some_and(|extension| extension == "gguf") {
            if precision.is_some() {
                return Err(LoadError::new(path, "a GGUF file is served in its own types; leave --dtype away"));
            }
            let files = Gguf::open(path)?;
            let shape = gguf::shape(&files.content, files.has(Name::Head)).map_err(|why| LoadError::new(path, &why))?;
            fits(files.needs(), "", path)?;
            return Self::build(shape, Source::Gguf(files), slots, Precision::F32, path);
        }
        let shape = read_shape(path)?;
        let source = Source::Safetensors(Safetensors::open(path)?);
        Self::build(shape, source, slots, precision.unwrap_or(Precision::F32), path)
    }

    /// Bytes of memory that the weights of a model will take, by its headers: nothing else is read. `precision` as in
    /// [`Self::load`].
    pub fn needs(path: &Path, precision: Option<Precision>) -> std::result::Result<u64, LoadError> {
        match path.extension().is_some_and(|extension| extension == "gguf") {
            true => Gguf::open(path).map(|files| files.needs()),
            false => read_shape(path).map(|shape| Self::random_needs(&shape, precision.unwrap_or(Precision::F32))),
        }
    }

    /// The same of made-up weights.
    pub fn random_needs(shape: &Shape, precision: Precision) -> u64 {
        weights::estimate(shape, precision) as u64
    }

    /// Loads a `config.json` and a safetensors file that are parts of this program, in F32.
    pub fn embedded(config: &[u8], weights: &'static [u8], slots: usize) -> std::result::Result<Self, LoadError> {
        let place = Path::new("the built-in model");
        let shape = Shape::parse(config).map_err(|why| LoadError::new(place, &why))?;
        let source = Source::Safetensors(Safetensors::embedded(weights)?);
        Self::build(shape, source, slots, Precision::F32, place)
    }

    /// Makes up weights from a seed.
    pub fn random(shape: Shape, slots: usize, precision: Precision, seed: u64) -> std::result::Result<Self, LoadError> {
        Self::build(shape, Source::Random(Random::new(seed)), slots, precision, Path::new("random weights"))
    }

    /// The network's numbers.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.matrix.bytes());
        self.embedding.matrix.bytes() + head + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }

    fn build(
        shape: Shape,
        mut source: Source,
        slots: usize,
        precision: Precision,
        place: &Path,
    ) -> std::result::Result<Self, LoadError> {
        if !matches!(source, Source::Gguf(_)) {
            let hint = format!(" in {precision:?}");
            fits(Self::random_needs(&shape, precision), &hint, place)?;
        }
        let device = device().map_err(|error| LoadError::new(place, &error))?;
        let dtype = activation_dtype(&device, precision.dense());
        let heads = Heads { query: shape.heads, key: shape.kv_heads, width: shape.head_dim };
        let mut keep = Keep::new(precision, &device);
        let embedding = source.matrix(Name::Embedding, [shape.vocab, shape.hidden], &mut keep)?;
        let head = match (shape.tied, source.has(Name::Head)) {
            (true, _) => None,
            (false, true) => Some(source.matrix(Name::Head, [shape.vocab, shape.hidden], &mut keep)?),
            (false, false) if matches!(source, Source::Random(_)) => {
                Some(source.matrix(Name::Head, [shape.vocab, shape.hidden], &mut keep)?)
            }
            (false, false) => {
                let why = "tie_word_embeddings is false and no file holds lm_head.weight";
                return Err(LoadError::new(place, why));
            }
        };
        let layers = (0..shape.layers)
            .map(|number| Layer::load(&mut source, &shape, number, &mut keep, dtype))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let norm = source.vector(Name::Norm, shape.hidden, dtype, &device)?;
        let frequencies = Frequencies::new(shape.rope, shape.head_dim);
        let memories = (0..slots).map(|_| Memory::default()).collect();
        let (embedding, head) = (plain(embedding), head.map(plain));
        let on_tensors = !device.is_cpu();
        let buffers = Buffers::default();
        Ok(Self {
            embedding,
            layers,
            norm,
            head,
            frequencies,
            heads,
            memories,
            device,
            dtype,
            on_tensors,
            buffers,
            shape,
        })
    }

    /// How it computes: on slices on the CPU, on tensors elsewhere.
    fn kind(&self) -> Kind<'_> {
        if self.on_tensors { Kind::Tensors(self.dtype, &self.device) } else { Kind::Slices }
    }

    /// Runs the rows through all layers and remembers them, on tensors. Logits of the sampling rows, `[rows, vocab]` in
    /// F32; nothing if none samples.
    fn by_tensors(&mut self, step: &Step) -> Result<Option<Tensor>> {
        let count = step.ids.len();
        let tensor = |numbers: Vec<f32>| {
            // Every row is a batch of its own, so that they are computed side by side.
            Tensor::from_vec(numbers, (count, 1, self.heads.width / 2), &self.device)?.to_dtype(self.dtype)
        };
        let (cosines, sines) = self.frequencies.angles(&step.positions);
        let angles = (tensor(cosines)?, tensor(sines)?);
        let mut hidden = self.embedding.matrix.rows(&Tensor::new(step.ids.as_slice(), &self.device)?, self.dtype)?;
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
        self.head().matrix.forward(&normed)?.to_dtype(DType::F32).map(Some)
    }

    /// The same on slices, into one line of logits per sampling row.
    fn by_slices(&mut self, step: &Step, logits: Vec<&mut [f32]>) -> Result<()> {
        let (cosines, sines) = self.frequencies.angles(&step.positions);
        let ids = Tensor::new(step.ids.as_slice(), &self.device)?;
        let mut hidden = self.embedding.matrix.rows(&ids, self.dtype)?.flatten_all()?.to_vec1::<f32>()?;
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
        let target = Target { rows: logits, add: false };
        multiply(&[self.head()], (step.sampling.len(), width), &fill, vec![target])
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

    fn slots(&self) -> usize {
        self.memories.len()
    }

    fn token_bytes(&self) -> usize {
        self.shape.kv_bytes(self.dtype.size_in_bytes())
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
                for (lines, values) in logits.rows_mut(&sampling).into_iter().zip(output.chunks(self.shape.vocab)) {
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

fn plain(matrix: Matrix) -> Linear {
    Linear { matrix, bias: None }
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

/// The device to compute on: the first CUDA device if this program was built for CUDA, or else the CPU.
fn device() -> Result<Device> {
    if cfg!(feature = "cuda") { Device::new_cuda(0) } else { Ok(Device::Cpu) }
}

fn read_shape(path: &Path) -> std::result::Result<Shape, LoadError> {
    let file = path.join("config.json");
    let json = std::fs::read(&file).map_err(|error| LoadError::new(&file, &error))?;
    Shape::parse(&json).map_err(|why| LoadError::new(&file, &why))
}

/// Refuses before anything is read what cannot fit into this machine's memory. `how`: in what numbers, if that can be chosen.
fn fits(needed: u64, how: &str, place: &Path) -> std::result::Result<(), LoadError> {
    match memory::short_of(needed) {
        None => Ok(()),
        Some(available) => {
            let advice =
                if how.is_empty() { "take a smaller file" } else { "try --dtype q8_0 or q4k, or a smaller model" };
            let (needed, available) = (memory::gib(needed), memory::gib(available));
            let why = format!("its weights need about {needed} of memory{how}, and {available} are free; {advice}");
            Err(LoadError::new(place, &why))
        }
    }
}

#[cfg(test)]
mod tests;
