//! Anthropic's messages: the same answers as a chat's, in blocks; and the count of a prompt's tokens.

mod counting;
pub(crate) mod order;

use crate::harness::{Harness, chat, chat_with, parts, until};
use order::Told;
use reqwest::Response;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::scripted::{MODEL, Say, Script};
use sluice_origin::models::{Backend, endless};
use sluice_origin::text::Text;
use std::time::Duration;

/// A request for a message, with more members.
pub(crate) fn asking(content: &Value, members: &Value) -> Value {
    let mut body = json!({"model": MODEL, "max_tokens": 512, "messages": [{"role": "user", "content": content}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

pub(crate) async fn send(harness: &Harness, path: &str, body: &Value) -> Response {
    let request = harness.client.post(format!("{}{path}", harness.url)).header("content-type", "application/json");
    // Of any value, and looked at by nobody.
    let request = request.header("anthropic-version", "2099-01-01").header("anthropic-beta", "unheard-of-2099");
    request.body(body.to_string()).send().await.unwrap()
}

/// Asks twice, whole and streamed: both say the same.
async fn ask(harness: &Harness, say: &str, members: &Value) -> Value {
    harness.script.say(Say::text(say));
    let body = asking(&json!("hi"), members);
    let (status, whole) = parts(send(harness, "/v1/messages", &body).await).await;
    assert_eq!(status, 200, "{whole}");
    harness.script.say(Say::text(say));
    let streamed = send(harness, "/v1/messages", &asking(&json!("hi"), &with(members, "stream", &json!(true)))).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream; charset=utf-8");
    let told = Told::of(&streamed.text().await.unwrap());
    let mut alike = told.message.clone();
    for member in ["id", "content"] {
        alike[member] = whole[member].clone();
    }
    // Both are told of what was remembered, which is not the same for both.
    alike["usage"] = whole["usage"].clone();
    assert_eq!(alike, whole);
    assert_eq!(plain(&told.message["content"]), plain(&whole["content"]));
    for usage in [&told.message["usage"], &whole["usage"]] {
        assert_eq!(usage["cache_creation_input_tokens"], 0);
        assert_eq!(prompt(usage), prompt(&told.began["usage"]));
        assert_eq!(usage["output_tokens"], whole["usage"]["output_tokens"]);
    }
    whole
}

fn with(members: &Value, name: &str, value: &Value) -> Value {
    let mut members = members.clone();
    members[name] = value.clone();
    members
}

/// Blocks without what no two answers share.
fn plain(blocks: &Value) -> Vec<Value> {
    let plain = |block: &Value| {
        let mut block = block.clone();
        for member in ["id", "signature"] {
            if let Some(value) = block.get_mut(member) {
                assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{block}");
                block[member] = "".into();
            }
        }
        block
    };
    blocks.as_array().unwrap().iter().map(plain).collect()
}

/// All of a prompt, computed or remembered.
pub(crate) fn prompt(usage: &Value) -> u64 {
    ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
        .iter()
        .map(|name| usage[name].as_u64().unwrap())
        .sum()
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"name": "weather", "description": "Tells it.", "input_schema": schema}])
}

#[tokio::test]
async fn thoughts_text_and_calls_are_blocks() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let call = |city: &str| {
        format!("<tool_call>\n{{\"name\": \"weather\", \"arguments\": {{\"city\": \"{city}\"}}}}\n</tool_call>")
    };
    let said = format!("<think>\nBoth, 世界.\n</think>\n\nI ask.\n{}\n{}", call("Zürich"), call("Bern"));
    let answer =
        ask(&harness, &said, &json!({"tools": tools(), "thinking": {"type": "enabled", "budget_tokens": 1024}})).await;
    let called = |city: &str| json!({"type": "tool_use", "id": "", "name": "weather", "input": {"city": city}});
    let blocks = [
        json!({"type": "thinking", "thinking": "Both, 世界.", "signature": ""}),
        json!({"type": "text", "text": "I ask."}),
        called("Zürich"),
        called("Bern"),
    ];
    assert_eq!(plain(&answer["content"]), blocks);
    assert_eq!((&answer["stop_reason"], &answer["stop_sequence"]), (&json!("tool_use"), &Value::Null));
    assert_eq!(answer["usage"]["output_tokens_details"]["thinking_tokens"], "<think>\nBoth, 世界.\n</think>".len());
    let id = answer["content"][2]["id"].as_str().unwrap();
    assert!(id.starts_with("toolu_") && answer["id"].as_str().unwrap().starts_with("msg_"), "{answer}");
    // It goes back as it came, with what the calls gave.
    let result =
        |at: usize| json!({"type": "tool_result", "tool_use_id": answer["content"][at]["id"], "content": "rain"});
    let mut body = asking(&json!("hi"), &json!({"tools": tools()}));
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": answer["content"]}));
    turns.push(json!({"role": "user", "content": [result(2), result(3)]}));
    let (status, after) = parts(send(&harness, "/v1/messages", &body).await).await;
    assert_eq!(status, 200, "{after}");
    let shown = harness.script.prompts().pop().unwrap();
    assert!(shown.contains("Zürich") && shown.contains("rain"), "{shown}");
}

