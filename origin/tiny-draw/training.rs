//! Training, in two stages: the VAE learns to keep pictures, then the text encoder and the transformer learn to make
//! its latents of noise.
//!
//! A step's pictures are computed in parts, side by side, and the parts' gradients are added up in a fixed order. What
//! comes out depends on the seed, on candle and on the processor's vector units, and not on the number of threads, nor
//! on whether the run was cut off and went on.

mod average;
#[path = "../tiny/training/optimiser.rs"]
pub(crate) mod optimiser;
mod report;

use crate::captions::Captioned;
use crate::export;
use crate::network::Network;
use crate::network::text::{Captions, features};
use crate::network::transformer::{answer, patches};
use crate::network::vae::{decode, encode, pixels};
use crate::random::Random;
use crate::render::{Pixels, render};
use crate::scene::{SIDE, Scene};
use crate::shape::{PATCH_NUMBERS, SHIFT, VOCAB};
use crate::vocabulary::Vocabulary;
use average::Average;
use candle_core::{Device, Tensor};
use optimiser::Optimiser;
use report::Report;
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, thread};

/// How to train.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Steps of the VAE.
    pub(crate) vae_steps: usize,
    /// Steps of what draws.
    pub(crate) steps: usize,
    /// Decides everything.
    pub(crate) seed: u64,
    /// How many threads compute.
    pub(crate) threads: usize,
    /// Whether to go on from what was written down.
    pub(crate) resume: bool,
}

/// What goes wrong.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The file that keeps the VAE as it was trained, its encoder with it.
pub(crate) const VAE: &str = "vae.safetensors";
/// Parts of a step.
const PARTS: usize = 4;
/// Pictures of a part of the VAE's stage, and of the other one's.
const VAE_PICTURES: usize = 8;
const PICTURES: usize = 16;
/// How loud noise is at most that the decoder learns to bear, beside latents of a mean square of 1.
const NOISE: f32 = 0.15;
/// How much pixels count in the box around a shape, and this near to it, beside those of the background alone.
const AROUND: f32 = 6.0;
const NEAR: usize = 2;
/// Pictures by which latents are measured.
const MEASURED: usize = 256;
/// Steps between two that are written down.
const CHECKPOINT: u64 = 50;
/// Steps until the learning rate is at its highest.
const WARM_UP: usize = 30;

/// One of the stages.
struct Stage {
    name: &'static str,
    /// Its stream of chance.
    stream: u64,
    steps: usize,
    /// The highest learning rate.
    rate: f64,
    /// Steps between two that are written down.
    every: u64,
    checkpoint: PathBuf,
}

/// How the VAE's latents are brought to a mean of 0 and a deviation of 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// What is subtracted from them.
    pub(crate) shift: f32,
    /// What they are multiplied by then.
    pub(crate) factor: f32,
}

/// Trains both stages and writes a directory in the hub's layout.
pub(crate) fn train(directory: &Path, options: &Options) -> Result<(), Failure> {
    let stage = |name: &'static str, stream, steps, rate| {
        let checkpoint = directory.join(format!("checkpoint-{name}.safetensors"));
        Stage { name, stream, steps, rate, every: CHECKPOINT, checkpoint }
    };
    let first = stage("vae", 1, options.vae_steps, 4e-3);
    let second = stage("draw", 2, options.steps, 3e-3);
    let kept = directory.join(VAE);
    if !options.resume {
        // One of an earlier run is not what this one would go on with.
        for file in [&first.checkpoint, &second.checkpoint, &kept] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    let vae = Network::vae(options.seed)?;
    if !kept.exists() {
        first.run(&vae, options, |random| vae_loss(&vae, random))?;
        vae.save(&kept)?;
    }
    vae.restore(&kept)?;
    let scale = measured(&vae, options.seed)?;
    export::vae(&vae, scale, directory)?;
    let vocabulary = Vocabulary::load(directory)?;
    let network = Network::new(VOCAB, options.seed)?;
    second.run(&network, options, |random| drawing_loss(&network, (&vae, scale), &vocabulary, random))?;
    export::drawing(&network, directory)
}

