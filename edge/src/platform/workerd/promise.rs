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

use crate::platform;
use js_sys::Promise;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
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
        SETTLE.with(|settle| platform::watch(promise, slot, holder, settle));
        Self { slot: Some(slot) }
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot.expect("a future is not polled again after its end");
        let (last, result) = SLOTS.with_borrow_mut(|slots| slots.look(slot, context.waker()));
        // A waker that was there may be the last to own a task, whose promises are given up with it.
        drop(last);
        if result.is_some() {
            self.slot = None;
        }
        result.map_or(Poll::Pending, Poll::Ready)
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

/// Where the result of a promise is put. JavaScript has its number, and that of its holder.
#[derive(Default)]
struct Slot {
    holder: u32,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Free,
    /// The promise has not settled; who is to be woken.
    Waits(Option<Waker>),
    Settled(Result<JsValue, JsValue>),
}

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

impl Slots {
    /// A slot and the number of its holder, which no other holder of it had within four thousand million.
    fn take(&mut self) -> (usize, u32) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Slot::default());
            self.all.len() - 1
        });
        let slot = &mut self.all[number];
        slot.holder = slot.holder.wrapping_add(1);
        slot.state = State::Waits(None);
        (number, slot.holder)
    }

    /// The result, if it is there; otherwise this waker waits for it, and the one before is handed out.
    fn look(&mut self, number: usize, waker: &Waker) -> (Option<Waker>, Option<Result<JsValue, JsValue>>) {
        match &mut self.all[number].state {
            State::Waits(Some(known)) if known.will_wake(waker) => (None, None),
            State::Waits(known) => (known.replace(waker.clone()), None),
            State::Settled(_) | State::Free => match self.give_back(number) {
                State::Settled(result) => (None, Some(result)),
                State::Waits(_) | State::Free => unreachable!("a future gives its slot back once"),
            },
        }
    }

    /// Frees a slot of the future that holds it.
    fn give_back(&mut self, number: usize) -> State {
        self.free.push(number);
        std::mem::take(&mut self.all[number].state)
    }

    /// What becomes of a promise, unless its slot has another holder or none by now.
    fn settle(&mut self, number: usize, holder: u32, result: Result<JsValue, JsValue>) -> Option<Waker> {
        let slot = &mut self.all[number];
        match &mut slot.state {
            State::Waits(waker) if slot.holder == holder => {
                let waker = waker.take();
                slot.state = State::Settled(result);
                waker
            }
            _ => None,
        }
    }
}

thread_local! {
    static SLOTS: RefCell<Slots> = RefCell::default();
    static SETTLE: Closure<dyn Fn(usize, u32, bool, JsValue)> = Closure::new(|slot, holder, is_kept, value| {
        let result = if is_kept { Ok(value) } else { Err(value) };
        let waker = SLOTS.with_borrow_mut(|slots| slots.settle(slot, holder, result));
        if let Some(waker) = waker {
            waker.wake();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: JsValue = JsValue::UNDEFINED;

    fn is_told(slots: &mut Slots, slot: usize) -> bool {
        slots.look(slot, Waker::noop()).1.is_some()
    }

    #[test]
    fn a_slot_that_is_given_up_is_free_at_once_and_what_comes_later_is_for_nobody() {
        let mut slots = Slots::default();
        let (first, holder) = slots.take();
        assert!(!is_told(&mut slots, first));
        slots.give_back(first);
        let (second, next) = slots.take();
        assert_eq!((first, holder + 1), (second, next));
        slots.settle(first, holder, Ok(VALUE));
        assert!(!is_told(&mut slots, second), "it waits for its own promise");
        slots.settle(second, next, Ok(VALUE));
        assert!(is_told(&mut slots, second));
        // It was told: the slot is free, and says nothing twice.
        slots.settle(second, next, Ok(VALUE));
        assert_eq!((slots.take().0, slots.all.len()), (second, 1));
    }

    #[test]
    fn slots_stand_still_while_promises_never_settle() {
        let mut slots = Slots::default();
        for _ in 0..1_000 {
            let taken: Vec<_> = (0..5).map(|_| slots.take().0).collect();
            taken.into_iter().for_each(|slot| drop(slots.give_back(slot)));
        }
        assert_eq!(slots.all.len(), 5);
    }
}
