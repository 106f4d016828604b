//! Spans that wait to be exported: a bounded number of them, in one isolate, and who sends them.
//!
//! Whoever has added some asks whether to send ([`Queue::begin`]). Of senders there are two at most: one that waits for a
//! while first, for whatever comes until then, and one that goes at once because a batch is full. So a collector that
//! hangs holds two batches, and what finds no room meanwhile is dropped and counted.

use super::span::Span;
use crate::time::Millis;

/// What waits, and who sends.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Vec<Span>,
    /// How many were dropped since somebody asked.
    dropped: u64,
    senders: [Option<Sender>; 2],
    /// When a batch was last taken to be sent.
    sent_at: Millis,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One that waits for [`WAIT_MS`] first.
    Later,
    /// One that goes at once.
    Now,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    /// When it was last heard of.
    since: Millis,
    /// How many spans it has on their way.
    spans: usize,
}

impl Queue {
    /// Adds one, or drops it where there is no room.
    pub fn put(&mut self, span: Span) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(span);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether whoever asks is to send, and when. One that said so long ago has been lost with its request, and with it
    /// what it had on its way.
    pub fn begin(&mut self, now: Millis) -> Option<Pace> {
        let pace = match self.waiting.len() {
            0 => return None,
            waiting if waiting >= BATCH && self.is_free(Pace::Now, now) => Pace::Now,
            _ if self.is_free(Pace::Later, now) => Pace::Later,
            _ => return None,
        };
        self.senders[pace as usize] = Some(Sender { since: now, spans: 0 });
        Some(pace)
    }

    /// [`Self::begin`] for whoever can neither wait nor be sure that somebody comes later: nobody has sent for
    /// [`WAIT_MS`], or a batch is full, or nothing else is in flight (`is_last`).
    pub fn begin_now(&mut self, is_last: bool, now: Millis) -> Option<Pace> {
        let is_due = is_last || self.waiting.len() >= BATCH || now.abs_diff(self.sent_at) >= WAIT_MS;
        if is_due { self.begin(now) } else { None }
    }

    /// A batch of what has waited longest, for a sender that has begun. It may be empty.
    pub fn take(&mut self, pace: Pace, now: Millis) -> Vec<Span> {
        let batch: Vec<_> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        self.senders[pace as usize] = Some(Sender { since: now, spans: batch.len() });
        self.sent_at = now;
        batch
    }

    /// What was taken has arrived, but for so many spans; whether the sender would take more. Returns whether it has to:
    /// nobody else begins meanwhile.
    pub fn sent(&mut self, pace: Pace, lost: u64, goes_on: bool, now: Millis) -> bool {
        self.dropped += lost;
        // Who goes at once leaves to the other one what fills no batch.
        let least = if pace == Pace::Now { BATCH } else { 1 };
        let goes_on = goes_on && self.waiting.len() >= least;
        self.senders[pace as usize] = goes_on.then_some(Sender { since: now, spans: 0 });
        goes_on
    }

    /// How many spans were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn is_free(&mut self, pace: Pace, now: Millis) -> bool {
        let lost = self.senders[pace as usize].take_if(|sender| now.abs_diff(sender.since) >= LOST_MS);
        self.dropped += lost.map_or(0, |sender| sender.spans as u64);
        self.senders[pace as usize].is_none()
    }
}

/// How many spans wait at most.
pub const MAX_WAITING: usize = 512; // not a status: spans
/// How many go together at most.
pub const BATCH: usize = 128;
/// How long spans are collected before they go, in milliseconds.
pub const WAIT_MS: Millis = 2_500;
/// After so long a sender is taken for lost: longer than it takes to wait, to send and to try again.
const LOST_MS: Millis = 30_000;
