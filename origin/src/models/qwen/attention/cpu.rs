//! Attention on the CPU, of all sequences of a step side by side.
//!
//! Safe Rust, compiled for each kind of vector unit and chosen when the program runs (`pulp`). Each number of a row is
//! summed in one order, whatever is computed beside it: a row alone, in a chunk, or next to other sequences has the
//! same bits on one machine.

mod lines;

use super::store::{Heads, Store, TILE};
use candle_core::utils::barrier_pool;
use lines::{multiply, softmax};
use pulp::{Simd, WithSimd};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows of one sequence that one thread takes at a time.
const BLOCK: usize = 8;

/// One sequence's rows in a step, with what its slot remembers.
#[derive(Clone, Debug)]
pub(crate) struct Sequence<'a> {
    /// Its rows in the step.
    pub(crate) rows: Range<usize>,
    /// The position of its first row.
    pub(crate) position: usize,
    /// Filled up to the position of its last row.
    pub(crate) store: Store<'a>,
    /// Whether each row sees the keys up to its own position alone, or all up to the last row's.
    pub(crate) is_causal: bool,
}

/// Attention with grouped heads: `queries` and the answer are `[rows, query heads, width]`.
///
/// Each row sees the keys that its sequence lets it see, scaled by `1 / sqrt(width)`. Scores are held for eight rows a
/// thread, never for all. Panics if a slice is shorter than its shape says.
pub(crate) fn attention(queries: &[f32], sequences: &[Sequence<'_>], heads: Heads, output: &mut [f32]) {
    let group = heads.query / heads.key;
    // The queries that share a key head lie side by side: one part of the output each.
    let parts: Vec<Mutex<&mut [f32]>> = output.chunks_mut(group * heads.width).map(Mutex::new).collect();
    let units: Vec<Unit<'_>> = sequences.iter().flat_map(|sequence| units(sequence, heads)).collect();
    let arch = pulp::Arch::new();
    barrier_pool().execute_chunked(units.len(), |range| {
        let mut scratch = Scratch::default();
        for unit in &units[range] {
            scratch.fit(unit.rows.len() * group, unit.seen, heads.width);
            arch.dispatch(Attend { unit, queries, heads, scratch: &mut scratch });
            for (row, sums) in unit.rows.clone().zip(scratch.sums.chunks(group * heads.width)) {
                // A poisoned part is of a thread that panicked; the step fails with it.
                let mut part = parts[row * heads.key + unit.head].lock().unwrap_or_else(PoisonError::into_inner);
                part.copy_from_slice(sums);
            }
        }
    });
}

/// Some rows of one sequence at one key head.
struct Unit<'a> {
    head: usize,
    rows: Range<usize>,
    position: usize,
    is_causal: bool,
    /// Positions that the last row sees.
    seen: usize,
    keys: &'a [f32],
    values: &'a [f32],
}

impl Unit<'_> {
    /// Positions that this row sees, counted from the unit's first.
    fn visible(&self, row: usize) -> usize {
        if self.is_causal { self.position + row + 1 } else { self.seen }
    }
}

/// Scores, one line per query, and sums, `[queries, width]`.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    sums: Vec<f32>,
}

impl Scratch {
    fn fit(&mut self, queries: usize, seen: usize, width: usize) {
        self.scores.clear();
        self.scores.resize(queries * seen.next_multiple_of(TILE), 0.0);
        self.sums.clear();
        self.sums.resize(queries * width, 0.0);
    }
}

fn units<'a>(sequence: &Sequence<'a>, heads: Heads) -> impl Iterator<Item = Unit<'a>> {
    let Sequence { rows, position, store, is_causal } = sequence.clone();
    let all = position + rows.len();
    let size = store.capacity * heads.width;
    (0..heads.key).flat_map(move |head| {
        let rows = rows.clone();
        rows.clone().step_by(BLOCK).map(move |start| {
            let (block, before) = (start..rows.end.min(start + BLOCK), position + start - rows.start);
            Unit {
                head,
                seen: if is_causal { before + block.len() } else { all },
                rows: block,
                position: before,
                is_causal,
                keys: &store.keys[head * size..][..size],
                values: &store.values[head * size..][..size],
            }
        })
    })
}

