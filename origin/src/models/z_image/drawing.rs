//! A picture while it is drawn: some blocks at a time, so that others may compute in between, and whoever leaves is
//! left within one block.
//!
//! A drawing owns what it has come to, and the model is lent for each call. Several may be drawn in turns; each has the
//! bits that it has alone. Who drops a drawing ends it.

use super::noise::noise;
use super::picture::Picture;
use super::prompt::Reading;
use super::schedule::Step;
use super::size::Size;
use super::transformer::{Pass, Scene};
use super::vae::Decoding;
use super::{Order, ZImage};
use candle_core::{Result, Tensor};

/// A picture that has been begun ([`ZImage::begin`]).
pub struct Drawing {
    size: Size,
    seed: u64,
    steps: Vec<Step>,
    stage: Stage,
    /// Empty until the noise is made.
    latents: Vec<f32>,
    /// What the latest answer says the latents are without noise.
    clean: Option<Vec<f32>>,
    progress: Progress,
}

enum Stage {
    Waiting(Vec<u32>),
    Text(Reading),
    Caption(Scene),
    Steps(Scene, Option<Pass>),
    Pixels(Developing),
    Done(Picture),
    Failed,
}

/// What is computed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Part {
    /// The text encoder's layers.
    Text,
    /// The caption's layers.
    Caption,
    /// The transformer's layers, once for each step.
    Steps,
    /// The decoder's blocks.
    Pixels,
    /// Nothing: the picture is done.
    Nothing,
}

impl Part {
    /// Those that compute, in their order.
    pub const ALL: [Self; 4] = [Self::Text, Self::Caption, Self::Steps, Self::Pixels];
}

/// How far a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What comes next.
    pub part: Part,
    /// Steps that are done.
    pub steps: usize,
    /// Steps that the picture takes.
    pub of_steps: usize,
    /// Blocks of all parts that are done. They do not take equally long.
    pub blocks: usize,
    /// Blocks that the picture takes.
    pub of_blocks: usize,
}

impl Progress {
    /// Whether the picture is done.
    pub fn is_done(&self) -> bool {
        self.part == Part::Nothing
    }
}

impl Drawing {
    /// For an order that was looked at, and the tokens of its prompt.
    pub(super) fn new(model: &ZImage, order: &Order, tokens: Vec<u32>) -> Self {
        Self::at(model, Stage::Waiting(tokens), order, model.encoder.blocks())
    }

    /// With features of a caption, and latents in the place of noise.
    pub(super) fn of_features(model: &ZImage, order: &Order, features: &Tensor, latents: Vec<f32>) -> Result<Self> {
        let mut drawing = Self::at(model, Stage::Failed, order, 0);
        drawing.stage = drawing.scene(model, features)?;
        drawing.progress.part = Part::Caption;
        drawing.latents = latents;
        Ok(drawing)
    }

