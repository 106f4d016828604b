//! What happens between the matrix products on the CPU, row by row: RMSNorm, rotation, SwiGLU. And the exponential that
//! SwiGLU shares with the softmax of attention.

use pulp::{Arch, Simd, WithSimd};

/// Writes one row, normed by the root of its mean square and `weights` (Zhang and Sennrich 2019, arXiv 1910.07467).
pub(crate) fn normed(row: &[f32], weights: &[f32], eps: f32, output: &mut [f32]) {
    output.copy_from_slice(row);
    Arch::new().dispatch(Norm { row: output, weights, eps });
}

/// Norms each head of one row by these weights, if there are any, and turns it by these angles (half as many as a head
/// has numbers), halves rotated.
pub(crate) fn turned(row: &mut [f32], weights: Option<&[f32]>, eps: f32, (cosines, sines): (&[f32], &[f32])) {
    Arch::new().dispatch(Turn { row, weights, eps, cosines, sines });
}

/// Writes `silu(gate) * up`, number by number (SwiGLU, Shazeer 2020, arXiv 2002.05202).
pub(crate) fn swiglu(gate: &[f32], up: &[f32], output: &mut [f32]) {
    Arch::new().dispatch(SwiGlu { gate, up, output });
}

/// Scales each number by its own factor, adds its own offset, and multiplies the outcome by its sigmoid (SiLU).
pub(crate) fn scaled_silu(numbers: &mut [f32], factors: &[f32], offsets: &[f32]) {
    Arch::new().dispatch(ScaledSilu { numbers, factors, offsets });
}

struct Norm<'a> {
    row: &'a mut [f32],
    weights: &'a [f32],
    eps: f32,
}

impl WithSimd for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        norm(self.row, self.weights, self.eps);
    }
}

struct Turn<'a> {
    row: &'a mut [f32],
    weights: Option<&'a [f32]>,
    eps: f32,
    cosines: &'a [f32],
    sines: &'a [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.cosines.len();
        for head in self.row.chunks_exact_mut(2 * pairs) {
            if let Some(weights) = self.weights {
                norm(head, weights, self.eps);
            }
            let (first, second) = head.split_at_mut(pairs);
            let angles = self.cosines.iter().zip(self.sines);
            for ((first, second), (cosine, sine)) in first.iter_mut().zip(second).zip(angles) {
                let (real, imaginary) = (*first, *second);
                *first = real * cosine - imaginary * sine;
                *second = real * sine + imaginary * cosine;
            }
        }
    }
}

struct SwiGlu<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for SwiGlu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((output, gate), up) in self.output.iter_mut().zip(self.gate).zip(self.up) {
            *output = gate / (1.0 + exp(-gate)) * up;
        }
    }
}

struct ScaledSilu<'a> {
    numbers: &'a mut [f32],
    factors: &'a [f32],
    offsets: &'a [f32],
}

impl WithSimd for ScaledSilu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((number, factor), offset) in self.numbers.iter_mut().zip(self.factors).zip(self.offsets) {
            let scaled = *number * factor + offset;
            *number = scaled / (1.0 + exp(-scaled));
        }
    }
}

/// Sums side by side: a row's bits do not depend on the vector unit.
const LANES: usize = 16;

#[inline(always)]
fn norm(row: &mut [f32], weights: &[f32], eps: f32) {
    let mut sums = [0.0f32; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for lane in 0..LANES {
            sums[lane] += chunk[lane] * chunk[lane];
        }
    }
    let mut total = 0.0;
    for sum in sums.into_iter().chain(chunks.remainder().iter().map(|number| number * number)) {
        total += sum;
    }
    let factor = 1.0 / (total / row.len() as f32 + eps).sqrt();
    for (number, weight) in row.iter_mut().zip(weights) {
        *number *= factor * weight;
    }
}

/// `e^x` within two units in the last place; 0 below -87, infinity above 88, NaN for NaN.
///
/// The range is reduced by the two-part logarithm of Cody and Waite, the rest is the Taylor polynomial of degree 7.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts: the first has few enough bits that a multiple of it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 * 2^23 rounds to a whole number, whose bits are then the low ones of the sum.
    const ROUND: f32 = 12_582_912.0;
    let bounded = x.clamp(-87.0, 88.0);
    let shifted = bounded * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (bounded - whole * LN2_HIGH) - whole * LN2_LOW;
    let mut series = 1.0 / 5_040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * rest + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let result = series * power;
    let result = if x < -87.0 { 0.0 } else { result };
    if x > 88.0 { f32::INFINITY } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn random(seed: u64, count: usize) -> Vec<f32> {
        let mut source = crate::engine::sampler::SplitMix64::new(seed);
        (0..count).map(|_| (source.uniform() * 4.0 - 2.0) as f32).collect()
    }

    proptest! {
        #[test]
        fn exp_is_right_to_two_units_in_the_last_place(x in -87.0f32..88.0) {
            let expected = f64::from(x).exp();
            prop_assert!((f64::from(exp(x)) / expected - 1.0).abs() < 2.4e-7, "{} {}", exp(x), expected);
        }
    }

    #[test]
    fn exp_at_the_borders() {
        assert_eq!((exp(0.0), exp(-1e9), exp(1e9), exp(f32::NEG_INFINITY)), (1.0, 0.0, f32::INFINITY, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn swiglu_is_the_formula() {
        let (gate, up) = (random(1, 9_000), random(2, 9_000));
        let mut output = vec![0.0; 9_000];
        swiglu(&gate, &up, &mut output);
        for ((found, gate), up) in output.iter().zip(&gate).zip(&up) {
            let (gate, up) = (f64::from(*gate), f64::from(*up));
            assert!((f64::from(*found) - gate / (1.0 + (-gate).exp()) * up).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn a_norm_and_a_turn_are_the_formulas(seed in any::<u64>(), pairs in 1usize..40, with in any::<bool>()) {
            let (row, weights) = (random(seed, 3 * 2 * pairs), random(seed ^ 1, 2 * pairs));
            let (cosines, sines) = (random(seed ^ 2, pairs), random(seed ^ 3, pairs));
            let mut found = row.clone();
            turned(&mut found, with.then_some(&weights), 1e-6, (&cosines, &sines));
            for (found, head) in found.chunks(2 * pairs).zip(row.chunks(2 * pairs)) {
                let mean = head.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>() / (2 * pairs) as f64;
                let at = |number: usize| match with {
                    true => f64::from(head[number]) / (mean + 1e-6).sqrt() * f64::from(weights[number]),
                    false => f64::from(head[number]),
                };
                for pair in 0..pairs {
                    let (cosine, sine) = (f64::from(cosines[pair]), f64::from(sines[pair]));
                    let (real, imaginary) = (at(pair), at(pair + pairs));
                    prop_assert!((f64::from(found[pair]) - (real * cosine - imaginary * sine)).abs() < 1e-5);
                    prop_assert!((f64::from(found[pair + pairs]) - (real * sine + imaginary * cosine)).abs() < 1e-5);
                }
            }
            let weights = random(seed ^ 4, row.len());
            let mut found = vec![0.0; row.len()];
            normed(&row, &weights, 0.5, &mut found);
            let mean = row.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>() / row.len() as f64;
            for ((found, number), weight) in found.iter().zip(&row).zip(&weights) {
                let expected = f64::from(*number) / (mean + 0.5).sqrt() * f64::from(*weight);
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
    }
}
