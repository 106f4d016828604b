//! OpenAI's responses: the same conversation by this door and by that of chats is one question, and what is wrong in one
//! is told with its place.

mod kept;
mod same;

use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, MAX_CALLS, MAX_MESSAGES, Speaker};
use sluice_protocol::request::bodies::responses::{parse, repeated, sealed};

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn read(input: &Value) -> Result<ChatRequest, Refusal> {
    parse(json!({"model": "m", "input": input}).to_string().as_bytes(), BOUNDS)
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"})
}

fn gave(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "r"})
}

fn said(role: &str, content: &Value) -> Value {
    json!({"role": role, "content": content})
}

fn thought(text: &str) -> Value {
    json!({"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": text}]})
}

/// Everything that is wrong in a conversation, the place that is told, and what is told of it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let hi = said("user", &json!("hi"));
    let part = |part: Value| json!([said("user", &json!([part]))]);
    let (wrong, unserved) = (InvalidRequest, UnsupportedParameter);
    for (input, reason, told) in [
        (json!([]), wrong, "at least one item"),
        (json!(["hi"]), wrong, "input[0]: it must be an object"),
        (json!([hi, {"content": "hi"}]), wrong, "input[1]: `role` is missing"),
        (json!([{"role": 5, "content": "hi"}]), wrong, "input[0]: `role` must be a text"),
        (json!([{"type": 5}]), wrong, "input[0]: `type` must be a text"),
        (json!([said("king", &json!("hi"))]), wrong, "input[0]: `role` must be user, assistant"),
        (json!([{"role": "user"}]), wrong, "input[0]: `content` is missing"),
        (json!([said("user", &json!(5))]), wrong, "input[0]: `content` must be a text or a list of parts of text"),
        (json!([said("user", &json!(["hi"]))]), wrong, "input[0]: `content` must be a text or a list"),
        (part(json!({})), wrong, "input[0]: `type` is missing"),
        (part(json!({"type": "input_text"})), wrong, "input[0]: `text` is missing"),
        (part(json!({"type": "input_text", "text": 5})), wrong, "`text` must be a text"),
        (part(json!({"type": "input_image", "image_url": "x"})), unserved, "parts of type `input_image`"),
        (part(json!({"type": "input_file"})), unserved, "parts of type `input_file`"),
        (json!([said("assistant", &json!([{"type": "refusal", "refusal": "no"}]))]), unserved, "of type `refusal`"),
        (part(json!({"type": "my secret"})), unserved, "input[0]: parts of another type"),
        (json!([{"type": "my secret"}]), unserved, "input[0]: items of another type"),
        (json!([{"type": "web_search_call", "id": "x"}]), unserved, "items of type `web_search_call`"),
        (
            json!([hi, {"type": "item_reference", "id": "msg_1"}]),
            unserved,
            "input[1]: an item can be named only where answers are kept",
        ),
        (json!([hi, {"id": "msg_1"}]), unserved, "Send the item itself; clients do with `store: false`"),
        // Of other doors.
        (part(json!({"type": "text", "text": "x"})), wrong, "/v1/chat/completions takes"),
        (part(json!({"type": "image_url"})), wrong, "/v1/chat/completions takes"),
        (part(json!({"type": "tool_result", "tool_use_id": "t"})), wrong, "/v1/messages takes"),
        (json!([{"role": "tool", "tool_call_id": "c", "content": "x"}]), wrong, "/v1/chat/completions takes"),
        (json!([{"role": "assistant", "tool_calls": []}]), wrong, "/v1/chat/completions takes"),
        (json!([{"role": "assistant", "content": "", "reasoning_content": "x"}]), wrong, "/v1/chat/completions takes"),
        // Calls and their results.
        (json!([hi, gave("a")]), wrong, "input[1]: this `function_call_output` answers no call"),
        (json!([hi, call("a"), gave("a"), gave("a")]), wrong, "input[3]: this `function_call_output`"),
        (json!([hi, call("a"), call("a")]), wrong, "input[2]: another call before it has this `call_id`"),
        (json!([hi, call("a"), hi]), wrong, "input[2]: 1 of the calls up to here have no result"),
        (json!([hi, call("a"), call("b"), gave("b")]), wrong, "input[3]: 1 of the calls"),
        (json!([hi, {"type": "function_call", "name": "f", "arguments": "{}"}]), wrong, "`call_id` is missing"),
        (json!([hi, {"type": "function_call", "call_id": "a", "arguments": "{}"}]), wrong, "`name` is missing"),
        (
            json!([hi, {"type": "function_call", "call_id": "a", "name": "f", "arguments": {}}]),
            wrong,
            "`arguments` must",
        ),
        (json!([hi, call("a"), {"type": "function_call_output", "call_id": "a"}]), wrong, "`output` is missing"),
        (
            json!([hi, call("a"), {"type": "function_call_output", "call_id": "a", "output": {}}]),
            wrong,
            "`output` must be a text or a list of parts of text",
        ),
        (json!([{"type": "reasoning", "summary": [{"type": "text"}]}]), wrong, "`summary` must be a list of parts"),
        (json!([{"type": "reasoning", "content": "x"}]), wrong, "`content` must be a list of parts"),
        (json!([{"type": "reasoning", "encrypted_content": 5}]), wrong, "`encrypted_content` must be a text"),
        // Of which nobody here can read anything.
        (json!([{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]), wrong, "at least one item"),
    ] {
        let refusal = read(&input).expect_err(&input.to_string());
        let found = (refusal.reason, refusal.param.as_deref());
        assert_eq!(found, (reason, Some("input")), "{input}: {}", refusal.message);
        assert!(refusal.message.contains(told) && !refusal.message.contains("secret"), "{told}: {}", refusal.message);
    }
}

