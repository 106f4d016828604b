//! What a pass cannot be quicker than: its products, and nothing between them. For measurements.

use super::{Caption, Grid, Transformer, padded};
use candle_core::{Result, Tensor};

impl Transformer {
    /// Computes the large products of one pass and drops what they give: those of all its blocks.
    pub fn products_alone(&self, grid: &Grid, caption: &Caption) -> Result<()> {
        let (dim, kernels) = (self.shape.dim, &self.kernels);
        let picture = padded(&kernels.tensor(vec![0.5; grid.rows() * dim], dim)?, &self.patch_pad)?;
        self.noise_refiner.iter().try_for_each(|block| block.products_alone(&picture))?;
        let both = Tensor::cat(&[&picture, &caption.rows], 0)?;
        self.layers.iter().try_for_each(|block| block.products_alone(&both))
    }
}
