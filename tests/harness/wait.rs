//! Bounded waiting: a test polls for what it expects and fails with a name when it does not come.

use std::time::{Duration, Instant};

/// Polls until `look` finds something and returns it and how long it took; panics after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, start.elapsed());
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(POLL);
    }
}

/// [`until`] for a condition.
pub fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    until(what, limit, || condition().then_some(())).1
}

/// What things take that should take no time; more than any machine needs, less than anybody would call a success.
pub const SOON: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);
