//! The routes of an origin.

mod arrive;
mod body;
pub(crate) mod call;
mod cancel;
mod doors;
mod embed;
mod generate;
mod images;
mod models;
mod request;
pub(crate) mod respond;
mod status;
mod tell;
mod turn;

use crate::api::body::{DISCARD_BYTES, discard};
use crate::api::call::{Call, walk};
use crate::api::cancel::cancel;
use crate::api::doors::ollama::routes;
use crate::api::generate::answer;
use crate::api::images::draw;
use crate::api::models::{list_models, one_model};
use crate::api::respond::{RefusalCode, refuse, refuse_in, stamp};
use crate::api::status::{capacity, health, measures, ready};
use crate::state::Shared;
use crate::system::random_bytes;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use futures_util::FutureExt;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::ollama::models::unserved;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::elsewhere::no_path;
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
    let doors = Door::ALL.iter().copied().fold(Router::new(), |router, door| {
        let serve = move |State(shared): State<Arc<Shared>>, request: Request| ask(door, shared, request);
        router.route(door.path(), post(serve).fallback(only("POST")))
    });
    doors
        .route("/v1/models", get(models).fallback(only("GET, HEAD")))
        .route("/v1/models/{*model}", get(model).fallback(only("GET, HEAD")))
        .route("/api/tags", get(tags).fallback(only("GET, HEAD")))
        .route("/api/ps", get(tags).fallback(only("GET, HEAD")))
        .route("/api/show", post(show).fallback(only("POST")))
        .route("/api/version", get(routes::version).fallback(only("GET, HEAD")))
        .route("/", get(routes::root).fallback(only("GET, HEAD")))
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
    stamp(&mut response, RequestId(random_bytes()), shared.capacity());
    response
}

async fn not_found(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, DISCARD_BYTES);
    let path = parts.uri.path();
    let is_served = |path: &str| Door::of(path).is_some() || PATHS.contains(&path);
    refuse_in(shared.dialect(path), &unserved(path).unwrap_or_else(|| no_path(path, SERVED, is_served)), None)
}

/// Paths besides the doors that somebody may have meant.
const PATHS: [&str; 9] =
    ["/v1/models", "/api/tags", "/api/ps", "/api/show", "/api/version", "/health", "/ready", "/capacity", "/metrics"];
/// What there is, for whoever is lost.
const SERVED: &str = "POST /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings and /v1/rerank and GET /v1/models are \
                      served; of Anthropic's, POST /v1/messages; of Ollama's, POST /api/chat, /api/generate and \
                      /api/embed, GET /api/tags; of vLLM's, POST /tokenize and /detokenize. POST /v1/images/generations draws.";

async fn tags(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, None, routes::tags).await
}

async fn show(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, None, routes::show).await
}

async fn models(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, None, list_models).await
}

async fn model(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, None, one_model).await
}

async fn ask(door: Door, shared: Arc<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let step = async |call: Call<'_>, body: &mut Body| match door {
        Door::Images => draw(door, call, body).await,
        _ => answer(door, call, body).await,
    };
    walk(&shared, &parts, body, Some(door), step).await
}
