//! A whole answer as the stream that its caller asked for: all of it at once, in the events or lines of its door, so that
//! a client which reads streams reads what it would have read.

mod messages;
mod ollama;
mod openai;
mod responses;

use crate::request::door::Door;
use crate::request::member::raw;
use crate::wire::sse;
use serde_json::Value;

/// The stream of a whole answer. `usage_apart`: whether usage is told in an event of its own ([`usage_apart`]). `None` for
/// what is no answer of this door, or of a door that has no streams.
pub fn restream(door: Door, answer: &[u8], usage_apart: bool) -> Option<Vec<u8>> {
    let answer: Value = serde_json::from_slice(answer).ok().filter(Value::is_object)?;
    let stream = match door {
        Door::Chat => openai::chat(&answer, usage_apart),
        Door::Completions => openai::completion(&answer, usage_apart),
        Door::OllamaChat | Door::OllamaGenerate => ollama::lines(&answer),
        Door::Messages => messages::events(&answer),
        Door::Responses => responses::events(&answer),
        _ => return None,
    };
    Some(stream?.into_bytes())
}

/// Whether a body asks for usage in an event of its own: `stream_options.include_usage`.
pub fn usage_apart(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let options = raw::members(text, &["stream_options"]).ok().and_then(|[options]| options);
    let usage = options.and_then(|options| raw::members(options, &["include_usage"]).ok()?[0]);
    usage == Some("true")
}

/// The members of an answer that each of its events repeats, without these.
fn without(answer: &Value, names: &[&str]) -> Value {
    let mut rest = answer.clone();
    if let Some(members) = rest.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
    rest
}

/// An event that clients know by its name, which is its `type`.
fn named(event: &Value) -> String {
    sse::named_event(event["type"].as_str().unwrap_or_default(), None, &event.to_string())
}

#[cfg(test)]
mod tests;
