//! Responses as that origin answers them.

use serde_json::{Value, json};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::request::bodies::chat::Usage;

/// What an answer repeats of its request.
pub(super) struct Asked {
    /// The last text of its input.
    pub(super) mark: String,
    id: String,
    store: Value,
    previous: Value,
}

impl Asked {
    pub(super) fn read(body: &Value, claims: &GrantClaims) -> Self {
        Self {
            mark: texts(&body["input"]).pop().unwrap_or_default(),
            id: claims.jti.clone(),
            store: json!(body["store"] == true),
            previous: body["previous_response_id"].clone(),
        }
    }

    pub(super) fn answer(&self, text: &str, used: Usage) -> Value {
        let id = &self.id;
        let part = json!({"type": "output_text", "text": text, "annotations": []});
        let item = json!({"id": format!("msg_{id}_0"), "type": "message", "role": "assistant", "content": [part]});
        json!({
            "id": format!("resp_{id}"),
            "object": "response",
            "status": "completed",
            "output": [item],
            "previous_response_id": self.previous,
            "store": self.store,
            "usage": used,
        })
    }
}

/// The texts of an input, in order.
pub(super) fn texts(input: &Value) -> Vec<String> {
    let text = |text: &Value| text.as_str().map(str::to_owned);
    let of_item = |item: &Value| text(&item["content"]).or_else(|| text(&item["content"][0]["text"]));
    match input {
        Value::Array(items) => items.iter().filter_map(of_item).collect(),
        other => text(other).into_iter().collect(),
    }
}
