//! The thread that reads a GPU, and what it read last.

use super::choice::Sought;
use super::driver::{Driver, Identity, Reading};
use super::pressure::{Promise, told};
use super::{Moment, STALE};
use sluice_protocol::forward::capacity::GpuFigures;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is watched, and how.
pub(super) struct Plan {
    pub(super) library: Option<PathBuf>,
    pub(super) sought: Sought,
    /// Bytes that the engines may take on it from now on; `None` where nothing computes on it: then nothing presses.
    pub(super) pool: Option<u64>,
    pub(super) presses_from: u8,
    pub(super) every: Duration,
}

/// A GPU that is watched until this is dropped. A driver that hangs keeps its thread, and nothing else.
pub(super) struct Watch {
    seen: Arc<Mutex<Option<Seen>>>,
    stale: Duration,
    /// The thread ends when it is dropped.
    _until: Sender<()>,
}

/// What was read last.
#[derive(Clone)]
struct Seen {
    figures: GpuFigures,
    mem: Option<u8>,
    at: Instant,
}

/// One that has read without a failure for so many turns may say again that it fails.
const CALM: u32 = 60;
/// The longest wait before a driver that failed is loaded again, in turns.
const LONGEST: u32 = 60;

impl Watch {
    /// Fails if a thread cannot be started.
    pub(super) fn start(plan: Plan) -> std::io::Result<Self> {
        let seen = Arc::default();
        let stale = plan.every.saturating_mul(STALE);
        let (until, over) = channel();
        let thread = Thread { plan, seen: Arc::clone(&seen), over, identity: None, promise: None };
        std::thread::Builder::new().name("gpu".into()).spawn(move || thread.run())?;
        Ok(Self { seen, stale, _until: until })
    }

    /// What is known at this moment.
    pub(super) fn moment(&self) -> Option<Moment> {
        let Seen { figures, mem, at } = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let age = at.elapsed();
        let is_fresh = age <= self.stale;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Some(Moment { figures: GpuFigures { age_ms, ..figures }, mem: mem.filter(|_| is_fresh), is_fresh })
    }
}

struct Thread {
    plan: Plan,
    seen: Arc<Mutex<Option<Seen>>>,
    over: Receiver<()>,
    /// Which device it is, once it was found: numbers may change while one is away.
    identity: Option<Identity>,
    /// What the engines count on, by the first reading.
    promise: Option<Promise>,
}

/// Why a driver is asked no more.
enum End {
    /// Nobody wants to know.
    Over,
    /// It failed after so many readings.
    Failed { why: String, readings: u32 },
}

impl Thread {
    fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let (why, readings) = match self.ask() {
                End::Over => return,
                End::Failed { why, readings } => (why, readings),
            };
            if self.identity.is_none() {
                tracing::warn!("no GPU is watched: {why}");
                return;
            }
            if readings >= CALM {
                failures = 0;
            }
            if failures == 0 {
                tracing::warn!("the GPU cannot be read, and is tried again: {why}");
            }
            failures = failures.saturating_add(1);
            if self.is_over_after(backoff(self.plan.every, failures)) {
                return;
            }
        }
    }

    /// Loads the driver, and reads until it fails.
    fn ask(&mut self) -> End {
        let mut readings = 0;
        let failed = |why: String, readings| End::Failed { why, readings };
        let driver = match Driver::open(self.plan.library.as_deref()) {
            Ok(driver) => driver,
            Err(error) => return failed(error.to_string(), readings),
        };
        let sought = self.identity.as_ref().map(|identity| Sought::Uuid(identity.uuid.clone()));
        let found = match driver.find(sought.as_ref().unwrap_or(&self.plan.sought)) {
            Ok(found) => found,
            Err(why) => return failed(why, readings),
        };
        if self.identity.is_none() {
            let Identity { index, uuid } = found.identity.clone();
            tracing::info!(index, uuid, "a GPU is watched");
            self.identity = Some(found.identity.clone());
        }
        loop {
            let begun = Instant::now();
            match found.read() {
                Ok(reading) => self.keep(reading, begun),
                Err(error) => return failed(error.to_string(), readings),
            }
            readings = readings.saturating_add(1);
            if self.is_over_after(self.plan.every) {
                return End::Over;
            }
        }
    }

    /// `begun`: when the driver was first asked, so that nothing is younger than it says.
    fn keep(&mut self, reading: Reading, begun: Instant) {
        let Reading { mut figures, memory } = reading;
        if let Some(Identity { index, .. }) = &self.identity {
            figures.index = *index;
        }
        let mem = self.plan.pool.zip(memory).and_then(|(pool, memory)| {
            let promise = self.promise.get_or_insert_with(|| Promise::new(memory, pool));
            told(promise.taken(memory), self.plan.presses_from)
        });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { figures, mem, at: begun });
    }

    /// Waits; true if nobody wants to know any more.
    fn is_over_after(&self, wait: Duration) -> bool {
        self.over.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
    }
}

/// How long a driver is left alone that has failed so many times.
fn backoff(every: Duration, failures: u32) -> Duration {
    let turns = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(LONGEST).min(LONGEST);
    every.saturating_mul(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_less_and_less() {
        let turns = |failures| backoff(Duration::from_secs(1), failures).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 40, u32::MAX].map(turns), [1, 2, 4, 32, 60, 60, 60]);
    }
}
