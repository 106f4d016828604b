//! stream: pictures in events, as OpenAI's clients read them.
//!
//! While a request waits: its place in the queue, and when its turn should come. Then its steps, previews and pictures. All
//! but previews and pictures are comments, which clients skip. Never is there silence for longer than [`TELL`]. An error
//! ends the stream. The drawing lives in the response's body: when the client leaves, the body is dropped.

use super::{Begun, Commission, Drawn};
use crate::api::respond::paced;
use crate::engine::Cause;
use crate::engine::job_state::JobState;
use crate::generate::broken;
use crate::models::painter::PictureEvent;
use crate::queue::{Permit, Position};
use crate::settle::kept::Finished;
use crate::settle::live::LiveRequest;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sluice_protocol::dialect::{BrokenOff, Dialect};
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::door::Door;
use sluice_protocol::wire::sse;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The longest silence in a stream, from its head to its end: an edge takes silence for death.
const TELL: Duration = Duration::from_secs(2);

/// Where a stream's pictures come from.
pub(super) enum Source {
    /// They wait for their turn.
    Queue { ready: BoxFuture<'static, Result<Permit, Refusal>>, position: Position, live: LiveRequest },
    /// They are drawn.
    Painting(Drawn),
    /// Nowhere any more.
    Over,
}

/// What a stream says of its request's usage where it breaks off.
pub(super) struct Accounting<F> {
    pub(super) so_far: Arc<JobState>,
    /// Is told of an error that ends it, and gives what the request has used, if that is final.
    pub(super) refused: F,
    pub(super) request: RequestId,
}

/// The body of a stream. `stall`: how long a reader may take nothing; then what is held for it goes.
pub(super) fn body<F>(order: Arc<Commission>, source: Source, accounting: Accounting<F>, stall: Duration) -> Body
where
    F: Fn(&Refusal) -> Option<Used> + Send + 'static,
{
    let state =
        State { order, source, accounting, files: Vec::new(), shown: 0, told: false, step: None, last: Instant::now() };
    let events = futures_util::stream::unfold(state, |mut state| async {
        let event = state.next().await?;
        state.last = Instant::now();
        Some((Bytes::from(event), state))
    });
    paced(events, stall)
}

struct State<F> {
    order: Arc<Commission>,
    source: Source,
    accounting: Accounting<F>,
    /// Of the pictures that are done.
    files: Vec<Bytes>,
    /// Previews of the picture that is drawn.
    shown: u32,
    /// Whether it has been told that it waits.
    told: bool,
    /// The latest step.
    step: Option<String>,
    /// When the last event was handed over, or the head.
    last: Instant,
}

impl<F: Fn(&Refusal) -> Option<Used>> State<F> {
    async fn next(&mut self) -> Option<String> {
        loop {
            let said = match std::mem::replace(&mut self.source, Source::Over) {
                Source::Over => return None,
                Source::Queue { ready, position, live } => self.queue(ready, position, live).await,
                Source::Painting(drawn) => self.drawn(drawn).await,
            };
            match said {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(refusal) => return Some(self.broken(&refusal)),
            }
        }
    }

    /// Waits for the turn, and says now and then that it does.
    async fn queue(
        &mut self,
        mut ready: BoxFuture<'static, Result<Permit, Refusal>>,
        position: Position,
        live: LiveRequest,
    ) -> Result<Option<String>, Refusal> {
        if self.told {
            tokio::select! {
                biased;
                permit = &mut ready => return self.begin(permit?, &position, live),
                () = sleep_until(self.last + TELL) => {}
            }
        }
        self.told = true;
        // Its turn may have come in this moment: then nobody is ahead.
        let ahead = position.ahead().unwrap_or(0);
        let begins = position.begins_in().map(|wait| format!(", begins in about {} s", wait.div_ceil(1_000)));
        self.source = Source::Queue { ready, position, live };
        Ok(Some(sse::comment(&format!("queued, {ahead} ahead{}", begins.unwrap_or_default()))))
    }

    fn begin(&mut self, permit: Permit, position: &Position, live: LiveRequest) -> Result<Option<String>, Refusal> {
        match self.order.begin(permit, position, live)? {
            Begun::Painting(drawn) => {
                self.source = Source::Painting(drawn);
                Ok(None)
            }
            Begun::Again(finished) => {
                let completed = |index| self.order.completed(&finished, index, Used::NOTHING);
                Ok(Some((0..finished.files.len()).map(completed).collect()))
            }
        }
    }

    /// Waits for what comes of the pictures, and says now and then how far they are.
    async fn drawn(&mut self, mut drawn: Drawn) -> Result<Option<String>, Refusal> {
        let Ok(event) = timeout_at(self.last + TELL, drawn.painting.next()).await else {
            self.source = Source::Painting(drawn);
            let step = self.step.clone().unwrap_or_else(|| "drawing".into());
            return Ok(Some(sse::comment(&step)));
        };
        let said = match event {
            PictureEvent::Step { index, done } => {
                let (steps, count) = (self.order.wanted.order.steps, self.order.wanted.count);
                let which = if count > 1 { format!(", picture {} of {count}", index + 1) } else { String::new() };
                let step = format!("step {done} of {steps}{which}");
                self.step = Some(step.clone());
                Some(sse::comment(&step))
            }
            PictureEvent::Preview { index, picture } => {
                let file = self.order.file(index, picture).await?;
                self.shown += 1;
                Some(self.order.partial(&file, self.shown - 1))
            }
            PictureEvent::Picture { index, picture } => {
                let file = self.order.file(index, picture).await?;
                self.files.push(file);
                self.shown = 0;
                // The last one is told with the end: what all of them used is final then.
                (index + 1 < self.order.wanted.count).then(|| self.completed(index))
            }
            PictureEvent::End(Cause::Stop) => {
                drawn.measured.cause = Cause::Stop;
                drop(drawn);
                let finished = self.order.finish(std::mem::take(&mut self.files));
                let used = self.accounting.so_far.used();
                return Ok(Some(self.order.completed(&finished, self.order.wanted.count - 1, used)));
            }
            PictureEvent::End(cause) => {
                drawn.measured.cause = cause.clone();
                drop(drawn);
                return Err(broken(cause));
            }
        };
        self.source = Source::Painting(drawn);
        Ok(said)
    }

    fn completed(&self, index: usize) -> String {
        // Not the last one: what is used by then is not told with it.
        let finished = Finished { files: self.files.clone(), at: self.order.at };
        self.order.completed(&finished, index, Used::NOTHING)
    }

    fn broken(&mut self, refusal: &Refusal) -> String {
        let told = (self.accounting.refused)(refusal);
        let mark = UsageMark::refused(refusal.reason, told, self.accounting.so_far.used());
        let broken = BrokenOff { request: self.accounting.request, events: 0, mark: Some(mark) };
        Dialect::of(Door::Images.path()).broken(refusal, broken)
    }
}
