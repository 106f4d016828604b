//! Pictures: the walk of a request for some, from its prompt to the files that are told.
//!
//! A request has the one slot for pictures until its last picture is drawn. What it takes of time and memory is known
//! before it waits.

mod file;
mod stream;
mod wanted;

use crate::api::arrive::{Arrived, arrive};
use crate::api::call::{Call, Caller};
use crate::api::images::file::base64_of;
use crate::api::images::stream::Accounting;
use crate::api::images::wanted::PictureRequest;
use crate::api::respond::{in_pieces, streamed, tell_usage, to_json, typed};
use crate::api::turn::turn;
use crate::engine::Cause;
use crate::engine::job_state::JobState;
use crate::generate::{broken, trace_end};
use crate::models::painter::{Painting, PictureEvent, PictureJob};
use crate::models::z_image::noise::seed_of;
use crate::models::z_image::picture::{Made, Picture};
use crate::models::z_image::size::Size;
use crate::queue::{Lane, Permit, Place, Position};
use crate::settle::kept::{Finished, Question};
use crate::settle::live::LiveRequest;
use crate::settle::traces::told::Asked;
use crate::settle::traces::trace::{Passed, Trace};
use crate::state::Shared;
use crate::system::{memory, now_millis};
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use bytes::Bytes;
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::bodies::images::answer::{Image, ImageEvent, Images, Look};
use sluice_protocol::request::door::Door;
use sluice_protocol::wire::sse;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span, info_span};

/// How long after its arrival a stream keeps its status open, where it has to wait for its slot.
const MOMENT: Duration = Duration::from_secs(2);

/// Draws what a request asks for.
pub(crate) async fn draw(door: Door, call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    let Call { shared, parts, caller, trace, .. } = call;
    let Arrived { place, live, state, body } = arrive(door, &call, body, Lane::Pictures).await?;
    let question = Question::read(&parts.headers, caller.account(), &body)?;
    let (wanted, place) = understand(shared, body, caller, place).await?;
    let position = place.position();
    position.expects(wanted.effort());
    trace.asks(door, |operation| Asked { operation, model: wanted.draws.name.clone(), generation: None });
    let order = Arc::new(Commission {
        shared: Arc::clone(shared),
        wanted,
        question,
        state: Arc::clone(&state),
        trace: trace.clone(),
        arrived: caller.arrived,
        deadline: caller.deadline,
        at: now_millis(),
        span: info_span!("draw"),
    });
    // What is there already needs no turn.
    if let Some(finished) = order.kept()? {
        return Ok(order.again(&finished));
    }
    trace.waits();
    let mut ready = Box::pin(turn(place, Arc::clone(&state)).instrument(info_span!("queue")));
    if !order.wanted.stream {
        let permit = ready.await?;
        return order.whole(permit, position, live).await;
    }
    let accounting = Accounting { so_far: state, refused: order.in_stream(caller.id), request: caller.id };
    // Who waits for long is told so in the stream; who waits for a moment is answered with a status.
    let source = match tokio::time::timeout_at((caller.arrived + MOMENT).into(), &mut ready).await {
        Ok(permit) => match order.begin(permit?, &position, live)? {
            Begun::Again(finished) => return Ok(order.again(&finished)),
            Begun::Painting(painting) => stream::Source::Painting(painting),
        },
        Err(_) => stream::Source::Queue { ready, position, live },
    };
    trace.streams();
    let stall = shared.config.stall_timeout;
    Ok(streamed(stream::body(order, source, accounting, stall), "text/event-stream"))
}

/// Parses, finds the model and tokenises, away from the threads that serve connections. The place goes along: a caller that
/// leaves meanwhile gives it back when the work ends, and not before.
async fn understand(
    shared: &Arc<Shared>,
    body: Bytes,
    caller: &Caller,
    place: Place,
) -> Result<(PictureRequest, Place), Refusal> {
    let (shared, claims) = (Arc::clone(shared), caller.claims.clone());
    let work = move || Ok((PictureRequest::read(&body, shared.models(), claims.as_ref())?, place));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("tokenising panicked"))
    })
}

