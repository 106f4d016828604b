//! Right answers: the packed forward pass against a float64 forward pass in numpy that shares no code with it
//! (`origin/tests/oracle/forward.py`), and against itself under every way to cut and to mix its rows.

use crate::models::network::{Shape, best, one, prompt, step};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use candle_transformers::models::{qwen2, qwen3};
use proptest::prelude::*;
use serde_json::Value;
use sluice_origin::engine::model::{Model, Row};
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use std::collections::BTreeMap;

const GOLDENS: &str = include_str!("../../oracle/forward.json");

pub(crate) fn goldens() -> BTreeMap<String, Value> {
    serde_json::from_str(GOLDENS).unwrap()
}

fn load(shape: &Value, slots: usize, precision: Option<Precision>) -> Qwen {
    let directory = tempfile::tempdir().unwrap();
    Shape(shape.clone()).write(directory.path());
    Qwen::load(directory.path(), slots, precision).unwrap()
}

/// Logits within 1e-4 at positions up to 2,099, and 64 greedy tokens.
#[test]
fn every_variant_has_the_oracles_logits_and_tokens() {
    for (name, golden) in goldens() {
        let mut model = load(&golden["shape"], 1, None);
        let logits: BTreeMap<usize, Vec<f64>> = golden["logits"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(position, values)| (position.parse().unwrap(), serde_json::from_value(values.clone()).unwrap()))
            .collect();
        let last = *logits.keys().max().unwrap();
        let tokens = prompt(last + 1, model.vocab_size());
        model.begin(0, tokens.len()).unwrap();
        let mut at = 0;
        let mut worst = 0f64;
        for (position, expected) in &logits {
            let found = one(&mut model, 0, at, &tokens[at..=*position]);
            at = position + 1;
            for (found, expected) in found.iter().zip(expected) {
                worst = worst.max((f64::from(*found) - expected).abs());
            }
        }
        assert!(worst < 1e-4, "{name}: a logit is off by {worst}");
        model.release(0);
        let expected: Vec<u32> = serde_json::from_value(golden["greedy"].clone()).unwrap();
        assert_eq!(greedy(&mut model, &prompt(20, 96), expected.len()), expected, "{name}");
    }
}

fn greedy(model: &mut Qwen, prompt: &[u32], count: usize) -> Vec<u32> {
    model.begin(0, prompt.len() + count).unwrap();
    let mut tokens = vec![best(&one(model, 0, 0, prompt))];
    while tokens.len() < count {
        let position = prompt.len() + tokens.len() - 1;
        let last = *tokens.last().unwrap();
        tokens.push(best(&one(model, 0, position, &[last])));
    }
    model.release(0);
    tokens
}

