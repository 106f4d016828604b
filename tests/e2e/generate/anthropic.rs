//! Anthropic's doors through both gates: its own clients for Python and Node, as people install them.

use super::ollama::{Running, base};
use harness::caller::MODEL;
use harness::caller::clients::{run_client, run_node_client};
use harness::wait::{SOON, until_true};
use harness::{Stack, secrets};
use serde_json::{Value, json};
use sluice_origin::models::endless;
use sluice_origin::models::scripted::{Fault, Say};

const SAID: &str = "Grüße,\u{2028}世界\u{85} 🌍!";
const CALL: &str = "I ask.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>";
const FORM: &str = r#"{"city": "Bern"}"#;

fn thought() -> String {
    format!("<think>\nOf it.\n</think>\n\n{SAID}")
}

fn text(said: &str, end: &str) -> Value {
    json!([[["text", said]], end])
}

#[test]
fn anthropics_python_client_does_all_that_it_does() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain.", "a END b", "abcdef"]);
    // It would rather end, all the way.
    let [opens, closes] = [270, 271];
    let body = format!(r#"{{"name": "weather", "arguments": {FORM}}}"#);
    let steps = [opens].into_iter().chain(body.bytes().map(u32::from)).chain([closes]);
    let reluctant = |token: u32| vec![(endless::IM_END, 100.0), (token, 90.0)];
    stack.script().say(Say::logits(steps.map(reluctant).collect()));
    stack.says(&[FORM, SAID, SAID]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_client("messages/anthropic_messages.py", &[&base(&stack), &key.key, MODEL]);
    for way in ["whole", "streamed", "beta"] {
        assert_eq!(came[way], text(SAID, "end_turn"), "{way}: {came}");
    }
    assert!(came["pieces"].as_u64().is_some_and(|pieces| pieces > 5), "{came}");
    assert_eq!(came["thought"], json!([[["thinking", "Of it."], ["text", SAID]], "end_turn"]), "{came}");
    assert_eq!(came["signed"], json!([true]), "{came}");
    let call = json!(["tool_use", "weather", {"city": "Zürich"}]);
    assert_eq!(came["called"], json!([[["text", "I ask."], call], "tool_use"]), "{came}");
    assert_eq!(came["after"], text("Rain.", "end_turn"), "{came}");
    assert!(came["counted"][0] == came["counted"][1] && came["counted"][0].as_u64() > Some(20), "{came}");
    assert_eq!(came["stopped"], json!([[["text", "a "]], "stop_sequence", "END"]), "{came}");
    assert_eq!(came["cut"], text("ab", "max_tokens"), "{came}");
    assert_eq!(came["formed"], text(FORM, "end_turn"), "{came}");
    assert_eq!(came["forced"], json!([[["tool_use", "weather", {"city": "Bern"}]], "tool_use"]), "{came}");
    assert_eq!((&came["limits"][0], &came["models"], &came["model"]), (&json!("100"), &json!([MODEL]), &json!(MODEL)));
    assert!(came["limits"][2].as_str().is_some_and(|at| at.starts_with("20") && at.ends_with('Z')), "{came}");
    for (name, error, kind) in [
        ("unknown", "NotFoundError", "not_found_error"),
        ("image", "UnprocessableEntityError", "invalid_request_error"),
        ("key", "AuthenticationError", "authentication_error"),
    ] {
        assert_eq!((&came[name][0], &came[name][1]), (&json!(error), &json!(kind)), "{name}: {came}");
    }
    assert_eq!(came["broken"][1], "api_error", "{came}");
}

#[test]
fn anthropics_node_client_does_all_that_it_does() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain."]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_node_client("messages/anthropic_messages.mjs", &[&base(&stack), &key.key, MODEL]);
    for way in ["whole", "streamed"] {
        assert_eq!(came[way], text(SAID, "end_turn"), "{way}: {came}");
    }
    assert_eq!(came["thought"], json!([[["thinking", "Of it."], ["text", SAID]], "end_turn"]), "{came}");
    let call = json!(["tool_use", "weather", {"city": "Zürich"}]);
    assert_eq!(came["called"], json!([[["text", "I ask."], call], "tool_use"]), "{came}");
    assert_eq!(came["after"], text("Rain.", "end_turn"), "{came}");
    assert_eq!(came["counted"][0], came["counted"][1], "{came}");
    assert_eq!(
        (&came["model"], &came["unknown"]),
        (&json!(MODEL), &json!(["NotFoundError", "not_found_error"])),
        "{came}"
    );
    assert_eq!(came["broken"][1], "api_error", "{came}");
}

