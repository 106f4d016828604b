//! Latents as rows of patches, and back.

use super::super::checkpoint::shape::TransformerShape;
use candle_core::Result;

/// The patches of one picture: from left to right, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Patches from top to bottom.
    pub(super) height: usize,
    /// Patches from left to right.
    pub(super) width: usize,
    patch: usize,
    channels: usize,
}

impl Grid {
    pub(super) fn new(shape: &TransformerShape, height: usize, width: usize) -> Result<Self> {
        let (patch, [_, rows, columns]) = (shape.patch, shape.lengths);
        let whole = height.is_multiple_of(patch) && width.is_multiple_of(patch);
        if !whole || height == 0 || width == 0 || height / patch > rows || width / patch > columns {
            candle_core::bail!("latents of {height} x {width} are no patches of {patch} within {rows} x {columns}");
        }
        Ok(Self { height: height / patch, width: width / patch, patch, channels: shape.channels })
    }

    /// How many patches there are.
    pub(super) fn rows(&self) -> usize {
        self.height * self.width
    }

    /// Numbers of the latents: `channels * height * width`.
    pub(super) fn numbers(&self) -> usize {
        self.rows() * self.patch * self.patch * self.channels
    }

    /// Latents `[channels, height, width]` as `[patches, numbers of a patch]`: of a patch's pixels, one after the
    /// other, all channels.
    pub(super) fn patches(&self, latents: &[f32]) -> Result<Vec<f32>> {
        self.reordered(latents, |latent, patch, from, to: &mut [f32]| to[patch] = from[latent])
    }

    /// The other way.
    pub(super) fn latents(&self, patches: &[f32]) -> Result<Vec<f32>> {
        self.reordered(patches, |latent, patch, from, to: &mut [f32]| to[latent] = from[patch])
    }

    /// Copies each number, by where it is among the latents and where among the patches.
    fn reordered(&self, from: &[f32], copy: impl Fn(usize, usize, &[f32], &mut [f32])) -> Result<Vec<f32>> {
        if from.len() != self.numbers() {
            candle_core::bail!("{} numbers for latents of {}", from.len(), self.numbers());
        }
        let mut to = vec![0.0; from.len()];
        let (height, width) = (self.height * self.patch, self.width * self.patch);
        for channel in 0..self.channels {
            for y in 0..height {
                for x in 0..width {
                    let row = y / self.patch * self.width + x / self.patch;
                    let pixel = y % self.patch * self.patch + x % self.patch;
                    let patch = (row * self.patch * self.patch + pixel) * self.channels + channel;
                    copy((channel * height + y) * width + x, patch, from, &mut to);
                }
            }
        }
        Ok(to)
    }
}
