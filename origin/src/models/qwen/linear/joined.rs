//! Several matrices that are multiplied with the same input.

use super::{Linear, Matrix, product};
use crate::models::qwen::rows::{Fill, Target};
use candle_core::{Result, Tensor};

/// Several projections of the same input: q, k and v; gate and up.
///
/// Dense ones are kept as one matrix and multiplied at once. Quantised ones stay apart; on the CPU they share the
/// rounded input and one parallel region, if they are packed or candle has a kernel for it.
#[derive(Clone, Debug)]
pub(crate) enum Joined {
    /// One matrix, the heights of its parts, and their biases one after another.
    Stacked {
        stack: Linear,
        heights: Vec<usize>,
    },
    Separate(Vec<Linear>),
}

impl Joined {
    /// All parts have the same width.
    pub(crate) fn new(parts: Vec<Linear>) -> Result<Self> {
        let heights = parts.iter().map(|part| part.matrix.height()).collect::<Result<Vec<_>>>()?;
        let dense: Option<Vec<&Tensor>> = parts
            .iter()
            .map(|part| match &part.matrix {
                Matrix::Dense(weights) => Some(weights),
                Matrix::Quantised(_) | Matrix::Packed(_) => None,
            })
            .collect();
        let biases: Vec<&Tensor> = parts.iter().filter_map(|part| part.bias.as_ref()).collect();
        let bias = match biases.len() {
            0 => None,
            count if count == parts.len() => Some(Tensor::cat(&biases, 0)?),
            _ => return Ok(Self::Separate(parts)),
        };
        match dense {
            Some(weights) => {
                let matrix = Matrix::Dense(Tensor::cat(&weights, 0)?);
                Ok(Self::Stacked { stack: Linear { matrix, bias }, heights })
            }
            None => Ok(Self::Separate(parts)),
        }
    }

    /// `[rows, in]` to one contiguous `[rows, out]` per part.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Vec<Tensor>> {
        match self {
            Self::Stacked { stack, heights } => {
                let all = stack.forward(input)?;
                let mut start = 0;
                let part = |height: &usize| {
                    let part = all.narrow(1, start, *height)?.contiguous();
                    start += height;
                    part
                };
                heights.iter().map(part).collect()
            }
            Self::Separate(parts) => parts.iter().map(|part| part.forward(input)).collect(),
        }
    }

    /// As [`product::multiply`], each part into its own target.
    pub(crate) fn on_cpu(&self, shape: (usize, usize), fill: &Fill<'_>, targets: Vec<Target<'_>>) -> Result<()> {
        match self {
            Self::Stacked { stack, heights } => {
                let all = stack.forward(&product::tensor(shape, fill)?)?;
                let mut start = 0;
                for (height, target) in heights.iter().zip(targets) {
                    product::write(&all, start, None, target)?;
                    start += height;
                }
                Ok(())
            }
            Self::Separate(parts) => product::multiply(&parts.iter().collect::<Vec<_>>(), shape, fill, targets),
        }
    }

    /// Bytes of the weights, as of [`Matrix::bytes`].
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Stacked { stack, .. } => stack.matrix.bytes(),
            Self::Separate(parts) => parts.iter().map(|part| part.matrix.bytes()).sum(),
        }
    }
}
