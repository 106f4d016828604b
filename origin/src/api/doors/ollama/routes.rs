//! Ollama's routes besides those for answers: which models there are, and of what kind.

use crate::api::call::Call;
use crate::api::models::{entry, look};
use crate::api::respond::{json, typed};
use axum::body::Body;
use axum::http::header::HeaderValue;
use axum::response::Response;
use serde_json::Value;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::ollama::{self, models};

/// `GET /api/tags` and `GET /api/ps`.
pub(crate) async fn tags(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    look(&call, body).await?;
    let entries: Vec<Value> =
        call.models.iter().filter_map(|loaded| serde_json::to_value(entry(loaded)).ok()).collect();
    Ok(json(&models::listed(&entries)))
}

/// `POST /api/show`.
pub(crate) async fn show(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    let name = models::named(&look(&call, body).await?)?;
    let entry = entry(call.model(&name)?);
    Ok(json(&models::shown(&serde_json::to_value(entry).unwrap_or_default())))
}

/// `GET /api/version`.
pub(crate) async fn version() -> Response {
    json(&serde_json::json!({"version": ollama::VERSION}))
}

/// `GET /`: what Ollama's clients ask for to see whether somebody is there.
pub(crate) async fn root() -> Response {
    typed(ollama::RUNNING, HeaderValue::from_static("text/plain; charset=utf-8"))
}
