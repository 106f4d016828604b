//! Beside the float64 oracle (`origin/tests/oracle/images.py`): text features, one answer, the latents after each step,
//! the pixels. The oracle shares the recipe of the weights with the origin, and nothing else.

use crate::models::network::splitmix;
use candle_core::{Device, Tensor};
use serde::Deserialize;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::checkpoint::shape::{DecoderShape, TransformerShape};
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Golden {
    model: String,
    height: usize,
    width: usize,
    steps: usize,
    #[serde(default)]
    bf16: bool,
    number: u64,
    ids: Vec<u32>,
    features: Vec<f32>,
    answer: Vec<f32>,
    latents: Vec<Vec<f32>>,
    pixels: Vec<u8>,
}

fn goldens() -> BTreeMap<String, Golden> {
    serde_json::from_str(include_str!("../../../oracle/images.json")).unwrap()
}

/// The shapes that the oracle has under this name.
fn model(name: &str) -> MadeUp {
    let small = MadeUp::smallest();
    match name {
        "small" => small,
        "deep" => MadeUp {
            transformer: TransformerShape {
                channels: 3,
                dim: 42,
                layers: 3,
                refiners: 2,
                heads: 3,
                norm_eps: 1e-6,
                rope_theta: 100.0,
                time_scale: 500.0,
                axes: [2, 4, 8],
                ..small.transformer
            },
            decoder: DecoderShape {
                latent: 3,
                blocks: vec![6, 6, 12],
                layers: 2,
                groups: 3,
                scaling: 0.7,
                shift: -0.2,
            },
            text: sluice_origin::models::qwen::shape::Shape { layers: 2, heads: 4, kv_heads: 2, ..small.text },
            shift: 1.5,
        },
        other => panic!("the oracle has no model {other}"),
    }
}

fn off(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    // A NaN is off by more than anything.
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, off| if off.is_nan() { f32::MAX } else { most.max(off) })
}

/// What the oracle begins with: uniform numbers, as it makes them.
fn begin(golden: &Golden) -> Vec<f32> {
    let signed = |bits: u64| (bits >> 40) as f64 / f64::from(1 << 23) - 1.0;
    splitmix(9_000 + golden.number, golden.answer.len()).map(|bits| (1.7 * signed(bits)) as f32).collect()
}

/// On slices, as the CPU computes, and on tensors, as a GPU does.
#[test]
fn every_number_on_the_way_to_a_picture_is_the_oracles() {
    for (name, golden) in goldens() {
        let directory = tempfile::tempdir().unwrap();
        model(&golden.model).write(directory.path(), 2).unwrap();
        let precision = if golden.bf16 { Precision::Bf16 } else { Precision::F32 };
        let mut model = ZImage::load(directory.path(), precision).unwrap();
        compare(&name, &golden, &mut model);
        // Products of a matrix in BF16 are our loops' alone on the CPU.
        model.compute_on_tensors();
        compare(&format!("{name}, on tensors"), &golden, &mut model);
        // The networks are no constants: a picture that is grey or clipped would hide what is wrong.
        let levels: std::collections::BTreeSet<u8> = golden.pixels.iter().copied().collect();
        assert!(levels.len() > 100, "{name}: {} levels", levels.len());
    }
}

fn compare(name: &str, golden: &Golden, model: &mut ZImage) {
    let features = model.encoder.features(&golden.ids).unwrap();
    let found = features.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(off(&found, &golden.features) < 1e-4, "{name}: features: {}", off(&found, &golden.features));
    let factor = model.decoder.shape().factor();
    let scene = model.transformer.refined(&features, golden.height / factor, golden.width / factor).unwrap();
    let answer = model.transformer.forward(&begin(golden), 0.0, &scene).unwrap();
    assert!(off(&answer, &golden.answer) < 2e-4, "{name}: answer: {}", off(&answer, &golden.answer));

    let size = Size { width: golden.width, height: golden.height };
    let order = Order { prompt: String::new(), size, steps: golden.steps, seed: 0 };
    let mut drawing = model.begin_with(&order, &features, begin(golden)).unwrap();
    let mut compared = 0;
    while !drawing.progress().is_done() {
        let steps = drawing.advance(model, 1).unwrap().steps;
        if steps > compared {
            let off = off(drawing.latents(), &golden.latents[compared]);
            assert!(off < 1e-3, "{name}: step {compared}: {off}");
            compared = steps;
        }
    }
    assert_eq!(compared, golden.steps);
    let pixels = drawing.finish().unwrap().pixels;
    let most = pixels.iter().zip(&golden.pixels).map(|(found, expected)| found.abs_diff(*expected)).max();
    assert_eq!((pixels.len(), most.is_some_and(|most| most <= 1)), (golden.pixels.len(), true), "{name}: {most:?}");
}

/// The golden answer is far from what each mistake gives that others have made: the check can fail.
#[test]
fn the_bounds_are_far_below_what_a_mistake_does() {
    let goldens = goldens();
    let golden = &goldens["square, 31 tokens"];
    let directory = tempfile::tempdir().unwrap();
    model(&golden.model).write(directory.path(), 1).unwrap();
    let model = ZImage::load(directory.path(), Precision::F32).unwrap();
    let features = Tensor::from_vec(golden.features.clone(), (31, 32), &Device::Cpu).unwrap();
    let answer = |features: &Tensor, time: f64| {
        let scene = model.transformer.refined(features, golden.height / 2, golden.width / 2).unwrap();
        model.transformer.forward(&begin(golden), time, &scene).unwrap()
    };
    assert!(off(&answer(&features, 0.0), &golden.answer) < 2e-4);
    // The last token left out, so that one more row pads; and a time that is off by a twentieth.
    assert!(off(&answer(&features.narrow(0, 0, 30).unwrap(), 0.0), &golden.answer) > 2e-3);
    assert!(off(&answer(&features, 0.05), &golden.answer) > 2e-3);
}
