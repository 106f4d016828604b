//! What a pass cannot be quicker than: its products, and nothing between them. For measurements.

use super::{Scene, Transformer};
use candle_core::{Result, Tensor};

impl Transformer {
    /// Computes the large products of one pass and drops what they give: those of all its blocks.
    pub fn products_alone(&self, scene: &Scene) -> Result<()> {
        let (dim, kernels) = (self.shape.dim, &self.kernels);
        let [own, all] = scene.padded_rows();
        let rows = |count: usize| kernels.tensor(vec![0.5; count * dim], dim);
        let (picture, both): (Tensor, Tensor) = (rows(own)?, rows(all)?);
        self.noise_refiner.iter().try_for_each(|block| block.products_alone(&picture))?;
        self.layers.iter().try_for_each(|block| block.products_alone(&both))
    }
}