struct Attend<'a> {
    unit: &'a Unit<'a>,
    queries: &'a [f32],
    heads: Heads,
    scratch: &'a mut Scratch,
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { unit, queries, heads, scratch } = self;
        let (group, width) = (heads.query / heads.key, heads.width);
        let count = unit.rows.len() * group;
        let seen = unit.seen;
        let line = seen.next_multiple_of(TILE);
        let query = |index: usize| {
            let row = unit.rows.start + index / group;
            &queries[(row * heads.query + unit.head * group + index % group) * width..][..width]
        };
        for tile in (0..seen).step_by(TILE) {
            let keys = &unit.keys[tile * width..][..TILE * width];
            for index in (0..count).step_by(2) {
                let (first, second) = scratch.scores[index * line..].split_at_mut(line);
                let first = &mut first[tile..tile + TILE];
                if index + 1 < count {
                    let second = &mut second[tile..tile + TILE];
                    multiply(simd, [query(index), query(index + 1)], keys, TILE, [first, second]);
                } else {
                    multiply(simd, [query(index)], keys, TILE, [first]);
                }
            }
        }
        let scale = 1.0 / (width as f32).sqrt();
        for index in 0..count {
            let scores = &mut scratch.scores[index * line..][..line];
            let visible = unit.visible(index / group);
            softmax(&mut scores[..visible], scale);
            // Later rows of the block look further; this one adds nothing there.
            scores[visible..].fill(0.0);
        }
        for tile in (0..seen).step_by(TILE) {
            let rows = TILE.min(seen - tile);
            let values = &unit.values[tile * width..][..rows * width];
            for index in (0..count).step_by(2) {
                let (first, second) = scratch.sums[index * width..].split_at_mut(width);
                let weights = &scratch.scores[index * line + tile..];
                if index + 1 < count {
                    let weights = [&weights[..rows], &weights[line..][..rows]];
                    multiply(simd, weights, values, width, [first, &mut second[..width]]);
                } else {
                    multiply(simd, [&weights[..rows]], values, width, [first]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Stores;
    use super::*;
    use proptest::prelude::*;

    const HEADS: Heads = Heads { query: 4, key: 2, width: 20 };

    fn random(seed: u64, count: usize) -> Vec<f32> {
        let mut source = crate::engine::sampler::SplitMix64::new(seed);
        (0..count).map(|_| (source.uniform() * 4.0 - 2.0) as f32).collect()
    }

    /// `keys` and `values` are `[positions, key heads, width]`.
    fn remember(stores: &mut Stores, keys: &[f32], values: &[f32]) {
        let Heads { key: count, width, .. } = HEADS;
        for (head, mut part) in stores.heads_mut(1).enumerate() {
            for (position, (keys, values)) in keys.chunks(count * width).zip(values.chunks(count * width)).enumerate() {
                part.write(position, &keys[head * width..][..width], &values[head * width..][..width]);
            }
        }
    }

    /// Attention as the formula says it, in F64, over `[positions, key heads, width]`.
    fn plain(query: &[f32], keys: &[f32], values: &[f32], head: usize, seen: usize) -> Vec<f64> {
        let line = |numbers: &[f32]| -> Vec<Vec<f64>> {
            let lines = numbers.chunks(HEADS.key * HEADS.width).take(seen);
            lines
                .map(|line| line[head * HEADS.width..][..HEADS.width].iter().map(|n| f64::from(*n)).collect())
                .collect()
        };
        let dot = |key: &Vec<f64>| -> f64 { query.iter().zip(key).map(|(a, b)| f64::from(*a) * b).sum() };
        let scores: Vec<f64> = line(keys).iter().map(|key| dot(key) / (HEADS.width as f64).sqrt()).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
        let mut sums = vec![0.0; HEADS.width];
        for (score, value) in scores.iter().zip(line(values)) {
            for (sum, value) in sums.iter_mut().zip(value) {
                *sum += (score - most).exp() / total * value;
            }
        }
        sums
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against the formula; and every row alone has the bits that it has in its chunk beside another sequence.
        #[test]
        fn attention_is_the_formula_and_rows_do_not_meet(
            position in 0usize..150,
            rows in 1usize..20,
            other in 0usize..90,
            seed in any::<u64>(),
        ) {
            let Heads { query, key, width } = HEADS;
            let capacity = 170;
            let (keys, values) = (random(seed, capacity * key * width), random(seed ^ 1, capacity * key * width));
            // Two layers, the second of which is looked at.
            let mut stores = [Stores::new(2, HEADS, capacity), Stores::new(2, HEADS, capacity)];
            remember(&mut stores[0], &keys, &values);
            remember(&mut stores[1], &values, &keys);
            // A sequence that begins as the first does has the same bits.
            let mut copy = Stores::new(2, HEADS, capacity + TILE);
            copy.copy_prefix(&stores[0], position + rows);
            let queries = random(seed ^ 4, (rows + 1) * query * width);
            let first = Sequence { rows: 0..rows, position, store: stores[0].layer(1), is_causal: true };
            let second = Sequence { rows: rows..rows + 1, position: other, store: stores[1].layer(1), is_causal: true };
            let attention = |queries: &[f32], sequences: &[Sequence<'_>]| {
                let mut output = vec![0.0; queries.len()];
                attention(queries, sequences, HEADS, &mut output);
                output
            };
            let together = attention(&queries, &[first.clone(), second]);
            let line = query * width;
            let copied = Sequence { store: copy.layer(1), ..first.clone() };
            prop_assert_eq!(&attention(&queries[..rows * line], &[copied]), &together[..rows * line]);
            for row in 0..rows {
                let queries = &queries[row * line..(row + 1) * line];
                let alone = Sequence { rows: 0..1, position: position + row, ..first.clone() };
                prop_assert_eq!(&attention(queries, &[alone]), &together[row * line..(row + 1) * line]);
                for head in 0..query {
                    let seen = position + row + 1;
                    let expected = plain(&queries[head * width..][..width], &keys, &values, head / (query / key), seen);
                    let found = &together[row * line + head * width..][..width];
                    for (found, expected) in found.iter().zip(expected) {
                        prop_assert!((f64::from(*found) - expected).abs() < 2e-6, "{} {}", found, expected);
                    }
                }
            }
        }
    }
}
