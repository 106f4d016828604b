//! Training: what means the same is to lie nearer than all else in its batch, at each width that a vector may be cut
//! to.
//!
//! What comes out depends on the seed, on candle and on the processor's vector units, and not on the number of threads,
//! nor on whether the run was cut off and went on.

#[path = "../tiny/training/optimiser.rs"]
pub(crate) mod optimiser;

use crate::export;
use crate::network::Network;
use crate::operations::cross_entropy;
use crate::pairs::{Batch, Pairs};
use crate::shape::{VOCAB, WIDTHS};
use candle_core::{Result, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use optimiser::Optimiser;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

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
/// Steps until the learning rate is at its highest.
const WARM_UP: usize = 30;
/// Steps between two that are written down, and between two lines where nobody looks at a bar.
const CHECKPOINT: u64 = 50;
/// What cosines are divided by, as of InfoNCE (van den Oord et al. 2018): of pairs, and of topics.
const TEMPERATURE: f64 = 0.05;
const TOPIC_TEMPERATURE: f64 = 0.1;
/// How much a topic counts beside a pair.
const TOPIC: f64 = 0.1;

/// Trains a network and writes its weights into a directory that has all else.
pub(crate) fn train(directory: &Path, options: Options) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
    let pairs = Pairs::load(directory)?;
    let network = Network::new(VOCAB, options.seed)?;
    let mut optimiser = Optimiser::new(&network);
    let checkpoint = directory.join("checkpoint.safetensors");
    if options.resume {
        optimiser.restore(&checkpoint)?;
    }
    let bar = ProgressBar::new(options.steps as u64).with_position(optimiser.steps());
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}, {eta} left")?);
    let (begun, first) = (Instant::now(), optimiser.steps());
    let mut mean: Option<f32> = None;
    for step in first..options.steps as u64 {
        let seed = |batch: usize| options.seed ^ (step * BATCHES as u64 + batch as u64 + 1) << 20;
        let batches = (0..BATCHES).map(|batch| pairs.batch(seed(batch)));
        let batches = batches.collect::<std::result::Result<Vec<_>, _>>()?;
        let (loss, gradients) = gradients(&network, &batches, options.threads)?;
        optimiser.step(rate(step as usize, options), &gradients, options.threads)?;
        let smooth = mean.map_or(loss, |mean| mean + (loss - mean) / 20.0);
        mean = Some(smooth);
        bar.set_message(format!("loss {smooth:.4}"));
        bar.inc(1);
        if optimiser.steps().is_multiple_of(CHECKPOINT) {
            optimiser.save(&checkpoint)?;
            if bar.is_hidden() {
                let each = begun.elapsed().as_secs_f64() / (optimiser.steps() - first) as f64;
                eprintln!("step {} of {}, loss {smooth:.4}, {each:.2} s each", optimiser.steps(), options.steps);
            }
        }
    }
    bar.finish();
    eprintln!("trained in {} s, loss {:.4}", begun.elapsed().as_secs(), mean.unwrap_or_default());
    export::weights(&network, directory)
}

/// Rises, and then falls to nothing along a straight line (Bergsma et al. 2025).
fn rate(step: usize, options: Options) -> f64 {
    let up = (step + 1) as f64 / WARM_UP as f64;
    let down = (options.steps - step) as f64 / options.steps as f64;
    options.rate * up.min(down)
}

/// The mean loss of a batch's pairs, both ways and at all widths, and of its texts' topics.
fn loss(network: &Network, batch: &Batch) -> Result<Tensor> {
    let texts: Vec<&[u32]> = batch.texts.iter().chain(&batch.named).map(Vec::as_slice).collect();
    let (both, pairs) = (batch.texts.len(), batch.topics.len());
    let vectors = network.vectors(&texts)?;
    let own: Arc<Vec<u32>> = Arc::new((0..pairs as u32).collect());
    let topics: Arc<Vec<u32>> = Arc::new(batch.topics.iter().chain(&batch.topics).copied().collect());
    let mut sum = Tensor::zeros((), vectors.dtype(), vectors.device())?;
    for width in WIDTHS {
        let cut = vectors.narrow(1, 0, width)?;
        let long = cut.sqr()?.sum_keepdim(1)?.sqrt()?;
        let cut = cut.broadcast_div(&long)?;
        let part = |from: usize, count: usize| cut.narrow(0, from, count)?.contiguous();
        let near = (part(0, pairs)?.matmul(&part(pairs, pairs)?.t()?)? / TEMPERATURE)?;
        let one_way = cross_entropy(&near, Arc::clone(&own))?;
        let other_way = cross_entropy(&near.t()?.contiguous()?, Arc::clone(&own))?;
        let about = (part(0, both)?.matmul(&part(both, batch.named.len())?.t()?)? / TOPIC_TEMPERATURE)?;
        let topic = (cross_entropy(&about, Arc::clone(&topics))? * TOPIC)?;
        sum = (sum + ((one_way + other_way)? + topic)?)?;
    }
    sum / (both * WIDTHS.len()) as f64
}

/// The mean loss of these batches, and its gradients in the order of [`Network::weights`], added up in a fixed order.
fn gradients(network: &Network, batches: &[Batch], threads: usize) -> Result<(f32, Vec<Vec<f32>>)> {
    type Part = Result<(f32, Vec<Vec<f32>>)>;
    let one = |batch: &Batch| -> Part {
        let loss = (loss(network, batch)? / batches.len() as f64)?;
        let gradients = loss.backward()?;
        let numbers = |(name, weight): (String, &candle_core::Var)| match gradients.get(weight) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => candle_core::bail!("the loss does not depend on {name}"),
        };
        Ok((loss.to_scalar::<f32>()?, network.weights().into_iter().map(numbers).collect::<Result<_>>()?))
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
