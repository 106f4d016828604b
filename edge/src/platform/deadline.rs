//! When a request's time is over: a timer that can be set again, and what it ends.
//!
//! A future is dropped, which costs nothing to prepare; the platform closes what a request has left open when it ends. An
//! AbortController for each request would cost more than all that a refusal does.

use crate::platform;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, WorkerGlobalScope};

/// A time at which waiting ends, or at which its caller's leaving has ended it already. Dropping it stops the timer:
/// AbortSignal's own `timeout` could not be stopped, and a busy edge would collect ten minutes of them.
pub struct Deadline {
    state: Rc<State>,
    ring: Closure<dyn FnMut()>,
    timer: Cell<Option<i32>>,
    left: Option<AbortSignal>,
}

#[derive(Default)]
struct State {
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// Not set yet. `left` is aborted when the caller leaves; the platform does not pass it on, so it is heard here.
    pub fn new(left: Option<&AbortSignal>) -> Result<Self, JsValue> {
        let state = Rc::<State>::default();
        let ring = Closure::new({
            let state = state.clone();
            move || state.ring()
        });
        if let Some(left) = left {
            state.is_over.set(left.aborted());
            platform::on_abort(left, &ring)?;
        }
        Ok(Self { state, ring, timer: Cell::new(None), left: left.cloned() })
    }

    /// Sets it to this many milliseconds from now, whatever it was set to before, and also if that time has come.
    pub fn set(&self, wait: u32) {
        self.stop();
        self.state.is_over.set(self.has_left());
        let wait = i32::try_from(wait).unwrap_or(i32::MAX);
        let ring = self.ring.as_ref().unchecked_ref();
        // The platform has no reason to refuse a timer; without one the grant's own deadline still holds at the origin.
        self.timer.set(scope().set_timeout_with_callback_and_timeout_and_arguments_0(ring, wait).ok());
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
        self.left.as_ref().is_some_and(AbortSignal::aborted)
    }

    fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            scope().clear_timeout_with_handle(timer);
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.stop();
        if let Some(left) = &self.left {
            // It was added, so it can be removed; the closure goes now.
            let _ = platform::off_abort(left, &self.ring);
        }
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

fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
