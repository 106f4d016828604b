//! The decoder: from latents to a picture, as the decoder of diffusers' AutoencoderKL.
//!
//! Everything is computed in F32. Nothing is tiled with seams: a convolution is computed in bands of rows that read
//! beyond their borders, a group norm is of the whole map, and attention looks at all pixels, some rows of scores at a
//! time. So a picture is the same whatever the size of a band is; what grows with its size are the maps themselves.

mod attention;
mod conv;
mod map;
mod norm;
mod residual;

use super::checkpoint::files::Files;
use super::checkpoint::manifest;
use super::checkpoint::shape::DecoderShape;
use super::kernels::Kernels;
use super::watch::Watch;
use crate::load_error::LoadError;
use attention::Attention;
use candle_core::{DType, Device, Result};
use conv::Conv;
use map::Map;
use norm::GroupNorm;
use residual::Residual;
use std::path::Path;

/// Tensors of the file that only an encoder needs.
const ENCODER: &str = "encoder.";

/// The decoder of a VAE.
pub struct Decoder {
    shape: DecoderShape,
    kernels: Kernels,
    first: Conv,
    before: Residual,
    attention: Attention,
    behind: Residual,
    blocks: Vec<Block>,
    norm: GroupNorm,
    last: Conv,
    bytes: usize,
}

/// Residual blocks of one size, and what doubles it for the next.
struct Block {
    residuals: Vec<Residual>,
    double: Option<Conv>,
}

impl Decoder {
    /// Loads a directory of the hub's layout; the encoder's tensors are not read.
    pub(crate) fn load(directory: &Path, shape: DecoderShape, device: &Device) -> std::result::Result<Self, LoadError> {
        let kernels = Kernels::new(device, DType::F32);
        let entries = manifest::decoder(&shape);
        let bytes = entries.iter().map(|entry| entry.count() * size_of::<f32>()).sum();
        let files = Files::open(directory, entries, Some(ENCODER), &kernels, DType::F32)?;
        let groups = shape.groups;
        let residual = |name: &str| Residual::load(&files, &format!("decoder.{name}"), groups);
        let count = shape.blocks.len();
        let block = |number: usize| -> std::result::Result<Block, LoadError> {
            let name = format!("up_blocks.{number}");
            let residuals = (0..=shape.layers).map(|layer| residual(&format!("{name}.resnets.{layer}")));
            let residuals = residuals.collect::<std::result::Result<Vec<_>, _>>()?;
            let conv = || Conv::load(&files, &format!("decoder.{name}.upsamplers.0.conv"));
            Ok(Block { residuals, double: if number + 1 < count { Some(conv()?) } else { None } })
        };
        Ok(Self {
            first: Conv::load(&files, "decoder.conv_in")?,
            before: residual("mid_block.resnets.0")?,
            attention: Attention::load(&files, "decoder.mid_block.attentions.0", groups)?,
            behind: residual("mid_block.resnets.1")?,
            blocks: (0..count).map(block).collect::<std::result::Result<_, _>>()?,
            norm: GroupNorm::load(&files, "decoder.conv_norm_out", groups)?,
            last: Conv::load(&files, "decoder.conv_out")?,
            bytes,
            kernels: kernels.clone(),
            shape,
        })
    }

    /// The network's numbers.
    pub fn shape(&self) -> &DecoderShape {
        &self.shape
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.bytes
    }

    /// Latents `[channels, height, width]`, as the transformer knows them, as `[rows, columns, 3]` from about -1 to 1;
    /// a side has [`DecoderShape::factor`] times as many. `None` if `watch` said no.
    pub fn decode(
        &self,
        latents: &[f32],
        height: usize,
        width: usize,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<f32>>> {
        let kernels = &self.kernels;
        let channels = self.shape.latent;
        if latents.len() != channels * height * width || latents.is_empty() {
            candle_core::bail!("{} numbers for latents of {channels} x {height} x {width}", latents.len());
        }
        let mut rows = vec![0.0; latents.len()];
        for (channel, latents) in latents.chunks_exact(height * width).enumerate() {
            for (pixel, latent) in latents.iter().enumerate() {
                rows[pixel * channels + channel] = (f64::from(*latent) / self.shape.scaling + self.shape.shift) as f32;
            }
        }
        let map = Map { rows: kernels.tensor(rows, channels)?, height, width };
        if !watch.goes_on() {
            return Ok(None);
        }
        let mut map = self.first.forward(&map, None, kernels)?;
        map = self.before.forward(map, kernels)?;
        if !watch.goes_on() {
            return Ok(None);
        }
        map = self.attention.forward(&map, kernels)?;
        map = self.behind.forward(map, kernels)?;
        for block in &self.blocks {
            for residual in &block.residuals {
                if !watch.goes_on() {
                    return Ok(None);
                }
                map = residual.forward(map, kernels)?;
            }
            if let Some(double) = &block.double {
                if !watch.goes_on() {
                    return Ok(None);
                }
                map = double.doubled(&map, kernels)?;
            }
        }
        let scales = self.norm.scales(&map, kernels)?;
        let map = self.last.forward(&map, Some(&scales), kernels)?;
        map.rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1().map(Some)
    }
}

#[cfg(test)]
mod tests;
