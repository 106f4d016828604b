//! queue, the shell: wakes the next request, keeps the clock, and gives every place back exactly once.

pub(crate) mod admission;

use crate::queue::admission::{Admission, Answer, Ticket};
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::time::Millis;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// The origin's places, shared by all requests.
pub(crate) struct Queue {
    start: Instant,
    patience: Duration,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    admission: Admission,
    wakers: HashMap<Ticket, oneshot::Sender<Wake>>,
    closed: bool,
}

#[derive(Debug)]
enum Wake {
    Run,
    Expired,
    Closed,
}

/// Who goes before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Somebody waits for it; the higher priority goes first.
    Live(u8),
    /// It takes idle time only, and is below all of those.
    Idle,
}

impl Rank {
    /// What its grant says.
    pub(crate) const fn of(claims: &GrantClaims) -> Self {
        if claims.idle { Self::Idle } else { Self::Live(claims.pri) }
    }
}

impl Queue {
    /// `patience`: how long a request may wait.
    pub(crate) fn new(slots: usize, queue: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            patience,
            state: Mutex::new(State { admission: Admission::new(slots, queue), wakers: HashMap::new(), closed: false }),
            changed: Notify::new(),
        })
    }

    /// Takes a place, or is refused with the time after which there should be one. Never waits.
    ///
    /// `deadline` is when the request has to be over. It bounds the wait too.
    pub(crate) fn ask(
        self: &Arc<Self>,
        account: &str,
        rank: Rank,
        deadline: Option<Instant>,
    ) -> Result<Place, Refusal> {
        let patience = Instant::now() + self.patience;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        let mut state = self.lock();
        if state.closed {
            return Err(draining());
        }
        let now = self.now();
        self.expire_locked(&mut state, now);
        let answer = match rank {
            Rank::Live(priority) => state.admission.ask(account, priority, self.millis(until), now),
            Rank::Idle => state.admission.ask_idle(now),
        };
        let held = |ticket| Held {
            queue: Arc::clone(self),
            ticket,
            served: AtomicBool::new(false),
            released: AtomicBool::new(false),
        };
        match answer {
            Answer::Run(ticket) => Ok(Place { held: held(ticket), turn: None, until, deadline }),
            Answer::Wait(ticket) => {
                let (waker, turn) = oneshot::channel();
                state.wakers.insert(ticket, waker);
                Ok(Place { held: held(ticket), turn: Some(turn), until, deadline })
            }
            Answer::Full(wait) => {
                let full = Refusal::new(Reason::Overloaded, "All slots and all places in the queue are taken.");
                Err(match wait {
                    Some(wait) => full.with_retry_after_ms(wait),
                    None => full,
                })
            }
        }
    }

    /// How many run and wait at this moment.
    pub(crate) fn capacity(&self) -> Capacity {
        self.lock().admission.capacity()
    }

    /// Refuses every request that waits or will ask. Those that run go on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for (_, waker) in state.wakers.drain() {
            // Whoever is gone gives its place back by itself.
            let _ = waker.send(Wake::Closed);
        }
    }

    /// Waits until no place is taken.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().admission.is_idle() {
                return;
            }
            changed.await;
        }
    }

    fn expire(&self) {
        let now = self.now();
        self.expire_locked(&mut self.lock(), now);
    }

    fn expire_locked(&self, state: &mut State, now: Millis) {
        for ticket in state.admission.expire(now) {
            if let Some(waker) = state.wakers.remove(&ticket) {
                let _ = waker.send(Wake::Expired);
            }
        }
    }

    fn leave(&self, ticket: Ticket, served: bool) {
        let mut state = self.lock();
        state.wakers.remove(&ticket);
        let now = self.now();
        if let Some(next) = state.admission.leave(ticket, served, now)
            && let Some(waker) = state.wakers.remove(&next)
        {
            // If it has just gone, its own `leave` passes the slot on.
            let _ = waker.send(Wake::Run);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        self.millis(Instant::now())
    }

    fn millis(&self, instant: Instant) -> Millis {
        Millis::try_from(instant.saturating_duration_since(self.start).as_millis()).unwrap_or(Millis::MAX)
    }
}

/// A place, running or waiting. Dropping it gives it back.
pub(crate) struct Place {
    held: Held,
    turn: Option<oneshot::Receiver<Wake>>,
    until: Instant,
    deadline: Option<Instant>,
}

/// A slot. It is given back once, by whichever comes first: the drop of the permit, or that of
/// [`Self::release_on_end`].
pub(crate) struct Permit {
    held: Arc<Held>,
}

struct Held {
    queue: Arc<Queue>,
    ticket: Ticket,
    served: AtomicBool,
    released: AtomicBool,
}

/// Where a place stands in the queue; outlives the place.
pub(crate) struct Position {
    queue: Arc<Queue>,
    ticket: Ticket,
}

impl Position {
    /// How many are served before it, as the queue stands; `None` if it does not wait.
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.queue.lock().admission.ahead(self.ticket)
    }
}

impl Place {
    /// Call it while the place waits.
    pub(crate) fn position(&self) -> Position {
        Position { queue: Arc::clone(&self.held.queue), ticket: self.held.ticket }
    }

    /// Waits for the slot. Refuses when the queue's patience or the request's deadline is over, or the origin stops.
    pub(crate) async fn ready(mut self) -> Result<Permit, Refusal> {
        if let Some(mut turn) = self.turn.take() {
            let timer = tokio::time::sleep_until(self.until.into());
            tokio::pin!(timer);
            let wake = tokio::select! {
                biased;
                wake = &mut turn => wake,
                () = timer => {
                    // Takes this place out, unless its turn came in this very moment: either way the waker has been
                    // used.
                    self.held.queue.expire();
                    turn.await
                }
            };
            match wake {
                Ok(Wake::Run) => {}
                Ok(Wake::Closed) => return Err(draining()),
                Ok(Wake::Expired) | Err(_) => return Err(self.expired()),
            }
        }
        Ok(Permit { held: Arc::new(self.held) })
    }

    fn expired(&self) -> Refusal {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Refusal::new(Reason::DeadlineExceeded, "The deadline passed while the request waited for a slot.");
        }
        let refusal = Refusal::new(Reason::QueueTimeout, "No slot became free in time.");
        match self.held.queue.lock().admission.retry_after() {
            Some(wait) => refusal.with_retry_after_ms(wait),
            None => refusal,
        }
    }
}

impl Permit {
    /// Notes that something runs in the slot: only such slots say how long one is held.
    pub(crate) fn serve(&self) {
        self.held.served.store(true, Ordering::Relaxed);
    }

    /// A guard for the engine that gives the slot back when it is dropped. The slot is free as soon as the sequence is
    /// over, even if its reader is still busy with the rest. Also notes that something runs in the slot.
    pub(crate) fn release_on_end(&self) -> Box<dyn Send> {
        self.serve();
        Box::new(Self { held: Arc::clone(&self.held) })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.held.release();
    }
}

impl Held {
    fn release(&self) {
        if !self.released.swap(true, Ordering::Relaxed) {
            self.queue.leave(self.ticket, self.served.load(Ordering::Relaxed));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

pub(crate) fn draining() -> Refusal {
    Refusal::new(Reason::Draining, "The origin is stopping. Try again: another one will answer.")
}

#[cfg(test)]
mod interleavings;

#[cfg(test)]
mod tests;
