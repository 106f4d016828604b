//! Ollama's doors: the same question as at OpenAI's becomes the same value, and what is wrong is told in Ollama's names.

mod same;

use serde_json::{Map, Value, json};
use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::bodies::ollama::{full_name, models, short_name};
use sluice_protocol::request::bodies::question::{Presence, Question};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(door: Door, body: &Value) -> Result<Question, Refusal> {
    read::question(door, body.to_string().as_bytes(), BOUNDS)
}

fn chat(members: &str) -> Result<Question, Refusal> {
    let more = if members.is_empty() { String::new() } else { format!(",{members}") };
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{more}}}"#);
    read::question(Door::OllamaChat, body.as_bytes(), BOUNDS)
}

fn generate(members: &str) -> Result<Question, Refusal> {
    let body = format!(r#"{{"model":"m","prompt":"x",{members}}}"#);
    read::question(Door::OllamaGenerate, body.as_bytes(), BOUNDS)
}

#[test]
fn nulls_and_what_is_empty_say_nothing() {
    let least = chat("").unwrap();
    for members in [
        r#""tools":[]"#,
        r#""tools":[ ]"#,
        r#""tools":null,"format":null,"think":null,"logprobs":null,"stream":null,"keep_alive":null,"options":null"#,
        r#""format":"","template":"","system":"","suffix":"","images":[],"context":[],"raw":false"#,
        r#""options":{}"#,
        r#""options":{"temperature":null,"stop":null,"num_ctx":null,"num_predict":null,"seed":null,"mirostat":null}"#,
        r#""options":{"stop":[],"num_predict":-1,"seed":-1,"repeat_last_n":64,"tfs_z":1.0,"num_gpu":99}"#,
        r#""options":{"num_predict":-2},"keep_alive":-1"#,
        r#""options":{"num_predict":0},"keep_alive":"24h""#,
        r#""keep_alive":0"#,
        r#""stream":true,"truncate":true,"shift":false"#,
    ] {
        assert_eq!(chat(members).unwrap(), least, "{members}");
    }
    assert!(least.stream());
}

#[test]
fn what_is_wrong_is_told_in_ollama_s_names() {
    for (outcome, reason, param, told) in [
        (chat(r#""stream":"yes""#), InvalidRequest, "stream", "true or false"),
        (chat(r#""options":{"num_predict":1001}"#), InvalidRequest, "options.num_predict", "from 1 to 1000"),
        (chat(r#""options":{"temperature":"hot"}"#), InvalidRequest, "options.temperature", "from 0 to 2"),
        (chat(r#""options":[]"#), InvalidRequest, "options", "an object"),
        (chat(r#""options":{"seed":1,"seed":2}"#), InvalidRequest, "options.seed", "twice"),
        (chat(r#""format":"xml""#), InvalidRequest, "format", "`json`"),
        (chat(r#""think":"low""#), UnsupportedParameter, "think", "medium"),
        (chat(r#""tools":"none""#), InvalidRequest, "tools", "list"),
        // Served at another place of this door, at the other door of Ollama's, or at one of OpenAI's.
        (chat(r#""temperature":1"#), UnsupportedParameter, "temperature", "`options.temperature`"),
        (chat(r#""options":{"format":"json"}"#), UnsupportedParameter, "options.format", "Use `format`"),
        (chat(r#""max_tokens":5"#), UnsupportedParameter, "max_tokens", "`options.num_predict`"),
        (chat(r#""prompt":"x""#), UnsupportedParameter, "prompt", "messages"),
        (generate(r#""messages":[1]"#), UnsupportedParameter, "messages", "/api/chat serves it"),
        (generate(r#""tools":[1]"#), UnsupportedParameter, "tools", "/api/chat serves it"),
        (chat(r#""n":2"#), UnsupportedParameter, "n", "/v1/chat/completions serves it"),
        (chat(r#""max_completion_tokens":2"#), UnsupportedParameter, "max_completion_tokens", "/v1/chat/completions"),
        (
            chat(r#""stream_options":{}"#),
            UnsupportedParameter,
            "stream_options",
            "/v1/chat/completions and /v1/responses serve it",
        ),
        (chat(r#""response_format":{"type":"json_object"}"#), UnsupportedParameter, "response_format", "`format`"),
        (chat(r#""options":{"logit_bias":{}}"#), UnsupportedParameter, "options.logit_bias", "/v1/chat/completions"),
        // Not served.
        (chat(r#""images":["aGk="]"#), UnsupportedParameter, "images", "`images`"),
        (chat(r#""options":{"mirostat":2}"#), UnsupportedParameter, "options.mirostat", "Leave it out"),
        (generate(r#""suffix":"y""#), UnsupportedParameter, "suffix", "Leave it out"),
        (generate(r#""template":"y""#), UnsupportedParameter, "template", "Leave it out"),
        (generate(r#""context":[1,2]"#), UnsupportedParameter, "context", "Leave it out"),
        (generate(r#""raw":true,"system":"x""#), UnsupportedParameter, "system", "`raw`"),
        (generate(r#""raw":true,"format":"json""#), UnsupportedParameter, "format", "`raw`"),
        (generate(r#""raw":true,"think":true"#), UnsupportedParameter, "think", "`raw`"),
    ] {
        let refusal = outcome.unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(param)), "{}", refusal.message);
        assert!(refusal.message.contains(told), "{param}: {}", refusal.message);
    }
    assert_eq!(read::question(Door::OllamaChat, b"{", BOUNDS).unwrap_err().reason, InvalidJson);
    let stops = format!(r#""options":{{"stop":[{}]}}"#, vec![r#""x""#; 10_000].join(","));
    let refusal = chat(&stops).unwrap_err();
    assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some("options.stop")));
    assert!(refusal.message.len() < 200);
}

/// A result needs no call, and a call no id; pictures are refused by the message that has them.
#[test]
fn messages_are_taken_as_ollama_s_clients_send_them() {
    let ask = |messages: Value| ask(Door::OllamaChat, &json!({"model": "m", "messages": messages}));
    for good in [
        json!([{"role": "tool", "tool_name": "w", "content": "5"}]),
        json!([{"role": "assistant", "tool_calls": [{"function": {"name": "w", "arguments": {}}}]}]),
        json!([{"role": "user"}]),
        json!([{"role": "user", "content": null, "images": null, "tool_calls": []}]),
    ] {
        assert!(ask(good.clone()).is_ok(), "{good}");
    }
    for (bad, reason) in [
        (json!([{"role": "user", "content": "x", "images": ["aGk="]}]), UnsupportedParameter),
        (json!([{"content": "x"}]), InvalidRequest),
        (json!([{"role": "nobody", "content": "x"}]), InvalidRequest),
        (json!([{"role": "assistant", "tool_calls": [{"function": {"name": "w", "arguments": 5}}]}]), InvalidRequest),
    ] {
        let refusal = ask(bad.clone()).unwrap_err();
        assert_eq!(refusal.reason, reason, "{bad}");
        assert!(refusal.message.starts_with("messages[0]"), "{}", refusal.message);
    }
}

#[test]
fn an_empty_prompt_asks_whether_its_model_is_there() {
    let presence = |unload, stream| Question::Presence(Presence { model: "m".into(), unload, stream });
    let chat = |members: Value| {
        let mut body = json!({"model": "m:latest"});
        body.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap_or(Map::new()));
        (ask(Door::OllamaChat, &body).unwrap(), ask(Door::OllamaGenerate, &body).unwrap())
    };
    for (members, unload, stream) in [
        (json!({}), false, true),
        (json!({"messages": [], "stream": false}), false, false),
        (json!({"keep_alive": 0}), true, true),
        (json!({"keep_alive": "0"}), true, true),
        (json!({"keep_alive": "0s"}), true, true),
        (json!({"keep_alive": 0.0}), true, true),
        (json!({"keep_alive": "10m"}), false, true),
        (json!({"keep_alive": -1}), false, true),
        (json!({"keep_alive": "s"}), false, true),
    ] {
        let expected = presence(unload, stream);
        assert_eq!(chat(members.clone()), (expected.clone(), expected), "{members}");
    }
    let Question::Presence(presence) = presence(true, true) else { unreachable!() };
    let told: Value = serde_json::from_str(&models::present(Door::OllamaChat, &presence, 0)).unwrap();
    assert_eq!(
        told,
        json!({"model": "m", "created_at": "1970-01-01T00:00:00.000Z", "done": true, "done_reason": "unload",
               "message": {"role": "assistant", "content": ""}})
    );
    assert!(models::present(Door::OllamaGenerate, &presence, 0).ends_with("\n"));
}

#[test]
fn a_name_has_a_tag_for_ollama_s_clients() {
    for (short, full) in [("tiny", "tiny:latest"), ("a/b", "a/b:latest"), ("a:b/c", "a:b/c:latest")] {
        assert_eq!((full_name(short).as_str(), short_name(full)), (full, short));
        assert_eq!(short_name(short), short);
    }
    assert_eq!((full_name("qwen:4b").as_str(), short_name("qwen:4b")), ("qwen:4b", "qwen:4b"));
}

/// What the lists and `/api/show` say of a model, and what is not served and by whom it is.
#[test]
fn models_are_told_of_by_what_is_known() {
    let entry = json!({"id": "tiny", "created": 1_790_000_000, "context_length": 4096, "capabilities": ["tools"]});
    let listed = models::listed(std::slice::from_ref(&entry));
    let model = &listed["models"][0];
    assert_eq!((&model["name"], &model["model"]), (&json!("tiny:latest"), &json!("tiny:latest")));
    assert_eq!(model["digest"].as_str().map(str::len), Some(64));
    assert_eq!(model["modified_at"], "2026-09-21T14:13:20.000Z");
    let shown = models::shown(&entry);
    assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    let embeds = json!({"id": "e", "created": 0, "context_length": 4096, "capabilities": ["embedding"]});
    assert_eq!(models::shown(&embeds)["capabilities"], json!(["embedding"]));
    assert_eq!(shown["model_info"], json!({"general.architecture": "qwen", "qwen.context_length": 4096}));
    let other = json!({"id": "tiny", "created": 1_790_000_000, "context_length": 8192, "capabilities": ["tools"]});
    assert_ne!(models::listed(&[other])["models"][0]["digest"], model["digest"]);

    for (body, name) in [(r#"{"model":"tiny:latest"}"#, "tiny"), (r#"{"name":"a/b"}"#, "a/b")] {
        assert_eq!(models::named(body.as_bytes()).unwrap(), name);
    }
    for body in ["{}", "[]", r#"{"model":""}"#, r#"{"model":5}"#] {
        assert_eq!(models::named(body.as_bytes()).unwrap_err().reason, InvalidRequest, "{body}");
    }
    for path in ["/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs/sha256:00"] {
        let refusal = models::unserved(path).unwrap();
        assert_eq!(refusal.reason, Reason::NotFound);
        assert!(refusal.message.starts_with(path) && refusal.message.contains("/api/"), "{}", refusal.message);
    }
    for path in ["/api/", "/api/pullx", "/v1/pull", "/"] {
        assert_eq!(models::unserved(path), None, "{path}");
    }
}