/// candle-transformers is a second reference: F32, one shot.
#[test]
fn candle_transformers_agrees() {
    for (name, golden) in goldens().into_iter().filter(|(name, _)| ["qwen2", "qwen3"].contains(&name.as_str())) {
        let shape = Shape(golden["shape"].clone());
        let directory = tempfile::tempdir().unwrap();
        shape.write(directory.path());
        let mut config: Value =
            serde_json::from_slice(&std::fs::read(directory.path().join("config.json")).unwrap()).unwrap();
        config["sliding_window"] = 4096.into();
        config["max_window_layers"] = 2.into();
        config["use_sliding_window"] = false.into();
        let weights = VarBuilder::from_tensors(shape.tensors(), DType::F32, &Device::Cpu);
        let tokens = prompt(300, 96);
        let input = candle_core::Tensor::new(tokens.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let expected = match name.as_str() {
            "qwen2" => {
                let config: qwen2::Config = serde_json::from_value(config).unwrap();
                qwen2::ModelForCausalLM::new(&config, weights).unwrap().forward(&input, 0).unwrap()
            }
            _ => {
                let config: qwen3::Config = serde_json::from_value(config).unwrap();
                qwen3::ModelForCausalLM::new(&config, weights).unwrap().forward(&input, 0).unwrap()
            }
        };
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let mut model = Qwen::load(directory.path(), 1, None).unwrap();
        model.begin(0, 300).unwrap();
        for (found, expected) in one(&mut model, 0, 0, &tokens).iter().zip(expected) {
            assert!((found - expected).abs() < 2e-4, "{name}: {found} {expected}");
        }
    }
}

/// A network that every kernel applies to: widths that are multiples of 256.
fn wide(family: &str) -> Value {
    serde_json::json!({
        "family": family, "vocab": 512, "hidden": 256, "intermediate": 512, "layers": 2, "heads": 4, "kv_heads": 2,
        "head_dim": 64, "theta": 1e6, "eps": 1e-6, "tied": true,
    })
}

#[test]
fn eight_bits_point_where_thirty_two_do() {
    for family in ["qwen2", "qwen3"] {
        let mut exact = load(&wide(family), 1, None);
        for (precision, least) in [(Precision::Q8_0, 0.999), (Precision::Q4K, 0.98)] {
            let mut model = load(&wide(family), 1, Some(precision));
            let tokens = prompt(200, 512);
            for length in [1, 7, 200] {
                let logits = |model: &mut Qwen| {
                    model.begin(0, length).unwrap();
                    let logits = one(model, 0, 0, &tokens[..length]);
                    model.release(0);
                    logits
                };
                let (left, right) = (logits(&mut exact), logits(&mut model));
                let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
                let cosine = dot(&left, &right) / (dot(&left, &left) * dot(&right, &right)).sqrt();
                assert!(cosine > least, "{family} in {precision:?} at {length}: {cosine}");
            }
        }
    }
}

/// What a slot computes does not depend on how its tokens are cut into chunks, nor on what else is in a step: to the
/// bit.
fn mixed_is_alone(precision: Precision, cuts: &[(usize, usize)], others: usize) -> Result<(), TestCaseError> {
    let mut model = load(&wide("qwen3"), 4, Some(precision));
    let tokens: Vec<Vec<u32>> = (0..4).map(|slot| prompt(90 + slot, 512).into_iter().rev().collect()).collect();
    let mut expected = Vec::new();
    for tokens in &tokens {
        model.begin(0, 100).unwrap();
        expected.push(one(&mut model, 0, 0, tokens));
        model.release(0);
    }
    let mut done = vec![0; others + 1];
    let mut last: Vec<Option<Vec<f32>>> = vec![None; others + 1];
    for slot in 0..=others {
        model.begin(slot, 100).unwrap();
    }
    for (slot, length) in cuts.iter().copied().chain((0..4).cycle().map(|slot| (slot, 23)).take(64)) {
        // This slot's chunk, and one token of every other slot that has some left.
        let mut rows = Vec::new();
        for other in 0..=others {
            let length = if other == slot { length } else { 1 };
            let end = tokens[other].len().min(done[other] + length);
            if done[other] < end {
                let chunk = &tokens[other][done[other]..end];
                rows.push(Row {
                    slot: other,
                    position: done[other],
                    tokens: chunk,
                    sample: end == tokens[other].len(),
                });
                done[other] = end;
            }
        }
        if rows.is_empty() {
            break;
        }
        for (row, logits) in rows.iter().zip(step(&mut model, &rows)) {
            if logits.is_some() {
                last[row.slot] = logits;
            }
        }
    }
    for (slot, logits) in last.iter().enumerate() {
        let logits = logits.as_ref().expect("every slot came to its end");
        let off = logits.iter().zip(&expected[slot]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(logits == &expected[slot], "{precision:?}: slot {slot} is off by {off}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn batched_is_alone_and_any_chunking_is_one_shot(
        cuts in proptest::collection::vec((0usize..4, 1usize..60), 0..12),
        others in 0usize..4,
    ) {
        mixed_is_alone(Precision::Q8_0, &cuts, others)?;
        mixed_is_alone(Precision::Q4K, &cuts, others)?;
        mixed_is_alone(Precision::F32, &cuts, others)?;
    }
}

#[test]
fn a_copied_prefix_is_a_computed_one_and_a_released_slot_leaves_no_trace() {
    for precision in [Precision::Q8_0, Precision::F32] {
        a_copy_is_a_computation(load(&wide("qwen3"), 2, Some(precision)));
    }
}

fn a_copy_is_a_computation(mut model: Qwen) {
    let tokens = prompt(80, 512);
    model.begin(0, 80).unwrap();
    let expected = one(&mut model, 0, 0, &tokens);
    // The first 50 from the other slot, the rest computed.
    model.begin(1, 90).unwrap();
    model.copy_prefix(0, 1, 50).unwrap();
    assert_eq!(one(&mut model, 1, 50, &tokens[50..]), expected);
    // The source goes its own way and does not change the copy.
    model.release(0);
    model.begin(0, 80).unwrap();
    one(&mut model, 0, 0, &prompt(80, 512).into_iter().rev().collect::<Vec<_>>());
    let next = one(&mut model, 1, 80, &[5]);
    model.release(1);
    model.begin(1, 81).unwrap();
    one(&mut model, 1, 0, &tokens);
    assert_eq!(one(&mut model, 1, 80, &[5]), next);
    assert!(model.copy_prefix(0, 0, 1).is_err());
    assert!(model.copy_prefix(0, 1, 81).is_err());
}

#[test]
fn rows_that_cannot_be_are_refused_one_by_one() {
    let mut model = load(&wide("qwen2"), 3, None);
    for slot in 0..3 {
        model.begin(slot, 4).unwrap();
    }
    let rows = [
        Row { slot: 0, position: 1, tokens: &[1], sample: true },
        Row { slot: 1, position: 0, tokens: &[1, 2, 3, 4, 5], sample: true },
        Row { slot: 2, position: 0, tokens: &[512], sample: true },
    ];
    let mut logits = sluice_origin::engine::model::Logits::default();
    logits.reset(3, 512);
    model.step(&rows, &mut logits).unwrap();
    for (row, why) in [(0, "holds 0"), (1, "room for 4"), (2, "vocabulary")] {
        assert!(logits.row(row).unwrap_err().contains(why), "{:?}", logits.row(row));
    }
    // And a good one beside them is computed.
    let good = [rows[0], Row { slot: 1, position: 0, tokens: &[1], sample: true }];
    logits.reset(2, 512);
    model.step(&good, &mut logits).unwrap();
    assert!(logits.row(0).is_err() && logits.row(1).unwrap().is_some());
}
