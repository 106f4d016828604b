//! What is computed on lines of numbers: sums of weighted rows, and softmax.

use crate::models::qwen::activation::exp;
use pulp::Simd;

/// Adds to each line of `output` the rows of `matrix`, `[rows, columns]`, each times that line's weight for it: from
/// the first row to the last, whatever else is computed.
#[inline(always)]
pub(super) fn multiply<S: Simd, const LINES: usize>(
    simd: S,
    weights: [&[f32]; LINES],
    matrix: &[f32],
    columns: usize,
    mut output: [&mut [f32]; LINES],
) {
    let mut column = 0;
    while column + 4 * S::F32_LANES <= columns {
        strip::<S, LINES, 4>(simd, weights, matrix, columns, column, &mut output);
        column += 4 * S::F32_LANES;
    }
    while column + S::F32_LANES <= columns {
        strip::<S, LINES, 1>(simd, weights, matrix, columns, column, &mut output);
        column += S::F32_LANES;
    }
    for column in column..columns {
        for line in 0..LINES {
            for (row, weight) in matrix.chunks_exact(columns).zip(weights[line]) {
                output[line][column] += weight * row[column];
            }
        }
    }
}

/// A strip of [`multiply`] that is some vectors wide and stays in registers.
#[inline(always)]
fn strip<S: Simd, const LINES: usize, const VECTORS: usize>(
    simd: S,
    weights: [&[f32]; LINES],
    matrix: &[f32],
    columns: usize,
    column: usize,
    output: &mut [&mut [f32]; LINES],
) {
    let end = column + VECTORS * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; LINES];
    for line in 0..LINES {
        sums[line].copy_from_slice(S::as_simd_f32s(&output[line][column..end]).0);
    }
    for (row, numbers) in matrix.chunks_exact(columns).enumerate() {
        let vectors = S::as_simd_f32s(&numbers[column..end]).0;
        for line in 0..LINES {
            let weight = simd.splat_f32s(weights[line][row]);
            for vector in 0..VECTORS {
                sums[line][vector] = simd.mul_add_e_f32s(weight, vectors[vector], sums[line][vector]);
            }
        }
    }
    for line in 0..LINES {
        S::as_mut_simd_f32s(&mut output[line][column..end]).0.copy_from_slice(&sums[line]);
    }
}

/// Partial maxima and sums of a line of scores.
const LANES: usize = 16;

#[inline(always)]
pub(super) fn softmax(scores: &mut [f32], scale: f32) {
    let mut most = [f32::NEG_INFINITY; LANES];
    let mut chunks = scores.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for lane in 0..LANES {
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    let mut highest = f32::NEG_INFINITY;
    for score in most.iter().chain(chunks.remainder()) {
        highest = if *score > highest { *score } else { highest };
    }
    for score in scores.iter_mut() {
        *score = exp((*score - highest) * scale);
    }
    let mut sums = [0.0f32; LANES];
    let mut chunks = scores.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    let mut total = 0.0;
    for part in sums.iter().chain(chunks.remainder()) {
        total += part;
    }
    let inverse = 1.0 / total;
    for score in scores.iter_mut() {
        *score *= inverse;
    }
}
