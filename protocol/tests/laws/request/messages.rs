//! Anthropic's messages: the same conversation by this door and by that of chats is one question, and what is wrong in one
//! is told with its place.

mod input;
mod same;

use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, MAX_CALLS, MAX_MESSAGES, Names, Speaker};
use sluice_protocol::request::bodies::messages::{parse, parse_count};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read::question;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn body(messages: &Value, more: &Value) -> String {
    let mut body = json!({"model": "m", "max_tokens": 16, "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn read(messages: &Value) -> Result<ChatRequest, Refusal> {
    parse(body(messages, &json!({})).as_bytes(), BOUNDS)
}

fn used(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "f", "input": {}})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "r"})
}

fn user(content: &Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: &Value) -> Value {
    json!({"role": "assistant", "content": content})
}

/// Everything that is wrong in a conversation, the place that is told, and what is told of it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let hi = user(&json!("hi"));
    let asked = assistant(&json!([used("a"), used("b")]));
    let block = |block: Value| json!([user(&json!([block]))]);
    let (wrong, unserved) = (InvalidRequest, UnsupportedParameter);
    for (messages, reason, told) in [
        (json!([]), wrong, "at least one message"),
        (json!(["hi"]), wrong, "messages[0]: it must be an object"),
        (json!([{"content": "hi"}]), wrong, "messages[0]: `role` is missing"),
        (json!([{"role": 5, "content": "hi"}]), wrong, "messages[0]: `role` must be a text"),
        (json!([{"role": "king", "content": "hi"}]), wrong, "messages[0]: `role` must be user or assistant"),
        (json!([hi, {"role": "user"}]), wrong, "messages[1]: `content` is missing"),
        (json!([{"role": "user", "content": null}]), wrong, "messages[0]: `content` is missing"),
        (json!([{"role": "user", "content": 5}]), wrong, "messages[0]: content must be a text or a list of blocks"),
        (json!([{"role": "user", "content": ["hi"]}]), wrong, "messages[0].content[0]: a block must be an object"),
        (block(json!({})), wrong, "messages[0].content[0]: `type` is missing"),
        (block(json!({"type": "text"})), wrong, "`text` is missing"),
        (block(json!({"type": "text", "text": 5})), wrong, "`text` must be a text"),
        (block(json!({"type": "image", "source": {}})), unserved, "blocks of type `image` are not served"),
        (block(json!({"type": "document", "source": {}})), unserved, "blocks of type `document` are not served"),
        (block(json!({"type": "server_tool_use"})), unserved, "blocks of type `server_tool_use` are not served"),
        (block(json!({"type": "my secret"})), unserved, "messages[0].content[0]: blocks of another type"),
        // Whose they are.
        (block(used("a")), wrong, "messages[0].content[0]: blocks of this type are the assistant's"),
        (block(json!({"type": "thinking", "thinking": "x"})), wrong, "are the assistant's"),
        (
            json!([hi, assistant(&json!([result("a")])), hi]),
            wrong,
            "messages[1].content[0]: blocks of this type are the user's",
        ),
        (
            json!([{"role": "system", "content": [used("a")]}, hi]),
            unserved,
            "blocks of type `tool_use` are not served here",
        ),
        // Calls and their results.
        (block(result("a")), wrong, "messages[0].content[0]: this `tool_result` answers no call"),
        (
            json!([hi, asked, user(&json!([result("a"), result("c")]))]),
            wrong,
            "messages[2].content[1]: this `tool_result`",
        ),
        (
            json!([hi, asked, user(&json!([result("a"), result("a")]))]),
            wrong,
            "messages[2].content[1]: this `tool_result`",
        ),
        (json!([hi, asked, user(&json!([result("a")]))]), wrong, "messages[2]: 1 of the calls before it"),
        (json!([hi, asked, hi]), wrong, "messages[2].content: 2 of the calls before it have no result yet"),
        (
            json!([hi, asked, user(&json!([{"type": "text", "text": "x"}, result("a"), result("b")]))]),
            wrong,
            "messages[2].content[0]: 2 of the calls",
        ),
        (json!([hi, asked, assistant(&json!("x")), hi]), wrong, "messages[2]: 2 of the calls"),
        (json!([hi, asked, {"role": "system", "content": "x"}]), wrong, "messages[2]: 2 of the calls"),
        (json!([hi, asked, user(&json!([]))]), wrong, "messages[2]: 2 of the calls"),
        (json!([hi, assistant(&json!([used("a"), used("a")]))]), wrong, "messages[1].content[1]: another `tool_use`"),
        (
            json!([hi, assistant(&json!([{"type": "tool_use", "id": "a", "name": "f"}]))]),
            wrong,
            "`input` must be an object",
        ),
        (
            json!([hi, assistant(&json!([{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]))]),
            wrong,
            "`input` must be an object",
        ),
        (json!([hi, assistant(&json!([{"type": "tool_use", "id": "a", "input": {}}]))]), wrong, "`name` is missing"),
        (json!([hi, asked, user(&json!([{"type": "tool_result"}]))]), wrong, "`tool_use_id` is missing"),
        (
            json!([hi, asked, user(&json!([{"type": "tool_result", "tool_use_id": "a", "is_error": "no"}]))]),
            wrong,
            "`is_error` must be",
        ),
        (
            json!([
                hi,
                asked,
                user(&json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}]))
            ]),
            unserved,
            "`image`",
        ),
        (
            json!([hi, asked, user(&json!([{"type": "tool_result", "tool_use_id": "a", "content": [result("b")]}]))]),
            unserved,
            "`tool_result`",
        ),
        // The beginning of an answer.
        (json!([hi, assistant(&json!("The answer is"))]), unserved, "messages[1]: an answer that goes on"),
        (json!([hi, asked]), unserved, "messages[1]: an answer that goes on"),
    ] {
        let refusal = read(&messages).expect_err(&messages.to_string());
        let found = (refusal.reason, refusal.param.as_deref());
        assert_eq!(found, (reason, Some("messages")), "{messages}: {}", refusal.message);
        let told = told.replace(".content:", ":");
        assert!(refusal.message.contains(&told) && !refusal.message.contains("secret"), "{told}: {}", refusal.message);
        let counted = parse_count(body(&messages, &json!({})).as_bytes()).unwrap_err();
        assert_eq!(counted.message, refusal.message);
    }
}

