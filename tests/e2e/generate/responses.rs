//! The door of OpenAI's responses through both gates: OpenAI's own clients for Python and Node, the AI SDK with its default
//! model, and LangChain, as people install them.

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

fn text(said: &str) -> Value {
    json!([["message", said]])
}

fn called(city: &str) -> Value {
    json!(["call", "weather", {"city": city}])
}

#[test]
fn openai_s_python_client_does_all_that_it_does_with_responses() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, SAID, &thought(), CALL, "Rain.", "abcdef", FORM]);
    // It would rather end, all the way.
    let [opens, closes] = [270, 271];
    let body = format!(r#"{{"name": "weather", "arguments": {FORM}}}"#);
    let steps = [opens].into_iter().chain(body.bytes().map(u32::from)).chain([closes]);
    let reluctant = |token: u32| vec![(endless::IM_END, 100.0), (token, 90.0)];
    stack.script().say(Say::logits(steps.map(reluctant).collect()));
    stack.says(&["abc"]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_client("responses/openai_responses.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    for way in ["whole", "streamed", "helped"] {
        assert_eq!(came[way], text(SAID), "{way}: {came}");
    }
    let usage: Vec<u64> = came["usage"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert!(usage[0] > 0 && usage[1] == SAID.len() as u64 + 1 && usage[2] == usage[0] + usage[1], "{came}");
    assert_eq!(came["settings"], json!(["response", "completed", false, MODEL, 256, {}]), "{came}");
    let names = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!((&came["names"], &came["numbers"]), (&json!(names), &json!(true)), "{came}");
    assert!(came["pieces"].as_u64().is_some_and(|pieces| pieces > 5), "{came}");
    assert_eq!(came["thought"], json!([["reasoning", "Of it."], ["message", SAID]]), "{came}");
    assert!(came["reasoning_tokens"].as_u64() > Some(5), "{came}");
    assert_eq!(came["called"], json!([["message", "I ask."], called("Zürich")]), "{came}");
    assert_eq!(came["after"], text("Rain."), "{came}");
    assert_eq!(came["cut"], json!([text("ab"), "incomplete", "max_output_tokens"]), "{came}");
    assert_eq!((&came["parsed"], &came["likely"]), (&json!("Bern"), &json!("abc")), "{came}");
    assert_eq!(came["forced"], json!([called("Bern")]), "{came}");
    for (name, error, code, param) in [
        ("unknown", "NotFoundError", "model_not_found", Some("model")),
        ("hosted", "UnprocessableEntityError", "unsupported_parameter", Some("tools")),
        ("key", "AuthenticationError", "invalid_api_key", None),
        ("got", "NotFoundError", "response_not_found", None),
    ] {
        assert_eq!((&came[name][0], &came[name][1]), (&json!(error), &json!(code)), "{name}: {came}");
        assert!(param.is_none_or(|param| came[name][2] == param), "{name}: {came}");
    }
    assert_eq!(came["broken"][0], "APIError", "{came}");
}

#[test]
fn openai_s_node_client_does_all_that_it_does_with_responses() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain.", FORM]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_node_client("responses/openai_responses.mjs", &[&stack.edge.base_url(), &key.key, MODEL]);
    for way in ["whole", "streamed"] {
        assert_eq!(came[way], text(SAID), "{way}: {came}");
    }
    assert_eq!(came["text"], SAID, "{came}");
    assert_eq!(came["thought"], json!([["reasoning", "Of it."], ["message", SAID]]), "{came}");
    assert_eq!(came["called"], json!([["message", "I ask."], called("Zürich")]), "{came}");
    assert_eq!((&came["after"], &came["parsed"]), (&text("Rain."), &json!({"city": "Bern"})), "{came}");
    assert_eq!(came["unknown"], json!(["NotFoundError", "model_not_found"]), "{came}");
    assert_eq!(came["broken"][0], "APIError", "{came}");
}

#[test]
fn the_ai_sdk_s_default_model_is_answered() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain.", CALL, "Rain.", FORM]);
    let came = run_node_client("responses/ai_sdk_responses.mjs", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!(
        (&came["whole"], &came["streamed"], &came["finish"]),
        (&json!(SAID), &json!(SAID), &json!("stop")),
        "{came}"
    );
    assert_eq!(came["usage"][1], SAID.len() + 1, "{came}");
    assert!(came["pieces"].as_u64().is_some_and(|pieces| pieces > 5), "{came}");
    assert_eq!(came["thought"], json!(["Of it.", SAID]), "{came}");
    let first = json!(["I ask.", [["weather", {"city": "Zürich"}]], ["Rain in Zürich."]]);
    assert_eq!(came["steps"], json!([first, ["Rain.", [], []]]), "{came}");
    assert_eq!((&came["both"], &came["formed"]), (&json!("Rain."), &json!({"city": "Bern"})), "{came}");
    assert_eq!(came["refusal"], json!(["AI_APICallError", 404]), "{came}");
}

#[test]
fn langchain_s_client_of_openai_s_is_answered() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, CALL, "Rain.", FORM]);
    let came = run_client("responses/openai_langchain.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!((&came["whole"], &came["streamed"]), (&json!(SAID), &json!(SAID)), "{came}");
    assert_eq!(came["usage"][1], SAID.len() + 1, "{came}");
    assert_eq!(came["called"], json!([["weather", {"city": "Zürich"}]]), "{came}");
    assert_eq!((&came["after"], &came["formed"]), (&json!("Rain."), &json!("Bern")), "{came}");
}

