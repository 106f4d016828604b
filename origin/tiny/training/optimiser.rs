//! Steps down a gradient, with moments that can be written down, so that a run that was cut off can go on: Muon for what
//! multiplies states (**muon**), AdamW (Loshchilov and Hutter 2019) for the embedding and the norms.
//!
//! candle-nn's AdamW takes a dozen passes with a tensor for each and keeps its moments to itself.

// Said by its path, since `origin/tiny-embed` takes this file by its own.
#[path = "optimiser/muon.rs"]
mod muon;

use crate::network::Network;
use candle_core::{Device, Result, Tensor, Var};
use std::collections::HashMap;
use std::path::Path;
use std::thread;

/// The one matrix that is looked up and not multiplied with.
const EMBEDDING: &str = "model.embed_tokens.weight";
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.98;
const EPS: f32 = 1e-8;
/// Of matrices; norms do not decay.
const DECAY: f32 = 0.1;
/// Gradients that are longer are shortened to this.
const LONGEST_GRADIENT: f64 = 1.0;

/// The weights with their moments.
pub(crate) struct Optimiser {
    steps: u64,
    parts: Vec<Part>,
}

struct Part {
    name: String,
    weight: Var,
    /// Whether Muon moves it.
    turned: bool,
    /// AdamW's mean of gradients, or Muon's momentum.
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Optimiser {
    /// Moments of nothing.
    pub(crate) fn new(network: &Network) -> Self {
        let part = |(name, weight): (String, &Var)| {
            let zeros = || vec![0.0; weight.elem_count()];
            let turned = weight.dims().len() == 2 && name != EMBEDDING;
            Part { name, weight: weight.clone(), turned, first: zeros(), second: zeros() }
        };
        Self { steps: 0, parts: network.weights().into_iter().map(part).collect() }
    }

    /// How many steps were taken.
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    /// One step down these gradients, which have the order of [`Network::weights`].
    pub(crate) fn step(&mut self, rate: f64, gradients: &[Vec<f32>], threads: usize) -> Result<()> {
        let squares = |gradient: &Vec<f32>| gradient.iter().map(|number| f64::from(number * number)).sum::<f64>();
        let length = gradients.iter().map(squares).sum::<f64>().sqrt();
        if !length.is_finite() {
            candle_core::bail!("the gradients are no numbers any more");
        }
        self.steps += 1;
        let power = |beta: f32| 1.0 - f64::from(beta).powf(self.steps as f64);
        let pace = Pace {
            shorter: (LONGEST_GRADIENT / length).min(1.0) as f32,
            rate: rate as f32,
            first: 1.0 / power(BETA1) as f32,
            second: 1.0 / power(BETA2) as f32,
        };
        let mut shares: Vec<Vec<(&mut Part, &Vec<f32>)>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, pair) in self.parts.iter_mut().zip(gradients).enumerate() {
            shares[number % threads].push(pair);
        }
        thread::scope(|scope| {
            let step = |share: Vec<(&mut Part, &Vec<f32>)>| -> Result<()> {
                share.into_iter().try_for_each(|(part, gradient)| part.step(gradient, pace))
            };
            let steps: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || step(share))).collect();
            steps.into_iter().try_for_each(|step| match step.join() {
                Ok(done) => done,
                Err(_) => candle_core::bail!("a thread of the optimiser panicked"),
            })
        })
    }

    /// Writes weights, moments and the number of steps down.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let mut tensors = HashMap::from([("steps".to_owned(), Tensor::new(&[self.steps as f64], &Device::Cpu)?)]);
        for part in &self.parts {
            let tensor = |numbers: &[f32]| Tensor::from_slice(numbers, part.weight.shape(), &Device::Cpu);
            tensors.insert(format!("weight.{}", part.name), part.weight.as_tensor().clone());
            tensors.insert(format!("first.{}", part.name), tensor(&part.first)?);
            tensors.insert(format!("second.{}", part.name), tensor(&part.second)?);
        }
        let draft = file.with_extension("draft");
        candle_core::safetensors::save(&tensors, &draft)?;
        Ok(std::fs::rename(draft, file)?)
    }

    /// Goes on from what was written down. Fails if that is of another network.
    pub(crate) fn restore(&mut self, file: &Path) -> Result<()> {
        let tensors = candle_core::safetensors::load(file, &Device::Cpu)?;
        let find = |name: String| match tensors.get(&name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("{} holds no {name}", file.display()),
        };
        for part in &mut self.parts {
            part.weight.set(find(format!("weight.{}", part.name))?)?;
            part.first = find(format!("first.{}", part.name))?.flatten_all()?.to_vec1()?;
            part.second = find(format!("second.{}", part.name))?.flatten_all()?.to_vec1()?;
        }
        self.steps = find("steps".into())?.to_vec1::<f64>()?.first().copied().unwrap_or_default() as u64;
        Ok(())
    }
}

