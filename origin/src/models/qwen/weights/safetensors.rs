//! Weights in safetensors files: headers first, each tensor when it is asked for.

use super::tensor_name::Name;
use crate::load_error::LoadError;
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// All `*.safetensors` of a directory, or one that is a part of this program.
pub(crate) struct Safetensors {
    pub(crate) directory: PathBuf,
    tensors: HashMap<String, Place>,
}

struct Place {
    file: PathBuf,
    /// What the file holds, where it lies in memory.
    held: Option<&'static [u8]>,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    bytes: usize,
}

/// The longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

impl Safetensors {
    /// Whether a file holds this tensor.
    pub(crate) fn has(&self, name: Name) -> bool {
        self.find(name).is_some()
    }

    /// A tensor under its name, or under the one that it has where the network was saved without a head, as models that
    /// embed are.
    fn find(&self, name: Name) -> Option<&Place> {
        let full = name.hugging_face();
        self.tensors.get(&full).or_else(|| self.tensors.get(full.strip_prefix("model.")?))
    }

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

    /// Reads the header of a file that is a part of this program.
    pub(crate) fn embedded(held: &'static [u8]) -> Result<Self, LoadError> {
        let directory = PathBuf::from("the built-in model");
        let places = read_header(&directory, &mut std::io::Cursor::new(held), held.len() as u64)?;
        let held = |(name, place)| (name, Place { held: Some(held), ..place });
        Ok(Self { directory, tensors: places.into_iter().map(held).collect() })
    }

    pub(crate) fn dense(&self, name: Name, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        let found = self.find(name);
        let name = name.hugging_face();
        found.ok_or_else(|| self.missing(&name))?.dense(&name, shape, device)
    }

    /// The names of all tensors, with their types and shapes, by the files' headers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Dtype, &[usize])> {
        self.tensors.iter().map(|(name, place)| (name.as_str(), place.dtype, place.shape.as_slice()))
    }

    /// The tensor of exactly this name, in F32 on the CPU. Refuses another shape than this one.
    pub(crate) fn named(&self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        self.tensors.get(name).ok_or_else(|| self.missing(name))?.dense(name, shape, &Device::Cpu)
    }

    fn missing(&self, name: &str) -> LoadError {
        LoadError::new(&self.directory, &format!("no safetensors file holds {name}"))
    }
}

impl Place {
    /// In F32.
    fn dense(&self, name: &str, shape: &[usize], device: &Device) -> Result<Tensor, LoadError> {
        let fault = |why: &dyn std::fmt::Display| LoadError::new(&self.file, &format!("{name}: {why}"));
        if self.shape != shape {
            return Err(fault(&format!("has the shape {:?}; config.json says {shape:?}", self.shape)));
        }
        let dtype = match self.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => return Err(fault(&format!("numbers of type {other:?} are not served"))),
        };
        let bytes = self.read().map_err(|error| fault(&error))?;
        Tensor::from_raw_buffer(&bytes, dtype, shape, device)
            .and_then(|tensor| tensor.to_dtype(DType::F32))
            .map_err(|error| fault(&error))
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes];
        match self.held {
            Some(held) => read_at(&mut std::io::Cursor::new(held), self.start, &mut bytes)?,
            None => read_at(&mut File::open(&self.file)?, self.start, &mut bytes)?,
        }
        Ok(bytes)
    }
}

fn read_at(file: &mut (impl Read + Seek), start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(bytes)
}

fn header(path: &Path) -> Result<Vec<(String, Place)>, LoadError> {
    let mut file = File::open(path).map_err(|error| LoadError::new(path, &error))?;
    let size = file.metadata().map_err(|error| LoadError::new(path, &error))?.len();
    read_header(path, &mut file, size)
}

fn read_header(path: &Path, file: &mut impl Read, size: u64) -> Result<Vec<(String, Place)>, LoadError> {
    let fault = |why: &dyn std::fmt::Display| LoadError::new(path, &why.to_string());
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
        let shape = info.shape.clone();
        (name, Place { file: path.to_owned(), held: None, dtype: info.dtype, shape, start, bytes: to - from })
    };
    Ok(metadata.tensors().into_iter().map(place).collect())
}
