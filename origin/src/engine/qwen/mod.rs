//! Qwen2 and Qwen3 as one packed forward pass: the rows of all running sequences and the chunks of prompts of a step are
//! one matrix `[rows, hidden]`, so that the weights are read once for all of them.
//!
//! One row and many take the same path. Attention looks at each sequence's own memory; logits are computed for the rows
//! that sample alone.

mod activation;
mod attention;
mod cpu;
mod export;
mod gguf;
mod linear;
mod named;
mod rope;
mod safetensors;
pub mod shape;
mod store;
pub mod weights;

use super::load::LoadError;
use super::model::{Logits, Model, ModelError, Row};
use attention::{Memory, Projected, Span, attend};
use candle_core::{DType, Device, Result, Tensor};
use gguf::Gguf;
use linear::{Joined, Linear, Matrix, activation_dtype};
use rope::Frequencies;
use safetensors::Safetensors;
use shape::{Family, Shape};
use std::path::Path;
use store::Heads;
use weights::{Name, Part, Precision, Random, Source};

pub use export::export;
pub(crate) use gguf::parts as gguf_parts;
pub use named::{NAMES, named};

/// A Qwen2 or Qwen3 network with its slots.
pub struct Qwen {
    shape: Shape,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Tensor,
    /// The embedding, in a tied model.
    head: Option<Matrix>,
    frequencies: Frequencies,
    heads: Heads,
    memories: Vec<Memory>,
    device: Device,
    /// Of activations, and of what slots remember.
    dtype: DType,
}

