//! request: HTTP -> a bounded body.

pub mod cors;
pub mod path;
pub mod shield;

use crate::platform::body::{Bounds, Broken};
use crate::platform::head::Head;
use crate::platform::{Body, Request};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::cell::OnceCell;

/// A caller's request.
pub struct Incoming {
    /// For its body and its end.
    pub request: Request,
    /// What stands before the body, as far as each request is looked at.
    pub head: Head,
    rest: OnceCell<Head>,
}

/// What a body may be, whatever its route says.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The largest, in bytes.
    pub max: u64,
    /// How long it may take to arrive, in milliseconds.
    pub timeout_ms: u32,
}

impl Incoming {
    /// Reads its head.
    pub fn new(request: Request) -> Self {
        let head = request.head();
        Self { request, head, rest: OnceCell::new() }
    }

    /// What else stands there, for who reads its body.
    pub fn rest(&self) -> &Head {
        self.rest.get_or_init(|| self.request.rest())
    }
}

/// A header that only few routes look at. Those that many do are in its head.
pub fn header(incoming: &Incoming, name: &str) -> Option<String> {
    incoming.request.header(name)
}

/// What a wrong method is told.
pub fn refuse_method(allow: &'static str) -> Refusal {
    Refusal::new(Reason::MethodNotAllowed, format!("This path takes {allow}.")).with_allow(allow)
}

/// Refuses a body that is not declared to be JSON, as [`header::is_json`] has it.
pub fn require_json(incoming: &Incoming) -> Result<(), Refusal> {
    let (head, rest) = (&incoming.head, incoming.rest());
    let (path, declared) = (path::path_and_query(head.url()).0, rest.get(header::CONTENT_TYPE));
    // Few declare none: only then is it looked up who asks.
    let page = if declared.is_none() { header(incoming, header::ORIGIN) } else { None };
    if header::is_json(path, declared, page.as_deref()) {
        return Ok(());
    }
    Err(Refusal::new(Reason::UnsupportedMediaType, "Send the body as `content-type: application/json`."))
}

/// Reads the body, at most `max` bytes of it. A declared length that is larger, or a body that is packed, is refused before
/// a byte is read.
pub async fn body(incoming: &Incoming, limits: BodyLimits, max: u64) -> Result<Body, Refusal> {
    let (request, rest) = (&incoming.request, incoming.rest());
    if !rest.get(header::CONTENT_ENCODING).is_none_or(header::is_identity) {
        return Err(Refusal::packed());
    }
    let declared = rest.get(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let bounds = Bounds { max, ms: limits.timeout_ms, room: ROOM.max(2 * limits.max) };
    Body::of_request(request, declared, bounds).await.map_err(|broken| match broken {
        Broken::Large => too_large(max),
        Broken::Late => Refusal::new(Reason::InvalidRequest, "The body did not arrive in time."),
        Broken::Full => Refusal::new(Reason::Overloaded, "Too many large bodies are on their way here. Try again.")
            .with_retry_after_ms(FULL_MS),
        Broken::Off(fault) => Refusal::new(Reason::InvalidJson, "The body broke off.").with_detail(fault.to_string()),
    })
}

/// What is told of a body that is too large.
pub fn too_large(max: u64) -> Refusal {
    Refusal::new(Reason::BodyTooLarge, format!("The body is larger than {max} bytes."))
}

/// How many bytes of bodies an isolate collects at once: it has 128 MB for everything.
const ROOM: u64 = 32 << 20;
/// After how long another body may find room, in milliseconds: those that have stalled have made some by then.
const FULL_MS: u64 = 1_000;
