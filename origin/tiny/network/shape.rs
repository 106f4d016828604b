//! The shape of the network.

use super::operations::frequencies;

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

/// Positions that a sequence may have.
pub(crate) const CONTEXT: usize = 32_768;
/// Positions that the first stage of the training knows of, and more than it shows.
pub(crate) const NEAR: usize = 1_024;
/// Turns over [`NEAR`] positions from which on a pair of numbers is turned as it was, when the context is stretched.
pub(crate) const BETA_FAST: f64 = 1.0;
/// Turns below which it is turned as much less as the context is longer.
pub(crate) const BETA_SLOW: f64 = 0.125;

/// How far each pair of a head's numbers is turned from one position to the next in the stretched context: as YaRN (Peng
/// et al. 2023) has it, and the origin that reads the config.
pub(crate) fn stretched() -> Vec<f64> {
    let dimension =
        |turns: f64| HEAD_DIM as f64 * (NEAR as f64 / (turns * std::f64::consts::TAU)).ln() / (2.0 * THETA.ln());
    let (low, high) = (dimension(BETA_FAST).floor(), dimension(BETA_SLOW).ceil());
    let factor = (CONTEXT / NEAR) as f64;
    let stretch = |(pair, plain): (usize, f64)| {
        let kept = 1.0 - ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        plain * (kept + (1.0 - kept) / factor)
    };
    frequencies(THETA, HEAD_DIM).into_iter().enumerate().map(stretch).collect()
}

/// How large the numbers of the embedding are at first.
pub(crate) const EMBEDDING: f32 = 0.02;