    fn at(model: &ZImage, stage: Stage, order: &Order, text: usize) -> Self {
        let of_steps = order.steps * model.transformer.blocks();
        let of_blocks = text + model.transformer.caption_blocks() + of_steps + model.decoder.blocks();
        let progress = Progress { part: Part::Text, steps: 0, of_steps: order.steps, blocks: 0, of_blocks };
        let Order { size, seed, .. } = *order;
        Self { size, seed, steps: model.steps(order.steps), stage, latents: Vec::new(), clean: None, progress }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Its sides.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The latents after the steps that are done, `[channels, height, width]`: noise at first, nothing before the steps
    /// begin.
    pub fn latents(&self) -> &[f32] {
        &self.latents
    }

    /// Computes so many blocks, or fewer if the picture is done before. `model` is the one that it was begun with. An
    /// error ends the drawing: every later call has one, too.
    pub fn advance(&mut self, model: &mut ZImage, blocks: usize) -> Result<Progress> {
        for _ in 0..blocks {
            if self.progress.is_done() {
                break;
            }
            let stage = std::mem::replace(&mut self.stage, Stage::Failed);
            self.stage = self.next(stage, model)?;
            self.progress.blocks += 1;
            self.progress.part = match &self.stage {
                Stage::Waiting(_) | Stage::Text(_) => Part::Text,
                Stage::Caption(_) => Part::Caption,
                Stage::Steps(..) => Part::Steps,
                Stage::Pixels(_) => Part::Pixels,
                Stage::Done(_) | Stage::Failed => Part::Nothing,
            };
        }
        Ok(self.progress)
    }

    /// How the picture looks without the noise that is left, as the latest step sees it: to be developed beside the
    /// drawing, for the cost of its last part. `None` before the first step is done, and behind the last.
    pub fn preview(&self, model: &ZImage) -> Result<Option<Developing>> {
        match (&self.stage, &self.clean) {
            (Stage::Steps(..), Some(clean)) => Developing::new(model, self.size, clean).map(Some),
            _ => Ok(None),
        }
    }

    /// The picture; `None` if it is not done.
    pub fn finish(self) -> Option<Picture> {
        match self.stage {
            Stage::Done(picture) => Some(picture),
            _ => None,
        }
    }

    /// One block. What comes before a part's first block is cheap and computed with it.
    fn next(&mut self, stage: Stage, model: &mut ZImage) -> Result<Stage> {
        match stage {
            Stage::Waiting(tokens) => {
                let reading = model.encoder.begin(&tokens)?;
                self.next(Stage::Text(reading), model)
            }
            Stage::Text(mut reading) => match model.encoder.advance(&mut reading)? {
                false => Ok(Stage::Text(reading)),
                true => self.scene(model, &model.encoder.features_of(reading)?),
            },
            Stage::Caption(mut scene) => match model.transformer.refine(&mut scene)? {
                false => Ok(Stage::Caption(scene)),
                true => {
                    if self.latents.is_empty() {
                        self.latents = noise(self.seed, scene.numbers());
                    }
                    Ok(Stage::Steps(scene, None))
                }
            },
            Stage::Steps(scene, pass) => self.step(scene, pass, model),
            Stage::Pixels(mut developing) => match developing.advance(model, 1)? {
                false => Ok(Stage::Pixels(developing)),
                true => Ok(developing.finish().map_or(Stage::Failed, Stage::Done)),
            },
            Stage::Done(picture) => Ok(Stage::Done(picture)),
            Stage::Failed => candle_core::bail!("this drawing has failed"),
        }
    }

    fn scene(&self, model: &ZImage, features: &Tensor) -> Result<Stage> {
        let factor = model.decoder.shape().factor();
        let Size { width, height } = self.size;
        model.transformer.scene(features, height / factor, width / factor).map(Stage::Caption)
    }

    fn step(&mut self, scene: Scene, pass: Option<Pass>, model: &ZImage) -> Result<Stage> {
        let Some(step) = self.steps.get(self.progress.steps).copied() else {
            candle_core::bail!("a picture of no steps");
        };
        let mut pass = match pass {
            Some(pass) => pass,
            None => model.transformer.begin(&self.latents, step.time(), &scene)?,
        };
        let Some(answer) = model.transformer.advance(&mut pass, &scene)? else {
            return Ok(Stage::Steps(scene, Some(pass)));
        };
        self.clean = Some(step.clean(&self.latents, &answer));
        step.follow(&mut self.latents, &answer);
        self.progress.steps += 1;
        if self.progress.steps < self.steps.len() {
            return Ok(Stage::Steps(scene, None));
        }
        // What the decoder takes is more than what the transformer took.
        drop((scene, pass));
        Developing::new(model, self.size, &self.latents).map(Stage::Pixels)
    }
}

/// Latents that become a picture.
pub struct Developing {
    size: Size,
    decoding: Decoding,
    picture: Option<Picture>,
}

impl Developing {
    fn new(model: &ZImage, size: Size, latents: &[f32]) -> Result<Self> {
        let factor = model.decoder.shape().factor();
        let decoding = model.decoder.begin(latents, size.height / factor, size.width / factor)?;
        Ok(Self { size, decoding, picture: None })
    }

    /// Computes so many blocks of the decoder, or fewer if the picture is done before: `true` then.
    pub fn advance(&mut self, model: &ZImage, blocks: usize) -> Result<bool> {
        for _ in 0..blocks {
            if self.picture.is_some() {
                break;
            }
            let pixels = model.decoder.advance(&mut self.decoding)?;
            self.picture = pixels.map(|pixels| Picture::new(self.size, &pixels));
        }
        Ok(self.picture.is_some())
    }

    /// The picture; `None` if it is not done.
    pub fn finish(self) -> Option<Picture> {
        self.picture
    }
}
