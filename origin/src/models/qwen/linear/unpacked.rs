//! Takes the place of `packed` on processors without kernels for it: nothing is packed, and candle multiplies.

use crate::models::qwen::pages::Pages;
use crate::models::qwen::rows::{Fill, Target};
use candle_core::Result;
use candle_core::quantized::QTensor;

/// There is none.
#[derive(Debug)]
pub(crate) enum Packed {}

/// There is none.
pub(crate) struct Product<'a> {
    pub(crate) matrix: &'a Packed,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) into: Target<'a>,
}

impl Packed {
    pub(crate) fn new(_: &QTensor, _: &mut Pages) -> Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn height(&self) -> usize {
        match *self {}
    }

    pub(crate) fn width(&self) -> usize {
        match *self {}
    }

    pub(crate) fn bytes(&self) -> usize {
        match *self {}
    }

    pub(crate) fn row(&self, _: usize, _: &mut Vec<f32>) {
        match *self {}
    }

    pub(crate) fn forward(&self, _: &[f32]) -> Vec<f32> {
        match *self {}
    }
}

/// Of nothing.
pub(crate) fn multiply(products: Vec<Product<'_>>, _: usize, _: &Fill<'_>) {
    let Some(product) = products.into_iter().next() else { return };
    drop((product.bias, product.into));
    match *product.matrix {}
}

/// Whether this processor multiplies what is packed.
pub(crate) fn supported() -> bool {
    false
}
