//! The shape of the network.

/// Width of the residual stream, and of the vectors.
pub(crate) const HIDDEN: usize = 256;
/// Width inside the MLP.
pub(crate) const INTERMEDIATE: usize = 384;
/// How many layers.
pub(crate) const LAYERS: usize = 2;
/// Query heads.
pub(crate) const HEADS: usize = 4;
/// Key-value heads.
pub(crate) const KV_HEADS: usize = 2;
/// Width of one head.
pub(crate) const HEAD_DIM: usize = 64;
/// Added to the mean square before its root.
pub(crate) const EPS: f64 = 1e-6;
/// The base of the rotary frequencies.
pub(crate) const THETA: f64 = 10_000.0;
/// Positions that a text may have. Training shows a few dozen.
pub(crate) const CONTEXT: usize = 4096;
/// Rows of the embedding; a multiple of 256.
pub(crate) const VOCAB: usize = 2048;
/// What a vector may be cut to: the loss counts at each of these widths (Kusupati et al. 2022).
pub(crate) const WIDTHS: [usize; 4] = [32, 64, 128, HIDDEN];
