//! request: HTTP -> a bounded body.

use crate::platform::Head;
use crate::promise::Settled;
use js_sys::{Reflect, Uint8Array};
use sluice_protocol::header;
use sluice_protocol::refusal::{Reason, Refusal};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ReadableStream, ReadableStreamDefaultReader, Request};

/// A caller's request.
pub struct Incoming {
    /// For its body and its end.
    pub request: Request,
    /// What stands before the body.
    pub head: Head,
}

impl Incoming {
    /// Reads its head.
    pub fn new(request: Request) -> Self {
        let head = Head::of_request(&request);
        Self { request, head }
    }
}

/// A header that only few routes look at. Those that many do are in its head.
pub fn header(incoming: &Incoming, name: &str) -> Option<String> {
    incoming.request.headers().get(name).ok().flatten()
}

/// Refuses a body that is not declared to be JSON.
pub fn require_json(head: &Head) -> Result<(), Refusal> {
    let content_type = head.get(header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(Reason::UnsupportedMediaType, "Send the body as `content-type: application/json`."))
}

/// Reads the body, at most `max` bytes of it. A declared length that is larger is refused before a byte is read.
pub async fn body(Incoming { request, head }: &Incoming, max: u64) -> Result<Vec<u8>, Refusal> {
    let declared = head.get(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match declared {
        Some(length) if length > max => Err(too_large(max)),
        // HTTP holds the sender to the length that it declared.
        Some(_) => whole(request).await.map_err(|error| broke_off(&error)),
        None => read_capped(request.body(), max).await,
    }
}

async fn whole(request: &Request) -> Result<Vec<u8>, JsValue> {
    let buffer = Settled::of(&request.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Reads a body whose length nobody has declared, at most `max` bytes of it. None is an empty one.
pub async fn read_capped(body: Option<ReadableStream>, max: u64) -> Result<Vec<u8>, Refusal> {
    let Some(stream) = body else { return Ok(Vec::new()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let chunk = Settled::of(&reader.read()).await.map_err(|error| broke_off(&error))?;
        let part = |name: &str| Reflect::get(&chunk, &name.into()).map_err(|error| broke_off(&error));
        if part("done")?.is_truthy() {
            return Ok(body);
        }
        let bytes = Uint8Array::new(&part("value")?);
        if body.len() as u64 + u64::from(bytes.length()) > max {
            // The caller is told; what it still sends is not read.
            let _ = reader.cancel();
            return Err(too_large(max));
        }
        body.extend(bytes.to_vec());
    }
}

fn too_large(max: u64) -> Refusal {
    Refusal::new(Reason::BodyTooLarge, format!("The body is larger than {max} bytes."))
}

fn broke_off(error: &JsValue) -> Refusal {
    Refusal::new(Reason::InvalidJson, "The body broke off.").with_detail(format!("{error:?}"))
}
