//! The hostile shapes. Each acts at its own pace, in a thread of its own, and counts what it meets.

mod bodies;
mod crowds;
mod forms;
mod leaving;
mod silence;

use crate::gates::Gates;
use crate::tally::Tally;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One way to be hostile.
pub(crate) struct Shape {
    /// Its row's name.
    pub(crate) name: &'static str,
    /// What it met.
    pub(crate) tally: Tally,
    /// How many of it act at the same time.
    pub(crate) abreast: usize,
    pace: Duration,
    act: Act,
}

/// Acts once; is given which time this is.
type Act = Box<dyn Fn(&Tally, u64) + Send + Sync>;

/// All of them.
pub(crate) fn all(gates: &Gates) -> Vec<Shape> {
    [leaving::shapes(gates), bodies::shapes(gates), forms::shapes(gates), crowds::shapes(gates), silence::shapes(gates)]
        .into_iter()
        .flatten()
        .collect()
}

impl Shape {
    fn new(name: &'static str, pace_ms: u64, act: impl Fn(&Tally, u64) + Send + Sync + 'static) -> Self {
        Self { name, tally: Tally::default(), abreast: 1, pace: Duration::from_millis(pace_ms), act: Box::new(act) }
    }

    /// The same, so many at a time.
    fn abreast(self, abreast: usize) -> Self {
        Self { abreast, ..self }
    }

    /// Acts until it is over. An act that takes longer than the pace is followed by the next at once.
    pub(crate) fn run(&self, over: &AtomicBool) {
        let mut time = 0;
        while !over.load(Ordering::Relaxed) {
            let due = Instant::now() + self.pace;
            (self.act)(&self.tally, time);
            time += 1;
            while Instant::now() < due && !over.load(Ordering::Relaxed) {
                std::thread::sleep(SLICE.min(due.saturating_duration_since(Instant::now())));
            }
        }
    }
}

/// How soon a shape sees that it is over.
const SLICE: Duration = Duration::from_millis(100);
/// How long an answer may take: longer than a lease.
const PATIENCE: Duration = Duration::from_secs(75);
