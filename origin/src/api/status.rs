//! How the origin is: `/health`, `/ready`, `/capacity` and `/metrics`.

use crate::api::call::caller;
use crate::api::respond::{json, refuse, typed};
use crate::models::starting_again;
use crate::settle::metrics::{self, Places};
use crate::state::Shared;
use axum::extract::State;
use axum::http::header::{HeaderMap, HeaderValue};
use axum::response::Response;
use sluice_protocol::forward::capacity::CapacityReport;
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::Arc;

/// The process lives.
pub(crate) async fn health() -> Response {
    json(&serde_json::json!({"status": "ok"}))
}

/// Requests would be served now.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let models = match shared.serving() {
        Ok(models) => models,
        Err(refusal) => return refuse(&refusal),
    };
    if let Some(down) = models.down() {
        return refuse(&starting_again().with_detail(down));
    }
    if let Some(hung) = models.hung(shared.config.heartbeat_timeout) {
        return refuse(&Refusal::new(Reason::OriginSilent, "An engine does not move.").with_detail(hung));
    }
    json(&serde_json::json!({"status": "ready"}))
}

pub(crate) async fn capacity(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match observe(&shared, &headers) {
        Ok(()) => {
            json(&CapacityReport { capacity: shared.capacity(), gpu: shared.gpu.moment().map(|moment| moment.figures) })
        }
        Err(refusal) => refuse(&refusal),
    }
}

pub(crate) async fn measures(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = observe(&shared, &headers) {
        return refuse(&refusal);
    }
    let places = Places { texts: shared.queue.capacity(), pictures: shared.queue.picture_capacity() };
    let text = shared.metrics.encode(places, shared.gpu.moment().as_ref(), shared.models());
    typed(text, HeaderValue::from_static(metrics::CONTENT_TYPE))
}

/// Whether this caller may look at the origin: with a grant, or anybody if the settings say so.
fn observe(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    if shared.config.open_metrics {
        return Ok(());
    }
    let caller = caller(shared, headers)?;
    caller.claim(shared)?;
    caller.check_body(&[])
}
