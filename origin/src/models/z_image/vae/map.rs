//! A map of features.

use candle_core::{Result, Tensor};

/// Numbers of a band: of the matrix that a convolution makes on the CPU, of pixels elsewhere. 16 MiB in F32; on the CPU
/// larger ones are no faster.
pub(crate) const BAND: usize = 4 << 20;

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
