//! The average of weights over the last steps, in which the newest count most: what is written in the end.

use crate::network::Network;
use candle_core::{Device, Result, Tensor, Var};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How much of the average stays when a step is added, once there are many.
const KEPT: f32 = 0.99;

/// Averages of a network's weights.
pub(super) struct Average(Vec<(String, Vec<f32>)>);

impl Average {
    /// The weights as they are.
    pub(super) fn of(network: &Network) -> Result<Self> {
        let part = |(name, weight): (String, &Var)| Ok((name, weight.flatten_all()?.to_vec1()?));
        network.weights().into_iter().map(part).collect::<Result<_>>().map(Self)
    }

    /// Adds the weights after so many steps.
    pub(super) fn add(&mut self, network: &Network, steps: u64) -> Result<()> {
        let kept = KEPT.min(steps as f32 / (steps as f32 + 10.0));
        for ((_, average), (_, weight)) in self.0.iter_mut().zip(network.weights()) {
            for (average, number) in average.iter_mut().zip(weight.flatten_all()?.to_vec1::<f32>()?) {
                *average = kept * *average + (1.0 - kept) * number;
            }
        }
        Ok(())
    }

    /// Gives a network these weights.
    pub(super) fn give(&self, network: &Network) -> Result<()> {
        for ((_, average), (_, weight)) in self.0.iter().zip(network.weights()) {
            weight.set(&Tensor::from_slice(average, weight.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Writes it beside a checkpoint, under the number of steps: a run may be cut off between the two.
    pub(super) fn save(&self, checkpoint: &Path, steps: u64) -> Result<()> {
        let tensor = |numbers: &[f32]| Tensor::from_slice(numbers, numbers.len(), &Device::Cpu);
        let tensors = self.0.iter().map(|(name, numbers)| Ok((name.clone(), tensor(numbers)?)));
        let tensors: HashMap<String, Tensor> = tensors.collect::<Result<_>>()?;
        let draft = checkpoint.with_extension("average-draft");
        candle_core::safetensors::save(&tensors, &draft)?;
        Ok(fs::rename(draft, file(checkpoint, steps))?)
    }

    /// Takes what was written beside the checkpoint of so many steps.
    pub(super) fn restore(&mut self, checkpoint: &Path, steps: u64) -> Result<()> {
        let file = file(checkpoint, steps);
        let tensors = candle_core::safetensors::load(&file, &Device::Cpu)?;
        for (name, average) in &mut self.0 {
            let Some(tensor) = tensors.get(name) else {
                candle_core::bail!("{} holds no {name}", file.display());
            };
            *average = tensor.to_vec1()?;
        }
        Ok(())
    }

    /// Removes what was written under this number of steps, if anything was.
    pub(super) fn forget(&self, checkpoint: &Path, steps: u64) -> std::io::Result<()> {
        match fs::remove_file(file(checkpoint, steps)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn file(checkpoint: &Path, steps: u64) -> PathBuf {
    checkpoint.with_extension(format!("average-{steps}.safetensors"))
}
