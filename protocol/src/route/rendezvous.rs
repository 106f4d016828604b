//! Rendezvous hashing (Thaler and Ravishankar, 1996): each origin draws a number for a conversation, and the highest
//! wins. Whoever goes away moves the conversations that it had, and no others. An origin of weight `n` draws `n`
//! times.

use crate::route::beginning::{Beginning, mix};
use sha2::{Digest, Sha256};

/// What an origin draws with: its name, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Ticket {
    /// Of an origin of this name.
    pub fn of(name: &str) -> Self {
        let digest = Sha256::digest(name);
        Self(digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// What it draws for a conversation: the highest of so many numbers as it has weight.
    pub fn draw(self, beginning: Beginning, weight: u8) -> u64 {
        let draws = (0..u64::from(weight.max(1))).map(|nth| mix(mix(self.0.wrapping_add(nth)) ^ beginning.0));
        draws.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn winner(names: &[(&str, u8)], beginning: u64) -> usize {
        let draws = names.iter().map(|(name, weight)| Ticket::of(name).draw(Beginning(mix(beginning)), *weight));
        draws.enumerate().max_by_key(|(_, draw)| *draw).unwrap().0
    }

    #[test]
    fn whoever_goes_away_moves_only_what_it_had() {
        let all = NAMES.map(|name| (name, 1));
        let without_last = &all[..3];
        for beginning in 0..10_000 {
            let before = winner(&all, beginning);
            let after = winner(without_last, beginning);
            assert!(before == 3 || before == after, "{beginning} moved");
        }
    }

    #[test]
    fn each_has_its_weight() {
        let weights = [("a", 1), ("b", 1), ("c", 2), ("d", 4)];
        let mut won = [0_u32; 4];
        for beginning in 0..80_000 {
            won[winner(&weights, beginning)] += 1;
        }
        for (count, (_, weight)) in won.into_iter().zip(weights) {
            assert!(count.abs_diff(10_000 * u32::from(weight)) < 1_000, "{won:?}");
        }
    }

    #[test]
    fn more_weight_moves_conversations_to_it_and_nowhere_else() {
        let (before, after) = ([("a", 2), ("b", 2), ("c", 2)], [("a", 2), ("b", 2), ("c", 3)]);
        for beginning in 0..10_000 {
            let (was, is) = (winner(&before, beginning), winner(&after, beginning));
            assert!(was == is || is == 2, "{beginning} moved");
        }
    }
}
