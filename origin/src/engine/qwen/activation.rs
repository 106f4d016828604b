//! SwiGLU (Shazeer 2020, arXiv 2002.05202) on the CPU, and the exponential that it shares with attention's softmax.

use candle_core::utils::barrier_pool;
use pulp::{Simd, WithSimd};
use std::sync::{Mutex, PoisonError};

/// `silu(gate) * up`, number by number. Panics if the lengths differ.
pub(crate) fn swiglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    assert_eq!(gate.len(), up.len(), "gate and up come from one layer");
    const PART: usize = 4_096;
    let mut output = vec![0.0; gate.len()];
    let parts: Vec<Mutex<&mut [f32]>> = output.chunks_mut(PART).map(Mutex::new).collect();
    let arch = pulp::Arch::new();
    barrier_pool().execute_chunked(parts.len(), |range| {
        for index in range {
            let mut part = parts[index].lock().unwrap_or_else(PoisonError::into_inner);
            let start = index * PART;
            let (gate, up) = (&gate[start..start + part.len()], &up[start..start + part.len()]);
            arch.dispatch(SwiGlu { gate, up, output: &mut part });
        }
    });
    drop(parts);
    output
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
        for ((found, gate), up) in swiglu(&gate, &up).iter().zip(&gate).zip(&up) {
            let (gate, up) = (f64::from(*gate), f64::from(*up));
            assert!((f64::from(*found) - gate / (1.0 + (-gate).exp()) * up).abs() < 1e-6);
        }
    }
}
