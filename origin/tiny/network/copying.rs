//! Where training starts: with a pair of heads that can copy already.
//!
//! A model repeats what stands before by two heads in a row (Olsson et al. 2022): one tells each token what stood before it, a
//! later one looks for the token after an earlier copy of this one, and says it. Small networks on small batches take many
//! thousand steps to find that pair. Here the first two layers start near to it, as Trockman and Kolter (2023) start theirs
//! near to what training makes of others; all of it is trained on like any weight.

use super::attention::Attention;
use super::shape::{EMBEDDING, HEAD_DIM, HEADS, HIDDEN, THETA};
use crate::random::Random;

/// Pairs of a head's numbers that are turned so quickly that they tell neighbours apart.
const QUICK: usize = 4;
/// The first pair that is turned by less than a quarter of a radian over ten positions or so.
const SLOW: usize = 14;
/// How loud the heads are, beside [`EMBEDDING`].
const LOUD: f32 = 2.0;
/// What is left of the random numbers of a row that is given a purpose.
const NOISE: f32 = 0.1;

/// What the layers have to know of each other.
pub(crate) struct Start {
    /// Of all embeddings the same part, 1 or -1: what a head that looks at positions only has to go by.
    common: Vec<f32>,
    /// What the first layer's head takes from a token, `[width, hidden]`.
    taken: Vec<Vec<f32>>,
    /// Where it puts that, `[width, hidden]`.
    put: Vec<Vec<f32>>,
    /// What the second layer's head copies.
    copied: Vec<Vec<f32>>,
}

impl Start {
    /// Decided by chance.
    pub(crate) fn new(random: &mut Random) -> Self {
        let common: Vec<f32> = (0..HIDDEN).map(|_| if random.once_in(2) { 1.0 } else { -1.0 }).collect();
        let mut rows = || (0..HEAD_DIM).map(|_| without(&common, random)).collect::<Vec<_>>();
        let (taken, put, copied) = (rows(), rows(), rows());
        Self { common, taken, put, copied }
    }

    /// Gives all tokens something in common. It moves all logits alike, and so none.
    pub(crate) fn embedding(&self, embedding: &mut [f32]) {
        for row in embedding.chunks_exact_mut(HIDDEN) {
            row.iter_mut().zip(&self.common).for_each(|(number, common)| *number += EMBEDDING * common);
        }
    }

    /// The first layer's first head looks one position back, the second layer's looks for what stood there.
    pub(crate) fn layer(&self, layer: usize, attention: &mut Attention) {
        match layer {
            0 => {
                for pair in 0..QUICK {
                    let angle = THETA.powf(-2.0 * pair as f64 / HEAD_DIM as f64) as f32;
                    self.look_at_positions(&mut attention.query, pair, angle.cos());
                    self.look_at_positions(&mut attention.query, pair + HEAD_DIM / 2, -angle.sin());
                    self.look_at_positions(&mut attention.key, pair, 1.0);
                }
                set_aside(&mut attention.query, |place| place % (HEAD_DIM / 2) >= QUICK);
                set_aside(&mut attention.key, |place| place >= QUICK);
                self.carry(attention, &self.taken, &self.put);
            }
            1 => {
                for place in (0..HEAD_DIM).filter(|place| place % (HEAD_DIM / 2) >= SLOW) {
                    row(&mut attention.query, place).copy_from_slice(&self.taken[place]);
                    row(&mut attention.key, place).copy_from_slice(&self.put[place]);
                }
                set_aside(&mut attention.query, |place| place % (HEAD_DIM / 2) < SLOW);
                set_aside(&mut attention.key, |place| place % (HEAD_DIM / 2) < SLOW);
                self.carry(attention, &self.copied, &self.copied);
            }
            _ => {}
        }
    }

    fn look_at_positions(&self, matrix: &mut [f32], place: usize, weight: f32) {
        let narrow = 1.0 / (HIDDEN as f32).sqrt();
        let row = row(matrix, place);
        row.iter_mut()
            .zip(&self.common)
            .for_each(|(number, common)| *number = NOISE * *number + weight * narrow * common);
    }

    /// Lets the first head take this from where it looks, and put it there.
    fn carry(&self, attention: &mut Attention, taken: &[Vec<f32>], put: &[Vec<f32>]) {
        for place in 0..HEAD_DIM {
            row(&mut attention.value, place).copy_from_slice(&taken[place]);
            for (hidden, number) in put[place].iter().enumerate() {
                // Each of a head's numbers is about 1, and each of the rows about 1 long.
                attention.output[hidden * HEADS * HEAD_DIM + place] = 2.0 * LOUD * EMBEDDING * number;
            }
        }
    }
}

/// Makes these of the first head's rows quiet.
fn set_aside(matrix: &mut [f32], which: impl Fn(usize) -> bool) {
    for place in (0..HEAD_DIM).filter(|place| which(*place)) {
        row(matrix, place).iter_mut().for_each(|number| *number *= NOISE);
    }
}

fn row(matrix: &mut [f32], place: usize) -> &mut [f32] {
    &mut matrix[place * HIDDEN..(place + 1) * HIDDEN]
}

/// A random row about 1 long with nothing of what is common.
fn without(common: &[f32], random: &mut Random) -> Vec<f32> {
    let row: Vec<f32> = common.iter().map(|_| random.normal() / (HIDDEN as f32).sqrt()).collect();
    let inner: f32 = row.iter().zip(common).map(|(number, common)| number * common).sum::<f32>() / HIDDEN as f32;
    row.iter().zip(common).map(|(number, common)| number - inner * common).collect()
}
