//! Anthropic's events: each block begins, is told whole, and ends.

use super::named;
use serde_json::{Value, json};

pub(super) fn events(answer: &Value) -> Option<String> {
    let mut begun = answer.clone();
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["stop_sequence"] = Value::Null;
    begun["usage"]["output_tokens"] = 0.into();
    begun["usage"].as_object_mut()?.remove("output_tokens_details");
    let mut stream = named(&json!({"type": "message_start", "message": begun}));
    for (index, block) in answer["content"].as_array()?.iter().enumerate() {
        let (start, deltas) = match block["type"].as_str()? {
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ],
            ),
            "tool_use" => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})],
            ),
            _ => (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": block["text"]})]),
        };
        stream += &named(&json!({"type": "content_block_start", "index": index, "content_block": start}));
        for delta in deltas {
            stream += &named(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        stream += &named(&json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": answer["stop_reason"], "stop_sequence": answer["stop_sequence"]});
    stream += &named(&json!({"type": "message_delta", "delta": delta, "usage": answer["usage"]}));
    Some(stream + &named(&json!({"type": "message_stop"})))
}
