//! One layer: attention, then an MLP, each normed before and behind, and scaled by what the time says.

use super::super::checkpoint::files::Files;
use super::super::checkpoint::shape::TransformerShape;
use super::super::kernels::{Angles, Kernels};
use crate::load_error::LoadError;
use crate::models::qwen::linear::Linear;
use candle_core::{Result, Tensor};

/// Added to the mean squares of heads (the reference's attention, whatever `norm_eps` says).
const HEAD_EPS: f32 = 1e-5;

pub(super) struct Block {
    heads: usize,
    eps: f32,
    queries: Linear,
    keys: Linear,
    values: Linear,
    output: Linear,
    query_norm: Tensor,
    key_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
    norms: Norms,
    /// From what the time became to two scales and two gates; none in the caption's layers.
    modulation: Option<Linear>,
}

/// What rows are multiplied by when they are normed, `[dim]` each.
#[derive(Clone)]
struct Norms {
    before_attention: Tensor,
    behind_attention: Tensor,
    before_mlp: Tensor,
    behind_mlp: Tensor,
}

impl Block {
    pub(super) fn load(
        files: &Files<'_>,
        name: &str,
        shape: &TransformerShape,
        is_modulated: bool,
    ) -> std::result::Result<Self, LoadError> {
        let linear = |part: &str| files.linear(&format!("{name}.{part}"));
        let vector = |part: &str| files.vector(&format!("{name}.{part}.weight"));
        Ok(Self {
            heads: shape.heads,
            eps: shape.norm_eps as f32,
            queries: linear("attention.to_q")?,
            keys: linear("attention.to_k")?,
            values: linear("attention.to_v")?,
            output: linear("attention.to_out.0")?,
            query_norm: vector("attention.norm_q")?,
            key_norm: vector("attention.norm_k")?,
            gate: linear("feed_forward.w1")?,
            up: linear("feed_forward.w3")?,
            down: linear("feed_forward.w2")?,
            norms: Norms {
                before_attention: vector("attention_norm1")?,
                behind_attention: vector("attention_norm2")?,
                before_mlp: vector("ffn_norm1")?,
                behind_mlp: vector("ffn_norm2")?,
            },
            modulation: if is_modulated { Some(linear("adaLN_modulation.0")?) } else { None },
        })
    }

    /// `[rows, dim]` to the same; `time` is `[1, modulation]`, for layers that it scales.
    pub(super) fn forward(
        &self,
        rows: &Tensor,
        angles: &Angles,
        time: Option<&Tensor>,
        kernels: &Kernels,
    ) -> Result<Tensor> {
        let norms = self.norms(time)?;
        let seen = self.attend(&kernels.normed(rows, &norms.before_attention, self.eps)?, angles, kernels)?;
        let rows = kernels.plus_normed(rows, &seen, &norms.behind_attention, self.eps)?;
        drop(seen);
        let inner = self.think(&kernels.normed(&rows, &norms.before_mlp, self.eps)?, kernels)?;
        kernels.plus_normed(&rows, &inner, &norms.behind_mlp, self.eps)
    }

    /// The norms' weights with what the time makes of them: scales before are `1 + scale`, gates behind `tanh(gate)`. A
    /// norm that is then scaled is one with other weights.
    fn norms(&self, time: Option<&Tensor>) -> Result<Norms> {
        let (Some(modulation), Some(time)) = (&self.modulation, time) else { return Ok(self.norms.clone()) };
        let all = modulation.forward(time)?.squeeze(0)?;
        let dim = all.dim(0)? / 4;
        let part = |number: usize| all.narrow(0, number * dim, dim);
        let scaled = |norm: &Tensor, scale: Tensor| norm * (scale + 1.0)?;
        Ok(Norms {
            before_attention: scaled(&self.norms.before_attention, part(0)?)?,
            behind_attention: (&self.norms.behind_attention * part(1)?.tanh()?)?,
            before_mlp: scaled(&self.norms.before_mlp, part(2)?)?,
            behind_mlp: (&self.norms.behind_mlp * part(3)?.tanh()?)?,
        })
    }

    /// The products alone, of rows that stand for all that they are multiplied with.
    pub(super) fn products_alone(&self, rows: &Tensor) -> Result<()> {
        for part in [&self.queries, &self.keys, &self.values, &self.output, &self.gate] {
            drop(part.forward(rows)?);
        }
        self.down.forward(&self.up.forward(rows)?).map(drop)
    }

    fn attend(&self, rows: &Tensor, angles: &Angles, kernels: &Kernels) -> Result<Tensor> {
        let queries = kernels.turned(&self.queries.forward(rows)?, &self.query_norm, angles, HEAD_EPS)?;
        let keys = kernels.turned(&self.keys.forward(rows)?, &self.key_norm, angles, HEAD_EPS)?;
        let values = self.values.forward(rows)?;
        let seen = kernels.attention([&queries, &keys, &values], self.heads)?;
        drop((queries, keys, values));
        self.output.forward(&seen)
    }

    fn think(&self, rows: &Tensor, kernels: &Kernels) -> Result<Tensor> {
        let inner = kernels.swiglu(&self.gate.forward(rows)?, &self.up.forward(rows)?)?;
        self.down.forward(&inner)
    }
}
