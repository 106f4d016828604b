//! Ollama's doors through both gates: its own clients for Python and Node, and LangChain's, as people install them.

use harness::caller::MODEL;
use harness::caller::clients::{run_client, run_node_client};
use harness::wait::{SOON, until_true};
use harness::{Stack, secrets, tools};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::refusal::Reason;
use sluice_protocol::wire::header;

const SAID: &str = "Grüße,\u{2028}世界\u{85} 🌍!";
const CALL: &str =
    "I ask.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\n\"city\": \"Zürich\"}}\n</tool_call>";
const FORM: &str = r#"{"city": "Bern"}"#;

fn thought() -> String {
    format!("<think>\nOf it.\n</think>\n\n{SAID}")
}

/// Where Ollama's clients find the gate: without `/v1`.
pub(super) fn base(stack: &harness::RunningStack) -> String {
    stack.edge.base_url().trim_end_matches("/v1").to_owned()
}

pub(super) trait Running {
    fn says(&self, texts: &[&str]);
}

impl Running for harness::RunningStack {
    fn says(&self, texts: &[&str]) {
        for text in texts {
            self.script().say(Say::text(text));
        }
        self.script().allow_all();
    }
}

#[test]
fn ollama_s_python_client_does_all_that_it_does() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain.", FORM, SAID, "raw", "abcdef"]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_client("ollama/ollama_chat.py", &[&base(&stack), &key.key, MODEL]);
    let told = |content: &str, thinking: &str, calls: Value, done: &str| json!({"content": content, "thinking": thinking, "calls": calls, "done": done, "timed": true});
    let same = |name: &str, expected: Value| {
        let mut found = came[name].clone();
        let counts = found.as_object_mut().and_then(|told| told.remove("counts")).unwrap_or_default();
        assert_eq!(found, expected, "{name}: {came}");
        counts
    };
    let counts = same("whole", told(SAID, "", json!([]), "stop"));
    assert_eq!(counts[1], SAID.len() + 1);
    assert_eq!(same("streamed", told(SAID, "", json!([]), "stop")), counts);
    assert!(came["pieces"].as_u64().is_some_and(|pieces| pieces > 5), "{came}");
    same("thought", told(SAID, "Of it.", json!([]), "stop"));
    same("called", told("I ask.", "", json!([["weather", {"city": "Zürich"}]]), "stop"));
    same("after", told("Rain.", "", json!([]), "stop"));
    same("formed", told(FORM, "", json!([]), "stop"));
    same("cut", told("ab", "", json!([]), "length"));
    assert_eq!(came["generated"], format!("{SAID}stop"));
    assert_eq!(came["raw"], "raw");
    let full = format!("{MODEL}:latest");
    assert_eq!((&came["models"], &came["running"]), (&json!([full]), &json!([full])));
    assert_eq!(came["capabilities"], json!(["completion", "tools", "thinking"]));
    assert_eq!(came["context"], json!([4096]));
    assert_eq!(came["loaded"], "unload");
    for (name, status, says) in [
        ("embed", 400, "embeddings"),
        ("pull", 404, "/api/pull"),
        ("unknown", 404, "model"),
        ("image", 422, "images"),
        // Its status had been sent.
        ("broken", -1, "model failed"),
    ] {
        assert_eq!(came[name][0], status, "{name}: {came}");
        assert!(came[name][1].as_str().is_some_and(|text| text.contains(says)), "{name}: {came}");
    }
    let prompts = stack.script().prompts();
    assert!(prompts[4].contains("Rain in Zürich."), "what a call gave is in the next prompt: {}", prompts[4]);
    assert_eq!(prompts[7], "", "a raw prompt is nothing but itself, here a control token");
    // Nine answers, one that broke, a model that the origin does not have, and one that embeds nothing. What only looked is not
    // counted, nor what the edge refused.
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.view(key.id).used.served, 12);
}

#[test]
fn ollama_s_node_client_does_all_that_it_does() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, FORM, SAID]);
    stack.script().say(Say::fail_after("half", Fault::Row));
    let came = run_node_client("ollama/ollama_chat.mjs", &[&base(&stack), &key.key, MODEL]);
    let counts = &came["whole"]["counts"];
    assert_eq!(counts[1], SAID.len() + 1, "{came}");
    for (name, content, thinking) in [("whole", SAID, ""), ("streamed", SAID, ""), ("thought", SAID, "Of it.")] {
        assert_eq!((&came[name]["content"], &came[name]["thinking"]), (&json!(content), &json!(thinking)), "{came}");
        assert_eq!(came[name]["done"], "stop", "{name}: {came}");
    }
    assert_eq!(&came["streamed"]["counts"], counts);
    assert_eq!(came["called"]["calls"], json!([["weather", {"city": "Zürich"}]]), "{came}");
    assert_eq!((&came["formed"]["content"], &came["generated"]), (&json!(FORM), &json!(SAID)), "{came}");
    assert_eq!(came["models"], json!([format!("{MODEL}:latest")]));
    assert_eq!(came["capabilities"][0], "completion");
    for (name, status, says) in [
        ("unknown", json!(404), "model"),
        ("limited", json!(422), "options.mirostat"),
        ("broken", Value::Null, "failed"),
    ] {
        assert_eq!(came[name][0], status, "{name}: {came}");
        assert!(came[name][1].as_str().is_some_and(|text| text.contains(says)), "{name}: {came}");
    }
}

