//! Bounded waiting: a test polls for what it expects and fails with a name when it does not come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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

/// Says that something is over when it is dropped, also by a panic: a thread that goes on until then never outlives a test
/// that has failed.
#[derive(Default)]
pub struct Over(AtomicBool);

impl Over {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Is over when what this gives is dropped.
    pub fn at_the_end(&self) -> impl Drop + '_ {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        End(&self.0)
    }
}

/// Something that waits until a test lets it go on: in the middle of a message, or of an origin's answer.
#[derive(Clone, Default)]
pub struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    /// Shut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets through all that wait and all that come.
    pub fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        opened.notify_all();
    }

    /// Waits until it is open; for as long as any test may take, as the test may have failed meanwhile.
    pub fn pass(&self) {
        let (is_open, opened) = &*self.0;
        let shut = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(opened.wait_timeout_while(shut, 6 * SOON, |is_open| !*is_open));
    }
}

/// What things take that should take no time; more than any machine needs, less than anybody would call a success.
pub const SOON: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);
