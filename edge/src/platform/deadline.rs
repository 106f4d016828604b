//! When a request's time is over: a timer that can be set again, and what it ends.
//!
//! A future is dropped, which costs nothing to prepare; the platform closes what a request has left open when it ends. An
//! AbortController for each request would cost more than all that a refusal does.

use crate::platform::{Bell, Fault, Signal};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A time at which waiting ends, or at which its caller's leaving has ended it already. Dropping it stops the timer:
/// AbortSignal's own `timeout` could not be stopped, and a busy edge would collect ten minutes of them.
pub struct Deadline {
    state: Rc<State>,
    bell: Bell,
    left: Option<Signal>,
}

#[derive(Default)]
struct State {
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// Not set yet. `left` is aborted when the caller leaves; the platform does not pass it on, so it is heard here.
    pub fn new(left: Option<&Signal>) -> Result<Self, Fault> {
        let state = Rc::<State>::default();
        let ring = {
            let state = state.clone();
            move || state.ring()
        };
        state.is_over.set(left.is_some_and(Signal::is_aborted));
        Ok(Self { state, bell: Bell::new(left, ring)?, left: left.cloned() })
    }

    /// Sets it to this many milliseconds from now, whatever it was set to before, and also if that time has come.
    pub fn set(&self, wait: u32) {
        self.state.is_over.set(self.has_left());
        self.bell.set(wait);
    }

    /// What the future gives, or nothing if the time is over before.
    pub async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            if self.state.is_over.get() {
                return Poll::Ready(None);
            }
            self.state.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Whether its time came or its caller left.
    pub fn is_over(&self) -> bool {
        self.state.is_over.get()
    }

    /// Whether its caller left.
    pub fn has_left(&self) -> bool {
        self.left.as_ref().is_some_and(Signal::is_aborted)
    }
}

impl State {
    fn ring(&self) {
        self.is_over.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
