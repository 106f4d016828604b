//! stream: answers in pieces, as the door that they were asked for at tells them.
//!
//! While a request waits: its place in the queue, now and then. Then what comes. Of several answers one comes after
//! another, each with its index. Never is there silence for longer than [`TELL`]. An error ends the stream. Each piece is
//! marked with what had been used by then. The answer, and with it the slot, lives in the response's body: when the client
//! leaves, the body is dropped.

use crate::api::tell::{Piece, Tell};
use crate::engine::job_state::JobState;
use crate::generate::answers::{AnswerEvent, Answers};
use crate::queue::{Permit, Position};
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sluice_protocol::dialect::{BrokenOff, Dialect};
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::Used;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Where a stream's answers come from.
pub(crate) enum Source {
    /// They have a slot.
    Answers {
        answers: Box<Answers>,
        /// What they have said before they are told, if they have.
        early: Option<AnswerEvent>,
    },
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

/// What a stream says of its request's usage besides the end of one that is complete.
pub(crate) struct Accounting<F> {
    /// Rides on each piece: whoever relays the stream knows what had been used when it broke off.
    pub(crate) so_far: Arc<JobState>,
    /// Is told of an error that ends it, and gives what the request has used, if that is final.
    pub(crate) refused: F,
}

/// How a stream is told.
pub(crate) struct Voice {
    /// Its answers.
    pub(crate) tell: Box<dyn Tell>,
    /// What breaks it off.
    pub(crate) dialect: &'static Dialect,
    /// Whose answers they are.
    pub(crate) request: RequestId,
}

/// The body of a streamed answer. `stall`: how long a reader may take nothing.
pub(crate) fn body(
    voice: Voice,
    source: Source,
    stall: Duration,
    accounting: Accounting<impl Fn(&Refusal) -> Option<Used> + Send + 'static>,
) -> Body {
    let several = match &source {
        Source::Answers { answers, .. } => answers.are_several(),
        Source::Queue(waiting) => waiting.several,
    };
    let phase = match source {
        Source::Answers { .. } => Phase::Role(0),
        Source::Queue(_) => Phase::Queue { told: false },
    };
    let state = State { voice, source: Some(source), accounting, phase, last: Instant::now() };
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
    voice: Voice,
    /// Until a request that waited is refused.
    source: Option<Source>,
    accounting: Accounting<F>,
    phase: Phase,
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
                (Phase::Role(index), Some(source)) => {
                    // Otherwise it is known whenever it is known.
                    if let (true, Source::Answers { answers, early }) = (self.voice.tell.tells_cached(), source) {
                        tokio::select! {
                            biased;
                            () = self.accounting.so_far.begun() => {}
                            said = answers.next(), if early.is_none() => *early = Some(said),
                            () = sleep_until(self.last + TELL) => {}
                        }
                    }
                    self.phase = Phase::Text;
                    let mark = self.so_far();
                    match self.voice.tell.begin(index, self.accounting.so_far.cached(), mark) {
                        nothing if nothing.is_empty() => continue,
                        event => return Some(event.into()),
                    }
                }
                (Phase::Text, Some(Source::Answers { answers, early })) => match early.take() {
                    Some(said) => said,
                    // Nothing is lost where the wait ends before the next part is there.
                    None => match timeout_at(self.last + TELL, answers.next()).await {
                        Ok(said) => said,
                        Err(_) => {
                            let mark = self.so_far();
                            return Some(self.voice.tell.working(mark).into());
                        }
                    },
                },
                // The source changes with the phase.
                (Phase::Text, Some(Source::Queue(_))) => return None,
            };
            match self.say(said) {
                nothing if nothing.is_empty() => {}
                event => return Some(event),
            }
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
        let mark = self.so_far();
        Some(self.voice.tell.queued(ahead, mark).into())
    }

    fn turn(&mut self, turn: Result<Permit, Refusal>) -> Option<Bytes> {
        match (turn, self.source.take()) {
            (Ok(permit), Some(Source::Queue(waiting))) => {
                let answers = Box::new((waiting.begin)(permit));
                self.source = Some(Source::Answers { answers, early: None });
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
        let mark = self.so_far();
        match said {
            AnswerEvent::New(index, said, logprobs) => {
                self.voice.tell.delta(Piece { index, said, logprobs }, mark).into()
            }
            AnswerEvent::End(index, finish, usage) => {
                if let Some(stop) = &finish.stop {
                    self.voice.tell.stopped(stop);
                }
                self.phase = usage.map_or(Phase::Role(index + 1), |_| Phase::Over);
                let mark = usage.map_or(mark, |usage| UsageMark::complete(usage.into()));
                self.voice.tell.end(index, finish.reason, usage, mark).into()
            }
            AnswerEvent::Broken(refusal) => self.broken(&refusal),
        }
    }

    /// What has been used so far.
    fn so_far(&self) -> UsageMark {
        UsageMark::so_far(self.accounting.so_far.used())
    }

    fn broken(&mut self, refusal: &Refusal) -> Bytes {
        self.phase = Phase::Over;
        let told = (self.accounting.refused)(refusal);
        let mark = UsageMark::refused(refusal.reason, told, self.accounting.so_far.used());
        let broken = BrokenOff { request: self.voice.request, events: self.voice.tell.events(), mark: Some(mark) };
        self.voice.dialect.broken(refusal, broken).into()
    }
}