/// How far from each other pictures are and what is decoded of their latents, with some noise on them.
fn vae_loss(vae: &Network, random: &mut Random) -> Result<Tensor, Failure> {
    let pictures: Vec<Pixels> = (0..VAE_PICTURES).map(|_| render(&Scene::random(random, false), random)).collect();
    let counts: Vec<f32> = pictures.iter().flat_map(|picture| counts(picture)).collect();
    let sum: f32 = counts.iter().sum();
    let counts: Vec<f32> = counts.iter().map(|count| count / sum).collect();
    let pictures = pixels(&pictures)?;
    let counts = Tensor::from_vec(counts, pictures.shape(), &Device::Cpu)?;
    let latents = encode(vae, &pictures)?;
    let mut noise = Vec::with_capacity(latents.elem_count());
    for _ in 0..VAE_PICTURES {
        let loudness = NOISE * random.below(1 << 20) as f32 / (1 << 20) as f32;
        noise.extend((0..latents.elem_count() / VAE_PICTURES).map(|_| loudness * random.normal()));
    }
    let noisy = (&latents + Tensor::from_vec(noise, latents.shape(), &Device::Cpu)?)?;
    let off = (decode(vae, &noisy)? - pictures)?;
    Ok(((off.abs()? + off.sqr()?)? * counts)?.sum_all()?)
}

/// How much each number of a picture counts. Few pixels have a part of a small shape, and its corners tell what it is.
fn counts(picture: &[u8]) -> Vec<f32> {
    let background = &picture[..3];
    let (mut least, mut most) = ([SIDE; 2], [0; 2]);
    for (pixel, levels) in picture.chunks_exact(3).enumerate() {
        if levels != background {
            for (axis, at) in [pixel / SIDE, pixel % SIDE].into_iter().enumerate() {
                (least[axis], most[axis]) = (least[axis].min(at), most[axis].max(at));
            }
        }
    }
    let is_near = |axis: usize, at: usize| at + NEAR >= least[axis] && at <= most[axis] + NEAR;
    let count = |pixel: usize| if is_near(0, pixel / SIDE) && is_near(1, pixel % SIDE) { AROUND } else { 1.0 };
    (0..picture.len()).map(|number| count(number / 3)).collect()
}

/// The mean and the deviation of latents.
fn measured(vae: &Network, seed: u64) -> Result<Scale, Failure> {
    let mut random = Random::new(seed);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for _ in 0..MEASURED / VAE_PICTURES {
        let scenes = (0..VAE_PICTURES).map(|_| Scene::random(&mut random, false)).collect::<Vec<_>>();
        let pictures: Vec<Pixels> = scenes.iter().map(|scene| render(scene, &mut random)).collect();
        for latent in encode(vae, &pixels(&pictures)?)?.flatten_all()?.to_vec1::<f32>()? {
            let latent = f64::from(latent);
            (sum, squares, count) = (sum + latent, squares + latent * latent, count + 1.0);
        }
    }
    let mean = sum / count;
    Ok(Scale { shift: mean as f32, factor: (1.0 / (squares / count - mean * mean).sqrt()) as f32 })
}

/// How far the answers are from the straight way from noise to latents (Liu et al. 2022; Lipman et al. 2022).
fn drawing_loss(
    network: &Network,
    (vae, scale): (&Network, Scale),
    vocabulary: &Vocabulary,
    random: &mut Random,
) -> Result<Tensor, Failure> {
    let (mut pictures, mut captions) = (Vec::with_capacity(PICTURES), Vec::with_capacity(PICTURES));
    for _ in 0..PICTURES {
        let (Captioned { scene, .. }, tokens) = vocabulary.captioned(random)?;
        pictures.push(render(&scene, random));
        captions.push(tokens);
    }
    let latents = encode(vae, &pixels(&pictures)?)?.flatten_all()?.to_vec1::<f32>()?;
    let clean: Vec<f32> = patches(&latents).iter().map(|latent| (latent - scale.shift) * scale.factor).collect();
    let (mut noisy, mut ways, mut times) = (Vec::with_capacity(clean.len()), Vec::with_capacity(clean.len()), vec![]);
    for (number, clean) in clean.chunks_exact(clean.len() / PICTURES).enumerate() {
        // Evenly spread over a part, and shifted as they are when a picture is drawn.
        let left = (number as f64 + random.below(1 << 20) as f64 / f64::from(1 << 20)) / PICTURES as f64;
        let sigma = SHIFT * left / (1.0 + (SHIFT - 1.0) * left);
        times.push(1.0 - sigma);
        for clean in clean {
            let noise = random.normal();
            noisy.push((1.0 - sigma as f32) * clean + sigma as f32 * noise);
            ways.push(clean - noise);
        }
    }
    let tensor = |numbers: Vec<f32>| Tensor::from_vec(numbers, ((), PATCH_NUMBERS), &Device::Cpu);
    let captions = Captions::new(&captions);
    let features = features(network, &captions)?;
    let answer = answer(network, &tensor(noisy)?, &times, &captions, &features)?;
    Ok((answer - tensor(ways)?)?.sqr()?.mean_all()?)
}

