//! generate, as a request sees it: tokens become text, and one of several things ends the answer.

use crate::engine::{Cause, Event, Generation};
use crate::metrics::Metrics;
use crate::queue::{Permit, draining};
use crate::text::AnswerText;
use sluice_protocol::chat::{FinishReason, Usage, UsageReport};
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::Arc;
use std::time::Instant;
use tracing::Span;

/// An answer in progress. Owns the slot: dropping it ends the sequence and gives the slot back.
pub(crate) struct Answering {
    live: Option<(Generation, Permit)>,
    text: AnswerText,
    deadline: Option<Instant>,
    prompt_tokens: u64,
    received: u64,
    ending: Option<Ending>,
    arrived: Instant,
    metrics: Arc<Metrics>,
    span: Span,
}

/// How an answer ended: complete, with what it used, or cut off by a refusal.
pub(crate) type Ending = Result<(FinishReason, UsageReport), Refusal>;

/// One part of an answer.
pub(crate) enum Part {
    /// Text, never empty.
    Text(String),
    /// The last part.
    End(Ending),
}

impl Answering {
    /// `arrived` and `deadline` are the request's; `span` gets the answer's last log line.
    pub(crate) fn new(
        (generation, permit): (Generation, Permit),
        text: AnswerText,
        prompt_tokens: u64,
        (arrived, deadline): (Instant, Option<Instant>),
        metrics: Arc<Metrics>,
        span: Span,
    ) -> Self {
        let live = Some((generation, permit));
        Self { live, text, deadline, prompt_tokens, received: 0, ending: None, arrived, metrics, span }
    }

    /// The next part. Not to be called after [`Part::End`].
    pub(crate) async fn next(&mut self) -> Part {
        loop {
            let Some((generation, _)) = &mut self.live else {
                let lost = || Err(Refusal::new(Reason::Internal, "The answer was over already."));
                return Part::End(self.ending.take().unwrap_or_else(lost));
            };
            let event = match self.deadline {
                None => generation.next().await,
                // The engine keeps deadlines by itself. This one holds when it hangs.
                Some(deadline) => tokio::select! {
                    biased;
                    event = generation.next() => event,
                    () = tokio::time::sleep_until(deadline.into()) => {
                        self.end(Cause::Deadline, self.received);
                        continue;
                    }
                },
            };
            let text = match event {
                Event::Token(token) => {
                    self.received += 1;
                    if self.received == 1 {
                        self.metrics.first_token_after(self.arrived.elapsed());
                    }
                    let (text, stopped) = self.text.push(token);
                    if stopped {
                        self.end(Cause::Stop, self.received);
                    }
                    text
                }
                Event::End(end) => {
                    let (text, stopped) = self.text.finish();
                    let complete = matches!(end.cause, Cause::Stop | Cause::Length);
                    self.end(if stopped && complete { Cause::Stop } else { end.cause }, end.tokens);
                    text
                }
            };
            if !text.is_empty() {
                return Part::Text(text);
            }
        }
    }

    /// Frees the slot and keeps the ending for when the text is out.
    fn end(&mut self, cause: Cause, tokens: u64) {
        let cached = self.live.take().map_or(0, |(generation, _)| generation.cached());
        self.report(&cause, tokens);
        let usage = UsageReport::new(Usage::new(self.prompt_tokens, tokens), cached);
        self.ending = Some(match cause {
            Cause::Stop => Ok((FinishReason::Stop, usage)),
            Cause::Length => Ok((FinishReason::Length, usage)),
            Cause::Deadline => {
                Err(Refusal::new(Reason::DeadlineExceeded, "The deadline passed before the answer was complete."))
            }
            Cause::Draining => Err(draining()),
            Cause::Stalled | Cause::Left => {
                Err(Refusal::new(Reason::DeadlineExceeded, "The answer was not read for too long."))
            }
            Cause::Failed(why) => {
                Err(Refusal::new(Reason::Internal, "The model failed on this request.").with_detail(why))
            }
        });
    }

    fn report(&self, cause: &Cause, tokens: u64) {
        self.metrics.ended(cause, self.arrived.elapsed());
        let ms = u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        let prompt_tokens = self.prompt_tokens;
        tracing::info!(parent: &self.span, ?cause, prompt_tokens, completion_tokens = tokens, ms, "answered");
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.live.is_some() {
            self.report(&Cause::Left, self.received);
        }
    }
}
