//! Where weights come from: safetensors, GGUF, or a seed.
//!
//! Tensors are read one at a time and quantised as they come, so that a model that is served in 8 bits never lies in
//! memory in 32. Files are read and not mapped: a mapped file that somebody truncates kills the process.

mod export;
pub(crate) mod gguf;
pub(crate) mod safetensors;
pub(crate) mod tensor_name;

pub use export::export;

use super::linear::Matrix;
use super::precision::{Keep, Precision};
use super::shape::Shape;
use crate::engine::sampler::SplitMix64;
use crate::load_error::LoadError;
use crate::models::qwen::linear::packed;
use candle_core::{DType, Device, Tensor};
use gguf::Gguf;
use safetensors::Safetensors;
use std::path::PathBuf;
use tensor_name::{Name, Part};

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

/// A prime, so that no matrix is this wide and all rows differ.
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
