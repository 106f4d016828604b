//! The kernels by candle's operations, on any device.

use super::Angles;
use crate::models::qwen::attention::store::Heads;
use candle_core::{D, DType, Result, Tensor};

/// Rows whose scores are held at a time, at most.
pub(crate) const BLOCK: usize = 256;
/// Scores that are held at a time, unless they are of one row: 256 MiB in F32.
pub(crate) const SCORES: usize = 1 << 26;

pub(crate) fn centred(rows: &Tensor, weights: &Tensor, eps: f64) -> Result<Tensor> {
    let dtype = rows.dtype();
    let rows = rows.to_dtype(DType::F32)?;
    let rows = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
    let deviation = (rows.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    rows.broadcast_div(&deviation)?.to_dtype(dtype)?.broadcast_mul(weights)
}

pub(crate) fn turned(rows: &Tensor, weights: &Tensor, angles: &Angles, eps: f32) -> Result<Tensor> {
    let (count, width) = rows.dims2()?;
    let head = weights.dim(0)?;
    let heads = rows.reshape((count, width / head, head))?;
    let pairs = candle_nn::ops::rms_norm(&heads.contiguous()?, weights, eps)?;
    let pairs = pairs.reshape((count, width / head, head / 2, 2))?;
    let (real, imaginary) = (pairs.narrow(3, 0, 1)?.squeeze(3)?, pairs.narrow(3, 1, 1)?.squeeze(3)?);
    let (cosines, sines) = (angles.cosines.unsqueeze(1)?, angles.sines.unsqueeze(1)?);
    let first = (real.broadcast_mul(&cosines)? - imaginary.broadcast_mul(&sines)?)?;
    let second = (real.broadcast_mul(&sines)? + imaginary.broadcast_mul(&cosines)?)?;
    Tensor::stack(&[first, second], 3)?.reshape((count, width))
}

pub(crate) fn attention([queries, keys, values]: [&Tensor; 3], heads: Heads) -> Result<Tensor> {
    let (count, width) = queries.dims2()?;
    let parted = |rows: &Tensor| rows.reshape((count, heads.query, heads.width))?.transpose(0, 1)?.contiguous();
    let (queries, keys, values) = (parted(queries)?, parted(keys)?.transpose(1, 2)?.contiguous()?, parted(values)?);
    let scale = 1.0 / (heads.width as f64).sqrt();
    let most = (SCORES / (heads.query * count)).clamp(1, BLOCK);
    let seen = Tensor::zeros((count, width), values.dtype(), values.device())?;
    for start in (0..count).step_by(most) {
        let rows = most.min(count - start);
        let scores = queries.narrow(1, start, rows)?.contiguous()?.matmul(&keys)?.to_dtype(DType::F32)?;
        let weights = candle_nn::ops::softmax_last_dim(&(scores * scale)?)?.to_dtype(values.dtype())?;
        seen.slice_set(&weights.matmul(&values)?.transpose(0, 1)?.reshape((rows, width))?, 0, start)?;
    }
    Ok(seen)
}
