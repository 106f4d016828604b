//! Ollama's lines: one with all that was said, and one that says how it ended and nothing more.

use crate::wire::lines;
use serde_json::{Value, json};

pub(super) fn lines(answer: &Value) -> Option<String> {
    let (mut said, mut end) = (json!({"model": answer["model"], "created_at": answer["created_at"]}), answer.clone());
    for name in ["message", "response", "thinking", "logprobs"] {
        if let Some(part) = end.as_object_mut()?.remove(name) {
            said[name] = part;
        }
    }
    said["done"] = false.into();
    // Clients append what each line says.
    match said.get("message") {
        Some(message) => end["message"] = json!({"role": message["role"], "content": ""}),
        None => end["response"] = "".into(),
    }
    Some(lines::line(&said.to_string()) + &lines::line(&end.to_string()))
}
