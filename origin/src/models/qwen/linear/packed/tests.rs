//! Against candle's reading of the same blocks, and the formula in F64.

use super::*;
use crate::models::qwen::pages::Pages;
use candle_core::{Device, Tensor};
use proptest::prelude::*;

fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut source = crate::engine::sampler::SplitMix64::new(seed);
    (0..count).map(|_| (source.uniform() * 4.0 - 2.0) as f32).collect()
}

/// A matrix as candle quantises it, packed and as candle reads it back; nothing where the processor cannot multiply it.
fn matrix(dtype: GgmlDType, [height, width]: [usize; 2], seed: u64) -> Option<(Packed, Vec<Vec<f32>>)> {
    let dense = Tensor::from_vec(random(seed, height * width), (height, width), &Device::Cpu).unwrap();
    let blocks = QTensor::quantize(&dense, dtype).unwrap();
    let read = blocks.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
    Packed::new(&blocks, &mut Pages::default()).unwrap().map(|packed| (packed, read))
}

/// One row in 8 bits, as the formula says: 32 numbers share a scale, the largest becomes 127.
fn rounded(row: &[f32]) -> Vec<f64> {
    let block = |block: &[f32]| {
        let most = block.iter().fold(0.0f64, |most, number| most.max(f64::from(number.abs())));
        let scale = if most == 0.0 { 1.0 } else { most / 127.0 };
        block.iter().map(|number| (f64::from(*number) / scale).round() * scale).collect::<Vec<_>>()
    };
    row.chunks(BLOCK).flat_map(block).collect()
}

