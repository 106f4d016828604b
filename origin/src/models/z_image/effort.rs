//! How much a picture computes: known before it is begun, so that whoever waits for it can be told for how long.
//!
//! Counted are the multiplications of products, attention and convolutions; norms and activations are small beside them.
//! How long one takes depends on the machine and on the part of a picture, so each part is counted by itself.

use super::checkpoint::shape::{DecoderShape, TransformerShape};
use super::drawing::Part;
use super::memory::Networks;
use super::size::Size;
use super::transformer::ROWS;
use crate::models::qwen::shape::Shape;

/// Places of a convolution around a pixel, its own among them.
const PLACES: f64 = 9.0;

/// What is left to compute, by the part of a picture: of one, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effort([Left; Part::ALL.len()]);

/// What is left of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Left {
    /// Blocks. They are taken to be equally long.
    pub blocks: usize,
    /// Multiplications of each.
    pub each: f64,
}

/// How many blocks each part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Layers that read a prompt.
    pub text: usize,
    /// Layers that look at a caption alone.
    pub caption: usize,
    /// Layers of one step.
    pub step: usize,
    /// Blocks of the decoder.
    pub pixels: usize,
}

impl Effort {
    /// Of one picture, with a caption of so many tokens.
    pub fn of_picture(networks: Networks<'_>, blocks: Blocks, size: Size, (tokens, steps): (usize, usize)) -> Self {
        let Networks { text, transformer, decoder } = networks;
        let unit = transformer.patch * decoder.factor();
        let picture = (size.width / unit * (size.height / unit)).next_multiple_of(ROWS);
        let caption = tokens.next_multiple_of(ROWS);
        let mut effort = Self::default();
        effort.0[Part::Text as usize] = Left { blocks: blocks.text, each: of_reading(text, tokens) };
        effort.0[Part::Caption as usize] = Left { blocks: blocks.caption, each: of_layer(transformer, caption) };
        let each = of_layer(transformer, picture + caption);
        effort.0[Part::Steps as usize] = Left { blocks: steps * blocks.step, each };
        effort.0[Part::Pixels as usize] = of_previews(decoder, blocks, size, 1);
        effort
    }

    /// The same for so many pictures, each with so many previews.
    #[must_use]
    pub fn times(mut self, pictures: usize, previews: usize) -> Self {
        for left in &mut self.0 {
            left.blocks *= pictures;
        }
        self.0[Part::Pixels as usize].blocks *= 1 + previews;
        self
    }

    /// What is left of a part.
    pub fn left(&self, part: Part) -> Left {
        self.0.get(part as usize).copied().unwrap_or_default()
    }

    /// Takes off what has been computed.
    pub fn did(&mut self, part: Part, blocks: usize) {
        if let Some(left) = self.0.get_mut(part as usize) {
            left.blocks = left.blocks.saturating_sub(blocks);
        }
    }
}

/// A layer of the text encoder.
fn of_reading(shape: &Shape, tokens: usize) -> f64 {
    let (rows, hidden, inner) = (tokens as f64, shape.hidden as f64, shape.intermediate as f64);
    let (query, key) = ((shape.heads * shape.head_dim) as f64, (shape.kv_heads * shape.head_dim) as f64);
    // Half of the scores are looked at: each token sees those before it.
    rows * hidden * (2.0 * query + 2.0 * key + 3.0 * inner) + rows * rows * query
}

/// A layer of the transformer.
fn of_layer(shape: &TransformerShape, rows: usize) -> f64 {
    let (rows, dim, inner) = (rows as f64, shape.dim as f64, shape.inner() as f64);
    rows * dim * (4.0 * dim + 3.0 * inner) + 2.0 * rows * rows * dim
}

/// The decoder, so many times.
fn of_previews(shape: &DecoderShape, blocks: Blocks, size: Size, count: usize) -> Left {
    let factor = shape.factor();
    let smallest = (size.width / factor * (size.height / factor)) as f64;
    let widest = shape.widest() as f64;
    let mut all = smallest * widest * PLACES * (shape.latent as f64 + 4.0 * widest);
    all += smallest * widest * (4.0 * widest + 2.0 * smallest);
    let (mut before, layers, doublings) = (widest, shape.layers as f64, shape.blocks.len().saturating_sub(1));
    for (at, channels) in shape.blocks.iter().rev().enumerate() {
        let (pixels, channels) = (smallest * f64::from(1_u32 << (2 * at.min(15))), *channels as f64);
        all += pixels * channels * PLACES * (before + channels + 2.0 * layers * channels);
        if at < doublings {
            all += 4.0 * pixels * channels * PLACES * channels;
        }
        before = channels;
        if at == doublings {
            all += pixels * channels * PLACES * 3.0;
        }
    }
    Left { blocks: count * blocks.pixels, each: all / blocks.pixels.max(1) as f64 }
}

/// A small picture of so many steps by the published shapes, for tests of those who wait.
#[cfg(test)]
pub(crate) fn tests_effort(steps: usize) -> Effort {
    tests::effort(256, 32, steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::z_image::checkpoint::shape::published;

    /// The published shapes.
    pub(super) fn effort(side: usize, tokens: usize, steps: usize) -> Effort {
        let (text, transformer, decoder) = (published::text(), published::transformer(), published::decoder());
        let networks = Networks { text: &text, transformer: &transformer, decoder: &decoder };
        let blocks = Blocks { text: 35, caption: 2, step: 32, pixels: 20 };
        Effort::of_picture(networks, blocks, Size { width: side, height: side }, (tokens, steps))
    }

    fn teras(left: Left) -> f64 {
        // A multiplication comes with an addition.
        2.0 * left.blocks as f64 * left.each / 1e12
    }

    #[test]
    fn the_published_model_computes_what_its_arithmetic_says() {
        // By their own arithmetic: of rows, 11.3e9 each and 4.9e5 of their square a forward.
        for (side, rows) in [(512, 1_024.0 + 32.0), (1_024, 4_096.0 + 32.0), (2_048, 16_384.0 + 32.0)] {
            let steps = 8.0 * (11.3e9 * rows + 4.9e5 * rows * rows) / 1e12;
            let told = teras(effort(side, 32, 8).left(Part::Steps));
            assert!((told / steps - 1.0).abs() < 0.02, "{side}: {told}, {steps}");
        }
        let told = teras(effort(1_024, 32, 8).left(Part::Pixels));
        assert!((told / 10.5 - 1.0).abs() < 0.1, "{told}");
        let told = teras(effort(512, 100, 8).left(Part::Text)) * 1_000.0 / 100.0;
        assert!((told / 7.1 - 1.0).abs() < 0.1, "{told} GFLOP a token");
    }

    #[test]
    fn what_was_done_is_taken_off_and_nothing_below_it() {
        let mut effort = effort(512, 32, 8).times(3, 2);
        assert_eq!(effort.left(Part::Steps).blocks, 3 * 8 * 32);
        assert_eq!(effort.left(Part::Pixels).blocks, 3 * 3 * 20);
        effort.did(Part::Steps, 700);
        assert_eq!(effort.left(Part::Steps).blocks, 68);
        effort.did(Part::Steps, 700);
        effort.did(Part::Nothing, 7);
        assert_eq!((effort.left(Part::Steps).blocks, effort.left(Part::Nothing)), (0, Left::default()));
    }
}
