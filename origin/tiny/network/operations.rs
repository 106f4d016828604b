//! The operations of Qwen3 that candle has no gradient for, or only a slow one, each with its gradient.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension; the weight has its length.
pub(crate) fn rms_norm(input: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    input.apply_op2(weight, RmsNorm { eps })
}

/// `silu(gate) * up`.
pub(crate) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.apply_op2(up, SwiGlu)
}

/// Softmax of `scale * scores` over the last dimension, `[.., rows, positions]`, where row `r` is of position
/// `r % positions` and sees no later one.
pub(crate) fn causal_softmax(scores: &Tensor, scale: f32) -> Result<Tensor> {
    scores.apply_op1(CausalSoftmax { scale })
}

/// The sum over all rows `[rows, vocabulary]` of minus the logarithm of their target's probability.
pub(crate) fn cross_entropy(logits: &Tensor, targets: Arc<Vec<u32>>) -> Result<Tensor> {
    logits.apply_op1(CrossEntropy { targets })
}

/// From `[sequences * positions, heads * width]` to `[sequences, heads, positions, width]`, turned by these angles if there are any.
pub(crate) fn split_heads(input: &Tensor, positions: usize, width: usize, angles: Option<&Angles>) -> Result<Tensor> {
    input.apply_op1(Heads { positions, width, angles: angles.cloned(), join: false })
}

/// The way back, without turning.
pub(crate) fn join_heads(input: &Tensor, positions: usize, width: usize) -> Result<Tensor> {
    input.apply_op1(Heads { positions, width, angles: None, join: true })
}

/// Cosines and sines of a rotary embedding, `[positions, width / 2]` each.
#[derive(Clone)]
pub(crate) struct Angles(Arc<(Vec<f32>, Vec<f32>)>);

impl Angles {
    /// What pairs of these frequencies are turned by at these places.
    pub(crate) fn new(frequencies: &[f64], places: impl IntoIterator<Item = usize>) -> Self {
        let places: Vec<usize> = places.into_iter().collect();
        let all = |function: fn(f64) -> f64| {
            let of_place = |place: usize| frequencies.iter().map(move |each| function(place as f64 * each) as f32);
            places.iter().copied().flat_map(of_place).collect()
        };
        Self(Arc::new((all(f64::cos), all(f64::sin))))
    }
}

/// How far each pair of a head's numbers is turned from one position to the next.
pub(crate) fn frequencies(theta: f64, width: usize) -> Vec<f64> {
    (0..width / 2).map(|pair| theta.powf(-2.0 * pair as f64 / width as f64)).collect()
}

/// The numbers that an operation is given.
pub(crate) fn read<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&numbers[start..end]),
        _ => bail!("training computes with contiguous F32 on the CPU"),
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn made(numbers: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(numbers, like.shape(), like.device())
}

/// The length of the last dimension.
pub(crate) fn last(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(1)
}

struct RmsNorm {
    eps: f32,
}

impl RmsNorm {
    fn factor(&self, row: &[f32]) -> f32 {
        let squares: f32 = row.iter().map(|number| number * number).sum();
        1.0 / (squares / row.len() as f32 + self.eps).sqrt()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (input, weight) = (read(s1, l1)?, read(s2, l2)?);
        let mut output = Vec::with_capacity(input.len());
        for row in input.chunks_exact(weight.len()) {
            let factor = self.factor(row);
            output.extend(row.iter().zip(weight).map(|(number, weight)| number * factor * weight));
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
        let (input, weight, grad) = (numbers(arg1)?, numbers(arg2)?, numbers(grad)?);
        let width = weight.len();
        let mut of_input = Vec::with_capacity(input.len());
        let mut of_weight = vec![0.0; width];
        for (row, grad) in input.chunks_exact(width).zip(grad.chunks_exact(width)) {
            let factor = self.factor(row);
            let mut inner = 0.0;
            for index in 0..width {
                inner += grad[index] * weight[index] * row[index];
                of_weight[index] += grad[index] * row[index] * factor;
            }
            let back = inner * factor * factor / width as f32;
            of_input.extend((0..width).map(|index| factor * (grad[index] * weight[index] - row[index] * back)));
        }
        Ok((Some(made(of_input, arg1)?), Some(made(of_weight, arg2)?)))
    }
}

struct SwiGlu;

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (read(s1, l1)?, read(s2, l2)?);
        let output = gate.iter().zip(up).map(|(gate, up)| gate * sigmoid(*gate) * up).collect();
        Ok((CpuStorage::F32(output), l1.shape().clone()))
    }

    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (gate, up, grad) = (numbers(arg1)?, numbers(arg2)?, numbers(grad)?);
        let mut of_gate = vec![0.0; gate.len()];
        let mut of_up = vec![0.0; gate.len()];
        for index in 0..gate.len() {
            let sigmoid = sigmoid(gate[index]);
            of_up[index] = grad[index] * gate[index] * sigmoid;
            of_gate[index] = grad[index] * up[index] * sigmoid * (1.0 + gate[index] * (1.0 - sigmoid));
        }
        Ok((Some(made(of_gate, arg1)?), Some(made(of_up, arg2)?)))
    }
}

