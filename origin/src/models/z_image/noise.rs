//! The noise that a picture begins with: of its seed alone, on the host, the same on every machine.
//!
//! Nothing here depends on a mathematical library, which may round its last bit as it likes: additions,
//! multiplications, divisions and square roots are the same everywhere (IEEE 754), and the logarithm is written with
//! them.

use crate::engine::sampler::SplitMix64;

/// The seed of one of several pictures that are asked for together: `seed + index`. It goes round at its end.
pub const fn seed_of(seed: u64, index: u64) -> u64 {
    seed.wrapping_add(index)
}

/// So many numbers that are normally distributed, with mean 0 and variance 1: Marsaglia's polar method (Marsaglia and
/// Bray 1964) over SplitMix64.
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    // Mixed once before: two seeds whose numbers follow each other would otherwise share most of their noise.
    let mut source = SplitMix64::new(SplitMix64::new(seed).next());
    let mut noise = Vec::with_capacity(count + 1);
    while noise.len() < count {
        let (x, y) = (2.0 * source.uniform() - 1.0, 2.0 * source.uniform() - 1.0);
        let square = x * x + y * y;
        if square >= 1.0 || square == 0.0 {
            continue;
        }
        let factor = (-2.0 * logarithm(square) / square).sqrt();
        noise.extend([(x * factor) as f32, (y * factor) as f32]);
    }
    noise.truncate(count);
    noise
}

/// The natural logarithm of a number in (0, 1) that is no subnormal one.
///
/// `ln(m * 2^e) = 2 * artanh((m - 1) / (m + 1)) + e * ln 2`, with `m` from the root of 1/2 to that of 2: the series of
/// the area tangent has an error below 2^-60 after twelve terms.
fn logarithm(number: f64) -> f64 {
    let bits = number.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1_023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let part = (mantissa - 1.0) / (mantissa + 1.0);
    let square = part * part;
    let series = (0..12).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    2.0 * part * series + f64::from(exponent) * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    proptest! {
        #[test]
        fn the_logarithm_is_one(number in 1e-30f64..1.0) {
            let expected = number.ln();
            prop_assert!((logarithm(number) - expected).abs() <= 1e-15 + 4e-16 * expected.abs());
        }
    }

    #[test]
    fn it_is_normal() {
        let noise: Vec<f64> = noise(3, 200_001).into_iter().map(f64::from).collect();
        assert_eq!(noise.len(), 200_001);
        let mean = |power: i32| noise.iter().map(|number| number.powi(power)).sum::<f64>() / noise.len() as f64;
        // Four standard deviations of each mean.
        for (power, expected, most) in [(1, 0.0, 0.009), (2, 1.0, 0.013), (3, 0.0, 0.035), (4, 3.0, 0.088)] {
            assert!((mean(power) - expected).abs() < most, "{power}: {}", mean(power));
        }
        let beyond = noise.iter().filter(|number| number.abs() > 3.0).count() as f64 / noise.len() as f64;
        assert!((beyond - 0.0027).abs() < 0.0005, "{beyond}");
    }

    /// Neighbouring seeds share nothing, and neither do those between which the generator steps.
    #[test]
    fn seeds_have_noise_of_their_own() {
        let first = noise(7, 1_000);
        for other in [8, 6, 7u64.wrapping_add(0x9e37_79b9_7f4a_7c15), u64::MAX] {
            let other = noise(other, 1_000);
            let alike: f32 = first.iter().zip(&other).map(|(a, b)| a * b).sum::<f32>() / 1_000.0;
            assert!(alike.abs() < 0.13, "{alike}");
            assert!(!first.iter().any(|number| other.contains(number)));
        }
        assert_eq!(noise(7, 10), first[..10]);
        assert_eq!((seed_of(5, 2), seed_of(u64::MAX, 1)), (7, 0));
    }

    /// The same bits on every machine: those of this hash.
    #[test]
    fn the_bits_are_these() {
        let mut hash = Sha256::new();
        for seed in [0, 1, 7, u64::MAX] {
            noise(seed, 4_096).into_iter().for_each(|number| hash.update(number.to_bits().to_le_bytes()));
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "49dd30c3da05397799d33145cfda6b1b426eaa5134d9e32067f1b1e6001ece2c");
    }
}
