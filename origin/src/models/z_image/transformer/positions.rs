//! Where each row stands, on three axes: a frame, a row and a column. The caption's rows stand behind each other on the
//! first; the picture is the frame behind them.

use super::super::checkpoint::shape::TransformerShape;
use super::super::kernels::{Angles, Kernels};
use super::patches::Grid;
use candle_core::Result;

/// The angle per position of each pair of a head, with the axis that it turns by.
pub(super) struct Positions {
    pairs: Vec<Pair>,
}

struct Pair {
    axis: usize,
    per_position: f64,
}

impl Positions {
    pub(super) fn new(shape: &TransformerShape) -> Self {
        let mut pairs = Vec::with_capacity(shape.head() / 2);
        for (axis, width) in shape.axes.into_iter().enumerate() {
            let per_position = |pair: usize| shape.rope_theta.powf(-2.0 * pair as f64 / width as f64);
            pairs.extend((0..width / 2).map(|pair| Pair { axis, per_position: per_position(pair) }));
        }
        Self { pairs }
    }

    /// Of a picture of so many rows with those that pad it, which stand at 0, and of the caption behind it. The picture
    /// is one frame behind the caption's last.
    pub(super) fn of_both(&self, grid: &Grid, rows: usize, caption: usize, kernels: &Kernels) -> Result<Angles> {
        let frame = caption + 1;
        let picture = (0..grid.rows()).map(|row| [frame, row / grid.width, row % grid.width]);
        let padding = std::iter::repeat_n([0, 0, 0], rows - grid.rows());
        self.angles(picture.chain(padding).chain((1..=caption).map(|frame| [frame, 0, 0])), kernels)
    }

    /// In F64, and cast after the cosine.
    fn angles(&self, positions: impl Iterator<Item = [usize; 3]>, kernels: &Kernels) -> Result<Angles> {
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for position in positions {
            for pair in &self.pairs {
                let (sine, cosine) = (position[pair.axis] as f64 * pair.per_position).sin_cos();
                cosines.push(cosine as f32);
                sines.push(sine as f32);
            }
        }
        let width = self.pairs.len();
        Ok(Angles { cosines: kernels.tensor(cosines, width)?, sines: kernels.tensor(sines, width)? })
    }
}
