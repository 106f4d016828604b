//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864), halves rotated as in transformers.
//!
//! The angles of a step's rows are computed for that step, in F64, and cast after the cosine: a table in the model's
//! own type is wrong beyond a few hundred positions in BF16, and a table in F32 costs memory for every position of the
//! context.

use crate::models::qwen::shape::{Rope, Yarn};

/// The angle per position of each pair, and what cosines and sines are multiplied by.
#[derive(Clone, Debug)]
pub(crate) struct Frequencies {
    per_position: Vec<f64>,
    scale: f64,
}

impl Frequencies {
    /// For heads of `head_dim` numbers (even).
    pub(crate) fn new(rope: Rope, head_dim: usize) -> Self {
        let pairs = head_dim / 2;
        let plain = |pair: usize| rope.theta.powf(-2.0 * pair as f64 / head_dim as f64);
        match rope.yarn {
            None => Self { per_position: (0..pairs).map(plain).collect(), scale: 1.0 },
            Some(yarn) => {
                let kept = |pair: usize| yarn.kept(pair, rope.theta, head_dim);
                let angle = |pair: usize| plain(pair) * (kept(pair) + (1.0 - kept(pair)) / yarn.factor);
                Self { per_position: (0..pairs).map(angle).collect(), scale: yarn.attention_factor }
            }
        }
    }

    /// Cosines and sines of these positions, each `[positions, head_dim / 2]`, row by row.
    pub(crate) fn angles(&self, positions: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let count = positions.len() * self.per_position.len();
        let (mut cosines, mut sines) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for position in positions {
            for frequency in &self.per_position {
                let (sine, cosine) = (*position as f64 * frequency).sin_cos();
                cosines.push((cosine * self.scale) as f32);
                sines.push((sine * self.scale) as f32);
            }
        }
        (cosines, sines)
    }
}

impl Yarn {
    /// How much of a pair's frequency is kept, from 1 (turns often) to 0 (is divided by the factor).
    fn kept(&self, pair: usize, theta: f64, head_dim: usize) -> f64 {
        // The pair that turns this often over the original context (the paper's equation 17, solved for the dimension).
        let dimension =
            |turns: f64| head_dim as f64 * (self.original / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln());
        let low = dimension(self.beta_fast).floor().max(0.0);
        let high = dimension(self.beta_slow).ceil().min(head_dim as f64 - 1.0);
        let span = if high > low { high - low } else { 0.001 };
        1.0 - ((pair as f64 - low) / span).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_stay_right_at_high_positions() {
        let (cosines, sines) = Frequencies::new(Rope { theta: 1e6, yarn: None }, 4).angles(&[0, 40_000]);
        // Pair 0 turns by 1 a position, pair 1 by 1e6^(-1/2).
        let expected = [1.0, 1.0, 40_000f64.cos(), 40f64.cos()];
        for (cosine, expected) in cosines.iter().zip(expected) {
            assert!((f64::from(*cosine) - expected).abs() < 1e-7);
        }
        assert!((f64::from(sines[2]) - 40_000f64.sin()).abs() < 1e-7);
    }

    #[test]
    fn yarn_keeps_what_turns_often_and_stretches_what_turns_rarely() {
        let yarn = Yarn::new(4.0, 32_768.0);
        let rope = Rope { theta: 1e6, yarn: Some(yarn) };
        let (plain, stretched) = (Frequencies::new(Rope { yarn: None, ..rope }, 128), Frequencies::new(rope, 128));
        let ratio = |pair: usize| stretched.per_position[pair] / plain.per_position[pair];
        assert_eq!((ratio(0), ratio(63)), (1.0, 0.25));
        // By hand: the borders are pairs 23.6 and 39.65, so 23 and 40; pair 31 lies 8/17 between them.
        assert!((ratio(31) - (9.0 / 17.0 + 8.0 / 17.0 / 4.0)).abs() < 1e-12, "{}", ratio(31));
    }
}
