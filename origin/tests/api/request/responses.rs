//! OpenAI's responses: the same answers as a chat's, in items.

pub(crate) mod order;

use super::messages::send;
use crate::harness::{Harness, chat, chat_with, parts, until};
use order::{Told, events};
use reqwest::Response;
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, MODEL, Say};
use std::time::Duration;

const PATH: &str = "/v1/responses";

/// A request for a response, with more members.
fn asking(input: &Value, members: &Value) -> Value {
    let mut body = json!({"model": MODEL, "max_output_tokens": 512, "input": input});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

fn with(members: &Value, name: &str, value: &Value) -> Value {
    let mut members = members.clone();
    members[name] = value.clone();
    members
}

/// Asks twice, whole and streamed: both say the same.
async fn ask(harness: &Harness, say: &str, members: &Value) -> (Value, Told) {
    harness.script.say(Say::text(say));
    let (status, whole) = parts(send(harness, PATH, &asking(&json!("hi"), members)).await).await;
    assert_eq!(status, 200, "{whole}");
    harness.script.say(Say::text(say));
    let streamed = send(harness, PATH, &asking(&json!("hi"), &with(members, "stream", &json!(true)))).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream; charset=utf-8");
    let told = Told::of(&streamed.text().await.unwrap());
    let (mut one, mut other) = (told.response.clone(), whole.clone());
    for response in [&mut one, &mut other] {
        assert!(response["id"].as_str().unwrap().starts_with("resp_"), "{response}");
        for item in response["output"].as_array_mut().unwrap() {
            for member in ["id", "call_id"].iter().filter(|member| item.get(**member).is_some()).collect::<Vec<_>>() {
                assert!(item[*member].as_str().is_some_and(|id| !id.is_empty()), "{item}");
                item[*member] = "".into();
            }
        }
        for member in ["id", "created_at"] {
            response[member] = Value::Null;
        }
        response["usage"]["input_tokens_details"] = Value::Null;
    }
    assert_eq!(one, other);
    (whole, told)
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"type": "function", "name": "weather", "description": "Tells it.", "parameters": schema, "strict": false}])
}

fn call(city: &str) -> String {
    format!("<tool_call>\n{{\"name\": \"weather\", \"arguments\": {{\"city\": \"{city}\"}}}}\n</tool_call>")
}

#[tokio::test]
async fn thoughts_text_and_calls_are_items() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let said = format!("<think>\nBoth, 世界.\n</think>\n\nI ask.\n{}\n{}", call("Zürich"), call("Bern"));
    let members = json!({"tools": tools(), "metadata": {"run": "7"}, "include": ["reasoning.encrypted_content"]});
    let (answer, told) = ask(&harness, &said, &members).await;
    let kinds: Vec<&str> =
        answer["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call"], "{answer}");
    let [thought, message, first, second] = [0, 1, 2, 3].map(|at| &answer["output"][at]);
    assert_eq!(thought["content"], json!([{"type": "reasoning_text", "text": "Both, 世界."}]));
    assert_eq!(thought["summary"], json!([]));
    assert_eq!(
        message["content"],
        json!([{"type": "output_text", "annotations": [], "logprobs": [], "text": "I ask."}])
    );
    assert_eq!((&message["role"], &message["status"]), (&json!("assistant"), &json!("completed")));
    assert_eq!((&first["name"], &first["arguments"]), (&json!("weather"), &json!("{\"city\": \"Zürich\"}")));
    assert!(first["call_id"].as_str().unwrap().starts_with("call_") && first["call_id"] != second["call_id"]);
    assert_eq!(
        (&answer["object"], &answer["status"], &answer["store"]),
        (&json!("response"), &json!("completed"), &json!(false))
    );
    assert_eq!((&answer["metadata"], &answer["tools"]), (&json!({"run": "7"}), &tools()));
    assert_eq!(answer["max_output_tokens"], 512);
    let usage = &answer["usage"];
    assert_eq!(usage["output_tokens_details"]["reasoning_tokens"], "<think>\nBoth, 世界.\n</think>".len());
    let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!((&told.began["status"], &told.names[1]), (&json!("in_progress"), &"response.in_progress".to_owned()));
    // It goes back as it came, with what the calls gave: in the words of the thought, and as a client that keeps its
    // sealed form alone.
    let gave = |item: &Value| json!({"type": "function_call_output", "call_id": item["call_id"], "output": "rain"});
    let mut thoughtless = thought.clone();
    thoughtless.as_object_mut().unwrap().remove("content");
    for thought in [thought, &thoughtless] {
        let hi = json!({"role": "user", "content": "hi"});
        let items = json!([hi, thought, message, first, second, gave(first), gave(second)]);
        let (status, after) = parts(send(&harness, PATH, &asking(&items, &json!({"tools": tools()}))).await).await;
        assert_eq!(status, 200, "{after}");
    }
    let shown = harness.script.prompts();
    let [.., one, other] = &shown[..] else { unreachable!() };
    assert!(one.contains("Zürich") && one.contains("rain") && one == other, "{one}\n{other}");
}

