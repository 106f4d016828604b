//! stream: an answer as server-sent events.
//!
//! While a request waits: comments with its place in the queue. Then the role, what is thought and said as it comes, calls
//! when they are whole, the reason for the end with the usage (or, with `include_usage`, the usage in an event of its own),
//! `[DONE]`. Of several answers one comes after another, each with its index. An error ends the stream without
//! `[DONE]`. Each event's `id` says what had been used by then. The answer, and with it the slot, lives in the response's body: when the client leaves, the body is dropped.

use crate::api::openai::head::{Form, Head};
use crate::api::respond::to_json;
use crate::engine::job_state::JobState;
use crate::generate::answers::{AnswerEvent, Answers};
use crate::queue::{Permit, Position};
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sluice_protocol::forward::report::{StreamError, brief};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::chat::{
    ChatChunk, ChoiceLogprobs, ChunkChoice, Delta, FinishReason, Role, TokenLogprob, UsageReport, Used,
};
use sluice_protocol::request::completion::{Completion, TextChoice, TextLogprobs};
use sluice_protocol::sse;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Where a stream's answers come from.
pub(crate) enum Source {
    /// They have a slot.
    Answers(Box<Answers>),
    /// They wait for one.
    Queue(Waiting),
}

/// A request that waits, and what becomes of it then.
pub(crate) struct Waiting {
    /// Its turn.
    pub(crate) ready: BoxFuture<'static, Result<Permit, Refusal>>,
    /// Where it stands.
    pub(crate) position: Position,
    /// Begins its answers.
    pub(crate) begin: Box<dyn FnOnce(Permit) -> Answers + Send>,
    /// Whether there will be more than one.
    pub(crate) several: bool,
}

/// Events of several answers that wait for their reader.
const CHANNEL: usize = 16;

/// The longest silence in a stream, from its head to its end: an edge takes silence for death.
const TELL: Duration = Duration::from_secs(2);

/// What a stream says of its request's usage besides the last event of one that is complete.
pub(crate) struct Accounting<F> {
    /// Rides on each event: whoever relays the stream knows what had been used when it broke off.
    pub(crate) so_far: Arc<JobState>,
    /// Is told of an error that ends it, and gives what the request has used, if that is final.
    pub(crate) refused: F,
}

/// The body of a streamed answer. `stall`: how long a reader may take nothing.
pub(crate) fn body(
    head: Head,
    source: Source,
    include_usage: bool,
    stall: Duration,
    accounting: Accounting<impl Fn(&Refusal) -> Option<Used> + Send + 'static>,
) -> Body {
    let several = match &source {
        Source::Answers(answers) => answers.are_several(),
        Source::Queue(waiting) => waiting.several,
    };
    let phase = match source {
        Source::Answers(_) => Phase::Role(0),
        Source::Queue(_) => Phase::Queue { told: false },
    };
    let state = State { head, source: Some(source), include_usage, accounting, phase, offset: 0, last: Instant::now() };
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
async fn drive<F: Fn(&Refusal) -> Option<Used>>(
    mut state: State<F>,
    sender: &mpsc::Sender<Bytes>,
    stall: Duration,
) -> Vec<Bytes> {
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
                return vec![event, state.broken(&refusal)];
            }
        }
    }
}

struct State<F> {
    head: Head,
    /// Until a request that waited is refused.
    source: Option<Source>,
    include_usage: bool,
    accounting: Accounting<F>,
    phase: Phase,
    /// Where the next token of a text completion's answer begins, in characters.
    offset: u64,
    /// When the last event was handed over, or the head.
    last: Instant,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Whether it has been told that it waits.
    Queue {
        told: bool,
    },
    /// Of the answer of this index.
    Role(u32),
    Text,
    Over,
}

impl<F: Fn(&Refusal) -> Option<Used>> State<F> {
    async fn next(&mut self) -> Option<Bytes> {
        let event = self.what_comes().await;
        self.last = Instant::now();
        event
    }

    async fn what_comes(&mut self) -> Option<Bytes> {
        loop {
            let said = match (self.phase, &mut self.source) {
                (Phase::Over, _) | (_, None) => return None,
                (Phase::Queue { told }, _) => match self.queue(told).await {
                    Some(event) => return Some(event),
                    None => continue,
                },
                (Phase::Role(index), _) => {
                    self.phase = Phase::Text;
                    match self.head.beginning(index) {
                        Some(event) => return Some(self.event(&event)),
                        None => continue,
                    }
                }
                // Nothing is lost where the wait ends before the next part is there.
                (Phase::Text, Some(Source::Answers(answers))) => {
                    match timeout_at(self.last + TELL, answers.next()).await {
                        Ok(said) => said,
                        Err(_) => return Some(sse::comment("working").into()),
                    }
                }
                // The source changes with the phase.
                (Phase::Text, Some(Source::Queue(_))) => return None,
            };
            return Some(self.say(said));
        }
    }