/// What is the same for all weights of a step.
#[derive(Clone, Copy)]
struct Pace {
    shorter: f32,
    rate: f32,
    first: f32,
    second: f32,
}

impl Part {
    fn step(&mut self, gradient: &[f32], pace: Pace) -> Result<()> {
        if self.turned {
            let shape = self.weight.dims2()?;
            let direction = muon::direction(&mut self.first, gradient, shape)?;
            let kept = (self.weight.as_tensor() * f64::from(1.0 - pace.rate * DECAY))?;
            return self.weight.set(&(kept - (direction * muon::length(f64::from(pace.rate), shape))?)?);
        }
        let decay = if self.weight.dims().len() == 2 { 1.0 - pace.rate * DECAY } else { 1.0 };
        let mut numbers = self.weight.flatten_all()?.to_vec1::<f32>()?;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((number, gradient), (first, second)) in numbers.iter_mut().zip(gradient).zip(moments) {
            let gradient = gradient * pace.shorter;
            *first = BETA1 * *first + (1.0 - BETA1) * gradient;
            *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
            let step = *first * pace.first / ((*second * pace.second).sqrt() + EPS);
            *number = *number * decay - pace.rate * step;
        }
        self.weight.set(&Tensor::from_vec(numbers, self.weight.shape(), &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::optim::{Optimizer, ParamsAdamW};

    /// candle-nn's own, on the same gradients.
    #[test]
    fn the_embeddings_steps_are_those_of_candles_adamw() {
        let (ours, theirs) = (Network::new(8, 3).unwrap(), Network::new(8, 3).unwrap());
        let mut optimiser = Optimiser::new(&ours);
        let matrices = theirs.weights().into_iter().filter(|(_, weight)| weight.dims().len() == 2);
        let matrices = matrices.map(|(_, weight)| weight.clone()).collect();
        let params = ParamsAdamW { lr: 0.01, beta2: 0.98, weight_decay: 0.1, ..ParamsAdamW::default() };
        let mut candle = candle_nn::optim::AdamW::new(matrices, params).unwrap();
        for _ in 0..3 {
            // A quarter of the sum of squares: gradients of half the weights, too short to be shortened further.
            let small = |network: &Network| {
                let mut loss = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).unwrap();
                for (_, weight) in network.weights() {
                    loss = (loss + (weight.sqr().unwrap().sum_all().unwrap() * 0.001).unwrap()).unwrap();
                }
                loss.backward().unwrap()
            };
            let store = small(&ours);
            let gradients: Vec<Vec<f32>> = ours
                .weights()
                .iter()
                .map(|(_, weight)| store.get(weight).unwrap().flatten_all().unwrap().to_vec1().unwrap())
                .collect();
            optimiser.step(0.01, &gradients, 2).unwrap();
            candle.step(&small(&theirs)).unwrap();
        }
        for ((name, ours), (_, theirs)) in ours.weights().into_iter().zip(theirs.weights()) {
            if name != EMBEDDING {
                continue;
            }
            let off = (ours.as_tensor() - theirs.as_tensor()).unwrap().abs().unwrap().flatten_all().unwrap();
            let off = off.max(0).unwrap().to_scalar::<f32>().unwrap();
            assert!(off < 1e-5, "{off}");
        }
    }

    #[test]
    fn what_was_written_down_goes_on_as_if_it_had_not_stopped() {
        let gradients = |network: &Network, seed: u64| -> Vec<Vec<f32>> {
            let mut random = crate::random::Random::new(seed);
            let numbers = |count| (0..count).map(|_| random.normal()).collect();
            network.weights().iter().map(|(_, weight)| weight.elem_count()).map(numbers).collect()
        };
        let network = Network::new(8, 3).unwrap();
        let mut optimiser = Optimiser::new(&network);
        optimiser.step(0.01, &gradients(&network, 1), 2).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("checkpoint.safetensors");
        optimiser.save(&file).unwrap();
        let later = Network::new(8, 4).unwrap();
        let mut restored = Optimiser::new(&later);
        restored.restore(&file).unwrap();
        assert_eq!(restored.steps(), 1);
        for (optimiser, network) in [(&mut optimiser, &network), (&mut restored, &later)] {
            optimiser.step(0.01, &gradients(network, 2), 1).unwrap();
        }
        for ((name, one), (_, other)) in network.weights().into_iter().zip(later.weights()) {
            let numbers = |weight: &Var| weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(numbers(one), numbers(other), "{name}");
        }
    }
}
