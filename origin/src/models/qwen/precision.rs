//! In what numbers a model's matrices are kept, and where.

use super::pages::Pages;
use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device};

/// In what numbers a model's matrices are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: what the CPU computes in.
    F32,
    /// 8 bits and a scale per 32 numbers.
    Q8_0,
    /// 4 bits and scales per 256 numbers; embedding and head in Q8_0.
    Q4K,
    /// 16 bits, for CUDA.
    Bf16,
    /// 16 bits, for CUDA.
    F16,
}

impl Precision {
    /// The type of a matrix of a layer, or of the embedding and the head; `None` for dense ones.
    pub(crate) fn quantised(self, end: bool) -> Option<GgmlDType> {
        match self {
            Self::F32 | Self::Bf16 | Self::F16 => None,
            Self::Q4K if !end => Some(GgmlDType::Q4K),
            Self::Q8_0 | Self::Q4K => Some(GgmlDType::Q8_0),
        }
    }

    /// The type of dense matrices.
    pub(crate) fn dense(self) -> DType {
        match self {
            Self::F32 | Self::Q8_0 | Self::Q4K => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

/// How a model's matrices are kept.
#[derive(Debug)]
pub(crate) struct Keep<'a> {
    pub(crate) precision: Precision,
    pub(crate) device: &'a Device,
    /// Memory for the matrices that we multiply ourselves.
    pub(crate) pages: Pages,
}

impl<'a> Keep<'a> {
    pub(crate) fn new(precision: Precision, device: &'a Device) -> Self {
        Self { precision, device, pages: Pages::default() }
    }
}
