//! Z-Image-Turbo: a prompt and a seed become a picture.
//!
//! The prompt goes through all layers of a Qwen3 but the last ([`prompt`]); noise of the seed ([`noise`]) becomes
//! latents, step by step ([`schedule`]), as the [`transformer`] answers; and the [`vae`] makes pixels of them. A
//! [`drawing`] takes that way some blocks at a time. Pictures are not computed together: from 512 x 512 on, two
//! together take as long as one after the other.

pub mod checkpoint;
pub mod drawing;
pub mod effort;
pub mod facts;
pub(crate) mod kernels;
mod load;
pub mod memory;
pub mod noise;
pub mod picture;
pub mod prompt;
pub mod schedule;
pub mod size;
pub mod transformer;
pub mod vae;

use candle_core::Tensor;
use drawing::Drawing;
use effort::Blocks;
use facts::Facts;
use picture::Picture;
use prompt::Encoder;
use schedule::{Step, steps};
use size::{Size, SizeBounds};
use sluice_protocol::refusal::Refusal;
use std::sync::Arc;
use transformer::Transformer;
use vae::Decoder;

/// A model that draws.
pub struct ZImage {
    /// Reads prompts.
    pub encoder: Encoder,
    /// Tells the way from noise.
    pub transformer: Transformer,
    /// Makes pixels.
    pub decoder: Decoder,
    shift: f64,
    facts: Facts,
}

/// What to draw.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is to be seen.
    pub prompt: String,
    /// Of [`ZImage::bounds`].
    pub size: Size,
    /// From 1 to [`schedule::MOST_STEPS`].
    pub steps: usize,
    /// Of the noise. The picture of this number among several is [`noise::seed_of`].
    pub seed: u64,
}

/// Why there is no picture.
#[derive(Debug)]
pub enum DrawError {
    /// The order cannot be drawn; told before anything is computed.
    Refused(Refusal),
    /// A fault of the computation.
    Failed(candle_core::Error),
}

impl From<candle_core::Error> for DrawError {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(error)
    }
}

impl std::fmt::Display for DrawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(&refusal.message),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for DrawError {}

impl ZImage {
    pub(crate) fn new(encoder: Encoder, transformer: Transformer, decoder: Decoder, shift: f64) -> Self {
        let blocks = Blocks {
            text: encoder.blocks(),
            caption: transformer.caption_blocks(),
            step: transformer.blocks(),
            pixels: decoder.blocks(),
        };
        let facts = Facts {
            captions: Arc::clone(encoder.captions()),
            text: encoder.shape().clone(),
            transformer: transformer.shape().clone(),
            decoder: decoder.shape().clone(),
            blocks,
            way: transformer.way(),
        };
        Self { encoder, transformer, decoder, shift, facts }
    }

    /// What is known of it without its weights.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The sizes that can be drawn.
    pub fn bounds(&self) -> SizeBounds {
        self.facts.bounds()
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.encoder.weight_bytes() + self.transformer.weight_bytes() + self.decoder.weight_bytes()
    }

    /// The tokens of an order's prompt. Refuses what cannot be drawn, before anything is computed.
    pub fn check(&self, order: &Order) -> Result<Vec<u32>, Refusal> {
        self.facts.check(order)
    }

    /// Begins a picture. Nothing is computed yet. Refuses what cannot be drawn.
    pub fn begin(&self, order: &Order) -> Result<Drawing, Refusal> {
        Ok(Drawing::new(self, order, self.check(order)?))
    }

    /// Begins with what others computed: a caption's features, `[tokens, caption width]`, and latents `[channels,
    /// height, width]` in the place of noise. For comparisons; the order's prompt and seed are not looked at.
    pub fn begin_with(&self, order: &Order, features: &Tensor, latents: Vec<f32>) -> candle_core::Result<Drawing> {
        Drawing::of_features(self, order, features, latents)
    }

    /// Draws one picture. The same order has the same bits, on any number of threads and whatever else runs.
    pub fn draw(&mut self, order: &Order) -> Result<Picture, DrawError> {
        let mut drawing = self.begin(order).map_err(DrawError::Refused)?;
        drawing.advance(self, usize::MAX)?;
        drawing.finish().ok_or_else(|| DrawError::Failed(candle_core::Error::msg("the picture is not done")))
    }

    /// Bytes that a picture takes at most while it is drawn, besides the weights. A preview takes as much once more.
    pub fn picture_bytes(&self, size: Size, tokens: usize) -> u64 {
        self.facts.picture_bytes(size, tokens)
    }

    /// The steps of a picture that takes so many.
    pub fn steps(&self, count: usize) -> Vec<Step> {
        steps(count, self.shift)
    }

    /// Numbers of the latents of a picture of this size.
    pub fn latents(&self, size: Size) -> usize {
        let factor = self.decoder.shape().factor();
        self.decoder.shape().latent * (size.height / factor) * (size.width / factor)
    }

    /// Has all networks compute on tensors, as they do on a GPU: to compare both, and to measure, where there is none.
    pub fn compute_on_tensors(&mut self) {
        self.encoder.compute_on_tensors();
        self.transformer.compute_on_tensors();
        self.decoder.compute_on_tensors();
        self.facts.way = self.transformer.way();
    }
}
