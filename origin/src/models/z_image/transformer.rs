//! The transformer: from noisy latents, a time and a caption to the way to less noise.
//!
//! As Z-Image's `src/zimage/transformer.py` and diffusers' `transformer_z_image.py` compute: picture and caption are
//! each padded to a multiple of 32 rows with a token that was learned, and that is attended like any other. One picture
//! at a time, so nothing is masked.

mod block;
mod floor;
mod patches;
mod positions;
mod time;

use super::checkpoint::files::Files;
use super::checkpoint::manifest;
use super::checkpoint::shape::TransformerShape;
use super::kernels::{Angles, Kernels};
use super::watch::Watch;
use crate::load_error::LoadError;
use crate::models::qwen::linear::Linear;
use block::Block;
use candle_core::{DType, Device, Result, Tensor};
pub use patches::Grid;
use positions::Positions;
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

/// A caption after its own layers: it is the same for all steps of a picture.
#[derive(Clone, Debug)]
pub struct Caption {
    /// `[rows, dim]`, padded.
    rows: Tensor,
}

impl Caption {
    /// How many rows it takes among those of the picture.
    pub fn rows(&self) -> usize {
        self.rows.dims()[0]
    }
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

    /// The patches of a picture whose latents have these sides. Refuses sides that are no whole patches, and those
    /// beyond the positions of the network.
    pub fn grid(&self, height: usize, width: usize) -> Result<Grid> {
        Grid::new(&self.shape, height, width)
    }

    /// What a picture's steps share: the caption of these features, `[tokens, caption width]`, after its own layers.
    /// `None` if `watch` said no. Refuses more tokens than there are positions.
    pub fn caption(&self, features: &Tensor, watch: &mut dyn Watch) -> Result<Option<Caption>> {
        let (tokens, width) = features.dims2()?;
        if width != self.shape.caption || tokens == 0 || tokens.next_multiple_of(ROWS) + 1 >= self.shape.lengths[0] {
            candle_core::bail!("a caption of {tokens} rows of {width} numbers is beyond the network");
        }
        let features = features.to_device(&self.kernels.device)?.to_dtype(self.kernels.dtype)?;
        let normed = self.kernels.normed(&features, &self.caption_norm, self.shape.norm_eps as f32)?;
        let mut rows = padded(&self.caption.forward(&normed)?, &self.caption_pad)?;
        let angles = Positions::new(&self.shape).of_caption(rows.dim(0)?, &self.kernels)?;
        for block in &self.caption_refiner {
            if !watch.goes_on() {
                return Ok(None);
            }
            rows = block.forward(&rows, &angles, None, &self.kernels)?;
        }
        Ok(Some(Caption { rows }))
    }

    /// The way to less noise at this time, of latents `[channels, height, width]`; the same shape. `None` if `watch`
    /// said no.
    pub fn forward(
        &self,
        latents: &[f32],
        grid: &Grid,
        time: f64,
        caption: &Caption,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<f32>>> {
        let kernels = &self.kernels;
        let time = self.time.forward(time, kernels)?;
        let patches = kernels.tensor(grid.patches(latents)?, self.shape.patch_numbers())?;
        let mut rows = padded(&self.patches.forward(&patches)?, &self.patch_pad)?;
        let (count, own) = (grid.rows(), rows.dim(0)?);
        let angles = Positions::new(&self.shape).of_both(grid, own, caption.rows(), kernels)?;
        let of_picture = Angles { cosines: angles.cosines.narrow(0, 0, own)?, sines: angles.sines.narrow(0, 0, own)? };
        for block in &self.noise_refiner {
            if !watch.goes_on() {
                return Ok(None);
            }
            rows = block.forward(&rows, &of_picture, Some(&time), kernels)?;
        }
        rows = Tensor::cat(&[&rows, &caption.rows], 0)?;
        for block in &self.layers {
            if !watch.goes_on() {
                return Ok(None);
            }
            rows = block.forward(&rows, &angles, Some(&time), kernels)?;
        }
        let scale = (self.last_scale.forward(&time.silu()?)? + 1.0)?.squeeze(0)?;
        let rows = kernels.centred(&rows.narrow(0, 0, count)?, &scale, FINAL_EPS)?;
        let answer = self.last.forward(&rows)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        grid.latents(&answer).map(Some)
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
