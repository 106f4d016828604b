//! Where weights come from: safetensors, GGUF, or a seed.
//!
//! Tensors are read one at a time and quantised as they come, so that a model that is served in 8 bits never lies in
//! memory in 32. Files are read and not mapped: a mapped file that somebody truncates kills the process.

use super::gguf::Gguf;
use super::linear::Matrix;
use super::packed;
use super::pages::Pages;
use super::safetensors::Safetensors;
use super::shape::Shape;
use crate::engine::load::LoadError;
use crate::engine::sampler::SplitMix64;
use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use std::path::PathBuf;

/// In what numbers a model's matrices are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: what the CPU computes in.
    F32,
    /// 8 bits and a scale per 32 numbers.
    Q8_0,
    /// 4 bits and scales per 256 numbers; embedding and head in Q8_0.
    Q4K,
    /// 16 bits, for CUDA.
    Bf16,
    /// 16 bits, for CUDA.
    F16,
}

impl Precision {
    /// The type of a matrix of a layer, or of the embedding and the head; `None` for dense ones.
    fn quantised(self, end: bool) -> Option<GgmlDType> {
        match self {
            Self::F32 | Self::Bf16 | Self::F16 => None,
            Self::Q4K if !end => Some(GgmlDType::Q4K),
            Self::Q8_0 | Self::Q4K => Some(GgmlDType::Q8_0),
        }
    }

    /// The type of dense matrices.
    pub(crate) fn dense(self) -> DType {
        match self {
            Self::F32 | Self::Q8_0 | Self::Q4K => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

/// How a model's matrices are kept.
#[derive(Debug)]
pub(crate) struct Keep<'a> {
    pub(crate) precision: Precision,
    pub(crate) device: &'a Device,
    /// Where those that we multiply ourselves lie.
    pub(crate) pages: Pages,
}

impl<'a> Keep<'a> {
    pub(crate) fn new(precision: Precision, device: &'a Device) -> Self {
        Self { precision, device, pages: Pages::default() }
    }
}

/// A tensor of the network. Each has a name in Hugging Face's layout and one in GGUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Embedding,
    Head,
    Norm,
    /// Of a layer: its number, and which one.
    Layer(usize, Part),
}

/// A tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    InputNorm,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    Output,
    OutputBias,
    PostNorm,
    Gate,
    Up,
    Down,
}

impl Name {
    pub(super) fn hugging_face(self) -> String {
        match self {
            Self::Embedding => "model.embed_tokens.weight".into(),
            Self::Head => "lm_head.weight".into(),
            Self::Norm => "model.norm.weight".into(),
            Self::Layer(layer, part) => format!("model.layers.{layer}.{}", part.names().0),
        }
    }

    pub(super) fn gguf(self) -> String {
        match self {
            Self::Embedding => "token_embd.weight".into(),
            Self::Head => "output.weight".into(),
            Self::Norm => "output_norm.weight".into(),
            Self::Layer(layer, part) => format!("blk.{layer}.{}", part.names().1),
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Self::Embedding | Self::Head)
    }
}

impl Part {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::InputNorm => ("input_layernorm.weight", "attn_norm.weight"),
            Self::Query => ("self_attn.q_proj.weight", "attn_q.weight"),
            Self::Key => ("self_attn.k_proj.weight", "attn_k.weight"),
            Self::Value => ("self_attn.v_proj.weight", "attn_v.weight"),
            Self::QueryBias => ("self_attn.q_proj.bias", "attn_q.bias"),
            Self::KeyBias => ("self_attn.k_proj.bias", "attn_k.bias"),
            Self::ValueBias => ("self_attn.v_proj.bias", "attn_v.bias"),
            Self::QueryNorm => ("self_attn.q_norm.weight", "attn_q_norm.weight"),
            Self::KeyNorm => ("self_attn.k_norm.weight", "attn_k_norm.weight"),
            Self::Output => ("self_attn.o_proj.weight", "attn_output.weight"),
            Self::OutputBias => ("self_attn.o_proj.bias", "attn_output.bias"),
            Self::PostNorm => ("post_attention_layernorm.weight", "ffn_norm.weight"),
            Self::Gate => ("mlp.gate_proj.weight", "ffn_gate.weight"),
            Self::Up => ("mlp.up_proj.weight", "ffn_up.weight"),
            Self::Down => ("mlp.down_proj.weight", "ffn_down.weight"),
        }
    }
}

/// Where weights are read from.
pub(crate) enum Source {
    Safetensors(Safetensors),
    Gguf(Gguf),
    Random(Random),
}

