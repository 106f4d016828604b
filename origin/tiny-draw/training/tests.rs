//! What does not change what comes out, and that all weights are trained.

use super::*;
use candle_core::Var;
use std::sync::atomic::{AtomicUsize, Ordering};

fn stage(directory: &Path) -> Stage {
    let checkpoint = directory.join("checkpoint-test.safetensors");
    Stage { name: "test", stream: 3, steps: 8, rate: 1e-2, every: 3, checkpoint }
}

fn options(threads: usize, resume: bool) -> Options {
    Options { vae_steps: 0, steps: 0, seed: 5, threads, resume }
}

/// A loss of all weights, in which chance counts.
fn loss(network: &Network, random: &mut Random) -> Result<Tensor, Failure> {
    let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
    for (_, weight) in network.weights() {
        let off = (weight.as_tensor() - f64::from(random.normal()))?;
        sum = (sum + (off.sqr()?.sum_all()? * 1e-3)?)?;
    }
    Ok(sum)
}

fn bits(network: &Network) -> Vec<Vec<u32>> {
    let bits = |(_, weight): (String, &Var)| -> Vec<u32> {
        weight.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    network.weights().into_iter().map(bits).collect()
}

#[test]
fn neither_threads_nor_a_run_that_was_cut_off_change_a_bit() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let whole = Network::vae(1).unwrap();
    let begun = bits(&whole);
    stage(directories[0].path()).run(&whole, &options(1, false), |random| loss(&whole, random)).unwrap();
    assert_ne!(bits(&whole), begun);
    let (cut, calls) = (Network::vae(1).unwrap(), AtomicUsize::new(0));
    let stage = stage(directories[1].path());
    // In its sixth step, behind a checkpoint after the third.
    let failing = |random: &mut Random| match calls.fetch_add(1, Ordering::Relaxed) {
        call if call > 5 * PARTS => Err("cut off".into()),
        _ => loss(&cut, random),
    };
    assert!(stage.run(&cut, &options(3, false), failing).is_err());
    let resumed = Network::vae(9).unwrap();
    stage.run(&resumed, &options(2, true), |random| loss(&resumed, random)).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn both_losses_reach_every_weight() {
    let directory = tempfile::tempdir().unwrap();
    export::text(directory.path(), &crate::vocabulary::learn(1).unwrap()).unwrap();
    let vocabulary = Vocabulary::load(directory.path()).unwrap();
    let (vae, network) = (Network::vae(1).unwrap(), Network::new(VOCAB, 1).unwrap());
    let scale = measured(&vae, 1).unwrap();
    let random = |part: usize| Random::new(part as u64);
    let (loss, gradients_of_vae) = gradients(&vae, 2, |part| vae_loss(&vae, &mut random(part))).unwrap();
    assert!(loss > 0.0 && loss.is_finite());
    let drawing = |part| drawing_loss(&network, (&vae, scale), &vocabulary, &mut random(part));
    let (loss, gradients_of_drawing) = gradients(&network, 2, drawing).unwrap();
    // Noise and latents have a deviation of 1 each, and nothing is known yet.
    assert!((1.5..3.0).contains(&loss), "{loss}");
    for (network, gradients) in [(&vae, gradients_of_vae), (&network, gradients_of_drawing)] {
        for ((name, _), gradient) in network.weights().into_iter().zip(gradients) {
            assert!(
                gradient.iter().all(|number| number.is_finite()) && gradient.iter().any(|number| *number != 0.0),
                "{name}"
            );
        }
    }
}
