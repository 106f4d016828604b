//! Answers that are kept for the same question: an isolate asks an origin once for what several ask at the same time, and
//! the platform's cache keeps what was answered. What an answer depends on, [`KeyParts`] says.
//!
//! Requests share plain memory and nothing else (`hop/group.rs` says why): each that waits looks on a timer of its own
//! whether the first has its answer.

pub mod purges;

use crate::platform::{self, Body, Signal, isolate_local, sleep};
use crate::recent::Recent;
use crate::telemetry;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::cache::{CacheWish, Entry, KeyParts};
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A question whose answer may be kept.
pub struct Asking {
    request: RequestId,
    wish: CacheWish,
    /// Under what others wait for it: its account's alone. Nobody is held up by a caller of another account that is slow to
    /// read.
    flight: String,
    /// The key of what its caller wants.
    key: String,
    /// The key of the same answer, whole, where its caller wants pieces: they can be made of it.
    whole_key: Option<String>,
}

/// An answer that was kept.
#[derive(Clone)]
pub struct Answer {
    /// What is known of it.
    pub entry: Entry,
    /// All of it.
    pub body: Body,
    /// Whether it is whole where its caller wants pieces.
    pub is_whole: bool,
}

/// What becomes of a question.
pub enum Found {
    /// It has been answered.
    Answer(Answer),
    /// Nobody has answered it: this request asks an origin, and others wait for it.
    Nothing(Lead),
    /// Its caller has left.
    Left,
}

/// The first to ask. If it is dropped without an answer, the next one asks.
pub struct Lead {
    asking: Asking,
    flight: Rc<Flight>,
}

struct Flight {
    state: RefCell<State>,
    /// Until when it is waited for: whoever asks may have vanished without a word.
    until: Millis,
}

enum State {
    UnderWay,
    Answered(Answer),
    Failed,
}

impl Asking {
    /// A question; `None` if its body has no key. `parts` are those of what its caller wants.
    pub fn new(request: RequestId, account: &str, wish: CacheWish, parts: &KeyParts<'_>) -> Option<Self> {
        let whole_key = if parts.in_pieces { Some(KeyParts { in_pieces: false, ..*parts }.key()?) } else { None };
        let key = parts.key()?;
        Some(Self { request, wish, flight: format!("{key} {account}"), key, whole_key })
    }

    /// The price of an answer that is given again, in percent.
    pub const fn price(&self) -> u8 {
        self.wish.price
    }

    /// Looks for the answer, or waits for who asks for it now, for so many milliseconds at most.
    pub async fn find(self, left: &Signal, ms: u32) -> Found {
        let began = now();
        if let Some(answer) = self.recalled() {
            return Found::Answer(answer);
        }
        loop {
            let flight = match begin(&self.flight) {
                Ok(flight) => {
                    // It lands if this request vanishes at an await of its own.
                    let lead = Lead { asking: self, flight };
                    return match lead.asking.kept().await {
                        Some(answer) => {
                            lead.land(State::Answered(answer.clone()));
                            Found::Answer(answer)
                        }
                        None => Found::Nothing(lead),
                    };
                }
                Err(flight) => flight,
            };
            let waited = u32::try_from(now().abs_diff(began)).unwrap_or(u32::MAX);
            if left.is_aborted() {
                return Found::Left;
            }
            if waited >= ms {
                // Alone: whoever waits for another one still does.
                let flight = Rc::new(Flight { state: RefCell::new(State::UnderWay), until: now() });
                return Found::Nothing(Lead { asking: self, flight });
            }
            sleep((waited / 8).clamp(1, MAX_PAUSE_MS)).await;
            if let State::Answered(answer) = &*flight.state.borrow() {
                return Found::Answer(answer.clone());
            }
        }
    }

    /// What this isolate has given a moment ago: the platform need not be asked for it again.
    fn recalled(&self) -> Option<Answer> {
        let answer = RECENT.with_borrow(|recent| recent.get(&self.key).cloned());
        answer.filter(|answer| answer.entry.is_fresh(self.wish.ttl_ms, now()))
    }

