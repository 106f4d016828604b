//! What Open WebUI sends with its defaults, by its two kinds of connection: in its order, with its members, and as large. The
//! tools are of our own; `cargo xtask open-webui` drives the program itself.

use super::ollama::Running;
use harness::caller::MODEL;
use harness::caller::agent::{Agent, Size};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;

/// As many as it offers, and together as large.
const TOOLS: usize = 36;
const BYTES: std::ops::Range<usize> = 24_000..30_000;

/// Its tools have a `properties` without `type` before it, and no `required` where nothing is.
fn tools() -> Vec<Value> {
    let size = Size { system: 0, tools: TOOLS, description: 30, results: 0 };
    let request = Agent::new(MODEL, size, 3).request(1);
    let function = |tool: &Value| {
        let parameters = json!({"properties": tool["input_schema"]["properties"], "type": "object"});
        let function = json!({"name": tool["name"], "description": tool["description"], "parameters": parameters});
        json!({"type": "function", "function": function})
    };
    let mut tools: Vec<Value> = request["tools"].as_array().into_iter().flatten().map(function).collect();
    let clock =
        json!({"name": "clock", "description": "The time.", "parameters": {"properties": {}, "type": "object"}});
    tools[0] = json!({"type": "function", "function": clock});
    let bytes = serde_json::to_string(&tools).expect("tools are JSON").len();
    assert!(BYTES.contains(&bytes), "{bytes}");
    tools
}

/// What it asks besides, so that a chat gets a title, questions to go on with, and tags.
fn task(what: &str, words: usize) -> Value {
    let text = format!(
        "### Task:\n{what}\n### Guidelines:\n{}",
        "- Keep it short and in the chat's language.\n".repeat(words)
    );
    json!([{"role": "user", "content": text}])
}

fn post(stack: &RunningStack, path: &str, key: &str, body: &Value) -> Answer {
    let send =
        |http: &reqwest::blocking::Client, base: &str| http.post(format!("{base}{path}")).bearer_auth(key).json(body);
    stack.edge.send(send).from_edge()
}

/// The call that the model makes of the first tool.
fn call() -> Say {
    let body = r#"{"name": "clock", "arguments": {}}"#.bytes().map(u32::from);
    Say::tokens([270].into_iter().chain(body).chain([271]).collect())
}

/// What a stream says, and what it calls.
fn chunks(answer: &Answer) -> (String, Vec<Value>) {
    let (mut text, mut calls) = (String::new(), Vec::<Value>::new());
    let payloads =
        answer.text().lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    for chunk in payloads.map(|data| serde_json::from_str::<Value>(data).expect("an event is JSON")) {
        let delta = &chunk["choices"][0]["delta"];
        text += delta["content"].as_str().unwrap_or_default();
        // It takes a call as it begins, and appends to its arguments.
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().expect("an index") as usize;
            match calls.get_mut(index) {
                None => calls.push(piece.clone()),
                Some(call) => {
                    let more = piece["function"]["arguments"].as_str().expect("a text");
                    let all = format!("{}{more}", call["function"]["arguments"].as_str().expect("a text"));
                    call["function"]["arguments"] = all.into();
                }
            }
        }
    }
    (text, calls)
}

