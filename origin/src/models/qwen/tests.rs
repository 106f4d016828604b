//! The pass on tensors, which other devices take, against the pass on slices: both on the CPU.

use super::precision::Precision;
use super::shape::{Family, Rope, Yarn};
use super::*;

fn shape(family: Family, tied: bool, yarn: Option<Yarn>) -> Shape {
    Shape {
        family,
        vocab: 200,
        hidden: 64,
        intermediate: 96,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        context: 512,
        tied,
        norm_eps: 1e-6,
        rope: Rope { theta: 1e4, yarn },
    }
}

/// The logits of each step of two sequences: prompts in chunks, both beside each other, a copied prefix, a slot used
/// again.
fn logits(model: &mut Qwen) -> Vec<Vec<f32>> {
    let ids: Vec<u32> = (0..90).map(|id| id * 37 % 200).collect();
    let mut found = Vec::new();
    let mut step = |model: &mut Qwen, rows: &[(usize, usize, &[u32], bool)]| {
        let rows: Vec<Row<'_>> =
            rows.iter().map(|(slot, position, tokens, sample)| row(*slot, *position, tokens, *sample)).collect();
        let mut logits = Logits::default();
        logits.reset(rows.len(), model.vocab_size());
        model.step(&rows, &mut logits).unwrap();
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(logits.row(number).unwrap().is_some(), row.sample);
            found.extend(logits.row(number).unwrap().map(<[f32]>::to_vec));
        }
    };
    model.begin(0, 100).unwrap();
    model.begin(1, 80).unwrap();
    step(model, &[(0, 0, &ids[..70], false)]);
    step(model, &[(1, 0, &ids[5..9], true), (0, 70, &ids[70..], true)]);
    step(model, &[(0, 90, &[3], true), (1, 4, &[9], true)]);
    model.release(1);
    model.begin(1, 80).unwrap();
    model.copy_prefix(0, 1, 65).unwrap();
    step(model, &[(1, 65, &ids[1..4], true), (0, 91, &[7], true)]);
    model.release(0);
    model.release(1);
    found
}

fn row(slot: usize, position: usize, tokens: &[u32], sample: bool) -> Row<'_> {
    Row { slot, position, tokens, sample }
}

#[test]
fn tensors_and_slices_give_the_same_logits() {
    for (shape, precision, tolerance) in [
        (shape(Family::Qwen2, true, None), Precision::F32, 1e-4),
        (shape(Family::Qwen3 { bias: false }, false, None), Precision::F32, 1e-4),
        (shape(Family::Qwen3 { bias: true }, true, Some(Yarn::new(4.0, 128.0))), Precision::F32, 1e-4),
        // A different last bit of an input may round to another step of 8 bits.
        (shape(Family::Qwen2, false, None), Precision::Q8_0, 0.15),
        (shape(Family::Qwen3 { bias: true }, true, None), Precision::Q8_0, 0.15),
    ] {
        let mut model = Qwen::random(shape.clone(), 2, precision, 11).unwrap();
        let slices = logits(&mut model);
        model.on_tensors = true;
        let tensors = logits(&mut model);
        assert_eq!((slices.len(), tensors.len()), (6, 6));
        for (slices, tensors) in slices.iter().zip(&tensors) {
            let apart = slices.iter().zip(tensors).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < tolerance, "{shape:?} {precision:?}: {apart}");
            // The networks are no constants.
            assert!(slices.iter().copied().fold(f32::MIN, f32::max) > 0.5);
        }
    }
}