    /// Waits for the slot, and says now and then that it does. `None`: the slot is there.
    async fn queue(&mut self, told: bool) -> Option<Bytes> {
        let Some(Source::Queue(waiting)) = &mut self.source else { return None };
        if told {
            tokio::select! {
                biased;
                turn = &mut waiting.ready => return self.turn(turn),
                () = sleep_until(self.last + TELL) => {}
            }
        }
        self.phase = Phase::Queue { told: true };
        // Its turn may have come in this moment: then nobody is ahead.
        let ahead = waiting.position.ahead().unwrap_or(0);
        Some(sse::comment(&format!("queued, {ahead} ahead")).into())
    }

    fn turn(&mut self, turn: Result<Permit, Refusal>) -> Option<Bytes> {
        match (turn, self.source.take()) {
            (Ok(permit), Some(Source::Queue(waiting))) => {
                self.source = Some(Source::Answers(Box::new((waiting.begin)(permit))));
                self.phase = Phase::Role(0);
                None
            }
            (Ok(_), source) => {
                self.source = source;
                None
            }
            (Err(refusal), source) => {
                // The request is over before it is told what it used.
                drop(source);
                Some(self.broken(&refusal))
            }
        }
    }

    fn say(&mut self, said: AnswerEvent) -> Bytes {
        match said {
            AnswerEvent::New(index, delta, logprobs) => {
                let payload = self.head.delta(index, delta, logprobs, &mut self.offset);
                self.event(&payload)
            }
            AnswerEvent::End(index, reason, None) => {
                self.phase = Phase::Role(index + 1);
                self.offset = 0;
                self.event(&self.head.finish(index, reason, None))
            }
            AnswerEvent::End(index, reason, Some(usage)) => {
                self.phase = Phase::Over;
                self.end(index, reason, usage).into()
            }
            AnswerEvent::Broken(refusal) => self.broken(&refusal),
        }
    }

    /// An event, with what has been used so far.
    fn event(&self, payload: &str) -> Bytes {
        sse::event_with_id(&brief(self.accounting.so_far.used()), payload).into()
    }

    fn broken(&mut self, refusal: &Refusal) -> Bytes {
        self.phase = Phase::Over;
        let usage = (self.accounting.refused)(refusal);
        sse::event(&to_json(&StreamError::new(refusal, usage))).into()
    }

    fn end(&self, index: u32, reason: FinishReason, usage: UsageReport) -> String {
        let last = match self.include_usage {
            true => sse::event(&self.head.finish(index, reason, None)) + &sse::event(&self.head.usage(usage)),
            false => sse::event(&self.head.finish(index, reason, Some(usage))),
        };
        last + &sse::event(sse::DONE)
    }
}

impl Head {
    /// The first event's payload, if an answer has one of its own.
    fn beginning(&self, index: u32) -> Option<String> {
        match &self.form {
            Form::Chat => {
                let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
                Some(self.chunk(Some(ChunkChoice { index, delta: role, logprobs: None, finish_reason: None }), None))
            }
            Form::Text { .. } => {
                let text = self.form.beginning(index)?.to_owned();
                Some(self.part(Some(TextChoice { index, text, logprobs: None, finish_reason: None }), None))
            }
        }
    }

    fn delta(&self, index: u32, delta: Delta, logprobs: Vec<TokenLogprob>, offset: &mut u64) -> String {
        let told = !logprobs.is_empty();
        match self.form {
            Form::Chat => {
                let logprobs = told.then_some(ChoiceLogprobs { content: logprobs });
                self.chunk(Some(ChunkChoice { index, delta, logprobs, finish_reason: None }), None)
            }
            Form::Text { .. } => {
                let logprobs = told.then(|| TextLogprobs::new(logprobs, offset));
                let text = delta.content.unwrap_or_default();
                self.part(Some(TextChoice { index, text, logprobs, finish_reason: None }), None)
            }
        }
    }

    fn finish(&self, index: u32, reason: FinishReason, usage: Option<UsageReport>) -> String {
        let finish_reason = Some(reason);
        match self.form {
            Form::Chat => {
                let delta = Delta::default();
                self.chunk(Some(ChunkChoice { index, delta, logprobs: None, finish_reason }), usage)
            }
            Form::Text { .. } => {
                self.part(Some(TextChoice { index, text: String::new(), logprobs: None, finish_reason }), usage)
            }
        }
    }

    fn usage(&self, usage: UsageReport) -> String {
        match self.form {
            Form::Chat => self.chunk(None, Some(usage)),
            Form::Text { .. } => self.part(None, Some(usage)),
        }
    }

    fn chunk(&self, choice: Option<ChunkChoice>, usage: Option<UsageReport>) -> String {
        to_json(&ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            choices: Vec::from_iter(choice),
            usage,
        })
    }

    fn part(&self, choice: Option<TextChoice>, usage: Option<UsageReport>) -> String {
        to_json(&Completion {
            id: self.id.clone(),
            object: "text_completion".into(),
            created: self.created,
            model: self.model.clone(),
            choices: Vec::from_iter(choice),
            usage,
        })
    }
}
