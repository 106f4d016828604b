//! What rings at a time, or when a caller leaves.
//!
//! A function of WebAssembly's for each bell would be an object with an entry in a registry that the garbage collector
//! goes through. Here JavaScript calls one, made once for an isolate, with a bell's number.

use super::turn::turn;
use crate::platform::places::{Place, Places};
use crate::platform::workerd::calls;
use crate::platform::{Fault, Signal};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;

/// Rings at a time, and when a caller leaves. Nothing rings once it is dropped.
pub struct Bell {
    place: Place,
    hung: Rc<Hung>,
}

struct Hung {
    ring: Box<dyn Fn()>,
    /// Whether a timer of its number has not gone off.
    is_wound: Cell<bool>,
}

impl Bell {
    /// Not set to a time yet.
    pub fn new(ring: impl Fn() + 'static) -> Self {
        let hung = Rc::new(Hung { ring: Box::new(ring), is_wound: Cell::new(false) });
        let place = BELLS.with_borrow_mut(|bells| bells.take(hung.clone()));
        Self { place, hung }
    }

    /// Rings when this caller leaves, too.
    pub fn hear(&self, left: &Signal) -> Result<(), Fault> {
        let Place { number, holder } = self.place;
        // It stays with the signal, which goes with its request: a bell that is gone is nobody's number.
        Ok(RING.with(|ring| calls::ring_on_abort(&left.0, ring, number, holder))?)
    }

    /// Sets it to this many milliseconds from now, and to no other time.
    pub fn set(&self, wait: u32) {
        self.stop();
        let (wait, Place { number, holder }) = (i32::try_from(wait).unwrap_or(i32::MAX), self.place);
        // The platform has no reason to refuse a timer; without one the grant's own deadline still holds at the origin.
        self.hung.is_wound.set(RING.with(|ring| calls::ring_in(wait, ring, number, holder)).is_ok());
    }

    fn stop(&self) {
        if self.hung.is_wound.replace(false) {
            calls::stop_ringing(self.place.number);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop();
        let given_back = BELLS.with_borrow_mut(|bells| bells.give_back(self.place));
        // Outside: it may own a waker, and so a task with bells of its own.
        drop(given_back);
    }
}

/// The timer of the bell with this number went off, or its caller left.
fn rung(place: Place, by_timer: bool) {
    turn();
    let Some(hung) = BELLS.with_borrow(|bells| bells.get(place).cloned()) else { return };
    if by_timer {
        hung.is_wound.set(false);
    }
    (hung.ring)();
}

thread_local! {
    static BELLS: RefCell<Places<Rc<Hung>>> = RefCell::default();
    static RING: Closure<calls::Ring> =
        Closure::new(|number, holder, by_timer| rung(Place { number, holder }, by_timer));
}
