//! When a request's time is over: times that can be set again, and what they end.
//!
//! A future is dropped, which costs nothing to prepare; the platform closes what a request has left open when it ends. An
//! AbortController for each request would cost more than all that a refusal does.
//!
//! A timer of the platform's costs as much as some hundred lines of ours, and nearly none of them ever rings. So a request
//! has one for all of its deadlines: it goes off when the first of them may be due, or after some seconds, and is set again
//! then for the next.

use crate::platform::{Bell, Fault, Signal, now};
use sluice_protocol::time::Millis;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

/// A time at which waiting ends, or at which its caller's leaving has ended it already. Nothing waits for one that is
/// dropped: AbortSignal's own `timeout` could not be stopped, and a busy edge would collect ten minutes of them.
pub struct Deadline {
    state: Rc<State>,
    clock: Rc<Clock>,
    left: Option<Signal>,
    /// Rings when the caller leaves.
    _leaving: Option<Bell>,
}

#[derive(Default)]
struct State {
    /// When its time is over, by its timer's own count, once that is set.
    due: Cell<Option<Millis>>,
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// Not set yet. `left` is aborted when the caller leaves; the platform does not pass it on, so it is heard here.
    pub fn new(left: Option<&Signal>) -> Result<Self, Fault> {
        let state = Rc::<State>::default();
        state.is_over.set(left.is_some_and(Signal::is_aborted));
        let leaving = left.map(|left| {
            let bell = Bell::new({
                let state = state.clone();
                move || state.ring()
            });
            bell.hear(left).map(|()| bell)
        });
        let leaving = leaving.transpose()?;
        let clock = Clock::current();
        clock.deadlines.borrow_mut().push(state.clone());
        Ok(Self { state, clock, left: left.cloned(), _leaving: leaving })
    }

    /// Sets it to this many milliseconds from now, whatever it was set to before, and also if that time has come.
    pub fn set(&self, wait: u32) {
        // Whoever has left has rung.
        if self.state.is_over.get() {
            self.state.is_over.set(self.has_left());
        }
        let due = self.clock.passed() + Millis::from(wait);
        self.state.due.set(Some(due));
        Clock::wind(&self.clock, due);
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

impl Drop for Deadline {
    fn drop(&mut self) {
        self.clock.deadlines.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.state));
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

/// Runs a future whose deadlines have one timer together.
pub async fn with_one_timer<T>(future: impl Future<Output = T>) -> T {
    let clock = Rc::<Clock>::default();
    let mut future = pin!(future);
    poll_fn(|context| {
        let before = CURRENT.replace(Some(clock.clone()));
        let polled = future.as_mut().poll(context);
        CURRENT.set(before);
        polled
    })
    .await
}

/// The timer of one or several deadlines. It counts the time that has passed by what its timers have waited, so that
/// clocks that are set meanwhile move no deadline by more than one of those.
#[derive(Default)]
struct Clock {
    bell: OnceCell<Bell>,
    /// What timers have waited that went off, in milliseconds.
    passed: Cell<Millis>,
    /// The timer that has not gone off yet.
    wound: Cell<Option<Wound>>,
    deadlines: RefCell<Vec<Rc<State>>>,
}

#[derive(Clone, Copy)]
struct Wound {
    /// What clocks showed then.
    since: Millis,
    /// For how long, in milliseconds.
    wait: Millis,
}

thread_local! {
    /// That of the future which is running.
    static CURRENT: RefCell<Option<Rc<Clock>>> = const { RefCell::new(None) };
}

impl Clock {
    fn current() -> Rc<Self> {
        CURRENT.with_borrow(Clone::clone).unwrap_or_default()
    }

    /// How much time has passed, in milliseconds, as far as is known.
    fn passed(&self) -> Millis {
        let of_timer = self.wound.get().map_or(0, |wound| now().saturating_sub(wound.since).min(wound.wait));
        self.passed.get() + of_timer
    }

    /// Sees to it that somebody looks at this time, or before.
    fn wind(clock: &Rc<Self>, due: Millis) {
        if clock.wound.get().is_some_and(|wound| clock.passed.get() + wound.wait <= due) {
            return;
        }
        let bell = clock.bell.get_or_init(|| {
            let own: Weak<Self> = Rc::downgrade(clock);
            Bell::new(move || own.upgrade().iter().for_each(Self::rung))
        });
        // The timer before is stopped.
        clock.passed.set(clock.passed());
        let wait = due.saturating_sub(clock.passed.get()).min(LONGEST_MS);
        clock.wound.set(Some(Wound { since: now(), wait }));
        bell.set(u32::try_from(wait).unwrap_or(u32::MAX));
    }

    fn rung(clock: &Rc<Self>) {
        // Timers come late, a little each, and clocks may have been set meanwhile.
        let waited = |Wound { since, wait }: Wound| now().saturating_sub(since).clamp(wait, wait + MAX_LATE_MS);
        clock.passed.set(clock.passed.get() + clock.wound.take().map_or(0, waited));
        let passed = clock.passed.get();
        let is_due = |state: &&Rc<State>| !state.is_over.get() && state.due.get().is_some_and(|due| due <= passed);
        // A waker may drop deadlines.
        let due: Vec<_> = clock.deadlines.borrow().iter().filter(is_due).cloned().collect();
        due.iter().for_each(|state| state.ring());
        let left = |state: &Rc<State>| state.due.get().filter(|_| !state.is_over.get());
        let next = clock.deadlines.borrow().iter().filter_map(left).min();
        if let Some(next) = next {
            Self::wind(clock, next);
        }
    }
}

/// How long a timer waits at most, in milliseconds, before it is set again. The deadlines of a request are far off, and the
/// next one often comes before the last: few of them have a timer set anew.
const LONGEST_MS: Millis = 5_000;
/// How late a timer is taken to be at most, in milliseconds.
const MAX_LATE_MS: Millis = 1_000;
