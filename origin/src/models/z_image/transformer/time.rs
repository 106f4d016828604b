//! What the network is told of the time.

use super::super::checkpoint::files::Files;
use super::super::checkpoint::manifest::TIME;
use super::super::kernels::Kernels;
use crate::load_error::LoadError;
use crate::models::qwen::linear::Linear;
use candle_core::{Result, Tensor};

/// The longest of the waves that a time becomes (Vaswani and others 2017, arXiv 1706.03762).
const LONGEST: f64 = 10_000.0;

pub(super) struct TimeEmbedder {
    scale: f64,
    first: Linear,
    second: Linear,
}

impl TimeEmbedder {
    pub(super) fn load(files: &Files<'_>, scale: f64) -> std::result::Result<Self, LoadError> {
        Ok(Self { scale, first: files.exact("t_embedder.mlp.0")?, second: files.exact("t_embedder.mlp.2")? })
    }

    /// A time from 0 to 1 as `[1, modulation]`: cosines, then sines, through two products.
    pub(super) fn forward(&self, time: f64, kernels: &Kernels) -> Result<Tensor> {
        let half = TIME / 2;
        let wave = |number: usize| time * self.scale * (-LONGEST.ln() * number as f64 / half as f64).exp();
        let cosines = (0..half).map(|number| wave(number).cos() as f32);
        let waves = cosines.chain((0..half).map(|number| wave(number).sin() as f32)).collect();
        let inner = self.first.forward(&kernels.tensor(waves, TIME)?)?.silu()?;
        self.second.forward(&inner)
    }
}
