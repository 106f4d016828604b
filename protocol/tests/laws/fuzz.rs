//! The fuzz targets under a bounded run of fixed mutations: what every `cargo test` can afford. `protocol/fuzz` runs the
//! same targets under libFuzzer, which finds its way by coverage; this run keeps what it found found.

use crate::targets::{TARGETS, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Inputs for each target.
const RUNS: u64 = 20_000;
/// Inputs do not grow beyond this.
const MAX_BYTES: usize = 2_048;

#[test]
fn no_mutation_of_a_seed_breaks_a_law() {
    for target in TARGETS {
        let mut inputs = (target.seeds)();
        for input in &inputs {
            check(target, input);
        }
        let mut random = Random(0x5eed);
        for _ in 0..RUNS {
            let input = mutated(&inputs, &mut random);
            check(target, &input);
            // Some go on from where they are: an input of many small steps is not reached in one.
            if random.below(64) == 0 {
                let place = random.below(64);
                match inputs.get_mut(place) {
                    Some(known) => *known = input,
                    None => inputs.push(input),
                }
            }
        }
    }
}

fn check(target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("`{}` broke on {hex}", target.name);
    }
}

/// A known input after a few small changes.
fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        let (at, length) = (random.below(input.len() + 1), 1 + random.below(16));
        let end = (at + length).min(input.len());
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            // Ends of numbers' ranges, as both formats write them.
            2 => {
                const EDGES: [&[u8]; 8] = [&[0], &[1], &[0x7f], &[0xff; 9], &[0xff; 8], b"0", b"-1", b"4294967296"];
                let edge = EDGES[random.below(EDGES.len())];
                let end = (at + edge.len()).min(input.len());
                input.splice(at..end, edge.iter().copied());
            }
            3 => drop(input.drain(at..end)),
            4 => {
                let repeated = input[at..end].to_vec();
                input.splice(at..at, repeated);
            }
            5 => {
                let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                input.splice(at..at, bytes);
            }
            _ => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }
}
