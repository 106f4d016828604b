//! request, the body: what its head says, reading it within bounds, and what is left of it after a refusal.

use crate::config::Config;
use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, ORIGIN};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header::{is_identity, is_json};
use std::time::Duration;

/// What the head says about the body, before any of it is read.
pub(crate) fn check_head(path: &str, headers: &HeaderMap, max_body: usize) -> Result<(), Refusal> {
    // What is no text is no type that is known.
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if !is_json(path, text(CONTENT_TYPE), text(ORIGIN)) {
        return Err(Refusal::new(Reason::UnsupportedMediaType, "Send content-type: application/json."));
    }
    // Each of them: several headers of one name say the same as one with commas.
    if !headers.get_all(CONTENT_ENCODING).iter().all(|value| value.to_str().is_ok_and(is_identity)) {
        return Err(Refusal::packed());
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_body as u64) {
        return Err(too_large(max_body));
    }
    Ok(())
}

fn too_large(max_body: usize) -> Refusal {
    Refusal::new(Reason::BodyTooLarge, format!("The body is larger than {max_body} bytes."))
}

/// Reads a body within its bounds.
pub(crate) async fn read(body: &mut Body, config: &Config) -> Result<Bytes, Refusal> {
    let max = config.max_body;
    let whole = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::new(Reason::InvalidRequest, "The body broke off.").with_detail(error.to_string())
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > max {
                return Err(too_large(max));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    let late = || Refusal::new(Reason::InvalidRequest, "The body did not arrive in time.");
    tokio::time::timeout(config.body_timeout, whole).await.unwrap_or_else(|_| Err(late()))
}

/// Takes what is left of a refused request's body, so that closing the connection does not destroy the answer on its
/// way: within bounds, after the answer, and not if the client waits to be asked for it.
pub(crate) fn discard(headers: &HeaderMap, mut body: Body, max: usize) {
    use http_body::Body as _;
    if body.is_end_stream() || headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(tokio::time::timeout(DISCARD_TIME, async move {
        let mut taken = 0;
        while let Some(Ok(frame)) = body.frame().await {
            taken += frame.data_ref().map_or(0, Bytes::len);
            if taken > max {
                return;
            }
        }
    }));
}

/// How much of a refused body is taken where the settings' bound does not apply.
pub(crate) const DISCARD_BYTES: usize = 1 << 20;
/// How long a refused body may still arrive.
const DISCARD_TIME: Duration = Duration::from_secs(2);