#[test]
fn langchain_s_client_for_ollama_does_all_that_it_does() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.says(&[SAID, SAID, &thought(), CALL, "Rain.", FORM, SAID]);
    let came = run_client("ollama/ollama_langchain.py", &[&base(&stack), &key.key, MODEL]);
    for way in ["whole", "streamed", "completed"] {
        assert_eq!(came[way], SAID, "{came}");
    }
    assert_eq!((&came["usage"][1], &came["done"]), (&json!(SAID.len() + 1), &json!("stop")), "{came}");
    assert_eq!(came["thought"], json!(["Of it.", SAID]), "{came}");
    assert_eq!(came["called"], json!([["weather", {"city": "Zürich"}]]), "{came}");
    assert_eq!((&came["after"], &came["formed"]), (&json!("Rain."), &json!("Bern")), "{came}");
}

#[test]
fn a_limit_is_told_to_people_by_each_client() {
    let stack = Stack::new().limit("1 per 1h").start();
    let key = stack.key();
    stack.script().allow_all();
    let came = run_client("ollama/ollama_limit.py", &[&base(&stack), &key.key, MODEL]);
    assert_eq!(came["first"], json!([200, ""]), "{came}");
    for name in ["whole", "streamed", "langchain"] {
        assert_eq!(came[name][0], 429, "{name}: {came}");
        assert!(came[name][1].as_str().is_some_and(|text| text.contains("Retry in")), "{name}: {came}");
    }
    assert_eq!(came["no_key"][0], 401, "{came}");
}

/// The same answer by both doors costs the same; a refusal has Ollama's shape and everybody's headers.
#[test]
fn an_answer_counts_the_same_by_both_doors() {
    let stack = Stack::new().limit("5 per 1h").start();
    let (one, other) = (stack.key(), stack.key());
    stack.says(&[&thought(), &thought()]);
    let messages = json!([{"role": "user", "content": secrets::PROMPT}]);
    let post = |path: &str, key: &str, body: Value| {
        stack.edge.send(|http, base| http.post(format!("{base}{path}")).bearer_auth(key).json(&body)).from_edge()
    };
    let chat = json!({"model": MODEL, "messages": messages, "stream": true, "max_tokens": 256});
    let ollama = json!({"model": MODEL, "messages": messages, "options": {"num_predict": 256}});
    assert_eq!(post("/v1/chat/completions", &one.key, chat).status, 200);
    let streamed = post("/api/chat", &other.key, ollama);
    assert_eq!(streamed.header(header::CONTENT_TYPE), Some(header::NDJSON));
    assert!(
        streamed
            .text()
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["used"].is_string()))
    );
    until_true("settled", SOON, || [one.id, other.id].iter().all(|id| stack.edge.view(*id).live_leases == 0));
    assert_eq!(stack.edge.view(one.id).used, stack.edge.view(other.id).used);

    let wrong = post("/api/chat", &other.key, json!({"model": MODEL, "messages": messages, "stream": "yes"}));
    assert_eq!((wrong.status, wrong.json()["code"].clone()), (400, json!(Reason::InvalidRequest.row().code)));
    assert!(wrong.json()["error"].as_str().is_some_and(|text| text.contains("`stream`")), "{wrong:?}");
    let lost = stack.edge.get("/api/chats", None);
    assert_eq!((lost.status, lost.json()["error"].is_string()), (404, true), "{lost:?}");
    let root = stack.edge.get("/", None).from_edge();
    assert_eq!((root.status, root.text()), (200, "Ollama is running"));
    let version = stack.edge.get("/api/version", None).from_edge().json();
    assert!(version["version"].as_str().is_some_and(|version| version.starts_with("0.")), "{version}");
    let unnamed = post("/api/show", &other.key, json!({}));
    assert_eq!(unnamed.status, 400, "{unnamed:?}");
}

/// What docs/clients.md shows, as it stands there.
#[test]
fn the_snippets_of_the_page_work() {
    let stack = Stack::new().start();
    let key = stack.key();
    let mut texts: Vec<_> = (0..18).map(|number| format!("text {number}")).collect();
    stack.says(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    // Of two answers that one snippet asks for, it shows the second.
    texts.remove(4);
    let (python, node) = texts.split_at(11);
    let page = tools::root().join("docs/clients.md");
    let page = page.to_str().expect("a path of ours");
    let (host, key) = (base(&stack), key.key);
    assert_eq!(run_client("several/snippets.py", &[page, &host, &key, MODEL]), json!(python));
    assert_eq!(run_node_client("several/snippets.mjs", &[page, &host, &key, MODEL]), json!(node));
}
