//! Training: gradients of several batches side by side, added up in a fixed order, and a step of the optimiser.
//!
//! What comes out depends on the seed, on candle and on the processor's vector units, and not on the number of threads, nor
//! on whether the run was cut off and went on.

pub(crate) mod optimiser;

use crate::examples::Texts;
use crate::examples::drills::Drills;
use crate::export;
use crate::network::{Batch, Network};
use crate::vocabulary::VOCAB;
use candle_core::Result;
use indicatif::{ProgressBar, ProgressStyle};
use optimiser::Optimiser;
use std::error::Error;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Steps of the optimiser.
    pub(crate) steps: usize,
    /// Decides everything.
    pub(crate) seed: u64,
    /// The highest learning rate.
    pub(crate) rate: f64,
    /// How many threads compute.
    pub(crate) threads: usize,
    /// Whether to go on from what was written down.
    pub(crate) resume: bool,
}

/// Batches whose gradients make one step.
const BATCHES: usize = 2;
/// Steps whose dialogues are made, sorted by length and shuffled together.
const POOL: usize = 32;
/// Steps until the learning rate is at its highest.
const WARM_UP: usize = 100;
/// Steps between two that are written down.
const CHECKPOINT: u64 = 100;

/// Trains a network and writes its weights into a directory that has all else.
pub(crate) fn train(directory: &Path, options: Options) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
    let texts = Texts::load(directory)?;
    let network = Network::new(VOCAB, options.seed)?;
    let mut optimiser = Optimiser::new(&network);
    let checkpoint = directory.join("checkpoint.safetensors");
    if options.resume {
        optimiser.restore(&checkpoint)?;
    }
    let mut report = Report::new(options.steps, optimiser.steps())?;
    thread::scope(|scope| {
        let (sender, pools) = mpsc::sync_channel(1);
        scope.spawn(move || {
            for pool in 0.. {
                let drills = Drills::at(pool as usize * POOL);
                let seed = options.seed.wrapping_add(pool + 1);
                if sender.send(texts.batches(seed, BATCHES * POOL, drills)).is_err() {
                    break;
                }
            }
        });
        let mut waiting: Vec<Batch> = Vec::new();
        for step in 0..options.steps as u64 {
            while waiting.len() < BATCHES {
                waiting.extend(pools.recv()??);
            }
            let batches: Vec<Batch> = waiting.drain(..BATCHES).collect();
            if step < optimiser.steps() {
                continue;
            }
            let (loss, gradients) = gradients(&network, &batches, options.threads)?;
            optimiser.step(rate(step as usize, options), &gradients, options.threads)?;
            report.step(loss);
            if optimiser.steps().is_multiple_of(CHECKPOINT) {
                optimiser.save(&checkpoint)?;
            }
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })?;
    report.end();
    export::weights(&network, directory)
}

/// Rises, and then falls to nothing along a straight line (Bergsma et al. 2025).
fn rate(step: usize, options: Options) -> f64 {
    let up = (step + 1) as f64 / WARM_UP as f64;
    let down = (options.steps - step) as f64 / options.steps as f64;
    options.rate * up.min(down)
}

/// The mean loss of these batches' targets, and its gradients in the order of [`Network::weights`].
fn gradients(network: &Network, batches: &[Batch], threads: usize) -> Result<(f32, Vec<Vec<f32>>)> {
    type Part = Result<(f32, Vec<Vec<f32>>)>;
    let targets: usize = batches.iter().map(|batch| batch.targets.len()).sum();
    let one = |batch: &Batch| -> Part {
        let loss = (network.loss(batch)? / targets as f64)?;
        let gradients = loss.backward()?;
        let numbers = |(name, weight): (String, _)| match gradients.get(weight) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => candle_core::bail!("the loss does not depend on {name}"),
        };
        Ok((
            loss.to_scalar::<f32>()?,
            network
                .weights()
                .into_iter()
                .map(|(name, weight)| numbers((name, weight.as_tensor())))
                .collect::<Result<_>>()?,
        ))
    };
    let mut parts: Vec<Option<Part>> = batches.iter().map(|_| None).collect();
    thread::scope(|scope| {
        let mut shares: Vec<Vec<(&Batch, &mut Option<Part>)>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, pair) in batches.iter().zip(&mut parts).enumerate() {
            shares[number % threads].push(pair);
        }
        let one = &one;
        for share in shares {
            scope.spawn(move || share.into_iter().for_each(|(batch, part)| *part = Some(one(batch))));
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
    sum.ok_or_else(|| candle_core::Error::msg("there are no batches"))
}

/// What a person sees meanwhile: a bar on a terminal, and elsewhere a line twice a minute.
struct Report {
    bar: ProgressBar,
    begun: Instant,
    spoke: Instant,
    first: u64,
    done: u64,
    steps: u64,
    loss: Option<f32>,
}

impl Report {
    fn new(steps: usize, done: u64) -> std::result::Result<Self, Box<dyn Error + Send + Sync>> {
        let bar = ProgressBar::new(steps as u64).with_position(done);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}, {eta} left")?);
        let now = Instant::now();
        Ok(Self { bar, begun: now, spoke: now, first: done, done, steps: steps as u64, loss: None })
    }

    fn step(&mut self, loss: f32) {
        let mean = self.loss.map_or(loss, |mean| mean + (loss - mean) / 50.0);
        (self.loss, self.done) = (Some(mean), self.done + 1);
        self.bar.set_message(format!("loss {mean:.4}"));
        self.bar.inc(1);
        if self.bar.is_hidden() && self.spoke.elapsed() > Duration::from_secs(30) {
            self.spoke = Instant::now();
            let each = self.begun.elapsed().as_secs_f64() / (self.done - self.first) as f64;
            let left = each * (self.steps - self.done) as f64;
            eprintln!("step {} of {}, loss {mean:.4}, {left:.0} s left", self.done, self.steps);
        }
    }

    fn end(&self) {
        self.bar.finish();
        eprintln!("trained in {} s, loss {:.4}", self.begun.elapsed().as_secs(), self.loss.unwrap_or_default());
    }
}