/// Which items are one message of the assistant's.
#[test]
fn what_the_assistant_did_at_once_is_one_message() {
    let hi = said("user", &json!("hi"));
    let says = |text: &str| said("assistant", &json!(text));
    // Each message as its thoughts, its text, and the ids of its calls.
    for (items, expected) in [
        (vec![thought("t"), says("a"), call("1"), call("2"), gave("2"), gave("1")], vec!["t/a/12", "2", "1"]),
        // A call and its result, then another.
        (vec![call("1"), gave("1"), call("2"), gave("2")], vec!["//1", "1", "//2", "2"]),
        // Text behind a call belongs to it.
        (vec![says("a"), call("1"), says("b"), gave("1")], vec!["/ab/1", "1"]),
        (vec![call("1"), thought("t"), call("2"), gave("1"), gave("2")], vec!["t//12", "1", "2"]),
        // Answers that follow one another.
        (vec![says("a"), says("b")], vec!["/a/", "/b/"]),
        (vec![says("a"), thought("t"), says("b")], vec!["/a/", "t/b/"]),
        (vec![thought("t"), thought("u"), says("b")], vec!["tu/b/"]),
        (vec![thought("t")], vec!["t//"]),
        // What somebody says between a call and its result does not change what it answers.
        (vec![call("1"), hi.clone(), gave("1")], vec!["//1", "hi", "1"]),
    ] {
        let messages = read(&json!([std::slice::from_ref(&hi), &items[..]].concat())).unwrap().messages;
        let told: Vec<String> = messages[1..]
            .iter()
            .map(|message| match &message.speaker {
                Speaker::Assistant { reasoning, tool_calls } => {
                    let ids: String = tool_calls.iter().map(|call| call.id.as_str()).collect();
                    format!("{}/{}/{ids}", reasoning.as_deref().unwrap_or_default(), message.content)
                }
                Speaker::Tool { call } => call.clone(),
                _ => message.content.clone(),
            })
            .collect();
        assert_eq!(told, expected, "{items:?}");
    }
}

