//! Waiting for a promise of the platform's.
//!
//! `wasm-bindgen-futures` makes two functions for each promise that is waited for, each with an entry in a registry that the
//! garbage collector goes through. Here JavaScript calls one function, made once for an isolate, with a number.

use crate::platform;
use js_sys::Promise;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

/// What a promise gives, or what it fails with. A request that the platform ends leaves its promises unsettled, and its
/// memory here is a few words.
pub struct Settled {
    slot: usize,
}

impl Settled {
    /// Waits for this one.
    pub fn of(promise: &Promise) -> Self {
        let slot = SLOTS.with_borrow_mut(Slots::take);
        SETTLE.with(|settle| platform::watch(promise, slot, settle));
        Self { slot }
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waits = Slot::Waits(Some(context.waker().clone()));
        let last = SLOTS.with_borrow_mut(|slots| std::mem::replace(&mut slots.all[self.slot], waits));
        match last {
            Slot::Waits(_) => Poll::Pending,
            Slot::Settled(result) => {
                SLOTS.with_borrow_mut(|slots| slots.all[self.slot] = Slot::Over);
                Poll::Ready(result)
            }
            Slot::Over => panic!("a future is not polled again after its end"),
        }
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        let _dropped_outside = SLOTS.with_borrow_mut(|slots| {
            let last = std::mem::replace(&mut slots.all[self.slot], Slot::Over);
            // One whose promise is still to settle is free when it does: its number is in JavaScript's hands.
            if !matches!(last, Slot::Waits(_)) {
                slots.free.push(self.slot);
            }
            last
        });
    }
}

/// A promise that is waited for.
enum Slot {
    /// It has not settled; who is to be woken.
    Waits(Option<Waker>),
    Settled(Result<JsValue, JsValue>),
    /// Nobody waits any more.
    Over,
}

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

impl Slots {
    fn take(&mut self) -> usize {
        let slot = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(slot) {
            Some(free) => *free = Slot::Waits(None),
            None => self.all.push(Slot::Waits(None)),
        }
        slot
    }

    fn settle(&mut self, slot: usize, result: Result<JsValue, JsValue>) -> Option<Waker> {
        match std::mem::replace(&mut self.all[slot], Slot::Over) {
            Slot::Waits(waker) => {
                self.all[slot] = Slot::Settled(result);
                waker
            }
            Slot::Settled(_) | Slot::Over => {
                self.free.push(slot);
                None
            }
        }
    }
}

thread_local! {
    static SLOTS: RefCell<Slots> = RefCell::default();
    static SETTLE: Closure<dyn Fn(usize, bool, JsValue)> = Closure::new(|slot, is_kept, value| {
        let result = if is_kept { Ok(value) } else { Err(value) };
        let waker = SLOTS.with_borrow_mut(|slots| slots.settle(slot, result));
        if let Some(waker) = waker {
            waker.wake();
        }
    });
}
