//! The gradients against differences, and the networks against what the origin serves.

use super::attention::softmax;
use super::convolution::{Reading, convolve};
use super::map::{Map, group_norm};
use super::norms::{each_layer_norm, each_rms_norm, made, numbers, plus_bias};
use super::rope::{Angles, turned_heads};
use super::text::{Captions, features};
use super::transformer::{answer, patches};
use super::vae::{decode, encode, pixels};
use super::*;
use crate::export;
use crate::random::Random;
use crate::render::render;
use crate::scene::Scene;
use crate::shape::{CAPTION, GRID, HEAD, LATENT, PATCHES, VOCAB};
use crate::training::Scale;
use crate::vocabulary::{self, Vocabulary};
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};

/// Normally distributed numbers.
fn random(shape: &[usize], seed: u64) -> Var {
    let mut random = Random::new(seed);
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal()).collect();
    Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Compares gradients with differences: of a sum of the outputs, each with a weight of its own. Of large variables some
/// numbers are looked at.
fn check(name: &str, variables: &[&Var], function: impl Fn() -> Tensor) {
    let weights = random(function().dims(), 99);
    let value = || (function() * weights.as_tensor()).unwrap().sum_all().unwrap();
    let gradients = value().backward().unwrap();
    for variable in variables {
        let gradient = numbers(gradients.get(variable).unwrap()).unwrap();
        let original = numbers(variable).unwrap();
        for index in (0..original.len()).step_by(original.len() / 60 + 1) {
            let moved = |by: f32| {
                let mut numbers = original.clone();
                numbers[index] += by;
                variable.set(&made(numbers, variable).unwrap()).unwrap();
                f64::from(value().to_scalar::<f32>().unwrap())
            };
            let expected = ((moved(0.01) - moved(-0.01)) / 0.02) as f32;
            let found = gradient[index];
            assert!((expected - found).abs() < 0.03 * (1.0 + expected.abs()), "{name}, {index}: {expected} {found}");
        }
        variable.set(&made(original, variable).unwrap()).unwrap();
    }
}

#[test]
fn every_gradient_is_what_differences_say() {
    let (input, weights) = (random(&[6, 8], 1), random(&[2, 8], 2));
    check("rms norm", &[&input, &weights], || each_rms_norm(&input, &weights, 1e-5).unwrap());
    check("layer norm", &[&input, &weights], || each_layer_norm(&input, &weights).unwrap());
    let bias = random(&[8], 3);
    check("bias", &[&input, &bias], || plus_bias(&input, &bias).unwrap());
    check("softmax", &[&input], || softmax(&input, 0.5).unwrap());
    let angles = Angles::of_caption();
    let heads = random(&[2 * CAPTION, 2 * HEAD], 4);
    check("turned heads", &[&heads], || turned_heads(&heads, &angles).unwrap());
    let (rows, weight) = (random(&[2 * 16, 4], 5), random(&[4], 6));
    let bias = random(&[4], 7);
    for is_activated in [false, true] {
        check("group norm", &[&rows, &weight, &bias], || {
            group_norm(&Map { rows: rows.as_tensor().clone(), side: 4 }, &weight, &bias, is_activated).unwrap().rows
        });
    }
    for reading in [Reading::PLAIN, Reading::POINT, Reading::DOUBLED, Reading::HALVED] {
        let (weight, bias) = (random(&[3, reading.side * reading.side * 4], 8), random(&[3], 9));
        check("convolution", &[&rows, &weight, &bias], || {
            convolve(&Map { rows: rows.as_tensor().clone(), side: 4 }, &weight, &bias, reading).unwrap().rows
        });
    }
}

/// As the sum is written, with zeros beyond the borders.
#[test]
fn a_convolution_is_its_sum() {
    let (rows, weight, bias) = (random(&[2 * 36, 4], 1), random(&[3, 36], 2), random(&[3], 3));
    let (numbers_of, weights, biases) = (numbers(&rows).unwrap(), numbers(&weight).unwrap(), numbers(&bias).unwrap());
    for reading in [Reading::PLAIN, Reading::DOUBLED, Reading::HALVED] {
        let map = Map { rows: rows.as_tensor().clone(), side: 6 };
        let made = convolve(&map, &weight, &bias, reading).unwrap();
        let found = numbers(&made.rows).unwrap();
        let side = made.side as i64;
        assert_eq!(side, 6 * reading.times as i64 / reading.stride as i64);
        for (at, found) in found.iter().enumerate() {
            let (pixel, out) = (at as i64 / 3, at % 3);
            let (picture, y, x) = (pixel / (side * side), pixel / side % side, pixel % side);
            let mut sum = biases[out];
            for place in 0..9i64 {
                let at = |from: i64, by: i64| from * reading.stride as i64 + by - 1;
                let (y, x) = (at(y, place / 3), at(x, place % 3));
                let most = 6 * reading.times as i64;
                if (0..most).contains(&y) && (0..most).contains(&x) {
                    let (y, x) = (y / reading.times as i64, x / reading.times as i64);
                    let first = (((picture * 6 + y) * 6 + x) * 4) as usize;
                    let weights = &weights[out * 36 + place as usize * 4..];
                    sum += numbers_of[first..first + 4].iter().zip(weights).map(|(a, b)| a * b).sum::<f32>();
                }
            }
            assert!((sum - found).abs() < 1e-4, "{reading:?}, {at}: {sum} {found}");
        }
    }
}