/// What was thought comes back in each form in which an answer of ours tells it.
#[test]
fn thoughts_come_back_as_they_were_told() {
    let own = "Of it, 世界.\n";
    for item in [
        thought(own),
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": own}], "content": []}),
        json!({"type": "reasoning", "summary": [], "content": null, "encrypted_content": sealed(own)}),
        json!({"type": "reasoning", "summary": [], "encrypted_content": sealed(own), "content": null, "status": null}),
    ] {
        let messages = read(&json!([item, said("assistant", &json!("a"))])).unwrap().messages;
        let expected = Speaker::Assistant { reasoning: Some(own.to_owned()), tool_calls: Vec::new() };
        assert_eq!((messages.len(), &messages[0].speaker), (1, &expected), "{item}");
    }
    // Its own words go before a summary of them.
    let both = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "t"}]});
    let Speaker::Assistant { reasoning, .. } = &read(&json!([both])).unwrap().messages[0].speaker else { panic!() };
    assert_eq!(reasoning.as_deref(), Some("t"));
}

/// An answer repeats what was asked for, on one line.
#[test]
fn an_answer_repeats_its_request() {
    let body = r#"{"model": "m", "input": "hi", "tools": [ { "type": "function",
        "name": "f", "parameters": {"a\n \"b": [1, 2.50]} } ], "metadata": {"k": "v w"},
        "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "high", "summary": "auto"},
        "temperature": 0, "include": ["reasoning.encrypted_content"], "top_logprobs": 2, "max_output_tokens": 7}"#;
    let found = repeated(body.as_bytes()).unwrap();
    assert!(found.as_summary && found.sealed && found.logprobs);
    let text = serde_json::to_string(&found.members).unwrap();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains(r#"{"a\n \"b":[1,2.50]}"#), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    for (member, expected) in [
        ("instructions", Value::Null),
        ("max_output_tokens", json!(7)),
        ("metadata", json!({"k": "v w"})),
        ("parallel_tool_calls", json!(true)),
        ("reasoning", json!({"effort": "high", "summary": "auto"})),
        ("temperature", json!(0.0)),
        ("text", json!({"format": {"type": "json_object"}, "verbosity": "medium"})),
        ("tool_choice", json!("auto")),
        ("top_logprobs", json!(2)),
        ("top_p", json!(1.0)),
        ("user", Value::Null),
    ] {
        assert_eq!(told[member], expected, "{member}");
    }
    let least = repeated(br#"{"model":"m","input":"hi"}"#).unwrap();
    assert!(!least.as_summary && !least.sealed && !least.logprobs);
    assert_eq!(serde_json::to_value(&least.members).unwrap()["tools"], json!([]));
}

/// What is far too much is refused when the bound is passed.
#[test]
fn conversations_made_to_be_large_are_refused_early() {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let calls: Vec<String> = (0..=MAX_CALLS).map(|id| call(&id.to_string()).to_string()).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (name, value) in [
        ("input", list(r#"{"role":"user","content":""}"#, MAX_MESSAGES + 1)),
        ("input", list(r#"{"type":"reasoning","summary":[]}"#, 200_000)),
        ("input", format!("[{}]", calls.join(","))),
        ("input", list(&gave("a").to_string(), 100_000)),
        ("tools", list(r#"{"type":"function","name":"f"}"#, 20_000)),
        ("stop", list(r#""a""#, 10_000)),
        ("metadata", format!("{{{}}}", (0..50_000).map(|id| format!(r#""{id}":"x""#)).collect::<Vec<_>>().join(","))),
        ("input", deep.clone()),
        ("tools", deep.clone()),
        ("tool_choice", deep.clone()),
        ("text", deep.clone()),
        ("reasoning", deep.clone()),
        ("include", deep.clone()),
        ("metadata", deep.clone()),
        ("input", format!(r#"[{{"type":"reasoning","content":{deep}}}]"#)),
    ] {
        let hi = if name == "input" { "" } else { r#""input":"hi","# };
        let text = format!(r#"{{"model":"m",{hi}"{name}":{value}}}"#);
        let refusal = parse(text.as_bytes(), BOUNDS).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)), "{}", refusal.message);
        assert!(refusal.message.len() < 300, "{}", refusal.message);
    }
}