/// Where a summary is asked for, thoughts stand there.
#[tokio::test]
async fn a_summary_is_all_that_was_thought() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let (answer, told) =
        ask(&harness, "<think>\nOf it.\n</think>\n\nYes.", &json!({"reasoning": {"summary": "auto"}})).await;
    let thought = &answer["output"][0];
    assert_eq!(thought["summary"], json!([{"type": "summary_text", "text": "Of it."}]));
    assert_eq!((&thought["content"], &answer["reasoning"]["summary"]), (&json!([]), &json!("auto")));
    assert!(told.names.contains(&"response.reasoning_summary_text.delta".to_owned()), "{:?}", told.names);
    assert!(!told.names.contains(&"response.reasoning_text.delta".to_owned()), "{:?}", told.names);
}

#[tokio::test]
async fn why_an_answer_ended_is_told() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for (say, members, status, item, text) in [
        ("Yes.", json!({}), "completed", "completed", "Yes."),
        ("Yes.", json!({"max_output_tokens": 2}), "incomplete", "incomplete", "Ye"),
        ("a STOP b", json!({"stop": ["x", "STOP"]}), "completed", "completed", "a "),
    ] {
        let (answer, _) = ask(&harness, say, &members).await;
        assert_eq!((&answer["status"], &answer["output"][0]["status"]), (&json!(status), &json!(item)), "{say}");
        assert_eq!(answer["output"][0]["content"][0]["text"], text);
        let reason = answer["incomplete_details"].get("reason").cloned();
        assert_eq!(reason, (status == "incomplete").then(|| json!("max_output_tokens")), "{answer}");
    }
    let (nothing, _) = ask(&harness, "", &json!({})).await;
    assert_eq!((&nothing["output"], &nothing["status"]), (&json!([]), &json!("completed")));
    // Cut off within its thoughts.
    let (cut, _) = ask(&harness, "<think>\nOf it.", &json!({"max_output_tokens": 12})).await;
    assert_eq!((&cut["output"][0]["type"], &cut["output"][0]["status"]), (&json!("reasoning"), &json!("incomplete")));
}

/// Those of the message's tokens, and not of thoughts.
#[tokio::test]
async fn likelihoods_are_of_the_text() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let members = json!({"include": ["message.output_text.logprobs"], "top_logprobs": 2});
    let (answer, _) = ask(&harness, "<think>\nOf it.\n</think>\n\nYes.", &members).await;
    let logprobs = answer["output"][1]["content"][0]["logprobs"].as_array().unwrap();
    let text: String = logprobs.iter().map(|told| told["token"].as_str().unwrap()).collect();
    assert!(text.ends_with("Yes.") && !text.contains("Of it"), "{text:?}");
    assert!(logprobs.iter().all(|told| told["top_logprobs"].as_array().is_some_and(|top| top.len() == 2)), "{answer}");
}

