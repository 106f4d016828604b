//! The models that are being served, as OpenAI's clients look at them.

use crate::api::body::read;
use crate::api::call::Call;
use crate::api::respond::json;
use crate::models::{Does, Draws, Loaded, Models};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{Capability, ModelEntry, ModelList};
use sluice_protocol::request::model_name::model_name;
use std::sync::Arc;

/// `GET /v1/models`: all that are being served.
pub(crate) async fn list_models(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    look(&call, body).await?;
    Ok(json(&ModelList { object: "list".into(), data: entries(call.models) }))
}

/// `GET /v1/models/{model}`: the entry of one.
pub(crate) async fn one_model(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    look(&call, body).await?;
    let name = call.parts.uri.path().strip_prefix("/v1/models/").and_then(model_name);
    let name = name.unwrap_or_default();
    let drawing = call.models.find_drawing(&name).map(|draws| drawing_entry(draws));
    Ok(json(&drawing.map_or_else(|| call.model(&name).map(entry), Ok)?))
}

/// What those who only look need: a grant, and a body that is its own.
pub(crate) async fn look(call: &Call<'_>, body: &mut Body) -> Result<Bytes, Refusal> {
    call.caller.claim(call.shared)?;
    let body = read(body, &call.shared.config).await?;
    call.caller.check_body(&body)?;
    Ok(body)
}

/// All that are being served.
fn entries(models: &Models) -> Vec<ModelEntry> {
    models.iter().map(entry).chain(models.drawing.iter().map(|draws| drawing_entry(draws))).collect()
}

fn drawing_entry(draws: &Draws) -> ModelEntry {
    ModelEntry {
        id: draws.name.clone(),
        object: "model".into(),
        created: draws.since,
        owned_by: "sluice".into(),
        context_length: draws.facts.most_tokens() as u64,
        capabilities: vec![Capability::Image],
    }
}

pub(crate) fn entry(loaded: &Arc<Loaded>) -> ModelEntry {
    ModelEntry {
        id: loaded.name.clone(),
        object: "model".into(),
        created: loaded.since,
        owned_by: "sluice".into(),
        context_length: loaded.context as u64,
        capabilities: match loaded.does {
            Does::Embed(_) => vec![Capability::Embedding],
            Does::Judge => vec![Capability::Rerank],
            Does::Answer => loaded.text.capabilities(),
        },
    }
}
