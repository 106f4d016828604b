//! stream and settle: the origin's answer to the caller, with a look at the usage that it carries.
//!
//! A stream goes through a TransformStream whose pipe runs under `waitUntil`. Of the ways to relay a body this is the one
//! in which the origin's connection closes at once when the caller leaves *and* our code learns of it (the pipe's promise
//! settles). Passing the body straight through runs no code; `tee` keeps the origin working.

use crate::auth;
use crate::forward::{Ticket, failed};
use crate::respond::{self, HeaderList};
use futures_channel::oneshot::Sender;
use js_sys::{Object, Reflect, Uint8Array};
use sluice_protocol::chat::{Usage, usage_of};
use sluice_protocol::gate::Outcome;
use sluice_protocol::header;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::sse::{self, SseParser};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, Response, StreamPipeOptions, TransformStream, TransformStreamDefaultController};

/// Hands the caller its answer and returns, when the last byte has gone or the caller has, how to settle.
pub async fn relay(response: Response, ticket: &Ticket, answer: Sender<Result<Response, Refusal>>) -> Outcome {
    match relay_or_fail(&response, ticket, answer).await {
        Ok(usage) => Outcome::Served(usage),
        Err(error) => {
            worker::console_warn!("{}: the answer was not relayed to its end: {error:?}", ticket.request);
            Outcome::Served(None)
        }
    }
}

async fn relay_or_fail(
    response: &Response,
    ticket: &Ticket,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Option<Usage>, JsValue> {
    let mut headers = HeaderList::new();
    let mut is_stream = false;
    let from_origin = response.headers();
    for name in header::ORIGIN_TO_CALLER {
        if let Some(value) = auth::get(&from_origin, name) {
            is_stream |= *name == header::CONTENT_TYPE && value.starts_with("text/event-stream");
            headers.set(name, value);
        }
    }
    headers.set(header::REQUEST_ID, ticket.request.to_string());
    match response.body() {
        Some(body) if is_stream => relay_stream(&body, response.status(), &headers, answer).await,
        _ => relay_whole(response, &headers, answer).await,
    }
}

async fn relay_whole(
    response: &Response,
    headers: &HeaderList,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Option<Usage>, JsValue> {
    let buffer = match JsFuture::from(response.array_buffer()?).await {
        Ok(buffer) => buffer,
        Err(error) => {
            let _ = answer.send(Err(failed(&format!("the origin's answer broke off: {error:?}"))));
            return Ok(None);
        }
    };
    let usage = usage_of(&Uint8Array::new(&buffer).to_vec());
    // A send fails only if the caller has left.
    let _ = answer.send(Ok(respond::respond_with(response.status(), headers, &buffer)?));
    Ok(usage)
}

async fn relay_stream(
    body: &ReadableStream,
    status: u16,
    headers: &HeaderList,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Option<Usage>, JsValue> {
    let usage = Rc::new(RefCell::new(None));
    let mut parser = SseParser::new(MAX_EVENT);
    let seen = usage.clone();
    let transform = Closure::<dyn FnMut(JsValue, TransformStreamDefaultController)>::new(
        move |chunk: JsValue, controller: TransformStreamDefaultController| {
            parser.push(&Uint8Array::new(&chunk).to_vec(), |event| {
                if let Some(usage) = usage_in(event) {
                    seen.replace(Some(usage));
                }
            });
            // It fails only once the readable side is gone, and then the pipe's promise says so.
            let _ = controller.enqueue_with_chunk(&chunk);
        },
    );
    let transformer = Object::new();
    Reflect::set(&transformer, &"transform".into(), transform.as_ref())?;
    let through = TransformStream::new_with_transformer(&transformer)?;

    // If the origin breaks off, the writable side stays usable: the caller is told inside the stream.
    let options = StreamPipeOptions::new();
    options.set_prevent_abort(true);
    let pipe = body.pipe_to_with_options(&through.writable(), &options);
    let _ = answer.send(Ok(respond::respond_with(status, headers, &through.readable())?));

    if let Err(error) = JsFuture::from(pipe).await {
        // One of two things: the origin broke off, and this reaches the caller; or the caller left, and this fails.
        let told = tell_of_failure(&through, &error).await;
        if told.is_ok() {
            worker::console_warn!("the origin broke off inside a stream: {error:?}");
        }
    }
    drop(transform);
    Ok(usage.take())
}

/// An error event and the end, without `[DONE]`.
async fn tell_of_failure(through: &TransformStream, error: &JsValue) -> Result<(), JsValue> {
    let refusal = failed(&format!("{error:?}"));
    let payload = serde_json::to_string(&refusal.body()).expect("our own types have string keys");
    let writer = through.writable().get_writer()?;
    JsFuture::from(writer.write_with_chunk(&Uint8Array::from(sse::event(&payload).as_bytes()))).await?;
    JsFuture::from(writer.close()).await?;
    Ok(())
}

/// Most events carry text and no usage: a search of the bytes is cheaper than parsing them all.
fn usage_in(event: &[u8]) -> Option<Usage> {
    const MARK: &[u8] = b"\"usage\"";
    event.windows(MARK.len()).any(|window| window == MARK).then(|| usage_of(event))?
}

/// The longest event that is looked at for usage.
const MAX_EVENT: usize = 1 << 20;
