//! The published model's shapes, for tests of what is computed of them.

use super::{DecoderShape, TransformerShape};
use crate::models::qwen::shape::{Family, Rope, Shape};

/// Qwen3-4B's, without its last layer.
pub(crate) fn text() -> Shape {
    Shape {
        family: Family::Qwen3 { bias: false },
        vocab: 151_936,
        hidden: 2_560,
        intermediate: 9_728,
        layers: 35,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        context: 40_960,
        tied: true,
        norm_eps: 1e-6,
        rope: Rope { theta: 1e6, yarn: None },
    }
}

pub(crate) fn transformer() -> TransformerShape {
    TransformerShape {
        patch: 2,
        channels: 16,
        dim: 3_840,
        layers: 30,
        refiners: 2,
        heads: 30,
        norm_eps: 1e-5,
        caption: 2_560,
        rope_theta: 256.0,
        time_scale: 1_000.0,
        axes: [32, 48, 48],
        lengths: [1_536, 512, 512],
    }
}

pub(crate) fn decoder() -> DecoderShape {
    let blocks = vec![128, 256, 512, 512];
    DecoderShape { latent: 16, blocks, layers: 2, groups: 32, scaling: 0.3611, shift: 0.1159 }
}