/// The prompt is the one of the same chat.
#[tokio::test]
async fn the_model_is_shown_the_same_by_either_door() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let input = json!([{"role": "user", "content": [{"type": "input_text", "text": "<|im_end|>hi"}]}]);
    let response = asking(&input, &json!({"instructions": "Be.", "tools": tools()}));
    let tool = json!({"name": "weather", "description": "Tells it.", "parameters": tools()[0]["parameters"]});
    let mut same = chat_with("<|im_end|>hi", &json!({"tools": [{"type": "function", "function": tool}]}));
    same["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": "Be."}));
    let (_, told) = parts(send(&harness, PATH, &response).await).await;
    let (_, chatted) = parts(harness.post(&same).send().await.unwrap()).await;
    let prompts = harness.script.prompt_tokens();
    assert_eq!(prompts[0], prompts[1], "{:?}", harness.script.prompts());
    assert_eq!(told["usage"]["input_tokens"], chatted["usage"]["prompt_tokens"]);
    assert_eq!(told["usage"]["output_tokens"], chatted["usage"]["completion_tokens"]);
}

#[tokio::test]
async fn refusals_are_of_their_shape() {
    let harness = Harness::open(1, 0).await;
    for (body, status, code, param) in [
        (json!({"model": MODEL}), 400, "invalid_request", json!("input")),
        (
            asking(&json!([{"type": "item_reference", "id": "msg_1"}]), &json!({})),
            422,
            "unsupported_parameter",
            json!("input"),
        ),
        (asking(&json!("hi"), &json!({"store": true})), 422, "unsupported_parameter", json!("store")),
        (
            asking(&json!("hi"), &json!({"max_output_tokens": 1_000_000})),
            400,
            "invalid_request",
            json!("max_output_tokens"),
        ),
        (asking(&json!("hi"), &json!({"model": "x"})), 404, "model_not_found", Value::Null),
        // Nobody keeps answers here.
        (
            asking(&json!("hi"), &json!({"previous_response_id": "resp_1"})),
            422,
            "unsupported_parameter",
            json!("previous_response_id"),
        ),
    ] {
        let (got, told) = parts(send(&harness, PATH, &body).await).await;
        assert_eq!((got, &told["error"]["code"]), (status, &json!(code)), "{told}");
        assert!(told["error"]["message"].is_string() && told["error"]["type"].is_string(), "{told}");
        assert!(param.is_null() || told["error"]["param"] == param, "{told}");
    }
    let (status, told) = parts(harness.get("/v1/responses/resp_1").send().await.unwrap()).await;
    assert_eq!((status, &told["error"]["code"]), (404, &json!("not_found")), "{told}");
    let held = harness.start(&chat("hi"));
    harness.until_places(0, 0).await;
    let (status, told) = parts(send(&harness, PATH, &asking(&json!("hi"), &json!({}))).await).await;
    assert_eq!((status, &told["error"]["code"]), (503, &json!("server_is_overloaded")), "{told}");
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
    let mut stream = send(&harness, PATH, &body).await;
    let mut seen = String::new();
    let hear = async |stream: &mut Response, seen: &mut String, what: &str, times: usize| {
        while seen.matches(what).count() < times {
            let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap();
            seen.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
    };
    hear(&mut stream, &mut seen, "event: keepalive\n", 2).await;
    assert!(seen.starts_with(": queued, 0 ahead\nevent: response.created\n"), "{seen}");
    assert!(seen.contains("event: response.queued\n") && !seen.contains("in_progress"), "{seen}");
    harness.script.allow(1);
    assert_eq!(first.await.unwrap().0, 200);
    until("the prompt is read", || harness.script.is_blocked()).await;
    hear(&mut stream, &mut seen, "event: keepalive\n", 3).await;
    harness.script.allow_all();
    seen += &stream.text().await.unwrap();
    let told = Told::of(&seen);
    assert_eq!(
        (&told.began["status"], &told.response["output"][0]["content"][0]["text"]),
        (&json!("queued"), &json!("ok"))
    );
    harness.script.say(Say::fail_after("ab", Fault::Row));
    let broken = send(&harness, PATH, &body).await.text().await.unwrap();
    let events = events(&broken);
    let error = events.last().unwrap();
    assert_eq!((&error["type"], &error["error"]["code"]), (&json!("error"), &error["code"]), "{broken}");
    assert!(error["message"].is_string() && error["message"] == error["error"]["message"], "{broken}");
    assert!(events.iter().all(|event| event["type"] != "response.completed"), "{broken}");
}
