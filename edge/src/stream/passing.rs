//! stream: what passes of a stream, and what is noted of it on the way.

use crate::answers::cache::MAX_ANSWER;
use sluice_protocol::forward::relayed::Relayed;
use sluice_protocol::request::bodies::responses::FinalEvent;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::sse::Passed;

/// A stream on its way.
pub(super) struct Passing {
    pub(super) relayed: Relayed,
    /// The event that ends an answer which is to be kept.
    pub(super) last: Option<FinalEvent>,
    /// All that has passed, if somebody wants it and it is not too long.
    pub(super) recorded: Option<Vec<u8>>,
    /// How many have come.
    pub(super) pieces: u64,
    /// When the last one came.
    pub(super) last_at: Millis,
    /// When the first token came.
    pub(super) first_token_at: Option<Millis>,
}

impl Passing {
    pub(super) fn push(&mut self, chunk: &[u8], now: Millis) -> Passed {
        (self.pieces, self.last_at) = (self.pieces + 1, now);
        let passed = self.relayed.push(chunk);
        if self.first_token_at.is_none() && self.relayed.seen().has_begun() {
            self.first_token_at = Some(now);
        }
        match &mut self.last {
            Some(last) => last.push(chunk, passed),
            None => {
                self.record(match &passed {
                    Passed::Whole => chunk,
                    Passed::Part(part) => part,
                });
                passed
            }
        }
    }

    /// What is still held back where a body ends by itself.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let rest = self.relayed.take_rest();
        self.record(&rest);
        rest
    }

    fn record(&mut self, passed: &[u8]) {
        if let Some(recorded) = &mut self.recorded {
            recorded.extend_from_slice(passed);
            if recorded.len() > MAX_ANSWER {
                self.recorded = None;
            }
        }
    }

    /// An answer that is to be kept, once it has come.
    pub(super) fn answer(&self) -> Option<String> {
        self.last.as_ref()?.answer().map(str::to_owned)
    }

    /// What is held back at the end of a body.
    pub(super) fn take_rest(&mut self, is_kept: bool) -> Vec<u8> {
        let mut rest = self.last.as_mut().map(|last| last.take(is_kept)).unwrap_or_default();
        rest.extend(self.relayed.take_rest());
        rest
    }
}
