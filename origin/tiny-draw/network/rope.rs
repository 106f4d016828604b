//! Heads that are turned by where their rows stand, on three axes; neighbouring numbers are a pair.

use super::norms::{made, numbers};
use crate::operations::read;
use crate::shape::{AXES, CAPTION, HEAD, PATCHES, THETA};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// Cosines and sines of each row, `[rows, HEAD / 2]`.
#[derive(Clone)]
pub(super) struct Angles(Arc<Vec<[f32; 2]>>);

impl Angles {
    /// Of the picture's rows, which stand in the frame behind the caption.
    pub(super) fn of_picture() -> Self {
        Self::of((0..PATCHES * PATCHES).map(|row| [CAPTION + 1, row / PATCHES, row % PATCHES]))
    }

    /// Of the caption's rows.
    pub(super) fn of_caption() -> Self {
        Self::of((1..=CAPTION).map(|frame| [frame, 0, 0]))
    }

    /// Of the picture's rows, then of the caption's.
    pub(super) fn of_both() -> Self {
        let ([picture, caption], mut all) = ([Self::of_picture(), Self::of_caption()], Vec::new());
        all.extend_from_slice(&picture.0);
        all.extend_from_slice(&caption.0);
        Self(Arc::new(all))
    }

    fn of(positions: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut all = Vec::new();
        for position in positions {
            for (at, width) in position.into_iter().zip(AXES) {
                all.extend((0..width / 2).map(|pair| {
                    let angle = at as f64 * THETA.powf(-2.0 * pair as f64 / width as f64);
                    [angle.cos() as f32, angle.sin() as f32]
                }));
            }
        }
        Self(Arc::new(all))
    }

    /// How many rows they are of.
    pub(super) fn rows(&self) -> usize {
        self.0.len() / (HEAD / 2)
    }
}

/// From `[pictures * rows, heads * HEAD]` to `[pictures * heads, rows, HEAD]`, turned.
pub(super) fn turned_heads(input: &Tensor, angles: &Angles) -> Result<Tensor> {
    input.apply_op1(Turned { angles: angles.clone() })
}

struct Turned {
    angles: Angles,
}

impl Turned {
    /// Copies each head to its other place and turns it, back if `is_back`.
    fn moved(&self, input: &[f32], heads: usize, is_back: bool) -> Vec<f32> {
        let (rows, mut output) = (self.angles.rows(), vec![0.0; input.len()]);
        for number in 0..input.len() / HEAD {
            let (picture, row, head) = (number / heads / rows, number / heads % rows, number % heads);
            let split = ((picture * heads + head) * rows + row) * HEAD;
            let (from, to) = if is_back { (split, number * HEAD) } else { (number * HEAD, split) };
            let angles = &self.angles.0[row * HEAD / 2..][..HEAD / 2];
            let pairs = input[from..][..HEAD].chunks_exact(2).zip(output[to..][..HEAD].chunks_exact_mut(2));
            for ((from, to), [cosine, sine]) in pairs.zip(angles) {
                let sine = if is_back { -sine } else { *sine };
                to[0] = from[0] * cosine - from[1] * sine;
                to[1] = from[0] * sine + from[1] * cosine;
            }
        }
        output
    }
}

impl CustomOp1 for Turned {
    fn name(&self) -> &'static str {
        "turned-heads"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let heads = width / HEAD;
        let shape = Shape::from((rows / self.angles.rows() * heads, self.angles.rows(), HEAD));
        Ok((CpuStorage::F32(self.moved(read(storage, layout)?, heads, false)), shape))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let heads = arg.dims2()?.1 / HEAD;
        Ok(Some(made(self.moved(&numbers(grad)?, heads, true), arg)?))
    }
}
