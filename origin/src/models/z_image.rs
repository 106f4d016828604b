//! Z-Image-Turbo: a prompt and a seed become a picture.
//!
//! The prompt goes through all layers of a Qwen3 but the last ([`prompt`]); noise of the seed ([`noise`]) becomes
//! latents, step by step ([`schedule`]), as the [`transformer`] answers; and the [`vae`] makes pixels of them. One
//! picture at a time: from 512 x 512 on, two together take as long as one after the other.

pub mod checkpoint;
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
pub mod watch;

use candle_core::Tensor;
use picture::Picture;
use prompt::{Encoder, MOST_TOKENS};
use schedule::{MOST_STEPS, Step, steps};
use size::{Size, SizeBounds};
use sluice_protocol::refusal::{Reason, Refusal};
use transformer::{ROWS, Transformer};
use vae::Decoder;
use watch::Watch;

/// A model that draws.
pub struct ZImage {
    /// Reads prompts.
    pub encoder: Encoder,
    /// Tells the way from noise.
    pub transformer: Transformer,
    /// Makes pixels.
    pub decoder: Decoder,
    shift: f64,
}

/// What to draw.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is to be seen.
    pub prompt: String,
    /// Of [`ZImage::bounds`].
    pub size: Size,
    /// From 1 to [`MOST_STEPS`].
    pub steps: usize,
    /// Of the noise. The picture of this number among several is [`noise::seed_of`].
    pub seed: u64,
}

/// Why there is no picture.
#[derive(Debug)]
pub enum DrawError {
    /// The order cannot be drawn; told before anything is computed.
    Refused(Refusal),
    /// Whoever watches said no.
    Stopped,
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
            Self::Stopped => f.write_str("it was stopped"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for DrawError {}

impl ZImage {
    pub(crate) fn new(encoder: Encoder, transformer: Transformer, decoder: Decoder, shift: f64) -> Self {
        Self { encoder, transformer, decoder, shift }
    }

    /// The sizes that can be drawn.
    pub fn bounds(&self) -> SizeBounds {
        let shape = self.transformer.shape();
        SizeBounds::new(shape.patch * self.decoder.shape().factor(), shape.lengths[1].min(shape.lengths[2]))
    }

    /// Tokens that a prompt may have: 512, or what the network has positions for.
    pub fn most_tokens(&self) -> usize {
        // A caption takes whole groups of rows, and the picture the position behind them.
        (self.transformer.shape().lengths[0].saturating_sub(2) / ROWS * ROWS).min(MOST_TOKENS)
    }

    /// Bytes of the weights as they are kept.
    pub fn weight_bytes(&self) -> usize {
        self.encoder.weight_bytes() + self.transformer.weight_bytes() + self.decoder.weight_bytes()
    }

    /// The tokens of an order's prompt. Refuses what cannot be drawn, before anything is computed.
    pub fn check(&self, order: &Order) -> Result<Vec<u32>, Refusal> {
        self.bounds().parse(&order.size.to_string())?;
        if !(1..=MOST_STEPS).contains(&order.steps) {
            let why = format!("`num_inference_steps` must be from 1 to {MOST_STEPS}; {} is not.", order.steps);
            return Err(Refusal::new(Reason::InvalidRequest, why).with_param("num_inference_steps"));
        }
        self.encoder.tokens(&order.prompt, self.most_tokens())
    }

    /// Draws one picture. The same order has the same bits, on any number of threads and whatever else runs.
    pub fn draw(&mut self, order: &Order, watch: &mut dyn Watch) -> Result<Picture, DrawError> {
        let tokens = self.check(order).map_err(DrawError::Refused)?;
        let features = self.encoder.features(&tokens, &mut || watch.goes_on())?.ok_or(DrawError::Stopped)?;
        let numbers = self.latents(order.size)?;
        let latents = self.denoise(&features, order, noise::noise(order.seed, numbers), watch)?;
        let factor = self.decoder.shape().factor();
        let (height, width) = (order.size.height / factor, order.size.width / factor);
        let pixels = self.decoder.decode(&latents, height, width, watch)?.ok_or(DrawError::Stopped)?;
        Ok(Picture::new(order.size, &pixels))
    }

    /// Bytes that a picture takes at most while it is drawn, besides the weights.
    pub fn picture_bytes(&self, size: Size, tokens: usize) -> u64 {
        let threads = candle_core::utils::barrier_pool().n_workers() + 1;
        memory::of_picture(self.transformer.shape(), self.decoder.shape(), size, tokens, threads)
    }

    /// The steps of a picture that takes so many.
    pub fn steps(&self, count: usize) -> Vec<Step> {
        steps(count, self.shift)
    }

    /// Numbers of the latents of a picture of this size.
    pub fn latents(&self, size: Size) -> candle_core::Result<usize> {
        let factor = self.decoder.shape().factor();
        Ok(self.transformer.grid(size.height / factor, size.width / factor)?.numbers())
    }

    /// From these latents, `[channels, height, width]`, to those of a picture, for a caption of these features.
    pub fn denoise(
        &self,
        features: &Tensor,
        order: &Order,
        mut latents: Vec<f32>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<f32>, DrawError> {
        let factor = self.decoder.shape().factor();
        let grid = self.transformer.grid(order.size.height / factor, order.size.width / factor)?;
        let caption = self.transformer.caption(features, watch)?.ok_or(DrawError::Stopped)?;
        for (number, step) in self.steps(order.steps).into_iter().enumerate() {
            let answer = self.transformer.forward(&latents, &grid, step.time(), &caption, watch)?;
            step.follow(&mut latents, &answer.ok_or(DrawError::Stopped)?);
            watch.stepped(number + 1, order.steps);
        }
        Ok(latents)
    }
}
