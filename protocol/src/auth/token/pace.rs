//! How fast short tokens are made for a key: many at once, and then a few a second. An isolate keeps it in memory; tokens are
//! made by backends for their users, so a key has plenty, and whoever makes them in a loop finds an end.

use crate::id::KeyId;
use crate::time::Millis;
use std::collections::HashMap;

/// How many tokens a key is given at once.
pub const BURST: u64 = 100;
/// How many milliseconds later it is given one more.
pub const EVERY_MS: Millis = 100;

/// What was made for which key.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// When all that a key was given will have been made up for.
    even_at: HashMap<KeyId, Millis>,
}

impl Pace {
    /// For how many milliseconds this key is given no token; `None` if it may have one.
    pub fn wait(&self, key: KeyId, now: Millis) -> Option<Millis> {
        let debt = self.even_at.get(&key)?.saturating_sub(now);
        debt.checked_sub((BURST - 1) * EVERY_MS).filter(|wait| *wait > 0)
    }

    /// It was given one.
    pub fn count(&mut self, key: KeyId, now: Millis) {
        if self.even_at.len() >= MAX_KEYS && !self.even_at.contains_key(&key) {
            self.even_at.retain(|_, even_at| *even_at > now);
            if self.even_at.len() >= MAX_KEYS {
                // So many are busy at once: each has its burst again.
                self.even_at.clear();
            }
        }
        let even_at = self.even_at.entry(key).or_insert(now);
        *even_at = (*even_at).max(now) + EVERY_MS;
    }
}

/// How many keys are kept.
const MAX_KEYS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AccountId;

    const NOW: Millis = 1_790_000_000_000;

    fn key(number: u32) -> KeyId {
        KeyId { account: AccountId([1; 8]), key: number.to_be_bytes() }
    }

    fn take(pace: &mut Pace, number: u32, now: Millis) -> Option<Millis> {
        let wait = pace.wait(key(number), now);
        if wait.is_none() {
            pace.count(key(number), now);
        }
        wait
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let mut pace = Pace::default();
        for number in 0..BURST {
            assert_eq!(take(&mut pace, 1, NOW), None, "{number}");
        }
        assert_eq!(take(&mut pace, 1, NOW), Some(EVERY_MS));
        assert_eq!(take(&mut pace, 2, NOW), None, "another key");
        // The wait that was named suffices, and a millisecond less does not.
        assert_eq!(take(&mut pace, 1, NOW + EVERY_MS - 1), Some(1));
        assert_eq!(take(&mut pace, 1, NOW + EVERY_MS), None);
        assert_eq!(take(&mut pace, 1, NOW + EVERY_MS), Some(EVERY_MS));
        // After a while it has its burst again, and not more.
        let later = NOW + 2 * BURST * EVERY_MS;
        let passed = (0..2 * BURST).filter(|_| take(&mut pace, 1, later).is_none()).count();
        assert_eq!(passed as u64, BURST);
    }

    #[test]
    fn in_any_span_a_key_is_given_its_burst_and_what_the_span_brings() {
        let mut pace = Pace::default();
        let given: Vec<Millis> = (0..60_000).step_by(7).filter(|ms| take(&mut pace, 1, NOW + ms).is_none()).collect();
        for (place, first) in given.iter().enumerate() {
            for (more, last) in given[place..].iter().enumerate() {
                assert!((more as u64) < BURST + (last - first) / EVERY_MS, "{first} {last}");
            }
        }
        assert!(given.len() as u64 > BURST + 60_000 / EVERY_MS - 20, "and not much less: {}", given.len());
    }

    #[test]
    fn memory_is_bounded_and_a_clock_that_goes_back_shuts_nobody_out() {
        let mut pace = Pace::default();
        for number in 0..3 * MAX_KEYS as u32 {
            assert_eq!(take(&mut pace, number, NOW), None);
            assert!(pace.even_at.len() <= MAX_KEYS);
        }
        assert_eq!(take(&mut pace, 1, NOW - 1), None);
    }
}