/// Everything that is wrong with a tool.
#[test]
fn what_is_wrong_with_a_tool_is_told() {
    let (wrong, unserved) = (InvalidRequest, UnsupportedParameter);
    let long = "x".repeat(129);
    for (tool, reason, told) in [
        (json!(5), wrong, "it must be an object"),
        (json!({"name": "f"}), wrong, "`input_schema` must be an object"),
        (json!({"name": "f", "input_schema": true}), wrong, "`input_schema` must be an object"),
        (json!({"input_schema": {}}), wrong, "`name` is missing"),
        (json!({"name": "a b", "input_schema": {}}), wrong, "`name` must be"),
        (json!({"name": long, "input_schema": {}}), wrong, "`name` must be"),
        (json!({"name": "f", "input_schema": {}, "description": 5}), wrong, "`description` must be a text"),
        (json!({"name": "f", "input_schema": {}, "strict": "yes"}), wrong, "`strict` must be"),
        (json!({"name": "f", "input_schema": {}, "type": 5}), wrong, "`type` must be a text"),
        (json!({"name": "f", "input_schema": {}, "defer_loading": true}), unserved, "`defer_loading`"),
        (json!({"name": "f", "input_schema": {}, "input_examples": [{}]}), unserved, "`input_examples`"),
        (
            json!({"name": "f", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}),
            unserved,
            "`allowed_callers`",
        ),
        (
            json!({"name": "web_search", "type": "web_search_20250305"}),
            unserved,
            "`web_search` is a tool of Anthropic's servers",
        ),
        (json!({"name": "bash", "type": "bash_20250124"}), unserved, "`bash` is a tool of Anthropic's servers"),
        (json!({"type": "my secret"}), unserved, "only tools of the type `custom`"),
    ] {
        let tools = json!({"tools": [{"name": "g", "input_schema": {}}, tool]});
        let refusal =
            parse(body(&json!([user(&json!("hi"))]), &tools).as_bytes(), BOUNDS).expect_err(&tool.to_string());
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some("tools")), "{tool}: {}", refusal.message);
        let place = refusal.message.starts_with("tools[1]: ");
        assert!(place && refusal.message.contains(told) && !refusal.message.contains("secret"), "{}", refusal.message);
    }
    let twice = json!({"tools": [{"name": "f", "input_schema": {}}, {"name": "f", "input_schema": {}}]});
    let refusal = parse(body(&json!([user(&json!("hi"))]), &twice).as_bytes(), BOUNDS).unwrap_err();
    assert_eq!(refusal.message, "tools[1]: there is another tool of this name.");
    let good = json!({"name": "x".repeat(128), "type": "custom", "input_schema": {}, "cache_control": {"type": "ephemeral"},
        "defer_loading": false, "allowed_callers": ["direct"], "input_examples": [], "eager_input_streaming": true});
    let request = parse(body(&json!([user(&json!("hi"))]), &json!({"tools": [good]})).as_bytes(), BOUNDS).unwrap();
    assert_eq!(request.tools[0].name().len(), 128);
}

