//! Ollama's doors: the same question as at OpenAI's becomes the same value, and what is wrong is told in Ollama's names.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, JsonSchema, Names, ResponseFormat};
use sluice_protocol::request::bodies::ollama::{full_name, models, short_name};
use sluice_protocol::request::bodies::question::{Presence, Question};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(door: Door, body: &Value) -> Result<Question, Refusal> {
    read::question(door, body.to_string().as_bytes(), BOUNDS)
}

/// A question without what only refusals and the shape of an answer read.
fn bare(question: Question) -> Question {
    let same = |request: ChatRequest| ChatRequest {
        names: Names::CHAT,
        thinking_param: "",
        stream: false,
        format: match request.format {
            ResponseFormat::JsonSchema(schema) => {
                ResponseFormat::JsonSchema(JsonSchema { name: String::new(), strict: true, ..schema })
            }
            other => other,
        },
        ..request
    };
    match question {
        Question::Chat(request) => same(*request).into(),
        Question::Text(mut request) => {
            (request.names, request.stream) = (Names::TEXT, false);
            Question::Text(request)
        }
        other => other,
    }
}

/// One message as both doors have it.
fn message() -> impl Strategy<Value = (Value, Value)> {
    let text = "[a-z \\u{e9}<|\"\\\\]{0,24}";
    let arguments = proptest::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..3);
    let said = (prop_oneof![Just("system"), Just("user")], text).prop_map(|(role, text)| {
        let message = json!({"role": role, "content": text});
        (message.clone(), message)
    });
    let answered = (text, proptest::option::of(text), proptest::collection::vec(("[a-z_]{1,6}", arguments), 0..3))
        .prop_map(|(text, thinking, calls)| {
            let (mut chat, mut ollama) = (
                json!({"role": "assistant", "content": text, "reasoning_content": thinking}),
                json!({"role": "assistant", "content": text, "thinking": thinking, "images": []}),
            );
            let numbered = || calls.iter().enumerate();
            chat["tool_calls"] = numbered()
                .map(|(at, (name, arguments))| {
                    let arguments = json!(arguments).to_string();
                    json!({"id": format!("call_{at}"), "type": "function", "function": {"name": name, "arguments": arguments}})
                })
                .collect();
            ollama["tool_calls"] = numbered()
                .map(|(at, (name, arguments))| {
                    json!({"id": format!("call_{at}"), "function": {"index": at, "name": name, "arguments": arguments}})
                })
                .collect();
            (chat, ollama)
        });
    let told = (text, "[a-z_]{1,6}").prop_map(|(text, name)| {
        (
            json!({"role": "tool", "content": text, "tool_call_id": "call_0", "name": name}),
            json!({"role": "tool", "content": text, "tool_call_id": "call_0", "tool_name": name}),
        )
    });
    prop_oneof![said, answered, told]
}

