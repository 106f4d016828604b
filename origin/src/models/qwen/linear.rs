//! Matrices of weights, dense or quantised, and what is multiplied by them.
//!
//! Q8_0 and Q4K are packed for kernels of ours where the processor has the instructions. candle multiplies other types,
//! and all types on other processors. Our kernels, dense F32 included, and candle's quantised ones compute each row by
//! itself: the result of a row does not depend on the other rows.

pub(crate) mod dense;
pub(crate) mod joined;
#[cfg_attr(not(target_arch = "x86_64"), path = "linear/unpacked.rs")]
pub(crate) mod packed;
pub(crate) mod product;

use super::pages::Pages;
use super::rows::{halves, numbers};
use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};
use packed::Packed;
use std::sync::Arc;

/// A matrix of weights, `[out, in]`.
#[derive(Clone, Debug)]
pub(crate) enum Matrix {
    /// Numbers of the model's own type.
    Dense(Tensor),
    /// Blocks of a GGUF type, multiplied by candle.
    Quantised(Arc<QTensor>),
    /// Blocks of Q8_0 or Q4K, multiplied by us.
    Packed(Arc<Packed>),
}

impl Matrix {
    /// Quantises a dense F32 matrix, as far as its width allows: blocks of 256 numbers for Q4K, of 32 for Q8_0.
    pub(crate) fn quantise(dense: &Tensor, wanted: GgmlDType, pages: &mut Pages) -> Result<Self> {
        let width = dense.dim(1)?;
        let fitting = [wanted, GgmlDType::Q8_0].into_iter().find(|dtype| width.is_multiple_of(dtype.block_size()));
        Ok(match fitting {
            Some(dtype) => Self::of_blocks(QTensor::quantize(dense, dtype)?, pages)?,
            None => Self::Dense(dense.clone()),
        })
    }

    /// A matrix as a GGUF file holds it. Types that are not blocks become dense F32.
    pub(crate) fn from_gguf(tensor: QTensor, pages: &mut Pages) -> Result<Self> {
        match tensor.dtype() {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => Ok(Self::Dense(tensor.dequantize(&tensor.device())?)),
            _ => Self::of_blocks(tensor, pages),
        }
    }

    fn of_blocks(tensor: QTensor, pages: &mut Pages) -> Result<Self> {
        Ok(match Packed::new(&tensor, pages)? {
            Some(packed) => Self::Packed(Arc::new(packed)),
            None => Self::Quantised(Arc::new(tensor)),
        })
    }

    /// `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weights) => dense(weights, input),
            Self::Quantised(weights) => QMatMul::QTensor(Arc::clone(weights)).forward(input),
            Self::Packed(weights) => {
                let input = input.contiguous()?;
                if input.dim(1)? != weights.width() {
                    candle_core::bail!("rows of {} numbers for a matrix of {}", input.dim(1)?, weights.width());
                }
                let output = weights.forward(&numbers(&input)?);
                Tensor::from_vec(output, (input.dim(0)?, weights.height()), &Device::Cpu)
            }
        }
    }

    /// The rows of these ids, `[ids, in]`, in the type that the model computes in.
    pub(crate) fn rows(&self, ids: &Tensor, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Dense(weights) => weights.index_select(ids, 0)?.to_dtype(dtype),
            Self::Quantised(weights) => weights.embedding(ids)?.to_dtype(dtype),
            Self::Packed(weights) => {
                let ids = ids.to_vec1::<u32>()?;
                let mut numbers = Vec::with_capacity(ids.len() * weights.width());
                for id in &ids {
                    // An id beyond the matrix is refused before it comes here.
                    weights.row(*id as usize, &mut numbers);
                }
                Tensor::from_vec(numbers, (ids.len(), weights.width()), &Device::Cpu)?.to_dtype(dtype)
            }
        }
    }

    /// The weights, if they are packed.
    pub(crate) fn packed(&self) -> Option<&Packed> {
        match self {
            Self::Packed(weights) => Some(weights),
            Self::Dense(_) | Self::Quantised(_) => None,
        }
    }

    /// The weights, if candle multiplies them.
    pub(crate) fn quantised(&self) -> Option<&QTensor> {
        match self {
            Self::Quantised(weights) => Some(weights),
            Self::Dense(_) | Self::Packed(_) => None,
        }
    }

    /// How many rows it has.
    pub(crate) fn height(&self) -> Result<usize> {
        match self {
            Self::Dense(weights) => weights.dim(0),
            Self::Quantised(weights) => Ok(weights.shape().dims2()?.0),
            Self::Packed(weights) => Ok(weights.height()),
        }
    }

    /// Numbers of a row that it multiplies.
    pub(crate) fn width(&self) -> Result<usize> {
        match self {
            Self::Dense(weights) => weights.dim(1),
            Self::Quantised(weights) => Ok(weights.shape().dims2()?.1),
            Self::Packed(weights) => Ok(weights.width()),
        }
    }

    /// Bytes of the weights as they are kept, without what kernels make of them at first use.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(weights) => weights.elem_count() * weights.dtype().size_in_bytes(),
            Self::Quantised(weights) => weights.storage_size_in_bytes(),
            Self::Packed(weights) => weights.bytes(),
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

/// `[rows, in]` to `[rows, out]`, on the CPU in one order of sums.
fn dense(weights: &Tensor, input: &Tensor) -> Result<Tensor> {
    let (height, width) = weights.dims2()?;
    let is_ours = matches!(weights.dtype(), DType::F32 | DType::BF16) && input.dtype() == DType::F32;
    if !weights.device().is_cpu() || !is_ours || width == 0 {
        return input.matmul(&weights.t()?);
    }
    let (weights, input) = (weights.contiguous()?, input.contiguous()?);
    if input.dim(1)? != width {
        candle_core::bail!("rows of {} numbers for a matrix of {width}", input.dim(1)?);
    }
    let output = match weights.dtype() {
        DType::BF16 => dense::forward(&halves(&weights)?, width, &numbers(&input)?),
        _ => dense::forward(&numbers(&weights)?, width, &numbers(&input)?),
    };
    Tensor::from_vec(output, (input.dim(0)?, height), &Device::Cpu)
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
