//! Ollama's routes besides those for answers, made of the list of models. Nothing is counted.

use crate::api::models::{answer, find, find_for};
use crate::call::{Call, Known};
use crate::platform::respond::{self, HeaderList};
use crate::platform::{self, Fault, Response};
use crate::request;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::ollama::{RUNNING, VERSION, models};
use sluice_protocol::request::bodies::question::Presence;
use sluice_protocol::request::door::Door;

/// `GET /api/tags` and `GET /api/ps`: the models that the caller may use.
pub async fn tags(call: &Call<'_>) -> Result<Response, Refusal> {
    let found = find(call).await?;
    let listed = models::listed(&found.entries()?);
    answer(call.id, found.told, respond::JSON, &listed.to_string())
}

/// `POST /api/show`: one of them.
pub async fn show(call: &Call<'_>) -> Result<Response, Refusal> {
    let found = find(call).await?;
    request::require_json(call.incoming)?;
    let body = request::body(call.incoming, call.config.bodies, MAX_NAME_BYTES).await?;
    let entry = found.entry(Some(&found.meant(&call.config.aliases, &models::named(&body.bytes())?)))?;
    answer(call.id, found.told, respond::JSON, &models::shown(&entry).to_string())
}

/// A request for an answer to nothing: whether its model is there.
pub async fn present(call: &Call<'_>, door: Door, known: Known, presence: &Presence) -> Result<Response, Refusal> {
    let found = find_for(call, &known, Scope::Chat).await?;
    found.entry(Some(&presence.model))?;
    let kind = if presence.stream { Dialect::of(door.path()).stream() } else { respond::JSON };
    answer(call.id, found.told, kind, &models::present(door, presence, platform::now()))
}

/// `GET /api/version`.
pub fn version(id: RequestId) -> Result<Response, Fault> {
    respond::json(200, &serde_json::json!({"version": VERSION}), id)
}

/// `GET /`.
pub fn root(id: RequestId) -> Result<Response, Fault> {
    respond::respond(200, &HeaderList::answer(id, "text/plain; charset=utf-8"), RUNNING)
}

/// The longest body that names a model.
const MAX_NAME_BYTES: u64 = 4 << 10;