#[tokio::test]
async fn why_an_answer_ended_is_told_in_their_words() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for (say, members, reason, sequence, text) in [
        ("Yes.", json!({}), "end_turn", Value::Null, "Yes."),
        ("Yes.", json!({"max_tokens": 2}), "max_tokens", Value::Null, "Ye"),
        ("a STOP b", json!({"stop_sequences": ["x", "STOP"]}), "stop_sequence", json!("STOP"), "a "),
        ("<think>STOP</think>a", json!({"stop_sequences": ["STOP"]}), "end_turn", Value::Null, "a"),
    ] {
        let answer = ask(&harness, say, &members).await;
        assert_eq!((&answer["stop_reason"], &answer["stop_sequence"]), (&json!(reason), &sequence), "{say}");
        assert_eq!(answer["content"].as_array().unwrap().last().unwrap()["text"], text);
    }
    let nothing = ask(&harness, "", &json!({})).await;
    assert_eq!((&nothing["content"], &nothing["stop_reason"]), (&json!([]), &json!("end_turn")));
    // No answer is refused for being allowed more than there is room for: the context ends it.
    let ended = ask(&harness, "Yes.", &json!({"max_tokens": 1_000_000})).await;
    assert_eq!(ended["stop_reason"], "end_turn");
    // A caller that says nothing of thinking is not refused by a model that has no choice.
    assert_eq!(ask(&harness, "Yes.", &json!({"thinking": {"type": "disabled"}})).await["stop_reason"], "end_turn");
}

/// The prompt is the one of the same chat.
#[tokio::test]
async fn the_model_is_shown_the_same_by_either_door() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let message =
        asking(&json!([{"type": "text", "text": "<|im_end|>hi"}]), &json!({"system": "Be.", "tools": tools()}));
    let tool = json!({"name": "weather", "description": "Tells it.", "parameters": tools()[0]["input_schema"]});
    let mut same = chat_with(
        "<|im_end|>hi",
        &json!({"tools": [{"type": "function", "function": tool}], "enable_thinking": false}),
    );
    same["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": "Be."}));
    let (_, told) = parts(send(&harness, "/v1/messages", &message).await).await;
    let (_, chatted) = parts(harness.post(&same).send().await.unwrap()).await;
    let prompts = harness.script.prompt_tokens();
    assert_eq!(prompts[0], prompts[1], "{:?}", harness.script.prompts());
    assert_eq!(prompt(&told["usage"]), chatted["usage"]["prompt_tokens"].as_u64().unwrap());
    assert_eq!(told["usage"]["output_tokens"], chatted["usage"]["completion_tokens"]);
}

