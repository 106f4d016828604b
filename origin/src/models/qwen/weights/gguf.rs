//! GGUF files: their tensors, and the network's numbers in their metadata.

use super::tensor_name::Name;
use crate::hub::name::parts;
use crate::load_error::LoadError;
use crate::models::qwen::linear::{Matrix, packed};
use crate::models::qwen::precision::Keep;
use crate::models::qwen::shape::{Family, Rope, Shape, Yarn};
use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A GGUF file, or several that a model was split into.
pub(crate) struct Gguf {
    pub(crate) path: PathBuf,
    /// The first file's metadata: the model's.
    pub(crate) content: Content,
    /// All files: the readers, and which tensor is where.
    files: Vec<(Content, BufReader<File>)>,
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
            let content = Content::read(&mut reader).map_err(|error| fault(&format!("not a GGUF file: {error}")))?;
            for (name, info) in &content.tensor_infos {
                let bytes = bytes(info)
                    .ok_or_else(|| fault(&format!("is broken: {name} has the shape {:?}", info.shape.dims())))?;
                let end = content.tensor_data_offset.saturating_add(info.offset).saturating_add(bytes);
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
            Some((content, _)) => Content {
                magic: content.magic,
                metadata: content.metadata.clone(),
                tensor_infos: HashMap::new(),
                tensor_data_offset: 0,
            },
            None => return Err(LoadError::new(path, "there is no such file")),
        };
        Ok(Self { path: path.to_owned(), content, files, tensors })
    }

    /// Bytes of memory that its tensors will take.
    pub(crate) fn needs(&self) -> u64 {
        let needs = |info: &TensorInfo| {
            let held = bytes(info).unwrap_or(u64::MAX);
            match info.ggml_dtype {
                // In 32 bits once they are loaded.
                GgmlDType::F16 | GgmlDType::BF16 => held.saturating_mul(2),
                GgmlDType::F32 => held,
                GgmlDType::Q8_0 | GgmlDType::Q4K if packed::supported() => held,
                // candle's kernels keep a second copy beside the blocks.
                _ => held.saturating_mul(2),
            }
        };
        let infos = self.files.iter().flat_map(|(content, _)| content.tensor_infos.values());
        infos.map(needs).fold(0, u64::saturating_add)
    }

    /// Whether a file holds this tensor.
    pub(crate) fn has(&self, name: Name) -> bool {
        self.tensors.contains_key(&name.gguf())
    }

    pub(crate) fn matrix(&mut self, name: Name, shape: &[usize], keep: &mut Keep<'_>) -> Result<Matrix, LoadError> {
        let path = self.path.clone();
        let tensor = self.tensor(name, shape, keep.device)?;
        Matrix::from_gguf(tensor, &mut keep.pages)
            .map_err(|error| LoadError::new(path, &format!("{}: {error}", name.gguf())))
    }

    pub(crate) fn dense(&mut self, name: Name, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        let path = self.path.clone();
        let tensor = self.tensor(name, shape, device)?.dequantize(device);
        tensor.map_err(|error| LoadError::new(path, &format!("{}: {error}", name.gguf())))
    }

    fn tensor(&mut self, name: Name, shape: &[usize], device: &Device) -> Result<QTensor, LoadError> {
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

/// Bytes that a tensor takes in its file; `None` if no file could hold them.
fn bytes(info: &TensorInfo) -> Option<u64> {
    let count = info.shape.dims().iter().try_fold(1_u64, |count, length| count.checked_mul(*length as u64))?;
    (count / info.ggml_dtype.block_size() as u64).checked_mul(info.ggml_dtype.type_size() as u64)
}

fn siblings(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names = parts(&name).map_err(|why| LoadError::new(path, why))?;
    Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
}

/// Reads the metadata of a model of architecture `qwen2` or `qwen3`. `head`: whether the file holds a head of its own.
/// Says what is wrong or missing, for the operator.
pub(crate) fn shape(content: &Content, head: bool) -> Result<Shape, String> {
    let metadata = Metadata(content);
    let architecture = metadata.text("general.architecture").ok_or("general.architecture is missing")?;
    let family = match architecture {
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3 { bias: false },
        other => return Err(format!("the architecture {other} is not served; qwen2 and qwen3 are")),
    };
    let key = |name: &str| format!("{architecture}.{name}");
    let number = |name: &str| metadata.number(&key(name)).ok_or_else(|| format!("{} is missing", key(name)));
    let (hidden, heads) = (number("embedding_length")?, number("attention.head_count")?);
    let vocab = match (metadata.number(&key("vocab_size")), content.metadata.get("tokenizer.ggml.tokens")) {
        (Some(vocab), _) => vocab,
        (None, Some(Value::Array(tokens))) => tokens.len(),
        (None, _) => return Err(format!("neither {} nor tokenizer.ggml.tokens is there", key("vocab_size"))),
    };
    let context = number("context_length")?;
    let yarn = match metadata.text(&key("rope.scaling.type")) {
        None | Some("none") => None,
        Some("yarn") => {
            let factor = metadata.real(&key("rope.scaling.factor")).ok_or("rope.scaling.factor is missing")?;
            let original = metadata.number(&key("rope.scaling.original_context_length")).unwrap_or(context);
            Some(Yarn::new(factor, original as f64).checked()?)
        }
        Some(kind) => return Err(format!("rope scaling of type {kind} is not served; yarn is")),
    };
    let shape = Shape {
        family,
        vocab,
        hidden,
        intermediate: number("feed_forward_length")?,
        layers: number("block_count")?,
        heads,
        kv_heads: metadata.number(&key("attention.head_count_kv")).unwrap_or(heads),
        head_dim: metadata.number(&key("attention.key_length")).unwrap_or(hidden / heads.max(1)),
        context,
        tied: !head,
        norm_eps: metadata
            .real(&key("attention.layer_norm_rms_epsilon"))
            .ok_or_else(|| format!("{} is missing", key("attention.layer_norm_rms_epsilon")))?,
        rope: Rope { theta: metadata.real(&key("rope.freq_base")).unwrap_or(10_000.0), yarn },
    };
    shape.checked()
}

struct Metadata<'a>(&'a Content);

impl<'a> Metadata<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<usize> {
        match self.0.metadata.get(key)? {
            Value::U8(number) => Some((*number).into()),
            Value::U16(number) => Some((*number).into()),
            Value::U32(number) => usize::try_from(*number).ok(),
            Value::U64(number) => usize::try_from(*number).ok(),
            Value::I32(number) => usize::try_from(*number).ok(),
            Value::I64(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// F32 numbers are read as the decimal that they were written from: 1e-6 and not 9.99999997e-7.
    fn real(&self, key: &str) -> Option<f64> {
        match self.0.metadata.get(key)? {
            Value::F32(number) => number.to_string().parse().ok(),
            Value::F64(number) => Some(*number),
            _ => None,
        }
    }
}
