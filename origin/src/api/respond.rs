//! From what was decided to what is sent: a translation without choices. Statuses come from the protocol's table.

use crate::system::now_millis;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::forward::report::brief;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::wire::header;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

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

/// A body of pieces that are not made by who reads them: pictures are large, and whoever takes nothing of one for as long as
/// `stall` is not held them any longer. The pieces are dropped as soon as nobody reads.
pub(crate) fn paced(pieces: impl Stream<Item = Bytes> + Send + 'static, stall: Duration) -> Body {
    let (sender, reader) = mpsc::channel(1);
    let stalled = Arc::new(AtomicBool::new(false));
    let is_stalled = Arc::clone(&stalled);
    tokio::spawn(async move {
        tokio::pin!(pieces);
        loop {
            let piece = tokio::select! {
                piece = pieces.next() => piece,
                () = sender.closed() => None,
            };
            let Some(piece) = piece else { return };
            match sender.send_timeout(piece, stall).await {
                Ok(()) => {}
                Err(SendTimeoutError::Closed(_)) => return,
                Err(SendTimeoutError::Timeout(_)) => {
                    stalled.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
    Body::from_stream(futures_util::stream::unfold(Some((reader, is_stalled)), |state| async {
        let (mut reader, is_stalled) = state?;
        match reader.recv().await {
            Some(piece) => Some((Ok(piece), Some((reader, is_stalled)))),
            // Cut off, so that nobody takes what came for all of it.
            None if is_stalled.load(Ordering::Relaxed) => {
                Some((Err(std::io::Error::other("it was not read for too long")), None))
            }
            None => None,
        }
    }))
}

/// A large text in pieces, as [`paced`] gives them.
pub(crate) fn in_pieces(text: String, stall: Duration) -> Body {
    /// What a connection takes at a time, about.
    const PIECE: usize = 1 << 16;
    let pieces = futures_util::stream::unfold(Bytes::from(text), |mut left| async move {
        let piece = left.split_to(left.len().min(PIECE));
        (!piece.is_empty()).then_some((piece, left))
    });
    paced(pieces, stall)
}

/// One value as one line of JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the protocol's types have string keys and no failing parts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::time::Instant;

    #[tokio::test]
    async fn pieces_come_in_their_order_and_whole() {
        let text: String = (0..40_000).map(|number| format!("{number},")).collect();
        let body = in_pieces(text.clone(), Duration::from_secs(30));
        assert_eq!(body.collect().await.unwrap().to_bytes(), text.as_bytes());
        assert_eq!(in_pieces(String::new(), Duration::from_secs(30)).collect().await.unwrap().to_bytes().len(), 0);
    }

    #[tokio::test]
    async fn what_is_held_for_a_reader_who_takes_nothing_goes_and_it_is_told() {
        for is_left in [false, true] {
            let held = Arc::new(());
            let of = Arc::clone(&held);
            let pieces = futures_util::stream::repeat_with(move || {
                let _held = &of;
                Bytes::from_static(b"piece")
            });
            let stall = if is_left { Duration::from_secs(3_600) } else { Duration::from_millis(5) };
            let body = paced(pieces, stall);
            let body = Some(body).filter(|_| !is_left);
            let begun = Instant::now();
            while Arc::strong_count(&held) > 1 {
                assert!(begun.elapsed() < Duration::from_secs(30), "it is held");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if let Some(body) = body {
                assert!(body.collect().await.is_err(), "it looks as if it were whole");
            }
        }
    }
}
