//! The decoder: from latents to a picture, as the decoder of diffusers' AutoencoderKL.
//!
//! Everything is computed in F32. Nothing is tiled with seams: a convolution is computed in bands of rows that read
//! beyond their borders, a group norm is of the whole map, and attention looks at all pixels, some rows of scores at a
//! time. So a picture is the same whatever the size of a band is; what grows with its size are the maps themselves.

mod attention;
mod conv;
pub(crate) mod map;
mod norm;
mod residual;

use super::checkpoint::files::Files;
use super::checkpoint::manifest;
use super::checkpoint::shape::DecoderShape;
use super::kernels::Kernels;
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
    blocks: Vec<Block>,
    bytes: usize,
}

/// What is computed between two questions whether to go on.
enum Block {
    First(Conv),
    Residual(Residual),
    Attention(Attention),
    /// Twice the sides.
    Double(Conv),
    Last(GroupNorm, Conv),
}

/// Latents on their way to pixels.
pub struct Decoding {
    /// None behind a block that failed.
    map: Option<Map>,
    /// Blocks that are done.
    done: usize,
}

impl Decoder {
    /// Loads a directory of the hub's layout; the encoder's tensors are not read.
    pub(crate) fn load(directory: &Path, shape: DecoderShape, device: &Device) -> std::result::Result<Self, LoadError> {
        let kernels = Kernels::new(device, DType::F32);
        let entries = manifest::decoder(&shape);
        let bytes = entries.iter().map(|entry| entry.count() * size_of::<f32>()).sum();
        let files = Files::open(directory, entries, Some(ENCODER), &kernels, DType::F32)?;
        let groups = shape.groups;
        let conv = |name: &str| Conv::load(&files, &format!("decoder.{name}"));
        let residual = |name: &str| Residual::load(&files, &format!("decoder.{name}"), groups).map(Block::Residual);
        let mut blocks = vec![
            Block::First(conv("conv_in")?),
            residual("mid_block.resnets.0")?,
            Block::Attention(Attention::load(&files, "decoder.mid_block.attentions.0", groups)?),
            residual("mid_block.resnets.1")?,
        ];
        for number in 0..shape.blocks.len() {
            for layer in 0..=shape.layers {
                blocks.push(residual(&format!("up_blocks.{number}.resnets.{layer}"))?);
            }
            if number + 1 < shape.blocks.len() {
                blocks.push(Block::Double(conv(&format!("up_blocks.{number}.upsamplers.0.conv"))?));
            }
        }
        blocks.push(Block::Last(GroupNorm::load(&files, "decoder.conv_norm_out", groups)?, conv("conv_out")?));
        Ok(Self { blocks, bytes, kernels: kernels.clone(), shape })
    }

    /// The network's numbers.
    pub fn shape(&self) -> &DecoderShape {
        &self.shape
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.bytes
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Begins with latents `[channels, height, width]`, as the transformer knows them. Refuses another number of them.
    pub fn begin(&self, latents: &[f32], height: usize, width: usize) -> Result<Decoding> {
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
        let map = Map { rows: self.kernels.tensor(rows, channels)?, height, width };
        Ok(Decoding { map: Some(map), done: 0 })
    }

    /// Computes the next block. Behind the last one: the picture, `[rows, columns, 3]` from about -1 to 1; a side has
    /// [`DecoderShape::factor`] times as many numbers as the latents'. An error
    /// ends it.
    pub fn advance(&self, decoding: &mut Decoding) -> Result<Option<Vec<f32>>> {
        let kernels = &self.kernels;
        // Taken, so that the widest maps go as early as they may.
        let (Some(block), Some(map)) = (self.blocks.get(decoding.done), decoding.map.take()) else {
            candle_core::bail!("this picture is decoded, or has failed");
        };
        let map = match block {
            Block::First(conv) => conv.forward(&map, None, kernels)?,
            Block::Residual(residual) => residual.forward(map, kernels)?,
            Block::Attention(attention) => attention.forward(&map, kernels)?,
            Block::Double(conv) => conv.doubled(&map, kernels)?,
            Block::Last(norm, conv) => conv.forward(&map, Some(&norm.scales(&map, kernels)?), kernels)?,
        };
        decoding.done += 1;
        if decoding.done < self.blocks.len() {
            decoding.map = Some(map);
            return Ok(None);
        }
        map.rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1().map(Some)
    }

    /// All blocks, one after the other.
    pub fn decode(&self, latents: &[f32], height: usize, width: usize) -> Result<Vec<f32>> {
        let mut decoding = self.begin(latents, height, width)?;
        loop {
            if let Some(pixels) = self.advance(&mut decoding)? {
                return Ok(pixels);
            }
        }
    }

    /// Has the network compute on tensors, as it does on a GPU.
    pub(crate) fn compute_on_tensors(&mut self) {
        self.kernels.by_slices = false;
    }
}

#[cfg(test)]
mod tests;
