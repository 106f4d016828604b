//! How a network comes to be: from safetensors, from GGUF, from this program itself or from a seed.

use super::attention::Memory;
use super::attention::rope::Frequencies;
use super::attention::store::Heads;
use super::layer::Layer;
use super::layer::pass::Buffers;
use super::linear::{Linear, Matrix, activation_dtype};
use super::precision::{Keep, Precision};
use super::shape::Shape;
use super::weights::gguf::{self, Gguf};
use super::weights::safetensors::Safetensors;
use super::weights::tensor_name::Name;
use super::weights::{self, Random, Source};
use super::{Outcome, Qwen};
use crate::load_error::LoadError;
use crate::system::memory;
use candle_core::{Device, Tensor};
use std::path::Path;

impl Qwen {
    /// The same network as one that embeds: a row's outcome is what the head would see, and the head is not needed.
    pub fn embedding(self) -> Self {
        Self { head: None, outcome: Outcome::Hidden, ..self }
    }

    /// The same network as one that judges: a row's outcome is what its head gives these two tokens.
    pub fn judging(self, words: [u32; 2]) -> Result<Self, LoadError> {
        let fault = |why: &dyn std::fmt::Display| LoadError::new("the head", &why.to_string());
        if let Some(word) = words.iter().find(|word| **word as usize >= self.shape.vocab) {
            return Err(fault(&format!("it has no row for the token {word}")));
        }
        // In the type of activations: they are two, and rounding them as weights are would be for nothing.
        let rows = Tensor::new(&words, &self.device).and_then(|ids| self.head().matrix.rows(&ids, self.dtype));
        let head = Some(plain(Matrix::Dense(rows.map_err(|error| fault(&error))?)));
        Ok(Self { head, outcome: Outcome::Verdict, ..self })
    }

    /// As [`Self::load`], of a model that embeds: the files need not hold a head.
    pub fn load_embedding(path: &Path, slots: usize, precision: Option<Precision>) -> Result<Self, LoadError> {
        Self::load_for(path, slots, precision, true)
    }

    /// Loads `config.json` and all `*.safetensors` of a directory, or a GGUF file. Blocks for as long as that takes.
    ///
    /// `precision` is that of the matrices; a GGUF file's are kept as they are and it must be `None`. Without one,
    /// safetensors are served in F32.
    pub fn load(path: &Path, slots: usize, precision: Option<Precision>) -> Result<Self, LoadError> {
        Self::load_for(path, slots, precision, false)
    }

    fn load_for(path: &Path, slots: usize, precision: Option<Precision>, embeds: bool) -> Result<Self, LoadError> {
        if path.extension().is_some_and(|extension| extension == "gguf") {
            if precision.is_some() {
                return Err(LoadError::new(path, "a GGUF file is served in its own types; leave --dtype away"));
            }
            let files = Gguf::open(path)?;
            let shape = gguf::shape(&files.content, files.has(Name::Head)).map_err(|why| LoadError::new(path, &why))?;
            fits(files.needs(), "", path)?;
            return Self::build((shape, embeds), Source::Gguf(files), slots, Precision::F32, path);
        }
        let shape = read_shape(path)?;
        let source = Source::Safetensors(Safetensors::open(path)?);
        Self::build((shape, embeds), source, slots, precision.unwrap_or(Precision::F32), path)
    }

    /// Bytes of memory that the weights of a model will take, by its headers: nothing else is read. `precision` as in
    /// [`Self::load`].
    pub fn needs(path: &Path, precision: Option<Precision>) -> Result<u64, LoadError> {
        match path.extension().is_some_and(|extension| extension == "gguf") {
            true => Gguf::open(path).map(|files| files.needs()),
            false => read_shape(path).map(|shape| Self::random_needs(&shape, precision.unwrap_or(Precision::F32))),
        }
    }

    /// As [`Self::needs`], for made-up weights.
    pub fn random_needs(shape: &Shape, precision: Precision) -> u64 {
        weights::estimate(shape, precision) as u64
    }

    /// Loads a `config.json` and a safetensors file that are parts of this program, in F32.
    pub fn embedded(config: &[u8], weights: &'static [u8], slots: usize) -> Result<Self, LoadError> {
        let place = Path::new("the built-in model");
        let shape = Shape::parse(config).map_err(|why| LoadError::new(place, &why))?;
        let source = Source::Safetensors(Safetensors::embedded(weights)?);
        Self::build((shape, false), source, slots, Precision::F32, place)
    }

    /// Makes up weights from a seed.
    pub fn random(shape: Shape, slots: usize, precision: Precision, seed: u64) -> Result<Self, LoadError> {
        Self::build((shape, false), Source::Random(Random::new(seed)), slots, precision, Path::new("random weights"))
    }

    pub(super) fn build(
        (shape, embeds): (Shape, bool),
        mut source: Source,
        slots: usize,
        precision: Precision,
        place: &Path,
    ) -> Result<Self, LoadError> {
        if !matches!(source, Source::Gguf(_)) {
            let hint = format!(" in {precision:?}");
            fits(Self::random_needs(&shape, precision), &hint, place)?;
        }
        let device = device().map_err(|error| LoadError::new(place, &error))?;
        let dtype = activation_dtype(&device, precision.dense());
        let heads = Heads { query: shape.heads, key: shape.kv_heads, width: shape.head_dim };
        let mut keep = Keep::new(precision, &device);
        let embedding = source.matrix(Name::Embedding, [shape.vocab, shape.hidden], &mut keep)?;
        let head = match (shape.tied || embeds, source.has(Name::Head)) {
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
            .collect::<Result<Vec<_>, _>>()?;
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
            outcome: if embeds { Outcome::Hidden } else { Outcome::Logits },
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
}

fn plain(matrix: Matrix) -> Linear {
    Linear { matrix, bias: None }
}

/// The device to compute on: the first CUDA device if this program was built for CUDA, or else the CPU.
pub(crate) fn device() -> candle_core::Result<Device> {
    if cfg!(feature = "cuda") { Device::new_cuda(0) } else { Ok(Device::Cpu) }
}

pub(super) fn read_shape(path: &Path) -> Result<Shape, LoadError> {
    let file = path.join("config.json");
    let json = std::fs::read(&file).map_err(|error| LoadError::new(&file, &error))?;
    Shape::parse(&json).map_err(|why| LoadError::new(&file, &why))
}

/// Refuses a model that cannot fit into this machine's memory, before anything is read. `how` names the precision,
/// where it can be chosen.
fn fits(needed: u64, how: &str, place: &Path) -> Result<(), LoadError> {
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
