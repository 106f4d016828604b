//! A text in the place of an answer, in the shape of a door's whole answers: no model was asked, and nothing was used.

use crate::id::RequestId;
use crate::request::door::Door;
use crate::time::{Millis, rfc3339};
use serde_json::{Value, json};

/// The answer of a door to a request for this model; `None` for a door whose answers are no texts.
pub fn static_answer(door: Door, text: &str, model: &str, request: RequestId, now: Millis) -> Option<String> {
    let (id, created) = (request.to_string(), now / 1_000);
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let message = json!({"role": "assistant", "content": text});
    let answer: Value = match door {
        Door::Chat => json!({
            "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": created, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
        }),
        Door::Completions => json!({
            "id": format!("cmpl-{id}"), "object": "text_completion", "created": created, "model": model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": "stop"}], "usage": usage,
        }),
        Door::OllamaChat | Door::OllamaGenerate => {
            let mut answer = json!({
                "model": model, "created_at": rfc3339(now), "done": true, "done_reason": "stop", "total_duration": 0,
                "prompt_eval_count": 0, "eval_count": 0,
            });
            match door {
                Door::OllamaChat => answer["message"] = message,
                _ => answer["response"] = text.into(),
            }
            answer
        }
        Door::Messages => json!({
            "id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0},
        }),
        Door::Responses => {
            let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
            let item = json!({
                "type": "message", "id": format!("msg_{id}_0"), "status": "completed", "role": "assistant",
                "content": [part],
            });
            json!({
                "id": format!("resp_{id}"), "object": "response", "created_at": created, "status": "completed",
                "background": false, "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
                "model": model, "output": [item], "parallel_tool_calls": true, "previous_response_id": null,
                "store": false, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
                "truncation": "disabled",
                "usage": {
                    "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 0,
                    "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0,
                },
            })
        }
        _ => return None,
    };
    Some(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::restream::restream;

    /// Each door's text is there once, whole and as a stream, and nothing was used.
    #[test]
    fn each_door_is_told_the_text() {
        for door in Door::ALL {
            let told = static_answer(*door, "Try \"later\".", "m", RequestId([7; 16]), 1_790_000_000_000);
            let Some(told) = told else {
                let empty = br#"{"choices":[],"content":[],"output":[],"usage":{}}"#;
                assert_eq!(restream(*door, empty, false), None, "{door:?}");
                continue;
            };
            assert!(told.contains(r#"Try \"later\"."#) && told.contains("\"m\""), "{told}");
            let stream = restream(*door, told.as_bytes(), false).expect("it is an answer of this door");
            assert!(String::from_utf8(stream).expect("a text").contains(r#"Try \"later\"."#), "{door:?}");
            let used = crate::request::bodies::chat::usage_of(told.as_bytes());
            assert!(used.is_none_or(|used| used.usage.total_tokens == 0));
        }
    }
}
