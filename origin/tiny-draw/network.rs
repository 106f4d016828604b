//! The networks as they are trained: what `sluice_origin::models::z_image` computes, in operations that have gradients.
//!
//! A network is its weights by their names in the hub's layout; **text**, **transformer** and **vae** compute with
//! them. Of convolutions the weights are kept as matrices, `[out, places * in]`.

mod attention;
mod block;
pub(crate) mod convolution;
mod initial;
mod map;
mod norms;
mod rope;
pub(crate) mod text;
pub(crate) mod transformer;
pub(crate) mod vae;

use candle_core::{DType, Device, Result, Tensor, Var};
use std::collections::HashMap;
use std::path::Path;

/// Weights with their names, in a fixed order.
pub(crate) struct Network {
    weights: Vec<(String, Var)>,
    places: HashMap<String, usize>,
}

impl Network {
    /// Random weights of what draws: the text encoder and the transformer, which are trained together.
    pub(crate) fn new(vocab: usize, seed: u64) -> Result<Self> {
        initial::drawing(vocab, seed).map(Self::of)
    }

    /// Random weights of a VAE.
    pub(crate) fn vae(seed: u64) -> Result<Self> {
        initial::vae(seed).map(Self::of)
    }

    fn of(weights: Vec<(String, Var)>) -> Self {
        let places = weights.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Self { weights, places }
    }

    /// Every weight with its name, in a fixed order.
    pub(crate) fn weights(&self) -> Vec<(String, &Var)> {
        self.weights.iter().map(|(name, weight)| (name.clone(), weight)).collect()
    }

    /// The weight of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Tensor> {
        match self.places.get(name) {
            Some(place) => Ok(self.weights[*place].1.as_tensor()),
            None => candle_core::bail!("there is no weight {name}"),
        }
    }

    /// Whether there is a weight of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// `rows` times the matrix of this name, and its bias if there is one.
    pub(crate) fn linear(&self, name: &str, rows: &Tensor) -> Result<Tensor> {
        let product = rows.matmul(&self.get(&format!("{name}.weight"))?.t()?)?;
        match self.has(&format!("{name}.bias")) {
            true => norms::plus_bias(&product, self.get(&format!("{name}.bias"))?),
            false => Ok(product),
        }
    }

    /// Writes all weights in F32, as they are.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let tensors: HashMap<String, Tensor> =
            self.weights.iter().map(|(name, weight)| (name.clone(), weight.as_tensor().clone())).collect();
        let draft = file.with_extension("draft");
        candle_core::safetensors::save(&tensors, &draft)?;
        Ok(std::fs::rename(draft, file)?)
    }

    /// Takes what [`Self::save`] wrote.
    pub(crate) fn restore(&self, file: &Path) -> Result<()> {
        let tensors = candle_core::safetensors::load(file, &Device::Cpu)?;
        for (name, weight) in &self.weights {
            let Some(tensor) = tensors.get(name) else {
                candle_core::bail!("{} holds no {name}", file.display());
            };
            weight.set(&tensor.to_dtype(DType::F32)?)?;
        }
        Ok(())
    }

    /// Rounds all weights as they are written.
    #[cfg(test)]
    pub(crate) fn round(&self) -> Result<()> {
        self.weights.iter().try_for_each(|(_, weight)| weight.set(&weight.to_dtype(DType::BF16)?.to_dtype(DType::F32)?))
    }
}

#[cfg(test)]
mod tests;
