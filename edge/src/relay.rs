//! stream and settle: the origin's answer to the caller, with a look at the usage that it carries.
//!
//! A stream goes through a TransformStream whose pipe runs under `waitUntil`. Of the ways to relay a body this is the one
//! in which the origin's connection closes at once when the caller leaves *and* our code learns of it (the pipe's promise
//! settles). Passing the body straight through runs no code; `tee` keeps the origin working.

use crate::deadline::Deadline;
use crate::forward::{Reply, Ticket, failed};
use crate::promise::Settled;
use crate::respond::{self, HeaderList};
use futures_channel::oneshot::Sender;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use sluice_protocol::chat::{Usage, usage_of};
use sluice_protocol::gate::Outcome;
use sluice_protocol::header;
use sluice_protocol::ratelimit;
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};
use sluice_protocol::sse::{self, Passed, SseParser, WholeEvents};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{ReadableStream, Response, StreamPipeOptions, TransformStream, TransformStreamDefaultController};

/// Hands the caller its answer and returns, when the last byte has gone or the caller has, how to settle.
pub async fn relay(
    reply: &Reply,
    deadline: &Deadline,
    ticket: &Ticket,
    answer: Sender<Result<Response, Refusal>>,
) -> Outcome {
    let outcome = relay_or_fail(reply, deadline, ticket, answer).await.unwrap_or_else(|error| {
        worker::console_warn!("{}: the answer was not relayed to its end: {error:?}", ticket.request);
        Outcome::Served(None)
    });
    match outcome {
        // It broke off because its caller left, or because its time was over: the origin has worked for it.
        Outcome::NotServed if deadline.is_over() => Outcome::Served(None),
        outcome => outcome,
    }
}

