//! stream: an answer as server-sent events.
//!
//! The role, what is thought and said as it comes, calls when they are whole, the reason for the end with the usage (or, with `include_usage`, the usage in an event
//! of its own), `[DONE]`. An error ends the stream without `[DONE]`. The answer, and with it the slot, lives in the
//! response's body: when the client leaves, the body is dropped.

use crate::generate::{Answering, Ending, Part};
use crate::respond::to_json;
use axum::body::Body;
use bytes::Bytes;
use sluice_protocol::chat::{ChatChunk, ChoiceLogprobs, ChunkChoice, Delta, FinishReason, Role, UsageReport};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::sse;
use std::convert::Infallible;

/// What all events of a stream have in common.
pub(crate) struct Head {
    /// The answer's id.
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) created: u64,
    /// The model that answers.
    pub(crate) model: String,
}

/// The body of a streamed answer. `refused` is told of an error that ends it.
pub(crate) fn body(
    head: Head,
    answering: Answering,
    include_usage: bool,
    refused: impl Fn(&Refusal) + Send + 'static,
) -> Body {
    let state = State { head, answering, include_usage, refused, phase: Phase::Role };
    Body::from_stream(futures_util::stream::unfold(state, |mut state| async {
        let event = state.next().await?;
        Some((Ok::<_, Infallible>(event), state))
    }))
}

struct State<F> {
    head: Head,
    answering: Answering,
    include_usage: bool,
    refused: F,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    Role,
    Text,
    Over,
}

impl<F: Fn(&Refusal)> State<F> {
    async fn next(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Role => {
                self.phase = Phase::Text;
                let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
                Some(self.head.delta(role, None).into())
            }
            Phase::Text => match self.answering.next().await {
                Part::New(delta, logprobs) => {
                    let logprobs = (!logprobs.is_empty()).then_some(ChoiceLogprobs { content: logprobs });
                    Some(self.head.delta(delta, logprobs).into())
                }
                Part::End(ending) => {
                    self.phase = Phase::Over;
                    Some(self.end(ending).into())
                }
            },
            Phase::Over => None,
        }
    }

    fn end(&self, ending: Ending) -> String {
        match ending {
            Ok((reason, usage)) if self.include_usage => {
                let usage = self.head.chunk(Vec::new(), Some(usage));
                self.head.finish(reason, None) + &usage + &sse::event(sse::DONE)
            }
            Ok((reason, usage)) => self.head.finish(reason, Some(usage)) + &sse::event(sse::DONE),
            Err(refusal) => {
                (self.refused)(&refusal);
                sse::event(&to_json(&refusal.body()))
            }
        }
    }
}

impl Head {
    fn delta(&self, delta: Delta, logprobs: Option<ChoiceLogprobs>) -> String {
        self.chunk(vec![ChunkChoice { index: 0, delta, logprobs, finish_reason: None }], None)
    }

    fn finish(&self, reason: FinishReason, usage: Option<UsageReport>) -> String {
        let delta = Delta::default();
        self.chunk(vec![ChunkChoice { index: 0, delta, logprobs: None, finish_reason: Some(reason) }], usage)
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<UsageReport>) -> String {
        sse::event(&to_json(&ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
        }))
    }
}
