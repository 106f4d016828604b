//! Attention in which every row looks at every row.

use crate::operations::{exp, last, read, softmax_gradient};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Of heads `[heads, rows, width]`, whatever pictures they are of: what each row has seen, in the same order.
pub(super) fn attend(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (last(queries.shape()) as f32).sqrt();
    softmax(&queries.matmul(&keys.t()?)?, scale)?.matmul(values)
}

/// Softmax of `scale * scores` over the last dimension.
pub(super) fn softmax(scores: &Tensor, scale: f32) -> Result<Tensor> {
    scores.apply_op1(Softmax { scale })
}

struct Softmax {
    scale: f32,
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = read(storage, layout)?;
        let width = last(layout.shape());
        let mut output = vec![0.0; scores.len()];
        for (row, output) in scores.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
            let most = row.iter().fold(f32::NEG_INFINITY, |most, score| most.max(*score));
            for (output, score) in output.iter_mut().zip(row) {
                *output = exp((score - most) * self.scale);
            }
            let factor = 1.0 / output.iter().sum::<f32>();
            output.iter_mut().for_each(|output| *output *= factor);
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        softmax_gradient(arg, res, grad, self.scale).map(Some)
    }
}
