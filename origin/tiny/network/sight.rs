//! What stands for a long context in a short one: keys that count many times, at places far apart, and answers side by
//! side behind one beginning.
//!
//! A softmax over `m` keys that are alike gives what one of them gives with `ln m` added to its score. So a text that is
//! read once can stand for `m` of its kind; what follows it stands as far away as if all of them were there. What a
//! position computes there is what it would compute in a context that is long, at the cost of a short one.

use super::operations::{exp, last, read, softmax_gradient};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// How one sequence is seen: a trunk, which all see, and behind it branches, which do not see each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sight {
    /// Where each token stands.
    pub(crate) places: Vec<usize>,
    /// What is added to the score of each token: the logarithm of how many it stands for.
    pub(crate) weights: Vec<f32>,
    /// The trunk's tokens.
    pub(crate) trunk: usize,
    /// Where each token's branch begins; of the trunk's tokens, 0.
    pub(crate) begins: Vec<usize>,
}

impl Sight {
    /// One sequence as it is, of this many positions.
    #[cfg(test)]
    pub(crate) fn plain(positions: usize) -> Self {
        Self { places: (0..positions).collect(), weights: vec![0.0; positions], trunk: 0, begins: vec![0; positions] }
    }
}

/// Softmax of `scale * scores` and what `sight` adds to them over the last dimension, `[.., rows, positions]`, where row
/// `r` is of position `r % positions` and sees no later one, and nothing of other branches.
pub(crate) fn seeing_softmax(scores: &Tensor, scale: f32, sight: &Arc<Sight>) -> Result<Tensor> {
    scores.apply_op1(SeeingSoftmax { scale, sight: Arc::clone(sight) })
}

struct SeeingSoftmax {
    scale: f32,
    sight: Arc<Sight>,
}

impl CustomOp1 for SeeingSoftmax {
    fn name(&self) -> &'static str {
        "seeing-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = read(storage, layout)?;
        let positions = last(layout.shape());
        let mut output = vec![0.0; scores.len()];
        for (number, (row, output)) in
            scores.chunks_exact(positions).zip(output.chunks_exact_mut(positions)).enumerate()
        {
            let position = number % positions;
            let begin = self.sight.begins[position];
            // The trunk as far as it lies before the branch, and the branch up to here.
            let ranges = [0..self.sight.trunk.min(begin), begin..position + 1];
            let mut most = f32::NEG_INFINITY;
            for range in ranges.clone() {
                let weighted = row[range.clone()].iter().zip(&self.sight.weights[range.clone()]);
                for (output, (score, weight)) in output[range].iter_mut().zip(weighted) {
                    *output = score * self.scale + weight;
                    most = most.max(*output);
                }
            }
            let mut sum = 0.0;
            for range in ranges.clone() {
                output[range.clone()].iter_mut().for_each(|output| *output = exp(*output - most));
                sum += output[range].iter().sum::<f32>();
            }
            for range in ranges {
                output[range].iter_mut().for_each(|output| *output /= sum);
            }
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        softmax_gradient(arg, res, grad, self.scale).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations::causal_softmax;
    use super::*;
    use crate::random::Random;
    use candle_core::{Device, Var};

    fn scores(rows: usize, positions: usize) -> Var {
        let mut random = Random::new(7);
        let numbers: Vec<f32> = (0..rows * positions).map(|_| random.normal()).collect();
        Var::from_tensor(&Tensor::from_vec(numbers, (1, rows, positions), &Device::Cpu).unwrap()).unwrap()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_plain_sight_is_causal() {
        let scores = scores(8, 4);
        let seen = seeing_softmax(&scores, 0.5, &Arc::new(Sight::plain(4))).unwrap();
        for (one, other) in numbers(&seen).iter().zip(numbers(&causal_softmax(&scores, 0.5).unwrap())) {
            assert!((one - other).abs() < 1e-6);
        }
    }

    /// A trunk of two, the second of which stands for three, and two branches of two.
    fn branched() -> Arc<Sight> {
        Arc::new(Sight {
            places: vec![0, 1, 4, 5, 4, 5],
            weights: vec![0.0, 3f32.ln(), 0.0, 0.0, 0.0, 0.0],
            trunk: 2,
            begins: vec![0, 0, 2, 2, 4, 4],
        })
    }

    #[test]
    fn a_key_that_stands_for_three_counts_as_three_and_branches_do_not_see_each_other() {
        let scores = scores(6, 6);
        let (seen, scores) = (numbers(&seeing_softmax(&scores, 0.5, &branched()).unwrap()), numbers(&scores));
        let power = |row: usize, column: usize| (scores[row * 6 + column] * 0.5).exp();
        let sum = power(5, 0) + 3.0 * power(5, 1) + power(5, 4) + power(5, 5);
        let expected = [power(5, 0), 3.0 * power(5, 1), 0.0, 0.0, power(5, 4), power(5, 5)];
        for (column, expected) in expected.into_iter().enumerate() {
            assert!((seen[5 * 6 + column] - expected / sum).abs() < 1e-6, "{column}");
        }
        assert_eq!(seen[3], 0.0, "what comes later is not seen");
        assert_eq!((seen[6 + 2], seen[2 * 6 + 3], seen[4 * 6 + 2]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn its_gradient_is_what_differences_say() {
        let (scores, sight) = (scores(12, 6), branched());
        let original = numbers(&scores);
        let value = |numbers_: &[f32]| {
            let moved = Tensor::from_slice(numbers_, scores.shape(), &Device::Cpu).unwrap();
            let seen = numbers(&seeing_softmax(&moved, 0.5, &sight).unwrap());
            seen.iter().enumerate().map(|(index, seen)| seen * (index as f32).sin()).sum::<f32>()
        };
        let weights: Vec<f32> = (0..original.len()).map(|index| (index as f32).sin()).collect();
        let weights = Tensor::from_vec(weights, scores.shape(), &Device::Cpu).unwrap();
        let sum = (seeing_softmax(&scores, 0.5, &sight).unwrap() * weights).unwrap().sum_all().unwrap();
        let gradient = numbers(sum.backward().unwrap().get(&scores).unwrap());
        for index in 0..original.len() {
            let moved = |by: f32| {
                let mut numbers = original.clone();
                numbers[index] += by;
                value(&numbers)
            };
            let expected = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((expected - gradient[index]).abs() < 0.005, "{index}: {expected} {}", gradient[index]);
        }
    }
}