/// Numbers that are no weights as they begin: every bias, norm and gate counts.
fn stirred(network: &Network, seed: u64) {
    let mut random = Random::new(seed);
    for (_, weight) in &network.weights {
        let stirred = numbers(weight).unwrap().iter().map(|number| number + 0.05 * random.normal()).collect();
        weight.set(&made(stirred, weight).unwrap()).unwrap();
    }
    network.round().unwrap();
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// Latents as the origin lays them, `[channels, height, width]`.
fn laid(latents: &[f32]) -> Vec<f32> {
    let pixels = GRID * GRID;
    (0..LATENT * pixels).map(|at| latents[at % pixels * LATENT + at / pixels]).collect()
}

#[test]
fn the_origin_computes_what_is_trained() {
    let directory = tempfile::tempdir().unwrap();
    export::text(directory.path(), &vocabulary::learn(1).unwrap()).unwrap();
    let (vae, network) = (Network::vae(2).unwrap(), Network::new(VOCAB, 3).unwrap());
    stirred(&vae, 4);
    stirred(&network, 5);
    let scale = Scale { shift: 0.125, factor: 1.25 };
    export::vae(&vae, scale, directory.path()).unwrap();
    export::drawing(&network, directory.path()).unwrap();
    let mut model = ZImage::load(directory.path(), Precision::F32).unwrap();
    assert_eq!(model.facts().usual(), Size { width: 64, height: 64 });
    let vocabulary = Vocabulary::load(directory.path()).unwrap();
    // Two together, of different lengths, each as it is alone.
    let prompts = ["a red circle", "白色背景上左上角的大的红色圆形"];
    let tokens: Vec<Vec<u32>> = prompts.iter().map(|prompt| vocabulary.tokens(prompt).unwrap()).collect();
    let captions = Captions::new(&tokens);
    let known = features(&network, &captions).unwrap();
    let mut source = Random::new(6);
    let latents: Vec<f32> = (0..2 * GRID * GRID * LATENT).map(|_| source.normal()).collect();
    let times = [0.0, 0.6];
    let rows = Tensor::from_vec(patches(&latents), (2 * PATCHES * PATCHES, ()), &Device::Cpu).unwrap();
    let answers = numbers(&answer(&network, &rows, &times, &captions, &known).unwrap()).unwrap();
    for (number, prompt) in prompts.iter().enumerate() {
        let size = Size { width: 64, height: 64 };
        let order = Order { prompt: (*prompt).to_owned(), size, steps: 8, seed: 1 };
        assert_eq!(model.check(&order).unwrap(), tokens[number]);
        let served = model.encoder.features(&tokens[number]).unwrap();
        let own = known.narrow(0, number * captions.positions(), tokens[number].len()).unwrap();
        assert!(apart(&numbers(&served).unwrap(), &numbers(&own).unwrap()) < 1e-4);
        let scene = model.transformer.refined(&served, GRID, GRID).unwrap();
        let part = latents.len() / 2;
        let own = &latents[number * part..][..part];
        let found = model.transformer.forward(&laid(own), times[number], &scene).unwrap();
        // The answer is in patches: those of what the origin says.
        let back: Vec<f32> = (0..part).map(|at| found[at % LATENT * GRID * GRID + at / LATENT]).collect();
        let off = apart(&patches(&back), &answers[number * part..][..part]);
        assert!(off < 1e-4, "{prompt}: {off}");
        let pictures = model.decoder.decode(&laid(own), GRID, GRID).unwrap();
        let scaled = own.iter().map(|latent| latent / scale.factor + scale.shift).collect();
        let scaled = Tensor::from_vec(scaled, (GRID * GRID, LATENT), &Device::Cpu).unwrap();
        let off = apart(&pictures, &numbers(&decode(&vae, &scaled).unwrap()).unwrap());
        assert!(off < 1e-4, "{off}");
    }
}

/// Pictures of a batch do not see each other, and latents have a mean square of 1.
#[test]
fn pictures_are_encoded_by_themselves() {
    let (vae, mut random) = (Network::vae(2).unwrap(), Random::new(1));
    let pictures: Vec<Vec<u8>> = (0..2).map(|_| render(&Scene::random(&mut random, false), &mut random)).collect();
    let both = numbers(&encode(&vae, &pixels(&pictures).unwrap()).unwrap()).unwrap();
    let second = numbers(&encode(&vae, &pixels(&pictures[1..]).unwrap()).unwrap()).unwrap();
    assert!(apart(&both[both.len() / 2..], &second) < 1e-5);
    let square = both.iter().map(|latent| latent * latent).sum::<f32>() / both.len() as f32;
    assert!((square - 1.0).abs() < 0.01, "{square}");
}
