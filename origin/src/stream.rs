//! stream: an answer as server-sent events.
//!
//! The role, what is thought and said as it comes, calls when they are whole, the reason for the end with the usage (or, with `include_usage`, the usage in an event
//! of its own), `[DONE]`. Of several answers one comes after another, each with its index. An error ends the stream without
//! `[DONE]`. The answer, and with it the slot, lives in the response's body: when the client leaves, the body is dropped.

use crate::answers::{Answers, Said};
use crate::respond::to_json;
use axum::body::Body;
use bytes::Bytes;
use sluice_protocol::chat::{ChatChunk, ChoiceLogprobs, ChunkChoice, Delta, FinishReason, Role, UsageReport};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::sse;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

/// What all events of a stream have in common.
pub(crate) struct Head {
    /// The answer's id.
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) created: u64,
    /// The model that answers.
    pub(crate) model: String,
}

/// Events of several answers that wait for their reader.
const CHANNEL: usize = 16;

/// The body of a streamed answer. `refused` is told of an error that ends it; `stall`: how long a reader may take nothing.
pub(crate) fn body(
    head: Head,
    answers: Answers,
    include_usage: bool,
    stall: Duration,
    refused: impl Fn(&Refusal) + Send + 'static,
) -> Body {
    let several = answers.are_several();
    let state = State { head, answers, include_usage, refused, phase: Phase::Role(0) };
    if !several {
        return Body::from_stream(futures_util::stream::unfold(state, |mut state| async {
            let event = state.next().await?;
            Some((Ok::<_, Infallible>(event), state))
        }));
    }
    // Between two answers no sequence lives in the engine that would give the slot back when nobody reads any more. So these
    // are not driven by their reader.
    let (sender, reader) = mpsc::channel(CHANNEL);
    tokio::spawn(async move {
        for event in drive(state, &sender, stall).await {
            // The slot is free. Whoever reads on after all learns why there is no more.
            let _ = sender.send(event).await;
        }
    });
    Body::from_stream(futures_util::stream::unfold(reader, |mut reader| async {
        let event = reader.recv().await?;
        Some((Ok::<_, Infallible>(event), reader))
    }))
}

/// Hands events over until the last, or until nobody takes them: then these are what is left to say.
async fn drive<F: Fn(&Refusal)>(mut state: State<F>, sender: &mpsc::Sender<Bytes>, stall: Duration) -> Vec<Bytes> {
    loop {
        let event = tokio::select! {
            event = state.next() => event,
            () = sender.closed() => None,
        };
        let Some(event) = event else { return Vec::new() };
        match sender.send_timeout(event, stall).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return Vec::new(),
            Err(SendTimeoutError::Timeout(event)) => {
                let refusal = Refusal::new(Reason::DeadlineExceeded, "The answer was not read for too long.");
                (state.refused)(&refusal);
                return vec![event, sse::event(&to_json(&refusal.body())).into()];
            }
        }
    }
}

struct State<F> {
    head: Head,
    answers: Answers,
    include_usage: bool,
    refused: F,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Of the answer of this index.
    Role(u32),
    Text,
    Over,
}

impl<F: Fn(&Refusal)> State<F> {
    async fn next(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Role(index) => {
                self.phase = Phase::Text;
                let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
                Some(self.head.delta(index, role, None).into())
            }
            Phase::Text => match self.answers.next().await {
                Said::New(index, delta, logprobs) => {
                    let logprobs = (!logprobs.is_empty()).then_some(ChoiceLogprobs { content: logprobs });
                    Some(self.head.delta(index, delta, logprobs).into())
                }
                Said::End(index, reason, None) => {
                    self.phase = Phase::Role(index + 1);
                    Some(self.head.finish(index, reason, None).into())
                }
                Said::End(index, reason, Some(usage)) => {
                    self.phase = Phase::Over;
                    Some(self.end(index, reason, usage).into())
                }
                Said::Broken(refusal) => {
                    self.phase = Phase::Over;
                    (self.refused)(&refusal);
                    Some(sse::event(&to_json(&refusal.body())).into())
                }
            },
            Phase::Over => None,
        }
    }

    fn end(&self, index: u32, reason: FinishReason, usage: UsageReport) -> String {
        let last = match self.include_usage {
            true => self.head.finish(index, reason, None) + &self.head.chunk(Vec::new(), Some(usage)),
            false => self.head.finish(index, reason, Some(usage)),
        };
        last + &sse::event(sse::DONE)
    }
}

impl Head {
    fn delta(&self, index: u32, delta: Delta, logprobs: Option<ChoiceLogprobs>) -> String {
        self.chunk(vec![ChunkChoice { index, delta, logprobs, finish_reason: None }], None)
    }

    fn finish(&self, index: u32, reason: FinishReason, usage: Option<UsageReport>) -> String {
        let delta = Delta::default();
        self.chunk(vec![ChunkChoice { index, delta, logprobs: None, finish_reason: Some(reason) }], usage)
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
