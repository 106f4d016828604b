//! What is known of a model that draws without its weights: what it can draw, and what a picture takes.
//!
//! The weights belong to the thread that draws. Whoever reads requests asks this.

use super::Order;
use super::checkpoint::shape::{DecoderShape, TransformerShape};
use super::effort::{Blocks, Effort};
use super::kernels::Way;
use super::memory::{self, Networks};
use super::prompt::{MOST_TOKENS, caption_of};
use super::schedule::MOST_STEPS;
use super::size::{Size, SizeBounds};
use super::transformer::ROWS;
use crate::models::qwen::shape::Shape;
use crate::text::Text;
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::Arc;

/// What is known of a model that draws.
#[derive(Clone)]
pub struct Facts {
    pub(super) captions: Arc<Text>,
    pub(super) text: Shape,
    pub(super) transformer: TransformerShape,
    pub(super) decoder: DecoderShape,
    pub(super) blocks: Blocks,
    pub(super) way: Way,
}

/// The side of a picture of which nothing is said, as far as a model draws that.
const SIDE: usize = 1_024;

/// Bytes that a usual picture takes, with the longest prompt and a preview beside it.
pub(crate) fn usual_bytes(facts: &Facts) -> u64 {
    2 * facts.picture_bytes(facts.usual(), facts.most_tokens())
}

impl Facts {
    /// The size of a picture of which nothing is said: a square of 1024 pixels, or the largest that can be drawn.
    pub fn usual(&self) -> Size {
        let bounds = self.bounds();
        let side = (SIDE.min(bounds.most) / bounds.unit * bounds.unit).max(bounds.least);
        Size { width: side, height: side }
    }

    /// The sizes that can be drawn.
    pub fn bounds(&self) -> SizeBounds {
        let shape = &self.transformer;
        SizeBounds::new(shape.patch * self.decoder.factor(), shape.lengths[1].min(shape.lengths[2]))
    }

    /// Tokens that a prompt may have: 512, or what the network has positions for.
    pub fn most_tokens(&self) -> usize {
        // A caption takes whole groups of rows, and the picture the position behind them.
        (self.transformer.lengths[0].saturating_sub(2) / ROWS * ROWS).min(MOST_TOKENS)
    }

    /// The tokens of an order's prompt. Refuses what cannot be drawn, before anything is computed.
    pub fn check(&self, order: &Order) -> Result<Vec<u32>, Refusal> {
        self.bounds().parse(&order.size.to_string())?;
        if !(1..=MOST_STEPS).contains(&order.steps) {
            let why = format!("`num_inference_steps` must be from 1 to {MOST_STEPS}; {} is not.", order.steps);
            return Err(Refusal::new(Reason::InvalidRequest, why).with_param("num_inference_steps"));
        }
        caption_of(&self.captions, &order.prompt, self.most_tokens())
    }

    /// Bytes that a picture takes at most while it is drawn, besides the weights. A preview takes as much once more.
    pub fn picture_bytes(&self, size: Size, tokens: usize) -> u64 {
        memory::of_picture(self.networks(), size, tokens, self.way)
    }

    /// What a picture computes.
    pub fn effort(&self, size: Size, tokens: usize, steps: usize) -> Effort {
        Effort::of_picture(self.networks(), self.blocks, size, (tokens, steps))
    }

    /// Layers of one step.
    pub fn step_blocks(&self) -> usize {
        self.blocks.step
    }

    fn networks(&self) -> Networks<'_> {
        Networks { text: &self.text, transformer: &self.transformer, decoder: &self.decoder }
    }
}
