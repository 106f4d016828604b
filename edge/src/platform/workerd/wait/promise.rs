//! Waiting for a promise of the platform's.
//!
//! `wasm-bindgen-futures` makes two functions for each promise that is waited for, each with an entry in a registry
//! that the garbage collector goes through. Here JavaScript calls one function, made once for an isolate, with two
//! numbers.
//!
//! # What does a promise that never settles hold?
//!
//! Whoever waits for it: the list of slots owns the waker, and so the task and all that it owns. The platform leaves
//! the promises of a request unsettled once it has ended it. So whatever waits for a promise runs in a task that the
//! platform is told of (`task.rs`) and ends in time by itself. A slot whose future was dropped is free at once: what a
//! promise says later is for a holder of the slot that is gone.

use super::turn::turn;
use crate::platform::slots::{Found, Slots};
use crate::platform::workerd::calls;
use js_sys::Promise;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

/// What a promise gives, or what it fails with.
pub struct Settled {
    /// None once it has been told.
    slot: Option<usize>,
}

impl Settled {
    /// Waits for this one.
    pub fn of(promise: &Promise) -> Self {
        let (slot, holder) = SLOTS.with_borrow_mut(Slots::take);
        SETTLE.with(|settle| calls::watch(promise, slot, holder, settle));
        Self { slot: Some(slot) }
    }

    /// Waits for this many milliseconds, as for a promise that is kept then.
    pub fn after(ms: u32) -> Self {
        let (slot, holder) = SLOTS.with_borrow_mut(Slots::take);
        SETTLE.with(|settle| calls::settle_in(ms, slot, holder, settle));
        Self { slot: Some(slot) }
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot.expect("a future is not polled again after its end");
        match SLOTS.with_borrow_mut(|slots| slots.look(slot, context.waker())) {
            Found::Nothing(last) => {
                // A waker that was there may be the last to own a task, whose promises are given up with it.
                drop(last);
                Poll::Pending
            }
            Found::Result(result) => {
                self.slot = None;
                Poll::Ready(result)
            }
        }
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        let given_up = SLOTS.with_borrow_mut(|slots| slots.give_back(slot));
        // Outside: a waker may own a task that waits for more.
        drop(given_up);
    }
}

thread_local! {
    static SLOTS: RefCell<Slots<Result<JsValue, JsValue>>> = RefCell::default();
    static SETTLE: Closure<calls::Settle> = Closure::new(|slot, holder, is_kept, value| {
        turn();
        let result = if is_kept { Ok(value) } else { Err(value) };
        let waker = SLOTS.with_borrow_mut(|slots| slots.settle(slot, holder, result));
        if let Some(waker) = waker {
            waker.wake();
        }
    });
}
