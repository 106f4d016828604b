//! What an engine's thread does when the engine itself breaks: it fails what ran, and starts again.
//!
//! A model that panics in a step or while a sequence begins fails these sequences and nothing else. This is for the
//! rest: a panic of ours between two steps, or a model that cannot release its slots.

use super::Shared;
use super::worker::Worker;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// Runs until nothing more can come.
pub(super) fn supervise(mut worker: Worker, shared: &Arc<Shared>) {
    let mut failures = 0;
    loop {
        let began = Instant::now();
        if matches!(catch_unwind(AssertUnwindSafe(|| worker.run())), Ok(Ok(()))) {
            return;
        }
        shared.down.store(true, Ordering::Relaxed);
        if began.elapsed() > CALM {
            failures = 0;
        }
        loop {
            let wait = backoff(failures);
            tracing::error!(failures, ?wait, "the engine broke and is started again");
            if !idle(&mut worker, wait) {
                return;
            }
            failures += 1;
            if catch_unwind(AssertUnwindSafe(|| worker.renew())).is_ok() {
                break;
            }
        }
        shared.down.store(false, Ordering::Relaxed);
    }
}

/// How long an engine waits before it starts again: the first time not at all.
fn backoff(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    LEAST.saturating_mul(1 << doublings.min(16)).min(MOST)
}

/// Waits, and fails all jobs that come meanwhile. False once no more can come.
fn idle(worker: &mut Worker, wait: Duration) -> bool {
    let until = Instant::now() + wait;
    loop {
        if !worker.fail_all() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::park_timeout(left.min(LOOK));
    }
}

/// After this long without a failure, the next failure counts as the first.
const CALM: Duration = Duration::from_secs(60);
/// The wait before the second start; it doubles with each later one.
const LEAST: Duration = Duration::from_secs(1);
/// The longest wait before a start.
const MOST: Duration = Duration::from_secs(60);
/// How often a waiting engine looks whether more jobs can come.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_come_at_once_and_then_further_and_further_apart() {
        let seconds: Vec<u64> = (0..9).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX), MOST);
    }
}
