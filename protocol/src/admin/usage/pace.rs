//! How often a caller is told its own usage: thirty times at once, and then three times a second. Nothing counts who
//! asks, and an answer may read a year.

use crate::auth::principal::{AccountName, Mark};
use crate::time::{Millis, pace};

/// How often a caller may ask at once.
pub const BURST: u64 = 30;
/// How many milliseconds later it may ask once more.
pub const EVERY_MS: Millis = 333;
/// How many callers are told apart.
const MAX_CALLERS: usize = 4_096;

/// Who has asked.
pub type UsagePace = pace::Pace<(AccountName, Mark), BURST, EVERY_MS, MAX_CALLERS>;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_790_000_000_000;

    /// How many of these asks, at these milliseconds, are told.
    fn told(asks: impl Iterator<Item = Millis>) -> usize {
        let mut pace = UsagePace::default();
        let caller = (AccountName::of_address("192.0.2.1".parse().unwrap()), Mark::default());
        asks.filter(|ms| pace.take(caller.clone(), NOW + ms).is_none()).count()
    }

    #[test]
    fn usage_is_told_three_times_a_second_and_thirty_times_at_once() {
        assert_eq!(told((0..80).map(|_| 0)), 30);
        // Who asks three times a second is always told.
        assert_eq!(told((0..1_000).map(|turn| turn * 1_000 / 3)), 1_000);
        // Who asks without an end is told that often and no more, whenever ten seconds begin.
        assert_eq!(told(0..10_000), 30 + 30);
        assert_eq!(told(0..60_000), 30 + 180);
        // Ten seconds later all is as it was.
        assert_eq!(told((0..30).map(|_| 0).chain((0..80).map(|_| 10_000))), 30 + 30);
    }
}