/// A request for pictures that may be drawn, with all that its way to its end needs.
struct Commission {
    shared: Arc<Shared>,
    wanted: PictureRequest,
    question: Option<Question>,
    state: Arc<JobState>,
    trace: Trace,
    arrived: Instant,
    deadline: Option<Instant>,
    /// When it was read, in milliseconds since the epoch.
    at: u64,
    span: Span,
}

/// What becomes of a request whose turn has come.
enum Begun {
    /// It was drawn meanwhile, for a request with the same key.
    Again(Arc<Finished>),
    /// It is drawn.
    Painting(Drawn),
}

/// A request while it is drawn. Dropping it ends that.
struct Drawn {
    painting: Painting,
    measured: Measured,
    /// Held as long as somebody waits for the pictures: it gives the slot back where the painter does not.
    _permit: Permit,
}

impl Commission {
    /// The files of an earlier request with the same key.
    fn kept(&self) -> Result<Option<Arc<Finished>>, Refusal> {
        self.question.as_ref().map_or(Ok(None), |question| self.shared.kept.find(question, Instant::now()))
    }

    /// Begins to draw, now that its turn has come.
    fn begin(&self, permit: Permit, position: &Position, live: LiveRequest) -> Result<Begun, Refusal> {
        if let Some(finished) = self.kept()? {
            return Ok(Begun::Again(finished));
        }
        let PictureRequest { draws, tokens, previews, .. } = &self.wanted;
        if let Some(free) = memory::short_of(self.wanted.bytes()) {
            let (needed, free) = (memory::gib(self.wanted.bytes()), memory::gib(free));
            let why = format!("The picture needs {needed} of memory, and {free} are free at the moment.");
            return Err(Refusal::new(Reason::Overloaded, why));
        }
        self.shared.metrics.slot_after(&draws.name, self.arrived.elapsed());
        self.trace.has_slot();
        let measured = Measured {
            shared: Arc::clone(&self.shared),
            trace: self.trace.clone(),
            state: Arc::clone(&self.state),
            model: draws.name.clone(),
            arrived: self.arrived,
            began: Instant::now(),
            cause: Cause::Left,
            span: self.span.clone(),
        };
        let position = position.clone();
        let painting = draws.painter.submit(PictureJob {
            orders: self.wanted.orders(),
            tokens: *tokens,
            previews: *previews,
            deadline: self.deadline,
            state: Arc::clone(&self.state),
            did: Box::new(move |part, blocks, took| position.did(part, blocks, took)),
            guard: Box::new((permit.release_on_end(), live)),
        });
        Ok(Begun::Painting(Drawn { painting, measured, _permit: permit }))
    }

    /// All pictures, once the last is drawn.
    async fn whole(
        self: Arc<Self>,
        permit: Permit,
        position: Position,
        live: LiveRequest,
    ) -> Result<Response, Refusal> {
        let mut drawn = match self.begin(permit, &position, live)? {
            Begun::Again(finished) => return Ok(self.again(&finished)),
            Begun::Painting(drawn) => drawn,
        };
        let mut files = Vec::with_capacity(self.wanted.count);
        loop {
            match drawn.painting.next().await {
                PictureEvent::Step { .. } | PictureEvent::Preview { .. } => {}
                PictureEvent::Picture { index, picture } => files.push(self.file(index, picture).await?),
                PictureEvent::End(cause) => {
                    drawn.measured.cause = cause.clone();
                    if cause != Cause::Stop {
                        return Err(broken(cause));
                    }
                    break;
                }
            }
        }
        drop(drawn);
        let finished = self.finish(files);
        let mut response = self.told(&finished);
        tell_usage(&mut response, self.state.used());
        Ok(response)
    }

    /// The file of the picture of this index, in base64.
    async fn file(self: &Arc<Self>, index: usize, picture: Picture) -> Result<Bytes, Refusal> {
        let this = Arc::clone(self);
        let work = move || {
            let PictureRequest { draws, order, encoding, .. } = &this.wanted;
            let seed = seed_of(order.seed, index as u64);
            let prompt = encoding.tells_prompt.then_some(order.prompt.as_str());
            base64_of(&picture, *encoding, &Made { model: &draws.name, seed, steps: order.steps, prompt })
        };
        let failed =
            |why: String| Refusal::new(Reason::Internal, "The picture could not be made a file.").with_detail(why);
        let outcome = tokio::task::spawn_blocking(work).await.map_err(|_| failed("an encoder panicked".into()))?;
        outcome.map(Bytes::from).map_err(failed)
    }

