//! Norms whose weights each picture of a batch has of its own, and a bias, each with its gradient.

use crate::operations::{last, read};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// Added to the variance before the last product (a constant of the reference).
const CENTRED_EPS: f32 = 1e-6;

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension of `[pictures * rows, width]`; `weights` is `[pictures,
/// width]`.
pub(super) fn each_rms_norm(input: &Tensor, weights: &Tensor, eps: f32) -> Result<Tensor> {
    input.apply_op2(weights, Each { eps, is_centred: false })
}

/// The same of what is left without its mean: `(x - mean(x)) / sqrt(var(x) + eps) * weight`.
pub(super) fn each_layer_norm(input: &Tensor, weights: &Tensor) -> Result<Tensor> {
    input.apply_op2(weights, Each { eps: CENTRED_EPS, is_centred: true })
}

/// `[rows, width]` and, to each row, `[width]`.
pub(super) fn plus_bias(input: &Tensor, bias: &Tensor) -> Result<Tensor> {
    input.apply_op2(bias, PlusBias)
}

/// The numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Numbers in the shape of a tensor.
pub(super) fn made(numbers: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(numbers, like.shape(), like.device())
}

struct Each {
    eps: f32,
    is_centred: bool,
}

impl Each {
    /// What is subtracted from a row, and what it is multiplied by then.
    fn scale(&self, row: &[f32]) -> (f32, f32) {
        let count = row.len() as f32;
        let mean = if self.is_centred { row.iter().sum::<f32>() / count } else { 0.0 };
        let squares: f32 = row.iter().map(|number| (number - mean) * (number - mean)).sum();
        (mean, 1.0 / (squares / count + self.eps).sqrt())
    }
}

impl CustomOp2 for Each {
    fn name(&self) -> &'static str {
        "each-norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (input, weights) = (read(s1, l1)?, read(s2, l2)?);
        let width = last(l2.shape());
        let rows = input.len() / weights.len();
        let mut output = Vec::with_capacity(input.len());
        for (picture, weights) in input.chunks_exact(rows * width).zip(weights.chunks_exact(width)) {
            for row in picture.chunks_exact(width) {
                let (mean, factor) = self.scale(row);
                output.extend(row.iter().zip(weights).map(|(number, weight)| (number - mean) * factor * weight));
            }
        }
        Ok((CpuStorage::F32(output), l1.shape().clone()))
    }

    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (input, weights, grad) = (numbers(arg1)?, numbers(arg2)?, numbers(grad)?);
        let width = last(arg2.shape());
        let size = input.len() / weights.len() * width;
        let mut of_input = Vec::with_capacity(input.len());
        let mut of_weights = vec![0.0; weights.len()];
        let pictures = input.chunks_exact(size).zip(grad.chunks_exact(size));
        let weights = weights.chunks_exact(width).zip(of_weights.chunks_exact_mut(width));
        for ((input, grad), (weights, of_weights)) in pictures.zip(weights) {
            for (row, grad) in input.chunks_exact(width).zip(grad.chunks_exact(width)) {
                let (mean, factor) = self.scale(row);
                let (mut inner, mut sum) = (0.0, 0.0);
                for index in 0..width {
                    let normed = (row[index] - mean) * factor;
                    of_weights[index] += grad[index] * normed;
                    inner += grad[index] * weights[index] * normed;
                    sum += grad[index] * weights[index];
                }
                let (inner, sum) = (inner / width as f32, if self.is_centred { sum / width as f32 } else { 0.0 });
                of_input.extend((0..width).map(|index| {
                    let normed = (row[index] - mean) * factor;
                    factor * (grad[index] * weights[index] - sum - normed * inner)
                }));
            }
        }
        Ok((Some(made(of_input, arg1)?), Some(made(of_weights, arg2)?)))
    }
}

struct PlusBias;

impl CustomOp2 for PlusBias {
    fn name(&self) -> &'static str {
        "plus-bias"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (input, bias) = (read(s1, l1)?, read(s2, l2)?);
        let mut output = Vec::with_capacity(input.len());
        for row in input.chunks_exact(bias.len()) {
            output.extend(row.iter().zip(bias).map(|(number, bias)| number + bias));
        }
        Ok((CpuStorage::F32(output), l1.shape().clone()))
    }

    fn bwd(
        &self,
        _arg1: &Tensor,
        arg2: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let numbers = numbers(grad)?;
        let mut of_bias = vec![0.0; arg2.elem_count()];
        for row in numbers.chunks_exact(of_bias.len()) {
            of_bias.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        Ok((Some(grad.clone()), Some(made(of_bias, arg2)?)))
    }
}
