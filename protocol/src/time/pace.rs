//! How fast something is given to whoever asks for it: much at once, and then one after the other. An isolate keeps it
//! in memory; whoever asks in a loop finds an end.

use super::Millis;
use std::collections::HashMap;
use std::hash::Hash;

/// What was given to whom: so many (`BURST`) at once, and one more every `EVERY_MS` milliseconds. At most `MOST` of
/// those who asked are kept.
#[derive(Clone, Debug)]
pub struct Pace<K, const BURST: u64, const EVERY_MS: Millis, const MOST: usize> {
    /// When all that somebody was given will have been made up for.
    even_at: HashMap<K, Millis>,
}

impl<K, const BURST: u64, const EVERY_MS: Millis, const MOST: usize> Default for Pace<K, BURST, EVERY_MS, MOST> {
    fn default() -> Self {
        Self { even_at: HashMap::new() }
    }
}

impl<K: Eq + Hash, const BURST: u64, const EVERY_MS: Millis, const MOST: usize> Pace<K, BURST, EVERY_MS, MOST> {
    /// For how many milliseconds this one is given nothing; `None` if it may have one.
    pub fn wait(&self, who: &K, now: Millis) -> Option<Millis> {
        let debt = self.even_at.get(who)?.saturating_sub(now);
        debt.checked_sub((BURST - 1) * EVERY_MS).filter(|wait| *wait > 0)
    }

    /// It was given one.
    pub fn count(&mut self, who: K, now: Millis) {
        if self.even_at.len() >= MOST && !self.even_at.contains_key(&who) {
            self.even_at.retain(|_, even_at| *even_at > now);
            if self.even_at.len() >= MOST {
                // So many are busy at once: each has its burst again.
                self.even_at.clear();
            }
        }
        let even_at = self.even_at.entry(who).or_insert(now);
        *even_at = (*even_at).max(now) + EVERY_MS;
    }

    /// Gives it one, unless it has to wait; and then for how many milliseconds.
    pub fn take(&mut self, who: K, now: Millis) -> Option<Millis> {
        let wait = self.wait(&who, now);
        if wait.is_none() {
            self.count(who, now);
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::usage;
    use crate::auth::token;

    const NOW: Millis = 1_790_000_000_000;
    const MOST: usize = 1_000;

    /// Each law holds for these numbers: those that are in use, and the least.
    macro_rules! for_all_numbers {
        ($law:ident) => {
            $law::<{ token::BURST }, { token::EVERY_MS }>();
            $law::<{ usage::BURST }, { usage::EVERY_MS }>();
            $law::<1, 1>();
            $law::<1, 1_000>();
            $law::<5, 7>();
        };
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        fn law<const BURST: u64, const EVERY_MS: Millis>() {
            let mut pace = Pace::<u32, BURST, EVERY_MS, MOST>::default();
            for number in 0..BURST {
                assert_eq!(pace.take(1, NOW), None, "{number}");
            }
            assert_eq!(pace.take(1, NOW), Some(EVERY_MS));
            assert_eq!(pace.take(2, NOW), None, "another one");
            // The wait that was named suffices, and a millisecond less does not.
            if EVERY_MS > 1 {
                assert_eq!(pace.take(1, NOW + EVERY_MS - 1), Some(1));
            }
            assert_eq!(pace.take(1, NOW + EVERY_MS), None);
            assert_eq!(pace.take(1, NOW + EVERY_MS), Some(EVERY_MS));
            // After a while it has its burst again, and not more.
            let later = NOW + 2 * BURST * EVERY_MS;
            let passed = (0..2 * BURST).filter(|_| pace.take(1, later).is_none()).count();
            assert_eq!(passed as u64, BURST);
        }
        for_all_numbers!(law);
    }

    #[test]
    fn in_any_span_one_is_given_its_burst_and_what_the_span_brings() {
        fn law<const BURST: u64, const EVERY_MS: Millis>() {
            let mut pace = Pace::<u32, BURST, EVERY_MS, MOST>::default();
            let asked = (0..60_000).step_by(7);
            let given: Vec<Millis> = asked.filter(|ms| pace.take(1, NOW + ms).is_none()).collect();
            for (place, first) in given.iter().enumerate() {
                for (more, last) in given[place..].iter().enumerate() {
                    assert!((more as u64) < BURST + (last - first) / EVERY_MS, "{first} {last}");
                }
            }
            // And not much less: it asks every seven milliseconds.
            let brought = 60_000 / EVERY_MS.next_multiple_of(7);
            assert!(given.len() as u64 >= brought.max(BURST), "{}", given.len());
        }
        for_all_numbers!(law);
    }

    #[test]
    fn who_asks_no_faster_than_it_is_given_never_waits() {
        fn law<const BURST: u64, const EVERY_MS: Millis>() {
            let mut pace = Pace::<u32, BURST, EVERY_MS, MOST>::default();
            assert!((0..1_000).all(|turn| pace.take(1, NOW + turn * EVERY_MS).is_none()));
        }
        for_all_numbers!(law);
    }

    #[test]
    fn memory_is_bounded_and_a_clock_that_goes_back_shuts_nobody_out() {
        let mut pace = Pace::<u32, 100, 100, MOST>::default();
        for number in 0..3 * MOST as u32 {
            assert_eq!(pace.take(number, NOW), None);
            assert!(pace.even_at.len() <= MOST);
        }
        assert_eq!(pace.take(1, NOW - 1), None);
    }
}