impl Stage {
    /// Trains this network; `loss` is that of one part. In the end its weights are their average over the last steps.
    fn run(
        &self,
        network: &Network,
        options: &Options,
        loss: impl Fn(&mut Random) -> Result<Tensor, Failure> + Sync,
    ) -> Result<(), Failure> {
        let mut optimiser = Optimiser::new(network);
        let mut average = Average::of(network)?;
        if options.resume && self.checkpoint.exists() {
            optimiser.restore(&self.checkpoint)?;
            average.restore(&self.checkpoint, optimiser.steps())?;
        }
        let mut report = Report::new(self.name, self.steps, optimiser.steps())?;
        for step in optimiser.steps()..self.steps as u64 {
            let seed = |part: usize| options.seed.wrapping_add((self.stream << 40) + step * PARTS as u64 + part as u64);
            let (loss, gradients) = gradients(network, options.threads, |part| loss(&mut Random::new(seed(part))))?;
            optimiser.step(self.rate(step as usize), &gradients, options.threads)?;
            average.add(network, optimiser.steps())?;
            report.step(loss);
            if optimiser.steps().is_multiple_of(self.every) {
                average.save(&self.checkpoint, optimiser.steps())?;
                optimiser.save(&self.checkpoint)?;
                average.forget(&self.checkpoint, optimiser.steps() - self.every)?;
            }
        }
        report.end();
        Ok(average.give(network)?)
    }

    /// Rises, and then falls to nothing along a straight line (Bergsma et al. 2025).
    fn rate(&self, step: usize) -> f64 {
        let up = (step + 1) as f64 / WARM_UP as f64;
        let down = (self.steps - step) as f64 / self.steps as f64;
        self.rate * up.min(down)
    }
}

/// The mean loss of a step's parts and its gradients in the order of [`Network::weights`], added up in a fixed order.
fn gradients(
    network: &Network,
    threads: usize,
    loss: impl Fn(usize) -> Result<Tensor, Failure> + Sync,
) -> Result<(f32, Vec<Vec<f32>>), Failure> {
    type Part = Result<(f32, Vec<Vec<f32>>), Failure>;
    let one = |part: usize| -> Part {
        let loss = (loss(part)? / PARTS as f64)?;
        let gradients = loss.backward()?;
        let numbers = |(name, weight): (String, &candle_core::Var)| match gradients.get(weight) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => candle_core::bail!("the loss does not depend on {name}"),
        };
        let numbers = network.weights().into_iter().map(numbers).collect::<candle_core::Result<_>>()?;
        Ok((loss.to_scalar::<f32>()?, numbers))
    };
    let mut parts: Vec<Option<Part>> = (0..PARTS).map(|_| None).collect();
    thread::scope(|scope| {
        let mut shares: Vec<Vec<(usize, &mut Option<Part>)>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, part) in parts.iter_mut().enumerate() {
            shares[number % threads].push((number, part));
        }
        let one = &one;
        for share in shares {
            scope.spawn(move || share.into_iter().for_each(|(number, part)| *part = Some(one(number))));
        }
    });
    let mut sum: Option<(f32, Vec<Vec<f32>>)> = None;
    for part in parts.into_iter().flatten() {
        let (loss, gradients) = part?;
        match &mut sum {
            None => sum = Some((loss, gradients)),
            Some((losses, sums)) => {
                *losses += loss;
                for (sum, gradient) in sums.iter_mut().zip(gradients) {
                    sum.iter_mut().zip(gradient).for_each(|(sum, number)| *sum += number);
                }
            }
        }
    }
    sum.ok_or_else(|| "there are no parts".into())
}

#[cfg(test)]
mod tests;
