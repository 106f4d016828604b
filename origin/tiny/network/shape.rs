//! The shape of the network.

/// Width of the residual stream.
pub(crate) const HIDDEN: usize = 256;
/// Width inside the MLP.
pub(crate) const INTERMEDIATE: usize = 512;
/// How many layers.
pub(crate) const LAYERS: usize = 4;
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

/// How large the numbers of the embedding are at first.
pub(crate) const EMBEDDING: f32 = 0.02;
