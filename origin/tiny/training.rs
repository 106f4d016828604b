//! Training: gradients of several batches side by side, added up in a fixed order, and a step of the optimiser.
//!
//! What comes out depends on the seed, on candle and on the processor's vector units, and not on the number of threads, nor
//! on whether the run was cut off and went on.

pub(crate) mod optimiser;

use crate::examples::Texts;
use crate::examples::drills::Drills;
use crate::export;
use crate::families::Late;
use crate::network::{Batch, Network};
use crate::vocabulary::VOCAB;
use indicatif::{ProgressBar, ProgressStyle};
use optimiser::Optimiser;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How to train.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Steps of the first stage.
    pub(crate) steps: usize,
    /// Steps of the second stage.
    pub(crate) second_steps: usize,
    /// Steps of the third stage.
    pub(crate) third_steps: usize,
    /// Decides everything.
    pub(crate) seed: u64,
    /// How many threads compute.
    pub(crate) threads: usize,
    /// Whether to go on from what was written down.
    pub(crate) resume: bool,
    /// What is left out, if anything.
    pub(crate) from: Option<From>,
}

/// Where the weights are of a stage that is left out, with those before it.
#[derive(Clone, Debug)]
pub(crate) enum From {
    /// Those of a first stage.
    First(PathBuf),
    /// Those of a second one.
    Second(PathBuf),
}

impl From {
    /// Where they are.
    pub(crate) fn directory(&self) -> &Path {
        let (Self::First(directory) | Self::Second(directory)) = self;
        directory
    }
}

/// What the stages differ in.
struct Stage {
    steps: usize,
    /// Batches whose gradients make one step.
    batches: usize,
    /// The highest learning rate.
    rate: f64,
    /// Steps until it is reached.
    warm_up: usize,
    /// The part of the steps after which it falls.
    flat: f64,
    /// Where it is written down.
    checkpoint: PathBuf,
}

/// Steps whose dialogues are made at a time; in the first stage sorted by length and shuffled together.
const POOL: usize = 32;
/// Steps between two that are written down.
const CHECKPOINT: u64 = 100;

type Failure = Box<dyn Error + Send + Sync>;

/// Trains a network in three stages and writes its weights into a directory that has all else.
///
/// The first stage learns from dialogues by themselves. The second goes on from the weights as they are written, with
/// the context stretched, with dialogues beside tools and with more families. The third goes on from those, with more of
/// what the second one confuses.
pub(crate) fn train(directory: &Path, options: &Options) -> Result<(), Failure> {
    let texts = Texts::load(directory)?;
    let network = Network::new(VOCAB, options.seed)?;
    let [first, second, third] = Stage::all(directory, options);
    if !options.resume {
        for stage in [&first, &second, &third] {
            // One of an earlier run is not what this one would go on with.
            match fs::remove_file(&stage.checkpoint) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    let seed = options.seed;
    let has_second = matches!(options.from, Some(From::Second(_))) || third.checkpoint.exists();
    if options.from.is_none() && !has_second && !second.checkpoint.exists() {
        let pool = |pool: u64| {
            let drills = Drills::at(pool as usize * POOL);
            texts.batches(seed.wrapping_add(pool + 1), BATCHES * POOL, drills)
        };
        first.run(&network, options, pool)?;
        export::weights(&network, directory)?;
    }
    network.read(options.from.as_ref().map_or(directory, From::directory))?;
    // Each stage has a stream of chance of its own.
    let pool = |stage: Late, stream: u64| {
        let texts = &texts;
        move |pool: u64| texts.rows(stage, seed.wrapping_add((stream << 32) + pool), LATE_BATCHES * POOL)
    };
    if !has_second {
        second.run(&network, options, pool(Late::Second, 1))?;
        export::weights(&network, directory)?;
        network.read(directory)?;
    }
    third.run(&network, options, pool(Late::Third, 2))?;
    export::weights(&network, directory)
}

/// Batches of a step of the first stage.
const BATCHES: usize = 2;
/// Sequences of a step of the later stages.
const LATE_BATCHES: usize = 4;

impl Stage {
    fn all(directory: &Path, options: &Options) -> [Self; 3] {
        let late = |steps, rate, name: &str| Self {
            steps,
            batches: LATE_BATCHES,
            rate,
            warm_up: 30,
            flat: 0.3,
            checkpoint: directory.join(name),
        };
        [
            Self {
                steps: options.steps,
                batches: BATCHES,
                rate: 2e-3,
                warm_up: 100,
                flat: 0.0,
                checkpoint: directory.join("checkpoint.safetensors"),
            },
            late(options.second_steps, 1e-3, "checkpoint-late.safetensors"),
            late(options.third_steps, 8e-4, "checkpoint-third.safetensors"),
        ]
    }

    /// Trains this network with what `pool` makes of its number: the batches of so many steps.
    fn run(
        &self,
        network: &Network,
        options: &Options,
        pool: impl Fn(u64) -> Result<Vec<Batch>, Failure> + Send,
    ) -> Result<(), Failure> {
        let mut optimiser = Optimiser::new(network);
        if options.resume && self.checkpoint.exists() {
            optimiser.restore(&self.checkpoint)?;
        }
        let mut report = Report::new(self.steps, optimiser.steps())?;
        thread::scope(|scope| {
            let (sender, pools) = mpsc::sync_channel(1);
            scope.spawn(move || {
                for number in 0.. {
                    if sender.send(pool(number)).is_err() {
                        break;
                    }
                }
            });
            let mut waiting: Vec<Batch> = Vec::new();
            for step in 0..self.steps as u64 {
                while waiting.len() < self.batches {
                    waiting.extend(pools.recv()??);
                }
                let batches: Vec<Batch> = waiting.drain(..self.batches).collect();
                if step < optimiser.steps() {
                    continue;
                }
                let (loss, gradients) = gradients(network, &batches, options.threads)?;
                optimiser.step(self.rate(step as usize), &gradients, options.threads)?;
                report.step(loss);
                if optimiser.steps().is_multiple_of(CHECKPOINT) {
                    optimiser.save(&self.checkpoint)?;
                }
            }
            Ok::<_, Failure>(())
        })?;
        report.end();
        Ok(())
    }

    /// Rises, stays, and then falls to nothing along a straight line (Bergsma et al. 2025).
    fn rate(&self, step: usize) -> f64 {
        let up = (step + 1) as f64 / self.warm_up as f64;
        let down = (self.steps - step) as f64 / (self.steps as f64 * (1.0 - self.flat));
        self.rate * up.min(down).min(1.0)
    }
}

/// The mean loss of these batches' targets, and its gradients in the order of [`Network::weights`].
fn gradients(network: &Network, batches: &[Batch], threads: usize) -> candle_core::Result<(f32, Vec<Vec<f32>>)> {
    type Part = candle_core::Result<(f32, Vec<Vec<f32>>)>;
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
                .collect::<candle_core::Result<_>>()?,
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
    fn new(steps: usize, done: u64) -> Result<Self, Failure> {
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
