//! A pass through the transformer, block by block, and what all passes of a picture share.

use super::super::kernels::Angles;
use super::patches::Grid;
use super::positions::Positions;
use super::{FINAL_EPS, ROWS, Transformer, padded};
use candle_core::{DType, Result, Tensor};

/// What all steps of a picture share: its patches, where every row stands, and its caption, which has layers of its own
/// that do not see the time.
#[derive(Clone, Debug)]
pub struct Scene {
    grid: Grid,
    /// `[rows, dim]`, padded.
    caption: Tensor,
    /// Layers of the caption that are done.
    refined: usize,
    /// Rows of the picture, padded.
    own: usize,
    /// Of the picture's rows, then of the caption's.
    angles: Angles,
}

/// A question to the network on its way through the layers.
#[derive(Clone, Debug)]
pub struct Pass {
    /// `[1, modulation]`
    time: Tensor,
    /// Of the picture; behind the layers that refine it, of the caption as well.
    rows: Tensor,
    /// Layers that are done, those that refine among them.
    done: usize,
}

impl Scene {
    /// Numbers of the latents.
    pub fn numbers(&self) -> usize {
        self.grid.numbers()
    }

    /// How many rows there are: of the picture, and of the picture and its caption; with those that pad them.
    pub fn padded_rows(&self) -> [usize; 2] {
        [self.own, self.own + self.caption.dims()[0]]
    }
}

impl Transformer {
    /// Layers that a caption has of its own.
    pub fn caption_blocks(&self) -> usize {
        self.caption_refiner.len()
    }

    /// Layers of a pass.
    pub fn blocks(&self) -> usize {
        self.noise_refiner.len() + self.layers.len()
    }

    /// Begins a picture whose latents have these sides, with a caption of these features, `[tokens, caption width]`.
    /// Its own layers come next ([`Self::refine`]).
    ///
    /// Refuses sides that are no whole patches or beyond the positions of the network, and more tokens than positions.
    pub fn scene(&self, features: &Tensor, height: usize, width: usize) -> Result<Scene> {
        let grid = Grid::new(&self.shape, height, width)?;
        let (tokens, numbers) = features.dims2()?;
        if numbers != self.shape.caption || tokens == 0 || tokens.next_multiple_of(ROWS) + 1 >= self.shape.lengths[0] {
            candle_core::bail!("a caption of {tokens} rows of {numbers} numbers is beyond the network");
        }
        let features = features.to_device(&self.kernels.device)?.to_dtype(self.kernels.dtype)?;
        let normed = self.kernels.normed(&features, &self.caption_norm, self.shape.norm_eps as f32)?;
        let caption = padded(&self.caption.forward(&normed)?, &self.caption_pad)?;
        let own = grid.rows().next_multiple_of(ROWS);
        let angles = Positions::new(&self.shape).of_both(&grid, own, caption.dim(0)?, &self.kernels)?;
        Ok(Scene { grid, caption, refined: 0, own, angles })
    }

    /// Computes the caption's next layer. `true` when it was the last one, or was done before.
    pub fn refine(&self, scene: &mut Scene) -> Result<bool> {
        if let Some(block) = self.caption_refiner.get(scene.refined) {
            let angles = scene.angles.some(scene.own, scene.caption.dim(0)?)?;
            scene.caption = block.forward(&scene.caption, &angles, None, &self.kernels)?;
            scene.refined += 1;
        }
        Ok(scene.refined == self.caption_refiner.len())
    }

    /// Begins a pass over latents `[channels, height, width]` at this time, from 0 to 1. Refuses latents of another
    /// picture, and a scene whose caption is not done.
    pub fn begin(&self, latents: &[f32], time: f64, scene: &Scene) -> Result<Pass> {
        if scene.refined < self.caption_refiner.len() {
            candle_core::bail!("the caption has {} of its layers", scene.refined);
        }
        let patches = self.kernels.tensor(scene.grid.patches(latents)?, self.shape.patch_numbers())?;
        let rows = padded(&self.patches.forward(&patches)?, &self.patch_pad)?;
        Ok(Pass { time: self.time.forward(time, &self.kernels)?, rows, done: 0 })
    }

    /// Computes the pass's next layer. Behind the last one: the way to less noise, of the shape of the latents.
    pub fn advance(&self, pass: &mut Pass, scene: &Scene) -> Result<Option<Vec<f32>>> {
        let (refiners, kernels) = (self.noise_refiner.len(), &self.kernels);
        if let Some(block) = self.noise_refiner.get(pass.done) {
            let angles = scene.angles.some(0, scene.own)?;
            pass.rows = block.forward(&pass.rows, &angles, Some(&pass.time), kernels)?;
            if pass.done + 1 == refiners {
                pass.rows = Tensor::cat(&[&pass.rows, &scene.caption], 0)?;
            }
        } else if let Some(block) = self.layers.get(pass.done - refiners) {
            pass.rows = block.forward(&pass.rows, &scene.angles, Some(&pass.time), kernels)?;
        }
        pass.done += 1;
        if pass.done < self.blocks() {
            return Ok(None);
        }
        let scale = (self.last_scale.forward(&pass.time.silu()?)? + 1.0)?.squeeze(0)?;
        let rows = kernels.centred(&pass.rows.narrow(0, 0, scene.grid.rows())?, &scale, FINAL_EPS)?;
        let answer = self.last.forward(&rows)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        scene.grid.latents(&answer).map(Some)
    }

    /// A whole pass: the way to less noise of these latents, at this time.
    pub fn forward(&self, latents: &[f32], time: f64, scene: &Scene) -> Result<Vec<f32>> {
        let mut pass = self.begin(latents, time, scene)?;
        loop {
            if let Some(answer) = self.advance(&mut pass, scene)? {
                return Ok(answer);
            }
        }
    }

    /// A scene whose caption is done.
    pub fn refined(&self, features: &Tensor, height: usize, width: usize) -> Result<Scene> {
        let mut scene = self.scene(features, height, width)?;
        while !self.refine(&mut scene)? {}
        Ok(scene)
    }
}
