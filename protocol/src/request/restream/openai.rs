//! Chats and text completions: events of one choice each, and `[DONE]`.

use super::without;
use crate::wire::sse;
use serde_json::{Value, json};

pub(super) fn chat(answer: &Value, usage_apart: bool) -> Option<String> {
    let mut base = without(answer, &["choices", "usage"]);
    base["object"] = "chat.completion.chunk".into();
    let mut stream = String::new();
    let choices = answer["choices"].as_array()?;
    for (place, choice) in choices.iter().enumerate() {
        let index = &choice["index"];
        let mut say = |delta: Value, logprobs: &Value, finish: &Value, usage: Option<&Value>| {
            let mut event = base.clone();
            event["choices"] = json!([{"index": index, "delta": delta, "finish_reason": finish}]);
            if !logprobs.is_null() {
                event["choices"][0]["logprobs"] = logprobs.clone();
            }
            if let Some(usage) = usage {
                event["usage"] = usage.clone();
            }
            stream += &sse::event(&event.to_string());
        };
        let (message, nothing) = (&choice["message"], Value::Null);
        say(json!({"role": message["role"], "content": ""}), &nothing, &nothing, None);
        if let Some(thought) = message["reasoning_content"].as_str() {
            say(json!({"reasoning_content": thought}), &nothing, &nothing, None);
        }
        if let Some(text) = message["content"].as_str() {
            say(json!({"content": text}), &choice["logprobs"], &nothing, None);
        }
        for (at, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let mut call = call.clone();
            call["index"] = at.into();
            say(json!({"tool_calls": [call]}), &nothing, &nothing, None);
        }
        let usage = Some(&answer["usage"]).filter(|_| !usage_apart && place + 1 == choices.len());
        say(json!({}), &nothing, &choice["finish_reason"], usage);
    }
    Some(stream + &end(base, &answer["usage"], usage_apart))
}

pub(super) fn completion(answer: &Value, usage_apart: bool) -> Option<String> {
    let base = without(answer, &["choices", "usage"]);
    let mut stream = String::new();
    let choices = answer["choices"].as_array()?;
    for (place, choice) in choices.iter().enumerate() {
        let mut event = base.clone();
        event["choices"] = json!([choice]);
        if !usage_apart && place + 1 == choices.len() {
            event["usage"] = answer["usage"].clone();
        }
        stream += &sse::event(&event.to_string());
    }
    Some(stream + &end(base, &answer["usage"], usage_apart))
}

fn end(mut event: Value, usage: &Value, usage_apart: bool) -> String {
    let done = sse::event(sse::DONE);
    if !usage_apart {
        return done;
    }
    event["choices"] = json!([]);
    event["usage"] = usage.clone();
    sse::event(&event.to_string()) + &done
}