/// What belongs to somebody else, or tells nothing, is passed over.
#[test]
fn what_tells_the_model_nothing_is_passed_over() {
    let accounting = "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli; cch=";
    let read = |number: &str| {
        let system = json!([
            {"type": "text", "text": format!("{accounting}{number};")},
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        ]);
        let talk = json!([
            user(&json!("hi")),
            assistant(
                &json!([{"type": "redacted_thinking", "data": number}, {"type": "text", "text": "ho", "citations": null}])
            ),
            user(&json!([{"type": "text", "text": "and?", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])),
        ]);
        parse(body(&talk, &json!({"system": system})).as_bytes(), BOUNDS).unwrap()
    };
    let request = read("eb6c6");
    assert_eq!(request, read("00000"));
    assert_eq!((&request.messages[0].speaker, request.messages[0].content.as_str()), (&Speaker::System, "Be brief."));
    assert_eq!(request.messages[2].speaker, Speaker::Assistant { reasoning: None, tool_calls: Vec::new() });
    // As a line before the rest; and alone, which says nothing.
    let said = |system: &str| {
        let more = json!({"system": system});
        parse(body(&json!([user(&json!("hi"))]), &more).as_bytes(), BOUNDS).unwrap().messages[0].content.clone()
    };
    assert_eq!(said(&format!("{accounting}1;\nBe brief.")), "Be brief.");
    assert_eq!(said(&format!("{accounting}1;")), "hi");
    assert_eq!(said(&format!("Be brief. {accounting}1;")), format!("Be brief. {accounting}1;"));
}

#[test]
fn what_a_call_gave_is_a_message_of_its_own() {
    let talk = json!([
        user(&json!("hi")),
        assistant(
            &json!([{"type": "text", "text": "I ask"}, used("a"), {"type": "text", "text": " twice."}, used("b"), used("c")])
        ),
        user(&json!([
            {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
            {"type": "tool_result", "tool_use_id": "a", "content": "no such file", "is_error": true},
        ])),
        user(
            &json!([{"type": "tool_result", "tool_use_id": "c"}, {"type": "text", "text": "go"}, {"type": "text", "text": " on"}])
        ),
    ]);
    let messages = read(&talk).unwrap().messages;
    let told: Vec<(&str, &str)> = messages
        .iter()
        .map(|message| match &message.speaker {
            Speaker::Tool { call } => (call.as_str(), message.content.as_str()),
            Speaker::Assistant { tool_calls, .. } => {
                (["none", "", "", "three"][tool_calls.len()], message.content.as_str())
            }
            _ => ("", message.content.as_str()),
        })
        .collect();
    assert_eq!(
        told,
        [("", "hi"), ("three", "I ask twice."), ("b", "xy"), ("a", "Error: no such file"), ("c", ""), ("", "go on")]
    );
}

/// A count asks for no more than the count: no tokens, no stream, no thinking, whatever stands beside its messages.
#[test]
fn a_count_asks_for_nothing_else() {
    let more = json!({"stream": true, "max_tokens": 500, "thinking": {"type": "enabled", "budget_tokens": 1024}});
    let text = body(&json!([user(&json!("hi"))]), &more);
    let counted = question(Door::CountTokens, text.as_bytes(), BOUNDS).unwrap();
    assert_eq!((counted.guess_prompt_tokens(), counted.most_tokens()), (0, Some(0)));
    assert_eq!((counted.endpoint(), counted.model(), counted.user()), (Endpoint::Chat, "m", None));
    assert!(!counted.stream() && !counted.thinks());
    let (Question::Count(counted), Question::Chat(asked)) =
        (counted, question(Door::Messages, text.as_bytes(), BOUNDS).unwrap())
    else {
        unreachable!()
    };
    // What a prompt is made of.
    assert_eq!((&counted.messages, &counted.tools), (&asked.messages, &asked.tools));
    assert_eq!((counted.enable_thinking, counted.names), (asked.enable_thinking, Names::MESSAGES));
}

/// What is far too much is refused when the bound is passed.
#[test]
fn conversations_made_to_be_large_are_refused_early() {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let with = |name: &str, value: &str| {
        let hi = r#"[{"role":"user","content":"hi"}]"#;
        let messages = if name == "messages" { String::new() } else { format!(r#","messages":{hi}"#) };
        format!(r#"{{"model":"m","max_tokens":5{messages},"{name}":{value}}}"#)
    };
    let calls: Vec<String> =
        (0..=MAX_CALLS).map(|id| format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}"#)).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!(r#"[{{"role":"user","content":{}}}]"#, r#"[{"type":"tool_result","content":"#.repeat(50_000));
    for (name, value) in [
        ("messages", list(r#"{"role":"user","content":""}"#, MAX_MESSAGES + 2)),
        ("messages", format!(r#"[{{"role":"assistant","content":[{}]}}]"#, calls.join(","))),
        ("messages", list(r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}"#, 100_000)),
        ("stop_sequences", list(r#""a""#, 10_000)),
        ("tools", list(r#"{"name":"f","input_schema":{}}"#, 20_000)),
        ("messages", deep.clone()),
        ("system", deep.clone()),
        ("tools", deep.clone()),
        ("thinking", deep.clone()),
        ("output_config", deep.clone()),
        ("context_management", format!(r#"{{"edits":{deep}}}"#)),
    ] {
        let refusal = parse(with(name, &value).as_bytes(), BOUNDS).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)), "{}", refusal.message);
        assert!(refusal.message.len() < 300, "{}", refusal.message);
    }
    assert!(parse(with("messages", &nested).as_bytes(), BOUNDS).is_err());
}
