//! generate, for all answers of a request: one after another, in the one slot that the request has.
//!
//! A slot is what the hardware holds, so several answers at once would take several slots, and a request has one. The first
//! answer to a prompt leaves it in the engine's memory, where the next finds it.

use crate::generate::said::Said;
use crate::generate::{AnswerStream, Finish, Part};
use crate::queue::Permit;
use crate::settle::live::LiveRequest;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{Timings, TokenLogprob, Usage, UsageReport};

/// The answers of a request. Own the slot: dropping them ends what runs and gives the slot back.
pub(crate) struct Answers {
    begin: Box<dyn FnMut(Turn) -> AnswerStream + Send>,
    count: u32,
    index: u32,
    current: AnswerStream,
    used: Option<UsageReport>,
    /// Until the last answer is over, or one broke off.
    permit: Option<Permit>,
    /// Until the last answer begins: the engine ends the request with it.
    live: Option<LiveRequest>,
}

/// Which answer is to begin.
pub(crate) struct Turn {
    /// From 0.
    pub(crate) index: u32,
    /// Whether no other comes after it.
    pub(crate) is_last: bool,
    /// For the engine to drop when the sequence is over: with the last answer's the slot is free and the request over.
    pub(crate) guard: Box<dyn Send>,
}

/// One part of all answers.
pub(crate) enum AnswerEvent {
    /// What is new in the answer of this index, and how likely the tokens were that came since the last part.
    New(u32, Vec<Said>, Vec<TokenLogprob>),
    /// Why the answer of this index ended; the last one says what all of them used.
    End(u32, Finish, Option<UsageReport>),
    /// They broke off.
    Broken(Refusal),
}

impl Answers {
    /// `count`: at least 1. `begin` hands a sequence to the engine.
    pub(crate) fn new(
        count: u32,
        permit: Permit,
        live: LiveRequest,
        mut begin: impl FnMut(Turn) -> AnswerStream + Send + 'static,
    ) -> Self {
        let mut live = Some(live);
        let current = begin(turn(0, count, &permit, &mut live));
        Self { begin: Box::new(begin), count, index: 0, current, used: None, permit: Some(permit), live }
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(&self) -> bool {
        self.count > 1
    }

    /// The next part. Not to be called after the last answer's end, nor after [`AnswerEvent::Broken`].
    pub(crate) async fn next(&mut self) -> AnswerEvent {
        let index = self.index;
        let (finish, report) = match self.current.next().await {
            Part::New(said, logprobs) => return AnswerEvent::New(index, said, logprobs),
            Part::End(Ok(ending)) => ending,
            Part::End(Err(refusal)) => {
                (self.permit, self.live) = (None, None);
                return AnswerEvent::Broken(refusal);
            }
        };
        let used = self.used.map_or(report, |used| together(used, report));
        self.used = Some(used);
        self.index += 1;
        match &self.permit {
            Some(permit) if self.index < self.count => {
                self.current = (self.begin)(turn(self.index, self.count, permit, &mut self.live));
                AnswerEvent::End(index, finish, None)
            }
            _ => {
                self.permit = None;
                AnswerEvent::End(index, finish, Some(used))
            }
        }
    }
}

fn turn(index: u32, count: u32, permit: &Permit, live: &mut Option<LiveRequest>) -> Turn {
    permit.serve();
    let is_last = index + 1 == count;
    let guard: Box<dyn Send> = if is_last { Box::new((permit.release_on_end(), live.take())) } else { Box::new(()) };
    Turn { index, is_last, guard }
}

/// Each report's prompt tokens are those of all prompts up to its own, so the last one's are all: a prompt counts once,
/// however many answers it has.
fn together(used: UsageReport, report: UsageReport) -> UsageReport {
    let completion = used.usage.completion_tokens + report.usage.completion_tokens;
    let reasoning = used.completion_tokens_details.reasoning_tokens + report.completion_tokens_details.reasoning_tokens;
    let usage = Usage::new(report.usage.prompt_tokens, completion);
    let (a, b) = (used.timings.unwrap_or_default(), report.timings.unwrap_or_default());
    let timings = Timings {
        queue_ms: a.queue_ms + b.queue_ms,
        prompt_ms: a.prompt_ms + b.prompt_ms,
        completion_ms: a.completion_ms + b.completion_ms,
    };
    UsageReport::new(usage, report.prompt_tokens_details.cached_tokens, reasoning).with_timings(timings)
}
