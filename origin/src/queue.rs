//! queue, the shell: wakes the next request, keeps the clock, and gives every place back exactly once.

pub(crate) mod admission;
mod pictures;

use crate::models::z_image::drawing::Part;
use crate::models::z_image::effort::Effort;
use crate::queue::admission::{Admission, Answer, Ticket};
use crate::queue::pictures::Pictures;
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
    texts: Bounds,
    pictures: Bounds,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    texts: Admission,
    pictures: Pictures,
    wakers: HashMap<Spot, oneshot::Sender<Wake>>,
    closed: bool,
}

/// The bounds of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many run at once. Of pictures it is one, whatever this says.
    pub(crate) slots: usize,
    /// How many wait.
    pub(crate) queue: usize,
    /// For how long, at most.
    pub(crate) patience: Duration,
}

/// Which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Of whatever reads or writes tokens.
    Texts,
    /// Of pictures.
    Pictures,
}

/// A place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Spot {
    lane: Lane,
    ticket: Ticket,
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
    /// A line for texts, and one for pictures.
    pub(crate) fn new(texts: Bounds, pictures: Bounds) -> Arc<Self> {
        let state = State {
            texts: Admission::new(texts.slots, texts.queue),
            pictures: Pictures::new(pictures.queue),
            wakers: HashMap::new(),
            closed: false,
        };
        Arc::new(Self { start: Instant::now(), texts, pictures, state: Mutex::new(state), changed: Notify::new() })
    }

    /// Takes a place, or is refused with the time after which there should be one. Never waits.
    ///
    /// `deadline` is when the request has to be over. It bounds the wait too.
    pub(crate) fn ask(
        self: &Arc<Self>,
        lane: Lane,
        account: &str,
        rank: Rank,
        deadline: Option<Instant>,
    ) -> Result<Place, Refusal> {
        let patience = match lane {
            Lane::Texts => self.texts.patience,
            Lane::Pictures => self.pictures.patience,
        };
        let patience = Instant::now() + patience;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        let mut state = self.lock();
        if state.closed {
            return Err(draining());
        }
        let now = self.now();
        self.expire_locked(&mut state, now);
        let line = state.line(lane);
        let answer = match rank {
            Rank::Live(priority) => line.ask(account, priority, self.millis(until), now),
            Rank::Idle => line.ask_idle(now),
        };
        let held = |ticket| Held {
            queue: Arc::clone(self),
            spot: Spot { lane, ticket },
            served: AtomicBool::new(false),
            released: AtomicBool::new(false),
        };
        match answer {
            Answer::Run(ticket) => Ok(Place { held: held(ticket), turn: None, until, deadline }),
            Answer::Wait(ticket) => {
                let (waker, turn) = oneshot::channel();
                state.wakers.insert(Spot { lane, ticket }, waker);
                Ok(Place { held: held(ticket), turn: Some(turn), until, deadline })
            }
            Answer::Full(wait) => {
                let (wait, why) = match lane {
                    Lane::Texts => (wait, "All slots and all places in the queue are taken."),
                    Lane::Pictures => {
                        (state.pictures.promise(now), "A picture is drawn, and all places in the queue are taken.")
                    }
                };
                let full = Refusal::new(Reason::Overloaded, why);
                Err(match wait {
                    Some(wait) => full.with_retry_after_ms(wait),
                    None => full,
                })
            }
        }
    }

    /// How many run and wait at this moment, of texts.
    pub(crate) fn capacity(&self) -> Capacity {
        self.lock().texts.capacity()
    }

    /// The same of pictures.
    pub(crate) fn picture_capacity(&self) -> Capacity {
        self.lock().pictures.line.capacity()
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
            if self.lock().is_idle() {
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
        let texts = state.texts.expire(now).into_iter().map(|ticket| Spot { lane: Lane::Texts, ticket });
        let pictures = state.pictures.expire(now).into_iter().map(|ticket| Spot { lane: Lane::Pictures, ticket });
        for spot in texts.chain(pictures) {
            if let Some(waker) = state.wakers.remove(&spot) {
                let _ = waker.send(Wake::Expired);
            }
        }
    }

    fn leave(&self, spot: Spot, served: bool) {
        let mut state = self.lock();
        state.wakers.remove(&spot);
        let now = self.now();
        let next = match spot.lane {
            Lane::Texts => state.texts.leave(spot.ticket, served, now),
            Lane::Pictures => state.pictures.leave(spot.ticket, now),
        };
        if let Some(ticket) = next
            && let Some(waker) = state.wakers.remove(&Spot { ticket, ..spot })
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

impl State {
    fn line(&mut self, lane: Lane) -> &mut Admission {
        match lane {
            Lane::Texts => &mut self.texts,
            Lane::Pictures => &mut self.pictures.line,
        }
    }

    fn is_idle(&self) -> bool {
        self.texts.is_idle() && self.pictures.line.is_idle()
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
    spot: Spot,
    served: AtomicBool,
    released: AtomicBool,
}

/// Where a place stands in the queue; outlives the place.
#[derive(Clone)]
pub(crate) struct Position {
    queue: Arc<Queue>,
    spot: Spot,
}

impl Position {
    /// How many are served before it, as the queue stands; `None` if it does not wait.
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.queue.lock().line(self.spot.lane).ahead(self.spot.ticket)
    }

    /// In how many milliseconds a picture begins, as far as that is known; `None` if it does not wait.
    pub(crate) fn begins_in(&self) -> Option<u64> {
        match self.spot.lane {
            Lane::Texts => None,
            Lane::Pictures => self.queue.lock().pictures.begins_in(self.spot.ticket),
        }
    }

    /// Notes what a picture computes, so that those behind it know for how long they wait.
    pub(crate) fn expects(&self, effort: Effort) {
        if self.spot.lane == Lane::Pictures {
            self.queue.lock().pictures.expects(self.spot.ticket, effort);
        }
    }

    /// Notes that so many blocks of a picture's part took so long.
    pub(crate) fn did(&self, part: Part, blocks: usize, took: Duration) {
        if self.spot.lane == Lane::Pictures {
            self.queue.lock().pictures.did(self.spot.ticket, part, blocks, took);
        }
    }
}

impl Place {
    /// Where it stands.
    pub(crate) fn position(&self) -> Position {
        Position { queue: Arc::clone(&self.held.queue), spot: self.held.spot }
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
        let mut state = self.held.queue.lock();
        let wait = match self.held.spot.lane {
            Lane::Texts => state.texts.retry_after(),
            Lane::Pictures => state.pictures.promise(self.held.queue.now()),
        };
        match wait {
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
            self.queue.leave(self.spot, self.served.load(Ordering::Relaxed));
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