    /// Keeps what is finished for whoever asks with the same key.
    fn finish(&self, files: Vec<Bytes>) -> Arc<Finished> {
        let finished = Arc::new(Finished { files, at: self.at });
        if let Some(question) = &self.question {
            self.shared.kept.keep(question.clone(), Arc::clone(&finished), Instant::now());
        }
        finished
    }

    /// What was finished before, in the manner that is asked for. It costs nothing.
    fn again(&self, finished: &Finished) -> Response {
        if self.wanted.stream {
            let events: String =
                (0..finished.files.len()).map(|index| self.completed(finished, index, Used::NOTHING)).collect();
            return streamed(in_pieces(events, self.shared.config.stall_timeout), "text/event-stream");
        }
        let mut response = self.told(finished);
        tell_usage(&mut response, Used::NOTHING);
        response
    }

    /// All pictures, as JSON.
    fn told(&self, finished: &Finished) -> Response {
        let data = finished.files.iter().map(|file| Image { b64_json: text(file) }).collect();
        let told = Images {
            created: finished.at / 1_000,
            data,
            look: self.look(),
            usage: self.wanted.usage(finished.files.len(), true),
        };
        let body = to_json(&told);
        let length = HeaderValue::from(body.len());
        let body = in_pieces(body, self.shared.config.stall_timeout);
        let mut response = typed(body, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }

    fn look(&self) -> Look {
        let Size { width, height } = self.wanted.order.size;
        // No side is as long.
        let narrow = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Look::new(self.wanted.encoding.format, narrow(width), narrow(height))
    }

    /// The event of a picture that is finished; with the last one what all of them used.
    fn completed(&self, finished: &Finished, index: usize, used: Used) -> String {
        let is_last = index + 1 == self.wanted.count;
        let event = ImageEvent::Completed {
            b64_json: finished.files.get(index).map(text).unwrap_or_default(),
            created_at: finished.at / 1_000,
            look: self.look(),
            // The prompt counts once.
            usage: self.wanted.usage(1, index == 0),
        };
        let mark = is_last.then(|| UsageMark::complete(used).to_string());
        sse::named_event(event.name(), mark.as_deref(), &to_json(&event))
    }

    /// The event of a picture on its way.
    fn partial(&self, file: &Bytes, number: u32) -> String {
        let event = ImageEvent::Partial {
            b64_json: text(file),
            partial_image_index: number,
            created_at: self.at / 1_000,
            look: self.look(),
        };
        sse::named_event(event.name(), None, &to_json(&event))
    }

    /// Counts, logs and traces a refusal that came when the status had been sent; gives what the request has used, if that is
    /// final.
    fn in_stream(&self, id: RequestId) -> impl Fn(&Refusal) -> Option<Used> + Send + use<> {
        let (shared, trace, span) = (Arc::clone(&self.shared), self.trace.clone(), self.span.clone());
        move |refusal| {
            trace.refused(refusal);
            let code = refusal.reason.row().code;
            shared.metrics.refused(code);
            tracing::info!(parent: &span, code, detail = refusal.detail.as_deref(), "broke off");
            shared.live.final_usage(id)
        }
    }
}

/// A file in base64 as text.
fn text(file: &Bytes) -> String {
    String::from_utf8_lossy(file).into_owned()
}

/// Counts, logs and traces pictures when they end, however that comes.
struct Measured {
    shared: Arc<Shared>,
    trace: Trace,
    state: Arc<JobState>,
    model: String,
    arrived: Instant,
    began: Instant,
    cause: Cause,
    span: Span,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let (cause, took) = (&self.cause, self.arrived.elapsed());
        self.shared.metrics.ended(&self.model, cause, took);
        self.trace.passed(Passed { began: self.began, first: None });
        trace_end(&self.trace, cause);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let steps = self.state.steps();
        tracing::info!(parent: &self.span, ?cause, steps, ms, "drew");
    }
}
