//! A map of features.

use candle_core::{Result, Tensor};

/// Pixels row by row from the top, each with all its channels: `[height * width, channels]`.
pub(super) struct Map {
    pub(super) rows: Tensor,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Map {
    pub(super) fn channels(&self) -> Result<usize> {
        self.rows.dim(1)
    }
}
