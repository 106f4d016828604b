//! The routes of an origin.

mod body;
pub(crate) mod call;
mod cancel;
mod generate;
mod models;
pub(crate) mod openai;
pub(crate) mod respond;
mod status;

use crate::api::body::{DISCARD_BYTES, discard};
use crate::api::call::walk;
use crate::api::cancel::cancel;
use crate::api::generate::answer;
use crate::api::models::{list_models, one_model};
use crate::api::respond::{RefusalCode, refuse, stamp};
use crate::api::status::{capacity, health, measures, ready};
use crate::state::Shared;
use crate::system::random_bytes;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use futures_util::FutureExt;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::endpoint::Endpoint;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// All routes of an origin.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let only = |methods: &'static str| {
        move |request: Request| async move {
            let (parts, body) = request.into_parts();
            discard(&parts.headers, body, DISCARD_BYTES);
            let refusal = Refusal::new(Reason::MethodNotAllowed, "This path does not have this method.");
            refuse(&refusal.with_allow(methods))
        }
    };
    Router::new()
        .route(Endpoint::Chat.path(), post(chat).fallback(only("POST")))
        .route(Endpoint::Completions.path(), post(complete).fallback(only("POST")))
        .route("/v1/models", get(models).fallback(only("GET, HEAD")))
        .route("/v1/models/{*model}", get(model).fallback(only("GET, HEAD")))
        .route("/v1/requests/{id}", delete(cancel).fallback(only("DELETE")))
        .route("/health", get(health).fallback(only("GET, HEAD")))
        .route("/ready", get(ready).fallback(only("GET, HEAD")))
        .route("/capacity", get(capacity).fallback(only("GET, HEAD")))
        .route("/metrics", get(measures).fallback(only("GET, HEAD")))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&shared), stamped))
        .with_state(shared)
}

/// Around every route: an id, the capacity of the moment the response is ready, and 500 instead of a dropped connection.
async fn stamped(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        refuse(&Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("a handler panicked"))
    });
    if let Some(RefusalCode(code)) = response.extensions().get() {
        shared.metrics.refused(code);
    }
    stamp(&mut response, RequestId(random_bytes()), shared.queue.capacity());
    response
}

async fn not_found(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, DISCARD_BYTES);
    refuse(&Refusal::new(Reason::NotFound, "There is no such path."))
}

async fn models(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, list_models).await
}

async fn model(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, one_model).await
}

async fn chat(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, async |call, body| answer(Endpoint::Chat, call, body).await).await
}

async fn complete(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, async |call, body| answer(Endpoint::Completions, call, body).await).await
}
