//! From what was decided to what is sent: a translation without choices. Statuses come from the protocol's table.

use crate::system::now_millis;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::forward::report::brief;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::wire::header;

/// Marks an answer to a request whose grant was good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted;

/// Rides on a refused response, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalCode(pub(crate) &'static str);

/// A refusal as a response to an edge, or on a path that no protocol of a caller's has; its detail goes to the log and
/// nowhere else.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Body> {
    refuse_in(Dialect::between_gates(), refusal, None)
}

/// A refusal as a response, in what is spoken where it goes; `id`: which request it answers, if that is known.
pub(crate) fn refuse_in(dialect: &Dialect, refusal: &Refusal, id: Option<RequestId>) -> Response<Body> {
    let code = refusal.reason.row().code;
    tracing::info!(code, detail = refusal.detail.as_deref(), "refused");
    let body = dialect.body(refusal, id);
    let mut response = typed(body, HeaderValue::from_static("application/json"));
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).expect("the protocol's table holds three-digit statuses");
    for (name, value) in dialect.refusal_headers(refusal, now_millis()) {
        let value = HeaderValue::from_str(&value).expect("the protocol writes headers of numbers, codes and methods");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response.extensions_mut().insert(RefusalCode(code));
    response
}

/// A JSON body.
pub(crate) fn json(value: &impl Serialize) -> Response<Body> {
    typed(to_json(value), HeaderValue::from_static("application/json"))
}

/// A stream of this type.
pub(crate) fn streamed(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = typed(body, HeaderValue::from_static(content_type));
    response.headers_mut().insert(HeaderName::from_static(header::CACHE_CONTROL), HeaderValue::from_static("no-store"));
    response
}

/// A body of this type.
pub(crate) fn typed(body: impl Into<Body>, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Adds what every response carries. An id that is there already stays.
pub(crate) fn stamp(response: &mut Response<Body>, id: RequestId, capacity: Capacity) {
    let text = |text: String| HeaderValue::from_str(&text).expect("ids and capacities are ASCII");
    let headers = response.headers_mut();
    headers.entry(HeaderName::from_static(header::REQUEST_ID)).or_insert_with(|| text(id.to_string()));
    headers.insert(HeaderName::from_static(header::CAPACITY), text(capacity.to_string()));
}

/// Adds what a request has used that is over.
pub(crate) fn tell_usage(response: &mut Response<Body>, used: Used) {
    let value = HeaderValue::from_str(&brief(used)).expect("digits and a slash");
    response.headers_mut().insert(HeaderName::from_static(header::USAGE), value);
}

/// One value as one line of JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the protocol's types have string keys and no failing parts")
}