async fn relay_or_fail(
    Reply { response, head }: &Reply,
    deadline: &Deadline,
    ticket: &Ticket,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Outcome, JsValue> {
    let mut headers = HeaderList::new();
    let mut is_stream = false;
    for name in header::ORIGIN_TO_CALLER {
        if let Some(value) = head.get(name) {
            is_stream |= *name == header::CONTENT_TYPE && value.starts_with("text/event-stream");
            headers.set(name, value);
        }
    }
    headers.set(header::REQUEST_ID, ticket.request.to_string());
    for (name, value) in ratelimit::headers(&ticket.admission.standings, ticket.admission.now) {
        headers.set(name, value);
    }
    // A body that is not looked at is not made into an object.
    match is_stream.then(|| response.body()).flatten() {
        Some(body) => relay_stream(&body, head.status(), &headers, deadline, answer).await,
        None => relay_whole(response, head.status(), &headers, deadline, answer).await,
    }
}

async fn relay_whole(
    response: &Response,
    status: u16,
    headers: &HeaderList,
    deadline: &Deadline,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Outcome, JsValue> {
    let buffer = match deadline.limit(Settled::of(&response.array_buffer()?)).await {
        Some(Ok(buffer)) => buffer,
        broken => {
            let _ = answer.send(Err(failed(&format!("the origin's answer broke off: {broken:?}"))));
            // Nothing of it reached the caller.
            return Ok(Outcome::NotServed);
        }
    };
    let usage = usage_of(&Uint8Array::new(&buffer).to_vec());
    // A send fails only if the caller has left.
    let _ = answer.send(Ok(respond::respond_with(status, headers, &buffer)?));
    Ok(Outcome::Served(usage))
}

async fn relay_stream(
    body: &ReadableStream,
    status: u16,
    headers: &HeaderList,
    deadline: &Deadline,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Outcome, JsValue> {
    let state = Rc::new(RefCell::new(Passing::new()));
    let transform = {
        let state = state.clone();
        Closure::<dyn FnMut(JsValue, TransformStreamDefaultController)>::new(
            move |chunk: JsValue, controller: TransformStreamDefaultController| {
                // It fails only once the readable side is gone, and then the pipe's promise says so.
                let _ = match state.borrow_mut().push(&Uint8Array::new(&chunk).to_vec()) {
                    Passed::Whole => controller.enqueue_with_chunk(&chunk),
                    Passed::Part(part) if part.is_empty() => Ok(()),
                    Passed::Part(part) => controller.enqueue_with_chunk(&Uint8Array::from(part.as_slice())),
                };
            },
        )
    };
    let flush = {
        let state = state.clone();
        Closure::<dyn FnMut(TransformStreamDefaultController)>::new(
            move |controller: TransformStreamDefaultController| {
                let rest = state.borrow_mut().events.take_rest();
                if !rest.is_empty() {
                    let _ = controller.enqueue_with_chunk(&Uint8Array::from(rest.as_slice()));
                }
            },
        )
    };
    let transformer = Object::new();
    Reflect::set(&transformer, &"transform".into(), transform.as_ref())?;
    Reflect::set(&transformer, &"flush".into(), flush.as_ref())?;
    let through = TransformStream::new_with_transformer(&transformer)?;

    // If the origin breaks off, the writable side stays usable: the caller is told inside the stream.
    let options = StreamPipeOptions::new();
    options.set_prevent_abort(true);
    options.set_signal(&deadline.signal()?);
    let pipe = body.pipe_to_with_options(&through.writable(), &options);
    let _ = answer.send(Ok(respond::respond_with(status, headers, &through.readable())?));

    let ended = Settled::of(&pipe).await;
    // Before the caller is told of a failure: what it is told passes the transform too.
    let outcome = state.borrow().outcome();
    if let Err(error) = ended {
        worker::console_warn!("a stream was not relayed to its end: {error:?}");
        // The event that had only begun is dropped, or the error would become a part of it.
        state.borrow_mut().events.take_rest();
        let told = tell_of_failure(&through, deadline)?;
        // Nothing waits for it: a caller that has stopped reading takes it when it reads on, and one that has left does
        // not matter. The stream's callbacks live until then.
        spawn_local(async move {
            for promise in told {
                let _ = Settled::of(&promise).await;
            }
            drop((transform, flush));
        });
    }
    Ok(outcome)
}

/// A stream on its way: what has begun and not ended, and what was seen in it.
struct Passing {
    events: WholeEvents,
    parser: SseParser,
    usage: Option<Usage>,
    /// Why the origin ended it, if not with an answer.
    refused: Option<Reason>,
}

impl Passing {
    const fn new() -> Self {
        Self { events: WholeEvents::new(MAX_EVENT), parser: SseParser::new(MAX_EVENT), usage: None, refused: None }
    }

    fn push(&mut self, chunk: &[u8]) -> Passed {
        let (usage, refused) = (&mut self.usage, &mut self.refused);
        self.parser.push(chunk, |event| {
            *usage = usage_in(event).or(*usage);
            *refused = refused_in(event).or(*refused);
        });
        self.events.push(chunk)
    }

    /// A request that we failed is taken back, also where its stream had begun: it may only have waited.
    fn outcome(&self) -> Outcome {
        match (self.usage, self.refused) {
            (None, Some(reason)) if reason.is_refunded() => Outcome::NotServed,
            (usage, _) => Outcome::Served(usage),
        }
    }
}

/// An error event and the end, without `[DONE]`: both promises are kept if the caller is still there.
fn tell_of_failure(through: &TransformStream, deadline: &Deadline) -> Result<[Promise; 2], JsValue> {
    let refusal = if deadline.is_over() {
        Refusal::new(Reason::DeadlineExceeded, "The time for this request was over before its answer was complete.")
    } else {
        failed("the origin broke off inside a stream")
    };
    let payload = serde_json::to_string(&refusal.body()).expect("our own types have string keys");
    let writer = through.writable().get_writer()?;
    Ok([writer.write_with_chunk(&Uint8Array::from(sse::event(&payload).as_bytes())), writer.close()])
}

/// Most events carry text and no usage: a search of the bytes is cheaper than parsing them all.
fn usage_in(event: &[u8]) -> Option<Usage> {
    const MARK: &[u8] = b"\"usage\"";
    event.windows(MARK.len()).any(|window| window == MARK).then(|| usage_of(event))?
}

/// The reason of an error event; nothing else begins like one.
fn refused_in(event: &[u8]) -> Option<Reason> {
    let body = event.starts_with(b"{\"error\"").then(|| serde_json::from_slice::<ErrorBody>(event))?;
    Reason::from_code(body.ok()?.error.code.as_deref()?)
}

/// The longest event that is held back until it is whole, and looked at for usage.
const MAX_EVENT: usize = 1 << 20;