/// Each class of a refusal in Anthropic's shape, and one in OpenAI's from the path beside it.
#[tokio::test]
async fn refusals_are_of_their_shape() {
    let harness = Harness::open(1, 0).await;
    let other = with(&asking(&json!("hi"), &json!({})), "model", &json!("x"));
    for (path, body, status, kind, code) in [
        ("/v1/messages", json!({"model": MODEL}), 400, "invalid_request_error", "invalid_request"),
        (
            "/v1/messages",
            asking(&json!([{"type": "image"}]), &json!({})),
            422,
            "invalid_request_error",
            "unsupported_parameter",
        ),
        ("/v1/messages", other.clone(), 404, "not_found_error", "model_not_found"),
        ("/v1/messages/count_tokens", other, 404, "not_found_error", "model_not_found"),
    ] {
        let response = send(&harness, path, &body).await;
        assert_eq!(response.headers()["x-should-retry"], "false");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let (got, told) = parts(response).await;
        assert_eq!((got, &told["type"], &told["error"]["type"]), (status, &json!("error"), &json!(kind)), "{told}");
        assert_eq!(told["error"]["code"], code);
        assert!(told["error"]["message"].is_string(), "{told}");
        assert_eq!(told["request_id"], id, "{told}");
    }
    let held = harness.start(&chat("hi"));
    harness.until_places(0, 0).await;
    let (status, told) = parts(send(&harness, "/v1/messages", &asking(&json!("hi"), &json!({}))).await).await;
    assert_eq!((status, &told["error"]["type"]), (503, &json!("overloaded_error")), "{told}");
    harness.script.allow_all();
    assert_eq!(held.await.unwrap().0, 200);
}

/// While it waits, and while the model is slow, a stream is told that it lives; where it breaks off, why.
#[tokio::test]
async fn a_stream_is_never_silent_and_ends_with_its_error() {
    let harness = Harness::open(1, 1).await;
    let first = harness.start(&chat_with("first", &json!({"max_tokens": 1})));
    harness.until_places(0, 0).await;
    let body = asking(&json!("hi"), &json!({"stream": true}));
    let mut stream = send(&harness, "/v1/messages", &body).await;
    let mut seen = String::new();
    let hear = async |stream: &mut Response, seen: &mut String, what: &str, times: usize| {
        while seen.matches(what).count() < times {
            let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap();
            seen.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
    };
    hear(&mut stream, &mut seen, "event: ping\n", 2).await;
    assert!(seen.contains(": queued, 0 ahead\n\n") && !seen.contains("message_start"), "{seen}");
    harness.script.allow(1);
    assert_eq!(first.await.unwrap().0, 200);
    until("the prompt is read", || harness.script.is_blocked()).await;
    hear(&mut stream, &mut seen, "event: ping\n", 3).await;
    harness.script.allow_all();
    seen += &stream.text().await.unwrap();
    assert_eq!(Told::of(&seen).message["content"], json!([{"type": "text", "text": "ok"}]));
    harness.script.say(Say::fail_after("ab", sluice_origin::models::scripted::Fault::Row));
    let broken = send(&harness, "/v1/messages", &body).await.text().await.unwrap();
    let (before, error) = broken.split_once("event: error\n").unwrap();
    assert!(before.contains("message_start") && !broken.contains("message_stop"), "{broken}");
    let data = error.split_once("data: ").unwrap().1.trim_end();
    let error: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("api_error")), "{broken}");
    let id = error["request_id"].as_str().unwrap();
    assert!(id.starts_with("req_") && before.contains(&format!("\"msg_{id}\"")), "{broken}");
}

/// What was remembered of a prompt is told when its answer begins, and is no part of what was computed.
#[tokio::test]
async fn an_answer_begins_with_what_was_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m");
    endless::ensure(&path).unwrap();
    let model = Box::new(Qwen::load(&path, 4, None).unwrap());
    let backend = Backend { name: MODEL.into(), model, text: Text::load(&path).unwrap() };
    let config = Config { slots: 1, queue: 0, ..Config::local() };
    let harness = Harness::with_backend(config, Script::new(1), backend).await;
    let body = asking(&json!("hello, ".repeat(20)), &json!({"stream": true, "max_tokens": 8}));
    let mut began = Vec::new();
    for _ in 0..2 {
        let told = Told::of(&send(&harness, "/v1/messages", &body).await.text().await.unwrap());
        let (start, end) = (&told.began["usage"], &told.message["usage"]);
        assert_eq!((start["output_tokens"].as_u64(), end["output_tokens"].as_u64().is_some()), (Some(0), true));
        for name in ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"] {
            assert_eq!(start[name], end[name], "{name}");
        }
        began.push(start.clone());
    }
    assert_eq!(prompt(&began[0]), prompt(&began[1]));
    assert_eq!(began[0]["cache_read_input_tokens"], 0);
    assert!(began[1]["cache_read_input_tokens"].as_u64().is_some_and(|cached| cached > 100), "{began:?}");
}
