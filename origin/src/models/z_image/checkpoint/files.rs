//! The files of one part, compared with what its config promises before anything is read.

use super::manifest::Entry;
use crate::load_error::LoadError;
use crate::models::qwen::linear::{Linear, Matrix};
use crate::models::qwen::weights::safetensors::Safetensors;
use crate::models::z_image::kernels::Kernels;
use candle_core::{DType, Tensor};
use safetensors::tensor::Dtype;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// The tensors of a part: all of them are there, in the right shapes, and nothing else is.
pub(crate) struct Files<'a> {
    held: Safetensors,
    shapes: HashMap<String, Vec<usize>>,
    kernels: &'a Kernels,
    /// The type of matrices.
    weights: DType,
}

impl<'a> Files<'a> {
    /// Reads the headers of all `*.safetensors` of a directory. `beside` begins the names of tensors that are of no
    /// interest.
    ///
    /// Refuses shards that are cut off or that the index names and are not there, tensors that are missing, are there
    /// twice, have another shape or are not in F32 or BF16, and tensors that the network does not have.
    pub(crate) fn open(
        directory: &Path,
        entries: Vec<Entry>,
        beside: Option<&str>,
        kernels: &'a Kernels,
        weights: DType,
    ) -> Result<Self, LoadError> {
        let fault = |why: String| LoadError::new(directory, &why);
        shards(directory)?;
        let held = Safetensors::open(directory)?;
        let shapes: HashMap<String, Vec<usize>> = entries.into_iter().map(|entry| (entry.name, entry.shape)).collect();
        let mut missing: BTreeSet<&str> = shapes.keys().map(String::as_str).collect();
        for (name, dtype, shape) in held.headers() {
            missing.remove(name);
            match shapes.get(name) {
                _ if beside.is_some_and(|prefix| name.starts_with(prefix)) => {}
                None => return Err(fault(format!("holds {name}, which no network of this config has"))),
                Some(expected) if expected != shape => {
                    return Err(fault(format!("{name} has the shape {shape:?}; config.json says {expected:?}")));
                }
                Some(_) if dtype == Dtype::F16 => {
                    return Err(fault(format!(
                        "{name} is in F16, in which this network overflows; BF16 and F32 are served"
                    )));
                }
                Some(_) if !matches!(dtype, Dtype::F32 | Dtype::BF16) => {
                    return Err(fault(format!("{name} is in {dtype:?}; BF16 and F32 are served")));
                }
                Some(_) => {}
            }
        }
        match missing.len() {
            0 => Ok(Self { held, shapes, kernels, weights }),
            count => {
                let first = missing.first().copied().unwrap_or_default();
                Err(fault(format!("{count} tensors are missing, {first} among them")))
            }
        }
    }

    /// Whether the network has a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// A tensor as it is in the file, in F32 on the CPU.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, LoadError> {
        let shape = self.shapes.get(name).ok_or_else(|| self.fault(name, &"is not one of this network"))?;
        self.held.named(name, shape)
    }

    /// A norm's or a bias's numbers, in the type of activations.
    pub(crate) fn vector(&self, name: &str) -> Result<Tensor, LoadError> {
        let dense = self.tensor(name)?;
        let moved = dense.to_dtype(self.kernels.dtype).and_then(|dense| dense.to_device(&self.kernels.device));
        moved.map_err(|error| self.fault(name, &error))
    }

    /// A matrix, kept as the settings say, with its bias if it has one.
    pub(crate) fn linear(&self, name: &str) -> Result<Linear, LoadError> {
        self.kept(name, self.weights)
    }

    /// The same in the type of activations, for matrices that must not be rounded.
    pub(crate) fn exact(&self, name: &str) -> Result<Linear, LoadError> {
        self.kept(name, self.kernels.dtype)
    }

    fn kept(&self, name: &str, dtype: DType) -> Result<Linear, LoadError> {
        let weight = format!("{name}.weight");
        let dense = self.tensor(&weight)?.to_dtype(dtype).and_then(|dense| dense.to_device(&self.kernels.device));
        let matrix = Matrix::Dense(dense.map_err(|error| self.fault(&weight, &error))?);
        let bias = format!("{name}.bias");
        let bias = if self.shapes.contains_key(&bias) { Some(self.vector(&bias)?) } else { None };
        Ok(Linear { matrix, bias })
    }

    /// What went wrong with a tensor.
    pub(crate) fn fault(&self, name: &str, why: &dyn std::fmt::Display) -> LoadError {
        LoadError::new(&self.held.directory, &format!("{name}: {why}"))
    }
}

/// Looks for all files that an index names, if there is one.
fn shards(directory: &Path) -> Result<(), LoadError> {
    let entries = std::fs::read_dir(directory).map_err(|error| LoadError::new(directory, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| LoadError::new(directory, &error))?.path();
        if !path.to_string_lossy().ends_with(".safetensors.index.json") {
            continue;
        }
        let fault = |why: &dyn std::fmt::Display| LoadError::new(&path, &why.to_string());
        let json = std::fs::read(&path).map_err(|error| fault(&error))?;
        let index: Value = serde_json::from_slice(&json).map_err(|error| fault(&error))?;
        let map = index["weight_map"].as_object().ok_or_else(|| fault(&"has no weight_map"))?;
        let files: BTreeSet<Option<&str>> = map.values().map(Value::as_str).collect();
        for file in files {
            let name = file.ok_or_else(|| fault(&"names a file that is no text"))?;
            // A name and no path: the index comes from elsewhere.
            if name.contains(['/', '\\']) || !directory.join(name).is_file() {
                return Err(fault(&format!("names {name}, which is not there; fetch it again")));
            }
        }
    }
    Ok(())
}