struct Layer {
    input_norm: Tensor,
    projections: Joined,
    head_norms: Option<(Tensor, Tensor)>,
    output: Linear,
    post_norm: Tensor,
    gate_up: Joined,
    down: Linear,
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
            return Self::build(shape, Source::Gguf(files), slots, Precision::F32, path);
        }
        let file = path.join("config.json");
        let json = std::fs::read(&file).map_err(|error| LoadError::new(&file, &error))?;
        let shape = Shape::parse(&json).map_err(|why| LoadError::new(&file, &why))?;
        let source = Source::Safetensors(Safetensors::open(path)?);
        Self::build(shape, source, slots, precision.unwrap_or(Precision::F32), path)
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
        let layer = |layer: &Layer| {
            layer.projections.bytes() + layer.output.matrix.bytes() + layer.gate_up.bytes() + layer.down.matrix.bytes()
        };
        let head = self.head.as_ref().map_or(0, Matrix::bytes);
        self.embedding.bytes() + head + self.layers.iter().map(layer).sum::<usize>()
    }

    fn build(
        shape: Shape,
        mut source: Source,
        slots: usize,
        precision: Precision,
        place: &Path,
    ) -> std::result::Result<Self, LoadError> {
        fits(&shape, precision, place)?;
        let device = device().map_err(|error| LoadError::new(place, &error))?;
        let dtype = activation_dtype(&device, precision.dense());
        let heads = Heads { query: shape.heads, key: shape.kv_heads, width: shape.head_dim };
        let embedding = source.matrix(Name::Embedding, [shape.vocab, shape.hidden], precision, &device)?;
        let head = match (shape.tied, source.has(Name::Head)) {
            (true, _) => None,
            (false, true) => Some(source.matrix(Name::Head, [shape.vocab, shape.hidden], precision, &device)?),
            (false, false) if matches!(source, Source::Random(_)) => {
                Some(source.matrix(Name::Head, [shape.vocab, shape.hidden], precision, &device)?)
            }
            (false, false) => {
                let why = "tie_word_embeddings is false and no file holds lm_head.weight";
                return Err(LoadError::new(place, why));
            }
        };
        let layers = (0..shape.layers)
            .map(|number| Layer::load(&mut source, &shape, number, precision, (dtype, &device)))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let norm = source.vector(Name::Norm, shape.hidden, dtype, &device)?;
        let frequencies = Frequencies::new(shape.rope, shape.head_dim);
        let memories = (0..slots).map(|_| Memory::default()).collect();
        Ok(Self { embedding, layers, norm, head, frequencies, heads, memories, device, dtype, shape })
    }

    /// Runs the rows through all layers and remembers them. What comes out of the last one, of the sampling rows alone:
    /// `[sampling rows, hidden]`, or nothing if none samples.
    fn hidden(&mut self, rows: &[Row<'_>]) -> Result<Option<Tensor>> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut spans = Vec::with_capacity(rows.len());
        let mut sampling = Vec::new();
        for row in rows {
            let start = ids.len();
            ids.extend_from_slice(row.tokens);
            positions.extend(row.position..row.position + row.tokens.len());
            spans.push(Span { slot: row.slot, rows: start..ids.len(), position: row.position });
            if row.sample {
                sampling.push(ids.len() as u32 - 1);
            }
        }
        let count = ids.len();
        let (angles, eps) = (self.angles(&positions)?, self.eps());
        let mut hidden = self.embedding.rows(&Tensor::from_vec(ids, count, &self.device)?, self.dtype)?;
        for (number, layer) in self.layers.iter().enumerate() {
            hidden = layer.forward(hidden, (number, &angles, &spans), &mut self.memories, self.heads, eps)?;
        }
        for span in &spans {
            self.memories[span.slot].advance(span.rows.len());
        }
        if sampling.is_empty() {
            return Ok(None);
        }
        hidden.index_select(&Tensor::new(sampling.as_slice(), &self.device)?, 0).map(Some)
    }

    /// `[rows, hidden]` to `[rows, vocab]`, in F32.
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let normed = candle_nn::ops::rms_norm(hidden, &self.norm, self.eps())?;
        self.head.as_ref().unwrap_or(&self.embedding).forward(&normed)?.to_dtype(DType::F32)
    }

    fn eps(&self) -> f32 {
        self.shape.norm_eps as f32
    }

    /// Cosines and sines, each `[rows, 1, head_dim / 2]`: every row is a batch of its own, so that they are computed side
    /// by side.
    fn angles(&self, positions: &[usize]) -> Result<(Tensor, Tensor)> {
        let (cosines, sines) = self.frequencies.angles(positions);
        let tensor = |numbers: Vec<f32>| {
            Tensor::from_vec(numbers, (positions.len(), 1, self.heads.width / 2), &self.device)?.to_dtype(self.dtype)
        };
        Ok((tensor(cosines)?, tensor(sines)?))
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
        self.memories[slot]
            .reserve(self.shape.layers, self.heads, tokens, (self.dtype, &self.device))
            .map_err(|error| ModelError(error.to_string()))
    }

    fn copy_prefix(&mut self, from: usize, to: usize, tokens: usize) -> std::result::Result<(), ModelError> {
        let mut target = std::mem::take(&mut self.memories[to]);
        let copied = match from == to || tokens > self.memories[from].len() || tokens > target.capacity() {
            true => Err(ModelError(format!("slot {from} does not hold {tokens} positions for slot {to}"))),
            false => target
                .copy_prefix(self.heads, &self.memories[from], tokens)
                .map_err(|error| ModelError(error.to_string())),
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
        let fault = |error: candle_core::Error| ModelError(error.to_string());
        let Some(hidden) = self.hidden(&good).map_err(fault)? else {
            return Ok(());
        };
        let output = self.logits(&hidden).and_then(|output| output.flatten_all()?.to_vec1::<f32>()).map_err(fault)?;
        let sampling = good.iter().zip(numbers).filter(|(row, _)| row.sample);
        for ((_, number), values) in sampling.zip(output.chunks(self.shape.vocab)) {
            logits.row_mut(number).copy_from_slice(values);
        }
        Ok(())
    }

    fn release(&mut self, slot: usize) {
        self.memories[slot].release();
    }
}

impl Layer {
    fn load(
        source: &mut Source,
        shape: &Shape,
        number: usize,
        precision: Precision,
        (dtype, device): (DType, &Device),
    ) -> std::result::Result<Self, LoadError> {
        let (query, key) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let (bias, output_bias) = match shape.family {
            Family::Qwen2 => (true, false),
            Family::Qwen3 { bias } => (bias, bias),
        };
        let mut linear = |part, size: [usize; 2], bias: Option<Part>| -> std::result::Result<Linear, LoadError> {
            let matrix = source.matrix(Name::Layer(number, part), size, precision, device)?;
            let bias = match bias {
                Some(part) => Some(source.vector(Name::Layer(number, part), size[0], dtype, device)?),
                None => None,
            };
            Ok(Linear { matrix, bias })
        };
        let given = |part| bias.then_some(part);
        let projections = vec![
            linear(Part::Query, [query, shape.hidden], given(Part::QueryBias))?,
            linear(Part::Key, [key, shape.hidden], given(Part::KeyBias))?,
            linear(Part::Value, [key, shape.hidden], given(Part::ValueBias))?,
        ];
        let output = linear(Part::Output, [shape.hidden, query], output_bias.then_some(Part::OutputBias))?;
        let gate_up = vec![
            linear(Part::Gate, [shape.intermediate, shape.hidden], None)?,
            linear(Part::Up, [shape.intermediate, shape.hidden], None)?,
        ];
        let down = linear(Part::Down, [shape.hidden, shape.intermediate], None)?;
        let mut norm = |part, len| source.vector(Name::Layer(number, part), len, dtype, device);
        let head_norms = match shape.family {
            Family::Qwen2 => None,
            Family::Qwen3 { .. } => {
                Some((norm(Part::QueryNorm, shape.head_dim)?, norm(Part::KeyNorm, shape.head_dim)?))
            }
        };
        let (input_norm, post_norm) = (norm(Part::InputNorm, shape.hidden)?, norm(Part::PostNorm, shape.hidden)?);
        let joined = |parts| Joined::new(parts).map_err(|error| LoadError::new(format!("layer {number}"), &error));
        Ok(Self {
            input_norm,
            projections: joined(projections)?,
            head_norms,
            output,
            post_norm,
            gate_up: joined(gate_up)?,
            down,
        })
    }