#[test]
fn its_connection_of_openai_s_kind_is_answered() {
    let stack = Stack::new().limit("7 per 1h").context(65_536).start();
    let key = stack.key();
    let get = |path: &str| stack.edge.get(path, Some(&key.key)).ok().json();
    assert_eq!(get("/v1/models")["data"][0]["id"], MODEL);
    let tools = tools();
    let ask = |messages: Value| json!({"stream": true, "model": MODEL, "messages": messages, "tools": tools});
    let besides = |messages: Value| json!({"model": MODEL, "messages": messages, "stream": false});
    let chat = |body: &Value| post(&stack, "/v1/chat/completions", &key.key, body);
    let asked = json!({"role": "user", "content": "What time is it?"});
    // The title and the chat are asked for at once; here one after the other.
    stack.says(&["{\"title\": \"Time\"}"]);
    stack.script().say(call());
    stack.says(&["Noon.", "{\"follow_ups\": []}", "{\"tags\": []}"]);
    let mut title = besides(task("Give it a title.", 22));
    title["max_tokens"] = 1000.into();
    assert!(chat(&title).ok().completion().choices[0].message.content.is_some());
    let (text, calls) = chunks(&chat(&ask(json!([asked]))).ok());
    assert_eq!((text.as_str(), calls.len()), ("", 1));
    assert_eq!(calls[0]["function"], json!({"name": "clock", "arguments": "{}"}));
    // It goes on with the call as it has it, index and all, and with what it gave.
    let said = json!({"role": "assistant", "content": "", "tool_calls": calls});
    let gave = json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "12:00"});
    assert_eq!(chunks(&chat(&ask(json!([asked, said, gave]))).ok()).0, "Noon.");
    for what in ["Predict what is asked next.", "Give it tags."] {
        chat(&besides(task(what, 30))).ok();
    }
    // The second message, with what was said; then the limit, which it shows to the person.
    stack.says(&["Still.", "{\"follow_ups\": []}"]);
    let history = json!([asked, {"role": "assistant", "content": "Noon."}, {"role": "user", "content": "And now?"}]);
    assert_eq!(chunks(&chat(&ask(history.clone())).ok()).0, "Still.");
    chat(&besides(task("Predict what is asked next.", 30))).ok();
    let refused = chat(&ask(history)).refused(Reason::RateLimited);
    let message = refused.json()["error"]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("7") && message.len() < 300, "a person reads it: {message}");
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let prompts = stack.script().prompts();
    assert!(prompts[1].contains("clock") && prompts[2].contains("12:00"), "tools and results reach the model");
}

#[test]
fn its_connection_of_ollama_s_kind_is_answered() {
    let stack = Stack::new().limit("3 per 1h").context(65_536).start();
    let key = stack.key();
    let name = format!("{MODEL}:latest");
    for (path, member) in [("/api/tags", "models"), ("/api/ps", "models"), ("/api/version", "version")] {
        let told = stack.edge.get(path, Some(&key.key)).ok().json();
        assert!(told[member].is_string() || told[member][0]["model"] == name.as_str(), "{path}: {told}");
    }
    let tools = tools();
    let ask =
        |messages: Value| json!({"model": name, "messages": messages, "options": {}, "stream": true, "tools": tools});
    let lines = |answer: &Answer| -> Vec<Value> {
        answer.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    };
    let chat = |body: &Value| post(&stack, "/api/chat", &key.key, body);
    stack.script().say(call());
    stack.says(&["Noon.", "{}"]);
    let asked = json!({"role": "user", "content": "What time is it?"});
    let told = lines(&chat(&ask(json!([asked]))).ok());
    let called: Vec<&Value> =
        told.iter().filter_map(|line| line["message"]["tool_calls"].as_array()).flatten().collect();
    assert_eq!(called.len(), 1, "a call is one line here: {told:?}");
    let function = &called[0]["function"];
    assert_eq!((&function["name"], &function["arguments"]), (&json!("clock"), &json!({})));
    // As it sends them back.
    let call = json!({"index": 0, "id": called[0]["id"], "function": {"name": "clock", "arguments": {}}});
    let said = json!({"role": "assistant", "content": "", "tool_calls": [call]});
    let gave = json!({"role": "tool", "content": "12:00", "tool_call_id": called[0]["id"]});
    let told = lines(&chat(&ask(json!([asked, said, gave]))).ok());
    let text: String = told.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), &told.last().expect("a last line")["done"]), ("Noon.", &json!(true)));
    let title = json!({"model": name, "messages": task("Give it a title.", 22), "stream": false,
        "options": {"num_predict": 1000}});
    chat(&title).ok();
    let refused = chat(&ask(json!([asked])));
    assert_eq!(refused.status, 429);
    assert!(refused.json()["error"].as_str().is_some_and(|text| text.contains('3')), "{refused:?}");
}
