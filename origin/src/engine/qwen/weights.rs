//! Where weights come from: safetensors, GGUF, or a seed.
//!
//! Tensors are read one at a time and quantised as they come, so that a model that is served in 8 bits never lies in
//! memory in 32. Files are read and not mapped: a mapped file that somebody truncates kills the process.

use super::linear::Matrix;
use super::shape::Shape;
use crate::engine::load::LoadError;
use crate::engine::sampler::SplitMix64;
use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

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
    fn hugging_face(self) -> String {
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
            Self::Safetensors(files) => files.tensors.contains_key(&name.hugging_face()),
            Self::Gguf(files) => files.tensors.contains_key(&name.gguf()),
            Self::Random(_) => name != Name::Head,
        }
    }

    /// A matrix, `[out, in]`, in this precision. What a GGUF file has quantised stays as it is.
    pub(crate) fn matrix(
        &mut self,
        name: Name,
        shape: [usize; 2],
        precision: Precision,
        device: &Device,
    ) -> Result<Matrix, LoadError> {
        let place = self.place();
        let fault = |error: candle_core::Error| LoadError::new(&place, &format!("{}: {error}", name.hugging_face()));
        if let Self::Gguf(files) = self {
            return files.matrix(name, &shape, device);
        }
        let dense = self.dense(name, &shape, &Device::Cpu)?;
        match precision.quantised(name.is_end()) {
            Some(dtype) => Matrix::quantise(&dense, dtype).map_err(fault),
            None => {
                let moved = dense.to_dtype(precision.dense()).and_then(|dense| dense.to_device(device));
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

/// All `*.safetensors` of a directory.
pub(crate) struct Safetensors {
    directory: PathBuf,
    tensors: HashMap<String, Place>,
}

struct Place {
    file: PathBuf,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    bytes: usize,
}

/// The longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

impl Safetensors {
    /// Reads the files' headers; their tensors are read when they are asked for.
    pub(crate) fn open(directory: &Path) -> Result<Self, LoadError> {
        let entries = std::fs::read_dir(directory).map_err(|error| LoadError::new(directory, &error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| LoadError::new(directory, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "safetensors") {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(LoadError::new(directory, "there is no *.safetensors file"));
        }
        files.sort();
        let mut tensors = HashMap::new();
        for file in files {
            for (name, place) in header(&file)? {
                if tensors.insert(name.clone(), place).is_some() {
                    return Err(LoadError::new(&file, &format!("{name} is in another file too")));
                }
            }
        }
        Ok(Self { directory: directory.to_owned(), tensors })
    }

    fn dense(&self, name: Name, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        let name = name.hugging_face();
        let place = self
            .tensors
            .get(&name)
            .ok_or_else(|| LoadError::new(&self.directory, &format!("no safetensors file holds {name}")))?;
        let fault = |why: &dyn std::fmt::Display| LoadError::new(&place.file, &format!("{name}: {why}"));
        if place.shape != shape {
            return Err(fault(&format!("has the shape {:?}; config.json says {shape:?}", place.shape)));
        }
        let dtype = match place.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => return Err(fault(&format!("numbers of type {other:?} are not served"))),
        };
        let mut bytes = vec![0; place.bytes];
        let mut file = File::open(&place.file).map_err(|error| fault(&error))?;
        file.seek(SeekFrom::Start(place.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| fault(&error))?;
        Tensor::from_raw_buffer(&bytes, dtype, shape, device)
            .and_then(|tensor| tensor.to_dtype(DType::F32))
            .map_err(|error| fault(&error))
    }
}

fn header(path: &Path) -> Result<Vec<(String, Place)>, LoadError> {
    let fault = |why: &dyn std::fmt::Display| LoadError::new(path, &why.to_string());
    let mut file = File::open(path).map_err(|error| fault(&error))?;
    let size = file.metadata().map_err(|error| fault(&error))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| fault(&"too short for a safetensors file"))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || 8 + length > size {
        return Err(fault(&format!("says that its header has {length} bytes, and has {size} in all")));
    }
    let mut json = vec![0; usize::try_from(length).map_err(|error| fault(&error))?];
    file.read_exact(&mut json).map_err(|error| fault(&error))?;
    let metadata: Metadata =
        serde_json::from_slice(&json).map_err(|error| fault(&format!("its header cannot be read: {error}")))?;
    let start = 8 + length;
    if start + metadata.data_len() as u64 > size {
        let whole = start + metadata.data_len() as u64;
        return Err(fault(&format!("is cut off: {size} bytes of {whole}; fetch it again")));
    }
    let place = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (from, to) = info.data_offsets;
        let start = start + from as u64;
        (name, Place { file: path.to_owned(), dtype: info.dtype, shape: info.shape.clone(), start, bytes: to - from })
    };
    Ok(metadata.tensors().into_iter().map(place).collect())
}

/// A GGUF file, or several that a model was split into.
pub(crate) struct Gguf {
    path: PathBuf,
    /// The first file's metadata: the model's.
    pub(crate) content: gguf_file::Content,
    /// All files: the readers, and which tensor is where.
    files: Vec<(gguf_file::Content, BufReader<File>)>,
    tensors: HashMap<String, usize>,
}

impl Gguf {
    /// Reads the header of a file, and of its siblings if it is `NAME-00001-of-00003.gguf`.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let mut files = Vec::new();
        let mut tensors = HashMap::new();
        for path in siblings(path)? {
            let fault = |why: &dyn std::fmt::Display| LoadError::new(&path, &why.to_string());
            let file = File::open(&path).map_err(|error| fault(&error))?;
            let size = file.metadata().map_err(|error| fault(&error))?.len();
            let mut reader = BufReader::new(file);
            let content =
                gguf_file::Content::read(&mut reader).map_err(|error| fault(&format!("not a GGUF file: {error}")))?;
            for (name, info) in &content.tensor_infos {
                let bytes = info.shape.elem_count() / info.ggml_dtype.block_size() * info.ggml_dtype.type_size();
                let end = content.tensor_data_offset.saturating_add(info.offset).saturating_add(bytes as u64);
                if end > size {
                    return Err(fault(&format!("is cut off: {name} ends at {end} of {size} bytes; fetch it again")));
                }
                if tensors.insert(name.clone(), files.len()).is_some() {
                    return Err(fault(&format!("{name} is in another file too")));
                }
            }
            files.push((content, reader));
        }
        let content = match files.first() {
            Some((content, _)) => gguf_file::Content {
                magic: content.magic,
                metadata: content.metadata.clone(),
                tensor_infos: HashMap::new(),
                tensor_data_offset: 0,
            },
            None => return Err(LoadError::new(path, "there is no such file")),
        };
        Ok(Self { path: path.to_owned(), content, files, tensors })
    }

    /// Whether the head is a tensor of its own.
    pub(crate) fn has_head(&self) -> bool {
        self.tensors.contains_key(&Name::Head.gguf())
    }

    fn matrix(&mut self, name: Name, shape: &[usize], device: &Device) -> Result<Matrix, LoadError> {
        let path = self.path.clone();
        let tensor = self.tensor(name, shape, device)?;
        Matrix::from_gguf(tensor).map_err(|error| LoadError::new(path, &format!("{}: {error}", name.gguf())))
    }

    fn dense(&mut self, name: Name, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        let path = self.path.clone();
        let tensor = self.tensor(name, shape, device)?.dequantize(device);
        tensor.map_err(|error| LoadError::new(path, &format!("{}: {error}", name.gguf())))
    }

    fn tensor(
        &mut self,
        name: Name,
        shape: &[usize],
        device: &Device,
    ) -> Result<candle_core::quantized::QTensor, LoadError> {
        let name = name.gguf();
        let fault = |why: String| LoadError::new(&self.path, &format!("{name}: {why}"));
        let number = *self.tensors.get(&name).ok_or_else(|| fault("is not in the file".into()))?;
        let (content, reader) = &mut self.files[number];
        let tensor = content.tensor(reader, &name, device).map_err(|error| fault(error.to_string()))?;
        if tensor.shape().dims() != shape {
            return Err(fault(format!("has the shape {:?}; the metadata say {shape:?}", tensor.shape().dims())));
        }
        Ok(tensor)
    }
}

/// `a-00001-of-00003.gguf` and its two siblings, or the file alone.
fn siblings(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let split = name.strip_suffix(".gguf").and_then(|stem| {
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        Some((stem, number.parse::<usize>().ok()?, count.parse::<usize>().ok()?, number.len()))
    });
    match split {
        Some((_, number, _, _)) if number != 1 => {
            Err(LoadError::new(path, "is a later part of a model; name its first part, 00001"))
        }
        Some((stem, _, count, digits)) if count <= 1_000 => Ok((1..=count)
            .map(|number| path.with_file_name(format!("{stem}-{number:0digits$}-of-{count:0digits$}.gguf")))
            .collect()),
        _ => Ok(vec![path.to_owned()]),
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
                self.pool.iter().cycle().skip(start).take(count).map(|value| value * scale).collect()
            }
        };
        Tensor::from_vec(values, shape, device)
    }
}

/// Bytes that a model's matrices take in this precision: what has to fit into memory.
pub(crate) fn estimate(shape: &Shape, precision: Precision) -> usize {
    // Bits per number, with what the CPU's kernels keep beside the blocks (two copies: Q4K 4.5 + 6, Q8_0 8.5 + 8.5).
    let bits = match precision {
        Precision::F32 => 32,
        Precision::Q8_0 => 17,
        Precision::Q4K => 11,
        Precision::Bf16 | Precision::F16 => 16,
    };
    shape.parameters() / 8 * bits
}
