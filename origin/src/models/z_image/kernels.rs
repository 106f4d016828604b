//! What both networks compute with, on rows: tensors `[rows, numbers]`.
//!
//! On the CPU these are loops of ours over slices, each row by itself, so that a picture has the same bits on one
//! thread and on two. Elsewhere, and for comparison in tests, they are candle's operations on tensors. The networks are
//! written once above both.

pub(crate) mod slices;
pub(crate) mod tensors;

use crate::models::qwen::attention::store::Heads;
use crate::models::qwen::linear::activation_dtype;
use candle_core::utils::barrier_pool;
use candle_core::{DType, Device, Result, Tensor};

/// How and where a network computes.
#[derive(Clone, Debug)]
pub(crate) struct Kernels {
    pub(crate) device: Device,
    /// The type of activations.
    pub(crate) dtype: DType,
    /// Whether the loops of ours compute; they want F32 on the CPU.
    pub(crate) by_slices: bool,
}

/// How pictures are computed, which decides what lies in memory beside what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Our loops on the CPU, in F32, on so many threads.
    Slices {
        /// At least 1.
        threads: usize,
    },
    /// On tensors, as on a GPU.
    Tensors {
        /// Bytes of an activation of the transformer: 2 in BF16. The decoder's are in F32.
        activation: usize,
    },
}

/// Cosines and sines of every row, `[rows, width / 2]` each, in the type of activations.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    pub(crate) cosines: Tensor,
    pub(crate) sines: Tensor,
}

impl Angles {
    /// Those of some rows.
    pub(crate) fn some(&self, first: usize, count: usize) -> Result<Self> {
        Ok(Self { cosines: self.cosines.narrow(0, first, count)?, sines: self.sines.narrow(0, first, count)? })
    }
}

impl Kernels {
    /// For weights of this type on this device.
    pub(crate) fn new(device: &Device, weights: DType) -> Self {
        let dtype = activation_dtype(device, weights);
        Self { device: device.clone(), dtype, by_slices: device.is_cpu() && dtype == DType::F32 }
    }

    /// How these compute.
    pub(crate) fn way(&self) -> Way {
        match self.by_slices {
            true => Way::Slices { threads: barrier_pool().n_workers() + 1 },
            false => Way::Tensors { activation: self.dtype.size_in_bytes() },
        }
    }

    /// Numbers as a tensor of activations, `[rows, width]`.
    pub(crate) fn tensor(&self, numbers: Vec<f32>, width: usize) -> Result<Tensor> {
        let rows = numbers.len() / width;
        Tensor::from_vec(numbers, (rows, width), &Device::Cpu)?.to_device(&self.device)?.to_dtype(self.dtype)
    }

    /// Each row over the root of its mean square, times these weights (RMSNorm, Zhang and Sennrich 2019, arXiv
    /// 1910.07467).
    pub(crate) fn normed(&self, rows: &Tensor, weights: &Tensor, eps: f32) -> Result<Tensor> {
        if self.by_slices { slices::normed(rows, weights, eps) } else { candle_nn::ops::rms_norm(rows, weights, eps) }
    }

    /// What was, plus the same of other rows.
    pub(crate) fn plus_normed(&self, before: &Tensor, rows: &Tensor, weights: &Tensor, eps: f32) -> Result<Tensor> {
        match self.by_slices {
            true => slices::plus_normed(before, rows, weights, eps),
            false => before + candle_nn::ops::rms_norm(rows, weights, eps)?,
        }
    }

    /// Both added up, number by number.
    pub(crate) fn plus(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        if self.by_slices { slices::plus(left, right) } else { left + right }
    }

    /// Each row less its mean, over its standard deviation, times these weights (LayerNorm, Ba and others 2016, arXiv
    /// 1607.06450, without a bias).
    pub(crate) fn centred(&self, rows: &Tensor, weights: &Tensor, eps: f64) -> Result<Tensor> {
        if self.by_slices { slices::centred(rows, weights, eps) } else { tensors::centred(rows, weights, eps) }
    }

    /// Every head of each row normed by `weights`, then turned: neighbouring numbers are a pair (Su et al. 2021, arXiv
    /// 2104.09864, as its authors lay them).
    pub(crate) fn turned(&self, rows: &Tensor, weights: &Tensor, angles: &Angles, eps: f32) -> Result<Tensor> {
        match self.by_slices {
            true => slices::turned(rows, weights, angles, eps),
            false => tensors::turned(rows, weights, angles, eps),
        }
    }

    /// `silu(gate) * up` (SwiGLU, Shazeer 2020, arXiv 2002.05202).
    pub(crate) fn swiglu(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        if self.by_slices { slices::swiglu(gate, up) } else { gate.silu()? * up }
    }

    /// Every row looks at every row: three times `[rows, heads * width]` to one. Scores of some rows are held at a
    /// time, never all.
    pub(crate) fn attention(&self, [queries, keys, values]: [&Tensor; 3], heads: usize) -> Result<Tensor> {
        let heads = Heads { query: heads, key: heads, width: queries.dim(1)? / heads };
        match self.by_slices {
            true => slices::attention([queries, keys, values], heads),
            false => tensors::attention([queries, keys, values], heads),
        }
    }
}

#[cfg(test)]
mod tests;
