//! Beside the float64 oracle (`origin/tests/oracle/images.py`): text features, one answer, the latents after each step,
//! the pixels. The oracle shares the recipe of the weights with the origin, and nothing else.

use crate::models::network::splitmix;
use candle_core::{Device, Tensor};
use serde::Deserialize;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::checkpoint::shape::{DecoderShape, TransformerShape};
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::watch::{Nobody, Watch};
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
    pixels: Vec<i32>,
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

#[test]
fn every_number_on_the_way_to_a_picture_is_the_oracles() {
    for (name, golden) in goldens() {
        let directory = tempfile::tempdir().unwrap();
        model(&golden.model).write(directory.path(), 2).unwrap();
        let precision = if golden.bf16 { Precision::Bf16 } else { Precision::F32 };
        let mut model = ZImage::load(directory.path(), precision).unwrap();
        let features = model.encoder.features(&golden.ids, &mut || true).unwrap().unwrap();
        let found = features.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(off(&found, &golden.features) < 1e-4, "{name}: features: {}", off(&found, &golden.features));
        let size = Size { width: golden.width, height: golden.height };
        let factor = model.decoder.shape().factor();
        let (height, width) = (golden.height / factor, golden.width / factor);

        let grid = model.transformer.grid(height, width).unwrap();
        let caption = model.transformer.caption(&features, &mut Nobody).unwrap().unwrap();
        let answer = model.transformer.forward(&begin(&golden), &grid, 0.0, &caption, &mut Nobody).unwrap().unwrap();
        assert!(off(&answer, &golden.answer) < 2e-4, "{name}: answer: {}", off(&answer, &golden.answer));

        // Of fewer steps the schedule is another one: the last latents are compared for all, and each of these by
        // itself.
        let order = Order { prompt: String::new(), size, steps: golden.steps, seed: 0 };
        let mut steps = Steps { model: &model, latents: Vec::new() };
        let latents = steps.all(&order, &features, begin(&golden));
        for (step, (found, expected)) in latents.iter().zip(&golden.latents).enumerate() {
            assert!(off(found, expected) < 1e-3, "{name}: step {step}: {}", off(found, expected));
        }
        assert_eq!(latents.len(), golden.steps);
        let pixels =
            model.decoder.decode(&golden.latents[golden.steps - 1], height, width, &mut Nobody).unwrap().unwrap();
        let level = |number: &f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as i32;
        let most = pixels.iter().zip(&golden.pixels).map(|(found, expected)| (level(found) - expected).abs()).max();
        assert_eq!((pixels.len(), most.is_some_and(|most| most <= 1)), (golden.pixels.len(), true), "{name}: {most:?}");
        // The networks are no constants: a picture that is grey or clipped would hide what is wrong.
        let levels: std::collections::BTreeSet<i32> = golden.pixels.iter().copied().collect();
        assert!(levels.len() > 100, "{name}: {} levels", levels.len());
    }
}

/// A schedule's latents after each step: of orders that are stopped behind it.
struct Steps<'a> {
    model: &'a ZImage,
    latents: Vec<Vec<f32>>,
}

impl Steps<'_> {
    fn all(&mut self, order: &Order, features: &Tensor, begin: Vec<f32>) -> Vec<Vec<f32>> {
        let caption = self.model.transformer.caption(features, &mut Nobody).unwrap().unwrap();
        let factor = self.model.decoder.shape().factor();
        let grid = self.model.transformer.grid(order.size.height / factor, order.size.width / factor).unwrap();
        let mut latents = begin.clone();
        for step in self.model.steps(order.steps) {
            let answer = self.model.transformer.forward(&latents, &grid, step.time(), &caption, &mut Nobody);
            step.follow(&mut latents, &answer.unwrap().unwrap());
            self.latents.push(latents.clone());
        }
        // And the walk that draws takes the same way.
        let whole = self.model.denoise(features, order, begin, &mut Nobody).unwrap();
        assert_eq!(Some(&whole), self.latents.last());
        std::mem::take(&mut self.latents)
    }
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
    let grid = model.transformer.grid(golden.height / 2, golden.width / 2).unwrap();
    let answer = |features: &Tensor, time: f64| {
        let caption = model.transformer.caption(features, &mut Nobody).unwrap().unwrap();
        model.transformer.forward(&begin(golden), &grid, time, &caption, &mut Nobody).unwrap().unwrap()
    };
    assert!(off(&answer(&features, 0.0), &golden.answer) < 2e-4);
    // The last token left out, so that one more row pads; and a time that is off by a twentieth.
    assert!(off(&answer(&features.narrow(0, 0, 30).unwrap(), 0.0), &golden.answer) > 2e-3);
    assert!(off(&answer(&features, 0.05), &golden.answer) > 2e-3);
}

/// Asks nothing and counts.
#[derive(Default)]
struct Counted(usize);

impl Watch for Counted {
    fn goes_on(&mut self) -> bool {
        self.0 += 1;
        true
    }
}

/// Before each block, and so often: 2 of the text, 1 of the caption, 8 times 1 and 2 of the picture, and of the decoder
/// 2 of its middle, twice 2 and the one that doubles.
#[test]
fn every_block_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    super::smallest(directory.path());
    let mut model = super::load(directory.path());
    let mut counted = Counted::default();
    let order = Order { prompt: "a red square".into(), size: Size { width: 16, height: 16 }, steps: 8, seed: 1 };
    model.draw(&order, &mut counted).unwrap();
    assert_eq!(counted.0, 2 + 1 + 8 * (1 + 2) + 2 + 2 * 2 + 1);
}