struct CausalSoftmax {
    scale: f32,
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = read(storage, layout)?;
        let positions = last(layout.shape());
        let mut output = vec![0.0; scores.len()];
        for (number, (row, output)) in
            scores.chunks_exact(positions).zip(output.chunks_exact_mut(positions)).enumerate()
        {
            let seen = number % positions + 1;
            let most = row[..seen].iter().fold(f32::NEG_INFINITY, |most, score| most.max(*score));
            for (output, score) in output[..seen].iter_mut().zip(row) {
                *output = exp((score - most) * self.scale);
            }
            let sum: f32 = output[..seen].iter().sum();
            output[..seen].iter_mut().for_each(|output| *output /= sum);
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        softmax_gradient(arg, res, grad, self.scale).map(Some)
    }
}

/// The gradient of a softmax of `scale` times its argument over the last dimension, by what came of it.
pub(crate) fn softmax_gradient(arg: &Tensor, res: &Tensor, grad: &Tensor, scale: f32) -> Result<Tensor> {
    let positions = last(arg.shape());
    let (weights, mut grad) = (numbers(res)?, numbers(grad)?);
    for (weights, grad) in weights.chunks_exact(positions).zip(grad.chunks_exact_mut(positions)) {
        let inner: f32 = weights.iter().zip(grad.iter()).map(|(weight, grad)| weight * grad).sum();
        for (grad, weight) in grad.iter_mut().zip(weights) {
            *grad = weight * (*grad - inner) * scale;
        }
    }
    made(grad, arg)
}

struct CrossEntropy {
    targets: Arc<Vec<u32>>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = read(storage, layout)?;
        let mut loss = 0.0;
        for (row, target) in logits.chunks_exact(last(layout.shape())).zip(self.targets.iter()) {
            let most = row.iter().fold(f32::NEG_INFINITY, |most, logit| most.max(*logit));
            let sum: f32 = row.iter().map(|logit| exp(logit - most)).sum();
            loss += f64::from(sum.ln() + most - row[*target as usize]);
        }
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.to_scalar::<f32>()?;
        let mut logits = numbers(arg)?;
        for (row, target) in logits.chunks_exact_mut(last(arg.shape())).zip(self.targets.iter()) {
            let most = row.iter().fold(f32::NEG_INFINITY, |most, logit| most.max(*logit));
            row.iter_mut().for_each(|logit| *logit = exp(*logit - most));
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|logit| *logit *= grad / sum);
            row[*target as usize] -= grad;
        }
        Ok(Some(made(logits, arg)?))
    }
}

/// Heads between two orders: `[sequences, positions, heads, width]`, joined, and `[sequences, heads, positions, width]`, split.
struct Heads {
    positions: usize,
    width: usize,
    angles: Option<Angles>,
    join: bool,
}

impl CustomOp1 for Heads {
    fn name(&self) -> &'static str {
        "heads"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let input = read(storage, layout)?;
        let heads = self.heads(layout.shape());
        let sequences = input.len() / (heads * self.positions * self.width);
        let shape = match self.join {
            true => Shape::from((sequences * self.positions, heads * self.width)),
            false => Shape::from((sequences, heads, self.positions, self.width)),
        };
        Ok((CpuStorage::F32(self.moved(input, heads, self.join, 1.0)), shape))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let heads = self.heads(arg.shape());
        Ok(Some(made(self.moved(&numbers(grad)?, heads, !self.join, -1.0), arg)?))
    }
}

impl Heads {
    /// How many there are in an argument of this shape.
    fn heads(&self, shape: &Shape) -> usize {
        if self.join { shape.dims()[1] } else { last(shape) / self.width }
    }

    /// Copies heads to their other places; `direction` is 1 to turn them and -1 to turn them back.
    fn moved(&self, input: &[f32], heads: usize, join: bool, direction: f32) -> Vec<f32> {
        let (positions, width) = (self.positions, self.width);
        let half = width / 2;
        let mut output = vec![0.0; input.len()];
        for number in 0..input.len() / width {
            let (row, head) = (number / heads, number % heads);
            let (sequence, position) = (row / positions, row % positions);
            let joined = number * width;
            let split = ((sequence * heads + head) * positions + position) * width;
            let (from, to) = if join { (split, joined) } else { (joined, split) };
            let (from, to) = (&input[from..from + width], &mut output[to..to + width]);
            let Some(Angles(angles)) = &self.angles else {
                to.copy_from_slice(from);
                continue;
            };
            let (cosines, sines) = (&angles.0[position * half..][..half], &angles.1[position * half..][..half]);
            let ((low, high), (to_low, to_high)) = (from.split_at(half), to.split_at_mut(half));
            for pair in 0..half {
                let sine = sines[pair] * direction;
                to_low[pair] = low[pair] * cosines[pair] - high[pair] * sine;
                to_high[pair] = high[pair] * cosines[pair] + low[pair] * sine;
            }
        }
        output
    }
}

fn sigmoid(number: f32) -> f32 {
    1.0 / (1.0 + exp(-number))
}

/// e to this power, within 3 units of the last place, in a form that compilers turn into vectors; the exponent is held
/// between -87 and 88.
pub(crate) fn exp(number: f32) -> f32 {
    // Added to a number below 2^22 it rounds it to a whole one, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let number = number.clamp(-87.0, 88.0);
    let shifted = number * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts (Cody and Waite).
    let rest = number - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut sum = 1.987_569_2e-4;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * rest + factor;
    }
    let fraction = sum * rest * rest + rest + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    fraction * f32::from_bits(((exponent + 127) << 23) as u32)
}

// Said by its path, since `origin/tiny-embed` takes this file by its own.
#[cfg(test)]
#[path = "operations/tests.rs"]
mod tests;
