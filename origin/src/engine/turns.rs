//! Turns between texts and pictures, where both are computed by one processor.
//!
//! A picture computes some blocks, for a few milliseconds, and then texts may; a text's step is never behind more than that.
//! A text that comes goes first, for as long as [`BURST`]: so its first token is as soon as if there were no picture. From
//! then on both have their shares of the time. Where only one of them has something to compute, it has all of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For so long texts go before a picture that waits.
const BURST: Duration = Duration::from_secs(1);

/// How long whoever waits sleeps until it looks again: nothing tells it that a deadline has come.
const LOOK: Duration = Duration::from_millis(20);

/// Who computes, who wants to, and what texts owe.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Engines of texts in a step.
    stepping: usize,
    /// Those that have something to compute, in a step or between two.
    busy: usize,
    /// Whether a picture computes.
    drawing: bool,
    /// Whether one waits for its turn.
    waits: bool,
    ledger: Ledger,
}

/// What texts owe to pictures.
#[derive(Clone, Copy, Debug)]
struct Ledger {
    /// How many percent of the time are a picture's, while both compute; 1 to 99.
    share: u32,
    /// For how long texts go first.
    burst: Duration,
    owed: Duration,
}

impl Ledger {
    /// Texts computed for so long while a picture waited.
    fn texts(&mut self, took: Duration) {
        self.owed = self.owed.saturating_add(self.for_texts(took)).min(2 * self.for_texts(self.burst));
    }

    /// A picture computed for so long.
    fn picture(&mut self, took: Duration) {
        self.owed = self.owed.saturating_sub(took);
    }

    /// Whether it is a picture's turn although texts have something to compute.
    fn is_due(&self) -> bool {
        self.owed >= self.for_texts(self.burst)
    }

    /// What a picture has in return for so much time of texts.
    fn for_texts(&self, took: Duration) -> Duration {
        took.saturating_mul(self.share) / (100 - self.share)
    }
}

impl Turns {
    /// `share`: how many percent of the time pictures have while texts compute, too; 1 to 99.
    pub(crate) fn new(share: u8) -> Self {
        Self::with_burst(share, BURST)
    }

    /// The same, with another time for which texts go first.
    pub(crate) fn with_burst(share: u8, burst: Duration) -> Self {
        let ledger = Ledger { share: u32::from(share.clamp(1, 99)), burst, owed: Duration::ZERO };
        let state = State { stepping: 0, busy: 0, drawing: false, waits: false, ledger };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// An engine of texts has something to compute from now on, or has not.
    pub(crate) fn busy(&self, now: bool) {
        let mut state = self.lock();
        state.busy = if now { state.busy + 1 } else { state.busy.saturating_sub(1) };
        if state.busy == 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for the turn of a text's step, while a picture computes. `lives` is called while it waits: who waits does not
    /// hang.
    pub(crate) fn step(&self, lives: impl Fn()) -> Step<'_> {
        let mut state = self.lock();
        // One that is due goes before the next step, whichever engine's.
        while state.drawing || (state.waits && state.ledger.is_due()) {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            lives();
        }
        state.stepping += 1;
        Step { turns: self, began: Instant::now() }
    }

    /// Waits for a picture's turn, for as long as `goes_on` says so; `None` when it says no.
    pub(crate) fn draw(&self, goes_on: impl Fn() -> bool) -> Option<Draw<'_>> {
        let mut state = self.lock();
        state.waits = true;
        while state.drawing || state.stepping > 0 || (state.busy > 0 && !state.ledger.is_due()) {
            if !goes_on() {
                state.waits = false;
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.waits, state.drawing) = (false, true);
        Some(Draw { turns: self, began: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text's step. Dropping it ends its turn.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    turns: &'a Turns,
    began: Instant,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.stepping = state.stepping.saturating_sub(1);
        if state.waits {
            state.ledger.texts(self.began.elapsed());
            self.turns.changed.notify_all();
        }
    }
}

/// A picture's turn. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    turns: &'a Turns,
    began: Instant,
}

impl Draw<'_> {
    /// How long it has computed.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Draw<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.drawing = false;
        state.ledger.picture(self.began.elapsed());
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    /// Who goes next where both always have something to compute, by the ledger alone: a step takes as long as a slice.
    fn order(share: u8, turns: usize) -> Vec<bool> {
        let mut ledger = Ledger { share: u32::from(share), burst: BURST, owed: Duration::ZERO };
        let slice = Duration::from_millis(10);
        let turn = |_| {
            let is_picture = ledger.is_due();
            if is_picture {
                ledger.picture(slice)
            } else {
                ledger.texts(slice)
            }
            is_picture
        };
        (0..turns).map(turn).collect()
    }

    #[test]
    fn texts_go_first_and_then_both_have_their_shares() {
        for share in [10, 50, 80] {
            let order = order(share, 10_000);
            let first = order.iter().position(|is_picture| *is_picture).unwrap();
            assert!(first.abs_diff(100) <= 1, "{share}: a burst is a second, not {first} steps");
            let pictures = order[first..].iter().filter(|is_picture| **is_picture).count();
            let percent = 100 * pictures / (order.len() - first);
            assert!(percent.abs_diff(usize::from(share)) <= 1, "{share}: {percent}");
        }
    }

    #[test]
    fn a_picture_alone_gives_texts_their_burst_again() {
        let mut ledger = Ledger { share: 50, burst: BURST, owed: Duration::from_millis(900) };
        ledger.picture(Duration::from_secs(2));
        assert_eq!(ledger.owed, Duration::ZERO);
        // Whatever texts computed while one waited, it is not owed for ever.
        ledger.texts(Duration::from_secs(3_600));
        assert_eq!(ledger.owed, 2 * BURST);
    }

    #[test]
    fn a_step_and_a_picture_never_compute_together_and_each_comes_to_its_end() {
        // A short burst, so that both have their turns many times over.
        let turns = Arc::new(Turns::with_burst(50, Duration::from_micros(100)));
        let (drawing, stepping) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let texts: Vec<_> = (0..2)
            .map(|_| {
                let (turns, drawing, stepping) = (Arc::clone(&turns), Arc::clone(&drawing), Arc::clone(&stepping));
                thread::spawn(move || {
                    turns.busy(true);
                    for _ in 0..2_000 {
                        let step = turns.step(|| {});
                        stepping.fetch_add(1, Ordering::SeqCst);
                        for _ in 0..20 {
                            assert!(!drawing.load(Ordering::SeqCst));
                            thread::yield_now();
                        }
                        stepping.fetch_sub(1, Ordering::SeqCst);
                        drop(step);
                    }
                    turns.busy(false);
                })
            })
            .collect();
        let mut drawn = 0;
        while texts.iter().any(|text| !text.is_finished()) {
            let draw = turns.draw(|| true).unwrap();
            drawing.store(true, Ordering::SeqCst);
            for _ in 0..20 {
                assert_eq!(stepping.load(Ordering::SeqCst), 0);
                thread::yield_now();
            }
            drawing.store(false, Ordering::SeqCst);
            drop(draw);
            drawn += 1;
        }
        assert!(drawn > 20, "they were hardly ever tried together: {drawn}");
        texts.into_iter().for_each(|text| text.join().unwrap());
    }

    #[test]
    fn a_picture_that_is_left_while_it_waits_holds_up_nobody() {
        let turns = Turns::new(50);
        turns.busy(true);
        assert!(turns.draw(|| false).is_none());
        drop(turns.step(|| {}));
        turns.busy(false);
        assert!(turns.draw(|| false).is_some());
    }
}
