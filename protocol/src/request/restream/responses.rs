//! Events of responses: each item begins, its parts are told whole, and it ends.

use super::named;
use serde_json::{Value, json};

/// Events in order, each with its number.
struct Told {
    stream: String,
    number: u64,
}

impl Told {
    fn say(&mut self, kind: &str, mut event: Value) {
        event["type"] = kind.into();
        event["sequence_number"] = self.number.into();
        self.number += 1;
        self.stream += &named(&event);
    }
}

pub(super) fn events(answer: &Value) -> Option<String> {
    let mut told = Told { stream: String::new(), number: 0 };
    let mut begun = answer.clone();
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    begun["incomplete_details"] = Value::Null;
    told.say("response.created", json!({"response": begun}));
    told.say("response.in_progress", json!({"response": begun}));
    for (at, item) in answer["output"].as_array()?.iter().enumerate() {
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        for parts in ["content", "summary"] {
            if begun[parts].is_array() {
                begun[parts] = json!([]);
            }
        }
        if item["arguments"].is_string() {
            begun["arguments"] = "".into();
        }
        told.say("response.output_item.added", json!({"output_index": at, "item": begun}));
        parts(&mut told, item, at);
        told.say("response.output_item.done", json!({"output_index": at, "item": item}));
    }
    let end = if answer["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
    told.say(end, json!({"response": answer}));
    Some(told.stream)
}

fn parts(told: &mut Told, item: &Value, at: usize) {
    let id = &item["id"];
    if let Some(arguments) = item["arguments"].as_str() {
        told.say(
            "response.function_call_arguments.delta",
            json!({"item_id": id, "output_index": at, "delta": arguments}),
        );
        let whole = json!({"item_id": id, "output_index": at, "name": item["name"], "arguments": arguments});
        told.say("response.function_call_arguments.done", whole);
    }
    for (part_at, part) in item["content"].as_array().into_iter().flatten().enumerate() {
        let place = |more: Value| placed(more, id, at, "content_index", part_at);
        let is_text = part["type"] == "output_text";
        let kind = if is_text { "output_text" } else { "reasoning_text" };
        told.say("response.content_part.added", place(json!({"part": begun(part)})));
        let (mut delta, mut whole) = (json!({"delta": part["text"]}), json!({"text": part["text"]}));
        if is_text {
            let logprobs = part.get("logprobs").cloned().unwrap_or_else(|| json!([]));
            delta["logprobs"] = logprobs.clone();
            whole["logprobs"] = logprobs;
        }
        told.say(&format!("response.{kind}.delta"), place(delta));
        told.say(&format!("response.{kind}.done"), place(whole));
        told.say("response.content_part.done", place(json!({"part": part})));
    }
    for (part_at, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
        let place = |more: Value| placed(more, id, at, "summary_index", part_at);
        told.say("response.reasoning_summary_part.added", place(json!({"part": begun(part)})));
        told.say("response.reasoning_summary_text.delta", place(json!({"delta": part["text"]})));
        told.say("response.reasoning_summary_text.done", place(json!({"text": part["text"]})));
        told.say("response.reasoning_summary_part.done", place(json!({"part": part})));
    }
}

fn placed(mut event: Value, id: &Value, at: usize, index: &str, part_at: usize) -> Value {
    event["item_id"] = id.clone();
    event["output_index"] = at.into();
    event[index] = part_at.into();
    event
}

/// A part with nothing in it yet.
fn begun(part: &Value) -> Value {
    let mut begun = part.clone();
    begun["text"] = "".into();
    if begun.get("logprobs").is_some() {
        begun["logprobs"] = json!([]);
    }
    begun
}
