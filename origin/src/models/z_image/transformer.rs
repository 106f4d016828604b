//! The transformer: from noisy latents, a time and a caption to the way to less noise.
//!
//! As Z-Image's `src/zimage/transformer.py` and diffusers' `transformer_z_image.py` compute: picture and caption are
//! each padded to a multiple of 32 rows with a token that was learned, and that is attended like any other. One picture
//! at a time, so nothing is masked.

mod block;
mod floor;
mod pass;
mod patches;
mod positions;
mod time;

use super::checkpoint::files::Files;
use super::checkpoint::manifest;
use super::checkpoint::shape::TransformerShape;
use super::kernels::{Kernels, Way};
use crate::load_error::LoadError;
use crate::models::qwen::linear::Linear;
use block::Block;
use candle_core::{DType, Device, Result, Tensor};
pub use pass::{Pass, Scene};
use std::path::Path;
use time::TimeEmbedder;

/// Rows of a picture and of a caption are a multiple of this.
pub(crate) const ROWS: usize = 32;
/// Added to the variance before the last product (a constant of the reference).
const FINAL_EPS: f64 = 1e-6;

/// A Z-Image transformer.
pub struct Transformer {
    shape: TransformerShape,
    kernels: Kernels,
    patches: Linear,
    patch_pad: Tensor,
    caption_norm: Tensor,
    caption: Linear,
    caption_pad: Tensor,
    time: TimeEmbedder,
    noise_refiner: Vec<Block>,
    caption_refiner: Vec<Block>,
    layers: Vec<Block>,
    last: Linear,
    last_scale: Linear,
    bytes: usize,
}

impl Transformer {
    /// Loads a directory of the hub's layout, tensor by tensor: matrices in `weights`, everything else in the type of
    /// activations.
    pub(crate) fn load(
        directory: &Path,
        shape: TransformerShape,
        device: &Device,
        weights: DType,
    ) -> std::result::Result<Self, LoadError> {
        let kernels = Kernels::new(device, weights);
        let entries = manifest::transformer(&shape);
        let bytes = bytes(&entries, &kernels, weights);
        let files = Files::open(directory, entries, None, &kernels, weights)?;
        let name = shape.patch_name();
        let blocks = |room: &str, count: usize| -> std::result::Result<Vec<Block>, LoadError> {
            (0..count)
                .map(|number| Block::load(&files, &format!("{room}.{number}"), &shape, room != "context_refiner"))
                .collect()
        };
        let (noise_refiner, caption_refiner) =
            (blocks("noise_refiner", shape.refiners)?, blocks("context_refiner", shape.refiners)?);
        let layers = blocks("layers", shape.layers)?;
        Ok(Self {
            patches: files.linear(&format!("all_x_embedder.{name}"))?,
            patch_pad: files.vector("x_pad_token")?,
            caption_norm: files.vector("cap_embedder.0.weight")?,
            caption: files.linear("cap_embedder.1")?,
            caption_pad: files.vector("cap_pad_token")?,
            time: TimeEmbedder::load(&files, shape.time_scale)?,
            noise_refiner,
            caption_refiner,
            layers,
            last: files.linear(&format!("all_final_layer.{name}.linear"))?,
            last_scale: files.linear(&format!("all_final_layer.{name}.adaLN_modulation.1"))?,
            bytes,
            kernels: kernels.clone(),
            shape,
        })
    }

    /// The network's numbers.
    pub fn shape(&self) -> &TransformerShape {
        &self.shape
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.bytes
    }

    /// How it computes.
    pub(crate) fn way(&self) -> Way {
        self.kernels.way()
    }

    /// Has the network compute on tensors, as it does on a GPU.
    pub(crate) fn compute_on_tensors(&mut self) {
        self.kernels.by_slices = false;
    }
}

/// Rows up to a multiple of [`ROWS`]: those that are missing are the token `[1, dim]`.
fn padded(rows: &Tensor, token: &Tensor) -> Result<Tensor> {
    let (count, dim) = rows.dims2()?;
    match count.next_multiple_of(ROWS) - count {
        0 => Ok(rows.clone()),
        missing => Tensor::cat(&[rows, &token.broadcast_as((missing, dim))?.contiguous()?], 0),
    }
}

/// Bytes that these tensors take as they are kept.
fn bytes(entries: &[manifest::Entry], kernels: &Kernels, weights: DType) -> usize {
    let size = |entry: &manifest::Entry| if entry.is_matrix() { weights } else { kernels.dtype }.size_in_bytes();
    entries.iter().map(|entry| entry.count() * size(entry)).sum()
}

#[cfg(test)]
mod tests;
