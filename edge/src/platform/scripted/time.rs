//! Virtual time, seeded randomness, and a log that tests read.

use super::course::{self, Timer};
use super::http::{Listener, Signal};
use crate::platform::Fault;
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What clocks show. It stands still while anything can go on, and tests set it.
pub fn now() -> Millis {
    let shown = course::of_thread(|course| course.now.get().saturating_add_signed(course.clocks_are_ahead.get()));
    shown.unwrap_or(course::BEGIN)
}

/// The time that timers go by, whatever clocks show.
pub(super) fn passed() -> Millis {
    course::of_thread(|course| course.now.get()).unwrap_or(course::BEGIN)
}

/// Fresh random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    course::of_thread(|course| course.rng.borrow_mut().fill(&mut bytes));
    bytes
}

/// Writes a line to the world's log.
pub fn log(severity: Severity, line: &str) {
    course::of_thread(|course| course.log.borrow_mut().push((severity, line.to_owned())));
}

/// Lets this many milliseconds pass; others go on even if that is none.
pub fn sleep(ms: u32) -> impl Future<Output = ()> {
    Sleep { until: passed() + Millis::from(ms), timer: None, has_begun: false }
}

struct Sleep {
    until: Millis,
    timer: Option<Timer>,
    has_begun: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.has_begun && passed() >= self.until {
            return Poll::Ready(());
        }
        self.has_begun = true;
        if let Some(timer) = self.timer.take() {
            course::forget(timer);
        }
        let waker = context.waker().clone();
        self.timer = Some(course::at(self.until, move || waker.wake()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            course::forget(timer);
        }
    }
}

/// Rings at a time, and when a caller leaves. Nothing rings once it is dropped.
pub struct Bell {
    ring: Rc<Listener>,
    timer: Cell<Option<Timer>>,
}

impl Bell {
    /// Not set to a time yet.
    pub fn new(ring: impl Fn() + 'static) -> Self {
        Self { ring: Rc::new(ring), timer: Cell::new(None) }
    }

    /// Rings when this caller leaves, too.
    pub fn hear(&self, left: &Signal) -> Result<(), Fault> {
        left.on_abort(Rc::downgrade(&self.ring));
        Ok(())
    }

    /// Sets it to this many milliseconds from now, and to no other time.
    pub fn set(&self, wait: u32) {
        self.stop();
        let ring = Rc::downgrade(&self.ring);
        let timer = course::at(passed() + Millis::from(wait), move || {
            if let Some(ring) = ring.upgrade() {
                ring();
            }
        });
        self.timer.set(Some(timer));
    }

    fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            course::forget(timer);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop();
    }
}