/// Its client waits for as long as it is told, and then has its answer.
#[test]
fn a_limit_is_waited_for_with_responses() {
    let stack = Stack::new().limit("1 per 2s").start();
    let key = stack.key();
    stack.says(&["one", "two"]);
    let came = run_client("responses/openai_responses_patience.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!(came["said"], json!(["one", "two"]), "{came}");
    assert!(came["waited"].as_f64().is_some_and(|waited| (1.0..10.0).contains(&waited)), "{came}");
    assert_eq!(came["refusal"][0], "rate_limit_exceeded", "{came}");
    assert_eq!(came["refusal"][2], "true", "{came}");
}

/// The same answer costs the same by both doors, whole, streamed and where its stream breaks off.
#[test]
fn an_answer_counts_the_same_by_the_doors_of_openai_s() {
    let stack = Stack::new().limit("100 per 1h").start();
    let post = |path: &str, key: &str, body: Value| {
        let send = |http: &reqwest::blocking::Client, base: &str| {
            http.post(format!("{base}{path}")).bearer_auth(key).json(&body)
        };
        stack.edge.send(send).from_edge()
    };
    assert!(!base(&stack).is_empty());
    for (stream, breaks) in [(false, false), (true, false), (true, true)] {
        let (one, other) = (stack.key(), stack.key());
        for _ in 0..2 {
            match breaks {
                true => stack.script().say(Say::fail_after("half", Fault::Row)),
                false => stack.says(&[&thought()]),
            }
        }
        let messages = json!([{"role": "user", "content": secrets::PROMPT}]);
        let chat = json!({"model": MODEL, "messages": messages, "max_tokens": 256, "stream": stream});
        let response = json!({"model": MODEL, "input": secrets::PROMPT, "max_output_tokens": 256, "stream": stream});
        assert_eq!(post("/v1/chat/completions", &one.key, chat).status, 200);
        assert_eq!(post("/v1/responses", &other.key, response).status, 200);
        for key in [&one, &other] {
            until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
        }
        let used = stack.edge.view(other.id).used;
        assert_eq!(stack.edge.view(one.id).used, used, "{stream} {breaks}");
        assert!(used.prompt_tokens > 0 && used.completion_tokens > 0, "{used:?}");
    }
}