    /// `[rows, hidden]` to `[rows, hidden]`; writes the rows' keys and values.
    fn forward(
        &self,
        input: Tensor,
        (number, angles, spans): (usize, &(Tensor, Tensor), &[Span]),
        memories: &mut [Memory],
        heads: Heads,
        eps: f32,
    ) -> Result<Tensor> {
        let rows = input.dim(0)?;
        let normed = candle_nn::ops::rms_norm(&input, &self.input_norm, eps)?;
        let [queries, keys, values] = three(self.projections.forward(&normed)?)?;
        let (cosines, sines) = angles;
        let turned = |tensor: Tensor, count: usize, norm: Option<&Tensor>| -> Result<Tensor> {
            let tensor = tensor.reshape((rows, 1, count, heads.width))?;
            let tensor = match norm {
                Some(norm) => candle_nn::ops::rms_norm(&tensor, norm, eps)?,
                None => tensor,
            };
            candle_nn::rotary_emb::rope_thd(&tensor, cosines, sines)?.reshape((rows, count, heads.width))
        };
        let (query_norm, key_norm) = match &self.head_norms {
            Some((query, key)) => (Some(query), Some(key)),
            None => (None, None),
        };
        let queries = turned(queries, heads.query, query_norm)?;
        let keys = turned(keys, heads.key, key_norm)?;
        let values = values.reshape((rows, heads.key, heads.width))?;
        let seen = attend(memories, number, spans, heads, &Projected { queries, keys, values })?;
        let middle = (input + self.output.forward(&seen)?)?;
        let normed = candle_nn::ops::rms_norm(&middle, &self.post_norm, eps)?;
        let [gate, up] = two(self.gate_up.forward(&normed)?)?;
        middle + self.down.forward(&swiglu(&gate, &up)?)?
    }
}

fn three(parts: Vec<Tensor>) -> Result<[Tensor; 3]> {
    parts.try_into().map_err(|parts: Vec<_>| candle_core::Error::msg(format!("{} projections", parts.len())))
}

fn two(parts: Vec<Tensor>) -> Result<[Tensor; 2]> {
    parts.try_into().map_err(|parts: Vec<_>| candle_core::Error::msg(format!("{} projections", parts.len())))
}

/// `silu(gate) * up`, both `[rows, intermediate]` and contiguous.
fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !gate.device().is_cpu() {
        return gate.silu()? * up;
    }
    let ((gates, gate_layout), (ups, up_layout)) = (gate.storage_and_layout(), up.storage_and_layout());
    let count = gate.elem_count();
    let output = activation::swiglu(
        &attention::slice(&gates)?[gate_layout.start_offset()..][..count],
        &attention::slice(&ups)?[up_layout.start_offset()..][..count],
    );
    Tensor::from_vec(output, gate.dims(), gate.device())
}

/// The device to compute on: the first CUDA device if this program was built for CUDA, or else the CPU.
fn device() -> Result<Device> {
    if cfg!(feature = "cuda") { Device::new_cuda(0) } else { Ok(Device::Cpu) }
}

/// Refuses before anything is read what cannot fit into this machine's memory.
fn fits(shape: &Shape, precision: Precision, place: &Path) -> std::result::Result<(), LoadError> {
    let needed = weights::estimate(shape, precision) as u64;
    match crate::memory::available() {
        Some(available) if needed > available && !cfg!(feature = "cuda") => {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            let why = format!(
                "its weights need about {:.1} GiB of memory in {precision:?}, and {:.1} GiB are free; \
                 try --dtype q8_0 or q4k, or a smaller model",
                gib(needed),
                gib(available)
            );
            Err(LoadError::new(place, &why))
        }
        _ => Ok(()),
    }
}
