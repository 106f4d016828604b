//! The models as Ollama's clients look at them, made of the list that `GET /v1/models` gives: both gates tell the same.
//! What is not known here (sizes, licences, templates) is empty, and never made up.

use super::{full_name, short_name};
use crate::id::hex;
use crate::refusal::{Reason, Refusal};
use crate::request::bodies::question::Presence;
use crate::request::door::Door;
use crate::time::{Millis, rfc3339};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `GET /api/tags`, and `GET /api/ps`, as each model stays loaded: of the entries of a list.
pub fn listed(entries: &[Value]) -> Value {
    let model = |entry: &Value| {
        let name = full_name(id(entry));
        json!({
            "name": name,
            "model": name,
            "modified_at": since(entry),
            "size": 0,
            "digest": digest(entry),
            "details": details(),
            // The last moment that there is: it stays.
            "expires_at": rfc3339(Millis::MAX),
            "size_vram": 0,
            "context_length": entry["context_length"],
        })
    };
    json!({"models": entries.iter().map(model).collect::<Vec<_>>()})
}

/// `POST /api/show`, of one entry.
pub fn shown(entry: &Value) -> Value {
    let more = entry["capabilities"].as_array().map_or(&[][..], Vec::as_slice);
    // A model that embeds, reranks or draws says so, and answers nothing.
    let answers_nothing = ["embedding", "rerank", "image"].iter().any(|deed| more.contains(&json!(deed)));
    let answers = (!answers_nothing).then(|| json!("completion"));
    let capabilities: Vec<Value> = answers.into_iter().chain(more.iter().cloned()).collect();
    let mut info = json!({"general.architecture": FAMILY});
    info[format!("{FAMILY}.context_length")] = entry["context_length"].clone();
    json!({
        "license": "",
        "parameters": "",
        "template": "",
        "modified_at": since(entry),
        "details": details(),
        "model_info": info,
        "capabilities": capabilities,
    })
}

/// The model that a body of `POST /api/show` names: `model`, or `name` as older clients have it.
pub fn named(body: &[u8]) -> Result<String, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(Reason::InvalidJson, format!("The body is not valid JSON: {error}")))?;
    let name = ["model", "name"].into_iter().find_map(|member| body[member].as_str()).filter(|name| !name.is_empty());
    let unnamed =
        || Refusal::new(Reason::InvalidRequest, "Name a `model`; GET /api/tags lists them.").with_param("model");
    name.map(|name| short_name(name).to_owned()).ok_or_else(unnamed)
}

/// The answer to a request that only asks whether its model is there.
pub fn present(door: Door, presence: &Presence, now: Millis) -> String {
    let reason = if presence.unload { "unload" } else { "load" };
    let mut answer = json!({"model": presence.model, "created_at": rfc3339(now), "done": true, "done_reason": reason});
    match door {
        Door::OllamaGenerate => answer["response"] = "".into(),
        _ => answer["message"] = json!({"role": "assistant", "content": ""}),
    }
    format!("{answer}{}", if presence.stream { "\n" } else { "" })
}

/// What Ollama has besides, and no gate of ours; `None` for any other path.
pub fn unserved(path: &str) -> Option<Refusal> {
    let name = path.strip_prefix("/api/")?;
    let what_now = match name.split('/').next()? {
        "pull" | "push" | "create" | "copy" | "delete" | "blobs" => {
            "Which models there are is set where the origin is started, and no request changes it. \
             GET /api/tags lists those that are served."
        }
        _ => return None,
    };
    Some(Refusal::new(Reason::NotFound, format!("{path} is not served. {what_now}")))
}

/// All models that are served are of one family, as far as callers are told.
const FAMILY: &str = "qwen";

fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "",
        "family": FAMILY,
        "families": [FAMILY],
        "parameter_size": "",
        "quantization_level": "",
    })
}

fn id(entry: &Value) -> &str {
    entry["id"].as_str().unwrap_or_default()
}

fn since(entry: &Value) -> String {
    rfc3339(entry["created"].as_u64().unwrap_or_default().saturating_mul(1_000))
}

/// Another one where what is told of the model changes: clients ask for the rest again by it.
fn digest(entry: &Value) -> String {
    let told = format!("{}\n{}\n{}", id(entry), entry["context_length"], entry["capabilities"]);
    hex(&Sha256::digest(told))
}
