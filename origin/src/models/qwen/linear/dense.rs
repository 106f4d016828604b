//! Products with dense matrices in F32 or BF16 on the CPU, each number summed in one order, in F32.
//!
//! A general kernel cuts its work by the number of rows, and so sums one row in another order than many. The answer to
//! a request would then depend on what else is in a step, and on how much of its prompt is remembered: a close draw
//! falls differently. Here a number is the product of its row and its column alone, vector by vector from the first to
//! the last. So one machine gives the same bits for any number of rows.

use crate::models::qwen::rows::in_parallel;
use candle_core::utils::barrier_pool;
use half::bf16;
use pulp::{Simd, WithSimd};

/// Columns of a product that one thread takes at a time; a multiple of 3, 6 and 8, the widths of tiles.
const STRIP: usize = 48;
/// So few multiplications are not worth sharing out among threads.
const SMALL: usize = 1 << 16;

/// A number of a matrix as it is kept.
pub(crate) trait Kept: Copy + Sync {
    /// These in F32, if need be written to `room`, which is as long.
    fn widened<'a>(kept: &'a [Self], room: &'a mut Vec<f32>) -> &'a [f32];
}

impl Kept for f32 {
    fn widened<'a>(kept: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        kept
    }
}

impl Kept for bf16 {
    fn widened<'a>(kept: &'a [Self], room: &'a mut Vec<f32>) -> &'a [f32] {
        // The upper half of an F32: exact, and vectors by the compiler.
        room.clear();
        room.extend(kept.iter().map(|number| f32::from_bits(u32::from(number.to_bits()) << 16)));
        room
    }
}

/// What `[rows, width]` becomes by a matrix `[height, width]`: `[rows, height]`. `width` is at least 1.
pub(crate) fn forward<T: Kept>(weights: &[T], width: usize, input: &[f32]) -> Vec<f32> {
    let (height, rows) = (weights.len() / width, input.len() / width);
    let mut output = vec![0.0; rows * height];
    if output.is_empty() {
        return output;
    }
    let mut strips: Vec<Vec<&mut [f32]>> = (0..height.div_ceil(STRIP)).map(|_| Vec::with_capacity(rows)).collect();
    for line in output.chunks_exact_mut(height) {
        strips.iter_mut().zip(line.chunks_mut(STRIP)).for_each(|(strip, part)| strip.push(part));
    }
    let arch = pulp::Arch::new();
    let work = |number: usize, into: Vec<&mut [f32]>| {
        let (first, mut room) = (number * STRIP * width, Vec::new());
        let strip = &weights[first..weights.len().min(first + STRIP * width)];
        arch.dispatch(Strip { weights: T::widened(strip, &mut room), input, width, into });
    };
    if rows * weights.len() < SMALL || barrier_pool().n_workers() == 0 {
        strips.into_iter().enumerate().for_each(|(number, into)| work(number, into));
    } else {
        in_parallel(strips.into_iter().enumerate().collect(), |_, (number, into)| work(number, into));
    }
    output
}

/// All rows' products with some columns.
struct Strip<'a, 'b> {
    /// From the strip's first column on.
    weights: &'a [f32],
    input: &'a [f32],
    width: usize,
    /// One line per row, as long as there are columns.
    into: Vec<&'b mut [f32]>,
}

impl WithSimd for Strip<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weights, input, width, mut into } = self;
        // As many sums as registers hold beside what is multiplied: rows times columns of a tile.
        let mut row = 0;
        while row + 4 <= into.len() {
            lines::<S, 4, 3>(simd, weights, &input[row * width..], width, &mut into[row..row + 4]);
            row += 4;
        }
        while row + 2 <= into.len() {
            lines::<S, 2, 6>(simd, weights, &input[row * width..], width, &mut into[row..row + 2]);
            row += 2;
        }
        while row < into.len() {
            lines::<S, 1, 8>(simd, weights, &input[row * width..], width, &mut into[row..row + 1]);
            row += 1;
        }
    }
}

