//! One layer of the transformer: attention, then an MLP, each normed before and behind, and scaled by what the time
//! says.

use super::Network;
use super::attention::attend;
use super::norms::each_rms_norm;
use super::rope::{Angles, turned_heads};
use crate::operations::{join_heads, rms_norm, split_heads, swiglu};
use crate::shape::{DIM, EPS, HEAD, HEADS};
use candle_core::{Result, Tensor};

/// Added to the mean squares of heads (a constant of the reference).
const HEAD_EPS: f32 = 1e-5;

/// A layer of a network.
pub(super) struct Block<'a> {
    pub(super) network: &'a Network,
    pub(super) name: String,
}

impl Block<'_> {
    /// `[pictures * rows, DIM]` to the same; `time` is `[pictures, DIM]`, for layers that it scales.
    pub(super) fn forward(&self, rows: &Tensor, angles: &Angles, time: Option<&Tensor>) -> Result<Tensor> {
        let eps = EPS as f32;
        let parts = match time {
            None => None,
            Some(time) => Some(self.network.linear(&format!("{}.adaLN_modulation.0", self.name), time)?),
        };
        let part = |all: &Tensor, number: usize| all.narrow(1, number * DIM, DIM)?.contiguous();
        let norm = |rows: &Tensor, name: &str, number: usize| -> Result<Tensor> {
            let weight = self.get(name)?;
            let Some(all) = &parts else { return rms_norm(rows, weight, eps) };
            // Scales before, gates behind.
            let scale =
                if number.is_multiple_of(2) { (part(all, number)? + 1.0)? } else { part(all, number)?.tanh()? };
            each_rms_norm(rows, &scale.broadcast_mul(weight)?, eps)
        };
        let seen = self.attend(&norm(rows, "attention_norm1", 0)?, angles)?;
        let rows = (rows + norm(&seen, "attention_norm2", 1)?)?;
        let inner = self.think(&norm(&rows, "ffn_norm1", 2)?)?;
        rows + norm(&inner, "ffn_norm2", 3)?
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        self.network.get(&format!("{}.{name}.weight", self.name))
    }

    fn attend(&self, rows: &Tensor, angles: &Angles) -> Result<Tensor> {
        let linear = |part: &str, rows: &Tensor| self.network.linear(&format!("{}.attention.{part}", self.name), rows);
        let turned = |part: &str, norm: &str| -> Result<Tensor> {
            let heads = linear(part, rows)?.reshape(((), HEAD))?;
            let normed = rms_norm(&heads, self.get(&format!("attention.{norm}"))?, HEAD_EPS)?;
            turned_heads(&normed.reshape(((), HEADS * HEAD))?, angles)
        };
        let (queries, keys) = (turned("to_q", "norm_q")?, turned("to_k", "norm_k")?);
        let values = split_heads(&linear("to_v", rows)?, angles.rows(), HEAD, None)?;
        let values = values.reshape(((), angles.rows(), HEAD))?;
        let seen = attend(&queries, &keys, &values)?.reshape(((), HEADS, angles.rows(), HEAD))?;
        linear("to_out.0", &join_heads(&seen, angles.rows(), HEAD)?)
    }

    fn think(&self, rows: &Tensor) -> Result<Tensor> {
        let linear =
            |part: &str, rows: &Tensor| self.network.linear(&format!("{}.feed_forward.{part}", self.name), rows);
        linear("w2", &swiglu(&linear("w1", rows)?, &linear("w3", rows)?)?)
    }
}
