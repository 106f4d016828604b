//! Matrices of weights, dense or quantised, and what is multiplied by them.
//!
//! Results for one row do not depend on the other rows where the kernels allow it: candle's quantised kernels compute
//! each row by itself (Q8_0 and Q4K with the same kernel for any number of rows).

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};
use std::sync::Arc;

/// A matrix of weights, `[out, in]`.
#[derive(Clone, Debug)]
pub(crate) enum Matrix {
    /// Numbers of the model's own type.
    Dense(Tensor),
    /// Blocks of a GGUF type.
    Quantised(Arc<QTensor>),
}

impl Matrix {
    /// Quantises a dense F32 matrix, as far as its width allows: blocks of 256 numbers for Q4K, of 32 for Q8_0.
    pub(crate) fn quantise(dense: &Tensor, wanted: GgmlDType) -> Result<Self> {
        let width = dense.dim(1)?;
        let fitting = [wanted, GgmlDType::Q8_0].into_iter().find(|dtype| width.is_multiple_of(dtype.block_size()));
        Ok(match fitting {
            Some(dtype) => Self::Quantised(Arc::new(QTensor::quantize(dense, dtype)?)),
            None => Self::Dense(dense.clone()),
        })
    }

    /// A matrix as a GGUF file holds it: the types that are no blocks become dense F32.
    pub(crate) fn from_gguf(tensor: QTensor) -> Result<Self> {
        match tensor.dtype() {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => Ok(Self::Dense(tensor.dequantize(&tensor.device())?)),
            _ => Ok(Self::Quantised(Arc::new(tensor))),
        }
    }

    /// `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weights) => input.matmul(&weights.t()?),
            Self::Quantised(weights) => QMatMul::QTensor(Arc::clone(weights)).forward(input),
        }
    }

    /// The rows of these ids, `[ids, in]`, in the type that the model computes in.
    pub(crate) fn rows(&self, ids: &Tensor, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Dense(weights) => weights.index_select(ids, 0)?.to_dtype(dtype),
            Self::Quantised(weights) => weights.embedding(ids)?.to_dtype(dtype),
        }
    }

    fn height(&self) -> Result<usize> {
        match self {
            Self::Dense(weights) => weights.dim(0),
            Self::Quantised(weights) => Ok(weights.shape().dims2()?.0),
        }
    }

    /// Bytes of the weights as they are kept, without what kernels make of them at first use.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(weights) => weights.elem_count() * weights.dtype().size_in_bytes(),
            Self::Quantised(weights) => weights.storage_size_in_bytes(),
        }
    }
}

/// A matrix with its bias, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) matrix: Matrix,
    /// `[out]`, in the type that the model computes in.
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        biased(self.matrix.forward(input)?, self.bias.as_ref())
    }
}

/// Several projections of the same input: q, k and v; gate and up.
///
/// Dense ones are kept as one matrix and multiplied at once. Quantised ones stay apart, and share the quantised input and
/// one parallel region where candle has a kernel for it.
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
                Matrix::Quantised(_) => None,
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
            Self::Separate(parts) => {
                let quantised: Option<Vec<&QTensor>> = parts
                    .iter()
                    .map(|part| match &part.matrix {
                        Matrix::Quantised(weights) => Some(weights.as_ref()),
                        Matrix::Dense(_) => None,
                    })
                    .collect();
                let fused = match quantised {
                    Some(weights) => QTensor::gemv_fused_shared_lhs(&weights, input)?,
                    None => None,
                };
                match fused {
                    Some(outputs) => outputs
                        .into_iter()
                        .zip(parts)
                        .map(|(output, part)| biased(output, part.bias.as_ref()))
                        .collect(),
                    None => parts.iter().map(|part| part.forward(input)).collect(),
                }
            }
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

fn biased(output: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => output.broadcast_add(bias),
        None => Ok(output),
    }
}

/// The type that activations have on this device: quantised and F32 weights compute in F32 on the CPU.
pub(crate) fn activation_dtype(device: &Device, weights: DType) -> DType {
    if device.is_cpu() { DType::F32 } else { weights }
}