/// Its client waits for as long as it is told, and then has its answer.
#[test]
fn a_limit_is_waited_for_by_anthropics_client() {
    let stack = Stack::new().limit("1 per 2s").start();
    let key = stack.key();
    stack.says(&["one", "two"]);
    let came = run_client("messages/anthropic_patience.py", &[&base(&stack), &key.key, MODEL]);
    assert_eq!(came["ended"], json!(["end_turn", "end_turn"]), "{came}");
    assert!(came["waited"].as_f64().is_some_and(|waited| (1.0..10.0).contains(&waited)), "{came}");
    assert_eq!((&came["refusal"][0], &came["refusal"][1]), (&json!("rate_limit_error"), &json!(true)), "{came}");
}

/// The same answer costs the same by both doors, and a count costs a request and no tokens.
#[test]
fn an_answer_counts_the_same_by_both_doors() {
    let stack = Stack::new().limit("5 per 1h").start();
    let (one, other) = (stack.key(), stack.key());
    stack.says(&[&thought(), &thought()]);
    let messages = json!([{"role": "user", "content": secrets::PROMPT}]);
    let post = |path: &str, key: &str, body: Value| {
        stack
            .edge
            .send(|http, base| http.post(format!("{base}{path}")).header("x-api-key", key).json(&body))
            .from_edge()
    };
    let settled = |id| until_true("settled", SOON, || stack.edge.view(id).live_leases == 0);
    let body = json!({"model": MODEL, "messages": messages, "max_tokens": 256, "stream": true});
    let mut chat = body.clone();
    chat["enable_thinking"] = false.into();
    assert_eq!(post("/v1/chat/completions", &one.key, chat).status, 200);
    assert_eq!(post("/v1/messages", &other.key, body.clone()).status, 200);
    settled(one.id);
    settled(other.id);
    let used = stack.edge.view(other.id).used;
    assert_eq!(stack.edge.view(one.id).used, used);
    let counted = post("/v1/messages/count_tokens", &other.key, body);
    assert_eq!(counted.status, 200, "{counted:?}");
    assert_eq!(counted.header("anthropic-ratelimit-requests-remaining"), Some("3"));
    settled(other.id);
    let after = stack.edge.view(other.id).used;
    assert_eq!((after.prompt_tokens, after.completion_tokens), (used.prompt_tokens, used.completion_tokens));
    assert_eq!(counted.json()["input_tokens"], used.prompt_tokens);
}

/// All that decides, and the origin, see the model that answers; so does the caller.
#[test]
fn an_alias_is_the_model_that_answers() {
    let aliases = json!({"claude-*": MODEL}).to_string();
    let stack = Stack::new().plan("models", json!([MODEL])).setting("MODEL_ALIASES", aliases).start();
    let key = stack.key();
    stack.says(&["one", "two"]);
    let post = |path: &str, model: &str| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let body = json!({"model": model, "max_tokens": 8, "messages": messages});
        let send = |http: &reqwest::blocking::Client, base: &str| {
            http.post(format!("{base}{path}")).bearer_auth(&key.key).json(&body)
        };
        stack.edge.send(send).from_edge()
    };
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let answer = post(path, "claude-sonnet-4-5");
        assert_eq!((answer.status, &answer.json()["model"]), (200, &json!(MODEL)), "{answer:?}");
        assert_ne!(post(path, "claude").status, 200);
    }
    let one = stack.edge.get("/v1/models/claude-sonnet-4-5", Some(&key.key)).from_edge();
    assert_eq!((one.status, &one.json()["id"]), (200, &json!(MODEL)), "{one:?}");
}