    /// What the platform keeps. Where it cannot be looked at, there is nothing.
    async fn kept(&self) -> Option<Answer> {
        for (key, is_whole) in [(Some(&self.key), false), (self.whole_key.as_ref(), true)] {
            let Some(key) = key else { continue };
            let kept = match platform::cache_match(key).await {
                Ok(kept) => kept,
                Err(fault) => {
                    telemetry::write(&Line::trouble_of(
                        self.request,
                        "the cache cannot be looked at",
                        fault.to_string(),
                    ));
                    return None;
                }
            };
            let answer = kept.and_then(|(note, body)| Some(Answer { entry: Entry::read(&note)?, body, is_whole }));
            if let Some(answer) = answer.filter(|answer| answer.entry.is_fresh(self.wish.ttl_ms, now())) {
                if answer.body.size() <= MAX_RECENT_BYTES {
                    RECENT.with_borrow_mut(|recent| recent.put(self.key.clone(), answer.clone()));
                }
                return Some(answer);
            }
        }
        None
    }
}

impl Lead {
    /// The origin has answered, to the end: those that wait have it now, and those that ask later.
    pub async fn answered(self, body: Body, used: Used) {
        let entry = Entry { at: now(), used };
        self.land(State::Answered(Answer { entry, body: body.clone(), is_whole: false }));
        let Asking { request, wish, key, .. } = &self.asking;
        let seconds = u32::try_from(wish.ttl_ms / 1_000).unwrap_or(u32::MAX);
        if let Err(fault) = platform::cache_put(key, seconds, &entry.to_string(), &body).await {
            telemetry::write(&Line::trouble_of(*request, "an answer is not cached", fault.to_string()));
        }
    }

    fn land(&self, state: State) {
        self.flight.state.replace(state);
        FLIGHTS.with_borrow_mut(|flights| {
            // Another one may have taken its place.
            if flights.get(&self.asking.flight).is_some_and(|flight| Rc::ptr_eq(flight, &self.flight)) {
                flights.remove(&self.asking.flight);
            }
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if matches!(*self.flight.state.borrow(), State::UnderWay) {
            self.land(State::Failed);
        }
    }
}

/// Begins a flight; the error is one that is under way.
fn begin(key: &str) -> Result<Rc<Flight>, Rc<Flight>> {
    let now = now();
    FLIGHTS.with_borrow_mut(|flights| {
        if let Some(flight) = flights.get(key).filter(|flight| flight.until > now) {
            return Err(flight.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            flights.retain(|_, flight| flight.until > now);
        }
        let flight = Rc::new(Flight { state: RefCell::new(State::UnderWay), until: now + FLIGHT_MS });
        if flights.len() < MAX_FLIGHTS {
            flights.insert(key.to_owned(), flight.clone());
        }
        Ok(flight)
    })
}

isolate_local! {
    /// By all that an answer depends on. They lie in JavaScript's memory.
    static RECENT: RefCell<Recent<String, Answer>> = RefCell::new(Recent::of(MAX_RECENT));
    static FLIGHTS: RefCell<HashMap<String, Rc<Flight>>> = RefCell::default();
}

fn now() -> Millis {
    platform::now()
}

/// How long a flight is waited for that nobody hears of, in milliseconds.
const FLIGHT_MS: Millis = 60_000;
/// How many questions are under way at most that others may wait for.
const MAX_FLIGHTS: usize = 4_096;
/// How many answers an isolate has at hand, and the longest of them, in bytes.
const MAX_RECENT: usize = 256;
const MAX_RECENT_BYTES: u32 = 16 << 10;
/// The longest pause between two looks, in milliseconds.
const MAX_PAUSE_MS: u32 = 50;
/// The longest answer that is kept, in bytes: those that wait hold it in memory.
pub const MAX_ANSWER: usize = 1 << 20;