/// Some rows' products with all columns of the strip.
#[inline(always)]
fn lines<S: Simd, const ROWS: usize, const COLUMNS: usize>(
    simd: S,
    weights: &[f32],
    input: &[f32],
    width: usize,
    into: &mut [&mut [f32]],
) {
    let count = into[0].len();
    let mut column = 0;
    while column + COLUMNS <= count {
        tile::<S, ROWS, COLUMNS>(simd, &weights[column * width..], input, width, into, column);
        column += COLUMNS;
    }
    while column < count {
        tile::<S, ROWS, 1>(simd, &weights[column * width..], input, width, into, column);
        column += 1;
    }
}

#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const COLUMNS: usize>(
    simd: S,
    weights: &[f32],
    input: &[f32],
    width: usize,
    into: &mut [&mut [f32]],
    column: usize,
) {
    let whole = width - width % S::F32_LANES;
    let vectors = whole / S::F32_LANES;
    let (mut rows, mut columns) = ([S::as_simd_f32s(&[]).0; ROWS], [S::as_simd_f32s(&[]).0; COLUMNS]);
    for number in 0..ROWS {
        rows[number] = &S::as_simd_f32s(&input[number * width..][..whole]).0[..vectors];
    }
    for number in 0..COLUMNS {
        columns[number] = &S::as_simd_f32s(&weights[number * width..][..whole]).0[..vectors];
    }
    let mut sums = [[simd.splat_f32s(0.0); COLUMNS]; ROWS];
    for vector in 0..vectors {
        let mut weight = [simd.splat_f32s(0.0); COLUMNS];
        for number in 0..COLUMNS {
            weight[number] = columns[number][vector];
        }
        for row in 0..ROWS {
            let value = rows[row][vector];
            for number in 0..COLUMNS {
                sums[row][number] = simd.mul_add_e_f32s(value, weight[number], sums[row][number]);
            }
        }
    }
    for row in 0..ROWS {
        for number in 0..COLUMNS {
            let mut sum = simd.reduce_sum_f32s(sums[row][number]);
            for rest in whole..width {
                sum += input[row * width + rest] * weights[number * width + rest];
            }
            into[row][column + number] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sampler::SplitMix64;
    use proptest::prelude::*;

    fn random(seed: u64, count: usize) -> Vec<f32> {
        let mut source = SplitMix64::new(seed);
        (0..count).map(|_| (source.uniform() * 2.0 - 1.0) as f32).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Against the sum in F64; and every row alone, and every number of rows from the first on, has the bits that
        /// it has among all.
        #[test]
        fn products_are_the_sum_and_rows_do_not_meet(
            rows in 0usize..14,
            height in 1usize..170,
            width in 1usize..150,
            seed in any::<u64>(),
        ) {
            let (weights, input) = (random(seed, height * width), random(seed ^ 1, rows * width));
            let all = forward(&weights, width, &input);
            for (number, found) in all.iter().enumerate() {
                let (row, column) = (&input[number / height * width..][..width], &weights[number % height * width..]);
                let sum: f64 = row.iter().zip(column).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                prop_assert!((f64::from(*found) - sum).abs() < 1e-4, "{} and not {}", found, sum);
            }
            let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
            // A matrix in BF16 is the same one in F32, in fewer bytes.
            let short: Vec<bf16> = weights.iter().map(|number| bf16::from_f32(*number)).collect();
            let long: Vec<f32> = short.iter().map(|number| number.to_f32()).collect();
            prop_assert_eq!(bits(&forward(&short, width, &input)), bits(&forward(&long, width, &input)));
            for row in 0..rows {
                let alone = forward(&weights, width, &input[row * width..][..width]);
                prop_assert_eq!(bits(&alone), bits(&all[row * height..][..height]));
                let some = forward(&weights, width, &input[..row * width]);
                prop_assert_eq!(bits(&some), bits(&all[..row * height]));
            }
        }
    }
}