impl Source {
    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: Name) -> bool {
        match self {
            Self::Safetensors(files) => files.has(name),
            Self::Gguf(files) => files.has(name),
            Self::Random(_) => name != Name::Head,
        }
    }

    /// A matrix, `[out, in]`, kept like this. What a GGUF file has quantised stays as it is.
    pub(crate) fn matrix(&mut self, name: Name, shape: [usize; 2], keep: &mut Keep<'_>) -> Result<Matrix, LoadError> {
        let place = self.place();
        let fault = |error: candle_core::Error| LoadError::new(&place, &format!("{}: {error}", name.hugging_face()));
        if let Self::Gguf(files) = self {
            return files.matrix(name, &shape, keep);
        }
        let dense = self.dense(name, &shape, &Device::Cpu)?;
        match keep.precision.quantised(name.is_end()) {
            // On the device that will multiply: blocks do not move afterwards.
            Some(dtype) => {
                let moved = dense.to_device(keep.device);
                moved.and_then(|dense| Matrix::quantise(&dense, dtype, &mut keep.pages)).map_err(fault)
            }
            None => {
                let moved = dense.to_dtype(keep.precision.dense()).and_then(|dense| dense.to_device(keep.device));
                moved.map(Matrix::Dense).map_err(fault)
            }
        }
    }

    /// A norm's or a bias's numbers, in this type.
    pub(crate) fn vector(
        &mut self,
        name: Name,
        len: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor, LoadError> {
        let place = self.place();
        let dense = self.dense(name, &[len], &Device::Cpu)?;
        let moved = dense.to_dtype(dtype).and_then(|dense| dense.to_device(device));
        moved.map_err(|error| LoadError::new(place, &format!("{}: {error}", name.hugging_face())))
    }

    /// In F32.
    fn dense(&mut self, name: Name, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        match self {
            Self::Safetensors(files) => files.dense(name, shape, device),
            Self::Gguf(files) => files.dense(name, shape, device),
            Self::Random(random) => {
                random.dense(name, shape, device).map_err(|error| LoadError::new("random weights", &error))
            }
        }
    }

    fn place(&self) -> PathBuf {
        match self {
            Self::Safetensors(files) => files.directory.clone(),
            Self::Gguf(files) => files.path.clone(),
            Self::Random(_) => "random weights".into(),
        }
    }
}

/// Normally distributed weights of a real shape, the same for the same seed: for load tests without weights.
///
/// One pool of random numbers is laid over every tensor at an offset of the tensor's own: a model of billions of
/// parameters is made in seconds.
pub(crate) struct Random {
    seed: u64,
    pool: Vec<f32>,
}

/// A prime, so that no matrix has it as its width: rows differ.
const POOL: usize = 1_048_573;

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        // Box and Muller 1958.
        let normal = |random: &mut SplitMix64| {
            let (radius, angle) = (1.0 - random.uniform(), random.uniform() * std::f64::consts::TAU);
            ((-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
        };
        let pool = (0..POOL).map(|_| normal(&mut random)).collect();
        Self { seed, pool }
    }

    fn dense(&self, name: Name, shape: &[usize], device: &Device) -> candle_core::Result<Tensor> {
        let count: usize = shape.iter().product();
        let values = match (name, shape) {
            (Name::Norm | Name::Layer(_, Part::InputNorm | Part::PostNorm | Part::QueryNorm | Part::KeyNorm), _) => {
                vec![1.0; count]
            }
            _ => {
                let hash = name
                    .hugging_face()
                    .bytes()
                    .fold(self.seed, |hash, byte| SplitMix64::new(hash ^ u64::from(byte)).next());
                // A row's product with a vector of unit variance has unit variance.
                let scale = shape.get(1).map_or(0.02, |width| 1.0 / (*width as f32).sqrt());
                let start = (hash % POOL as u64) as usize;
                let mut values = Vec::with_capacity(count);
                // In runs, which are copied by vectors: an iterator that goes round takes two to four times as long.
                let mut from = start;
                while values.len() < count {
                    let run = &self.pool[from..POOL.min(from + count - values.len())];
                    values.extend(run.iter().map(|value| value * scale));
                    from = 0;
                }
                values
            }
        };
        Tensor::from_vec(values, shape, device)
    }
}

/// Bytes that a model's matrices take in this precision: what has to fit into memory.
pub(crate) fn estimate(shape: &Shape, precision: Precision) -> usize {
    // Bits per number. Where nothing is packed, candle's kernels for the CPU keep a second copy beside the blocks.
    let bits = match (precision, packed::supported() || cfg!(feature = "cuda")) {
        (Precision::F32, _) => 32.0,
        (Precision::Q8_0, true) => 8.5,
        (Precision::Q4K, true) => 4.625,
        (Precision::Q8_0, false) => 17.0,
        (Precision::Q4K, false) => 10.5,
        (Precision::Bf16 | Precision::F16, _) => 16.0,
    };
    // Embedding and head stay in 8 bits beside layers in 4.
    let ends = if shape.tied { 1 } else { 2 } * shape.vocab * shape.hidden;
    let more = if precision == Precision::Q4K { 4.0 * ends as f64 } else { 0.0 };
    ((shape.parameters() as f64 * bits + more) / 8.0) as usize
}