/// A member as both doors have it: what it is called at each, and its value at each.
fn option() -> impl Strategy<Value = (&'static str, Value, &'static str, Value)> {
    let same = |chat, ollama, value: Value| (chat, value.clone(), ollama, value);
    prop_oneof![
        (0u32..=20).prop_map(move |n| same("temperature", "options.temperature", json!(f64::from(n) / 10.0))),
        (1u32..=10).prop_map(move |n| same("top_p", "options.top_p", json!(f64::from(n) / 10.0))),
        (0u32..=10).prop_map(move |n| same("min_p", "options.min_p", json!(f64::from(n) / 10.0))),
        (-1i64..100).prop_map(move |n| same("top_k", "options.top_k", json!(n))),
        (1u32..=1_000).prop_map(move |n| same("max_tokens", "options.num_predict", json!(n))),
        (1u32..=100).prop_map(move |n| same(
            "repetition_penalty",
            "options.repeat_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (-20i32..=20).prop_map(move |n| same(
            "presence_penalty",
            "options.presence_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (-20i32..=20).prop_map(move |n| same(
            "frequency_penalty",
            "options.frequency_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (0i64..1_000).prop_map(move |n| same("seed", "options.seed", json!(n))),
        proptest::collection::vec("[a-z]{1,4}", 0..4).prop_map(move |stop| same("stop", "options.stop", json!(stop))),
        any::<bool>().prop_map(move |think| same("think", "think", json!(think))),
        any::<bool>().prop_map(move |stream| same("stream", "stream", json!(stream))),
        Just(("response_format", json!({"type": "json_object"}), "format", json!("json"))),
        "[a-z]{1,6}".prop_map(|name| {
            let schema = json!({"type": "object", "properties": {name: {"type": "integer"}}});
            let wrapped = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
            ("response_format", wrapped, "format", schema)
        }),
        "[a-z]{1,6}".prop_map(move |name| {
            let tool = json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
            same("tools", "tools", json!([tool]))
        }),
    ]
}

type Options = Vec<(&'static str, Value, &'static str, Value)>;

/// The bodies of both doors, each with these members of its own and the options.
fn bodies(chat: Value, ollama: Value, options: &Options) -> (Value, Value) {
    let (mut chat, mut ollama) = (chat, ollama);
    for (name, value, other, other_value) in options {
        chat[*name] = value.clone();
        match other.strip_prefix("options.") {
            Some(inner) => ollama["options"][inner] = other_value.clone(),
            None => ollama[*other] = other_value.clone(),
        }
    }
    (chat, ollama)
}

proptest! {
    #[test]
    fn the_same_question_by_two_doors_is_one(
        messages in proptest::collection::vec(message(), 1..6),
        options in proptest::collection::vec(option(), 0..6),
        latest in any::<bool>(),
    ) {
        let (chat, ollama): (Vec<Value>, Vec<Value>) = messages.into_iter().unzip();
        let model = if latest { "owner/m:latest" } else { "owner/m" };
        let (chat, ollama) = bodies(
            json!({"model": "owner/m", "messages": chat}),
            // What clients send where nobody said anything.
            json!({"model": model, "messages": ollama, "tools": [], "format": "", "keep_alive": "5m",
                   "options": {"num_ctx": 4096, "mirostat": null, "stop": []}}),
            &options,
        );
        let (chat, ollama) = (ask(Door::Chat, &chat).unwrap(), ask(Door::OllamaChat, &ollama).unwrap());
        let said = options.iter().any(|(name, ..)| *name == "stream");
        prop_assert_eq!(ollama.stream(), if said { chat.stream() } else { true });
        // What limits are about.
        prop_assert_eq!(chat.endpoint(), ollama.endpoint());
        prop_assert_eq!(chat.guess_prompt_tokens(), ollama.guess_prompt_tokens());
        prop_assert_eq!((chat.most_tokens(), chat.thinks()), (ollama.most_tokens(), ollama.thinks()));
        prop_assert_eq!(chat.model(), ollama.model());
        prop_assert_eq!(bare(chat), bare(ollama));
    }

    #[test]
    fn a_prompt_is_a_chat_or_a_text_completion(
        prompt in "[a-z <|]{1,24}",
        system in "[a-z]{0,8}",
        options in proptest::collection::vec(option(), 0..5),
    ) {
        let options: Options = options.into_iter().filter(|(name, ..)| *name != "tools").collect();
        let said = |role: &str, content: &str| json!({"role": role, "content": content});
        let system_said = (!system.is_empty()).then(|| said("system", &system));
        let messages: Vec<Value> = system_said.into_iter().chain([said("user", &prompt)]).collect();
        let generate = json!({"model": "m", "prompt": prompt, "system": system, "suffix": "", "context": [], "images": null});
        let (chat, ollama) = bodies(json!({"model": "m", "messages": messages}), generate, &options);
        let (chat, ollama) = (ask(Door::Chat, &chat).unwrap(), ask(Door::OllamaGenerate, &ollama).unwrap());
        prop_assert_eq!(bare(chat), bare(ollama));

        let options: Options =
            options.into_iter().filter(|(name, ..)| !matches!(*name, "think" | "response_format")).collect();
        let raw = json!({"model": "m", "prompt": prompt, "raw": true});
        let (text, ollama) = bodies(json!({"model": "m", "prompt": prompt}), raw, &options);
        let (text, ollama) = (ask(Door::Completions, &text).unwrap(), ask(Door::OllamaGenerate, &ollama).unwrap());
        prop_assert_eq!(text.endpoint(), ollama.endpoint());
        prop_assert_eq!(bare(text), bare(ollama));
    }

    /// Whatever comes, it is a question or a refusal that can be told.
    #[test]
    fn any_options_are_taken_or_refused_by_name(name in "[a-z_]{1,12}", value in any::<i64>()) {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "options": {&name: value}});
        if let Err(refusal) = ask(Door::OllamaChat, &body) {
            prop_assert!(refusal.message.contains(&name), "{}", refusal.message);
        }
    }
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