fn dtypes() -> impl Strategy<Value = (GgmlDType, usize)> {
    prop_oneof![
        (Just(GgmlDType::Q8_0), (1usize..12).prop_map(|blocks| blocks * BLOCK)),
        (Just(GgmlDType::Q4K), (1usize..4).prop_map(|blocks| blocks * BLOCK * SUPER)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every row is the one that candle reads; products are the formula's; rows do not depend on each other, nor
    /// matrices; and a row's result is the same bits in every tile.
    #[test]
    fn products_are_the_formula_and_rows_do_not_meet(
        (dtype, width) in dtypes(),
        height in 1usize..70,
        rows in 1usize..40,
        seed in any::<u64>(),
    ) {
        let Some((packed, read)) = matrix(dtype, [height, width], seed) else { return Ok(()) };
        let Some((other, _)) = matrix(GgmlDType::Q8_0, [33, width], seed ^ 1) else { return Ok(()) };
        for (number, expected) in read.iter().enumerate() {
            let mut found = Vec::new();
            packed.row(number, &mut found);
            prop_assert_eq!(&found, expected);
        }
        let input = random(seed ^ 2, rows * width);
        let bias = random(seed ^ 3, height);
        let mut outputs = [vec![1.5; rows * 33], vec![0.0; rows * height]];
        let [first, second] = &mut outputs;
        let into = Target { add: true, ..Target::all(first, 33) };
        let products = vec![
            Product { matrix: &other, bias: None, into },
            Product { matrix: &packed, bias: Some(&bias), into: Target::all(second, height) },
        ];
        multiply(products, rows, &|row, line| line.copy_from_slice(&input[row * width..][..width]));
        let added: Vec<f32> = other.forward(&input).iter().map(|number| 1.5 + number).collect();
        prop_assert_eq!(&outputs[0], &added);
        for (row, input) in input.chunks(width).enumerate() {
            let found = &outputs[1][row * height..][..height];
            let alone = packed.forward(input);
            let alone: Vec<f32> = alone.iter().zip(&bias).map(|(number, bias)| number + bias).collect();
            prop_assert_eq!(&alone, found);
            let input = rounded(input);
            for ((found, weights), bias) in found.iter().zip(&read).zip(&bias) {
                let terms = input.iter().zip(weights).map(|(a, b)| a * f64::from(*b));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                // A number half way between two may be rounded either way: one step of its block.
                let slack = 2.0 / 127.0 * 2.0 + size * 1e-5;
                let sum = sum + f64::from(*bias);
                prop_assert!((f64::from(*found) - sum).abs() < slack, "{found} {sum} of {size}");
            }
        }
    }
}

/// A matrix of which each thread gets several strips, so that those of a single row are computed two at once: the same
/// bits as beside other rows, strip by strip.
#[test]
fn strips_that_are_computed_together_do_not_meet() {
    let threads = candle_core::utils::get_num_threads();
    for strips in [16 * threads, 24 * threads, 24 * threads + 1] {
        let (height, width) = (strips * STRIP - 5, 2 * BLOCK);
        let Some((packed, _)) = matrix(GgmlDType::Q8_0, [height, width], strips as u64) else { return };
        let input = random(9, 3 * width);
        for (input, together) in input.chunks(width).zip(packed.forward(&input).chunks(height)) {
            assert!(packed.forward(input) == together, "{strips} strips");
        }
    }
}

/// Whole numbers up to 127, one of them 127 in each block: nothing is rounded, so the products are exact.
#[test]
fn what_needs_no_rounding_is_exact() {
    let (height, width) = (50, 320);
    let whole = |seed| -> Vec<f32> {
        let mut numbers: Vec<f32> = random(seed, height * width).iter().map(|number| (number * 63.5).round()).collect();
        numbers.chunks_mut(BLOCK).for_each(|block| block[seed as usize % BLOCK] = -127.0);
        numbers
    };
    let (weights, input) = (whole(3), whole(40));
    let dense = Tensor::from_vec(weights.clone(), (height, width), &Device::Cpu).unwrap();
    let blocks = QTensor::quantize(&dense, GgmlDType::Q8_0).unwrap();
    let Some(packed) = Packed::new(&blocks, &mut Pages::default()).unwrap() else { return };
    for (row, found) in input.chunks(width).zip(packed.forward(&input).chunks(height)) {
        for (found, weights) in found.iter().zip(weights.chunks(width)) {
            assert_eq!(*found, row.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>());
        }
    }
}

/// What is no number spoils its own row, and no other.
#[test]
fn a_row_that_is_no_number_stays_alone() {
    for (dtype, poison) in [
        (GgmlDType::Q8_0, f32::NAN),
        (GgmlDType::Q8_0, f32::INFINITY),
        (GgmlDType::Q4K, f32::NAN),
        (GgmlDType::Q4K, f32::NEG_INFINITY),
    ] {
        let Some((packed, _)) = matrix(dtype, [20, 512], 5) else { return };
        let mut input = random(6, 4 * 512);
        let clean = packed.forward(&input);
        input[2 * 512 + 77] = poison;
        let spoilt = packed.forward(&input);
        for row in 0..4 {
            let (clean, spoilt) = (&clean[row * 20..][..20], &spoilt[row * 20..][..20]);
            assert_eq!(spoilt.iter().all(|number| number.is_nan()), row == 2, "{dtype:?} {poison}");
            assert_eq!(clean == spoilt, row != 2);
        }
    }
}

/// Nothing comes of nothing, a matrix takes what its blocks take, and other types are left to candle.
#[test]
fn sizes_and_types() {
    let Some((packed, _)) = matrix(GgmlDType::Q8_0, [64, 256], 8) else { return };
    assert_eq!((packed.height(), packed.width(), packed.bytes()), (64, 256, 64 * 256 / 32 * 34));
    assert_eq!(packed.forward(&vec![0.0; 3 * 256]), vec![0.0; 3 * 64]);
    assert_eq!(packed.forward(&[]), Vec::<f32>::new());
    let Some((packed, _)) = matrix(GgmlDType::Q4K, [64, 256], 8) else { return };
    // Scales of six bits lie in eight.
    assert_eq!(packed.bytes(), 64 * (144 + 4));
    for other in [GgmlDType::Q6K, GgmlDType::Q4_0, GgmlDType::Q5_1] {
        assert!(matrix(other, [16, 256], 9).is_none());
    }
}
