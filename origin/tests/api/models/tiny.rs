//! The built-in model: what it says is what was recorded (`SLUICE_BLESS=1` records it anew), and nothing that is asked breaks
//! the server.

use crate::harness::{client, parts};
use crate::server::program::program;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::{Backend, tiny};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use std::path::Path;

async fn origin() -> RunningOrigin {
    let backend =
        Backend { name: "tiny".into(), model: Box::new(tiny::network(4).unwrap()), text: Text::tiny().unwrap() };
    Origin::start(Config { slots: 4, ..Config::local() }, backend).await.unwrap()
}

async fn ask(origin: &RunningOrigin, mut body: Value) -> (u16, Value) {
    for (name, value) in [("model", json!("tiny")), ("temperature", json!(0)), ("max_tokens", json!(128))] {
        let members = body.as_object_mut().unwrap();
        members.entry(name).or_insert(value);
    }
    let request = client().post(format!("{}/v1/chat/completions", origin.url()));
    parts(request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()).await
}

#[tokio::test]
async fn it_says_what_was_recorded() {
    let origin = origin().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny/answers.json");
    let mut recorded: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(recorded.len() > 15);
    let mut wrong = Vec::new();
    for entry in &mut recorded {
        let (status, answer) = ask(&origin, entry["request"].clone()).await;
        assert_eq!(status, 200, "{}: {answer}", entry["name"]);
        let choice = &answer["choices"][0];
        let calls = choice["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        let call = |call: &Value| {
            let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            json!([call["function"]["name"], arguments])
        };
        let content = choice["message"]["content"].as_str().filter(|text| !text.is_empty());
        let found = json!({
            "content": content, "reasoning": choice["message"]["reasoning_content"],
            "calls": calls.iter().map(call).collect::<Vec<_>>(), "finish": choice["finish_reason"],
        });
        if found != entry["answer"] {
            wrong.push(format!("{}: {found}, and not {}", entry["name"], entry["answer"]));
            entry["answer"] = found;
        }
    }
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&recorded).unwrap() + "\n").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each way to switch thinking off does, the tokens are not computed, and an explicit `enable_thinking` goes before
/// all.
#[tokio::test]
async fn thinking_is_switched_off_in_each_of_its_ways() {
    let origin = origin().await;
    let thoughts = async |members: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "What is 3 + 4?"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let (status, answer) = ask(&origin, body).await;
        assert_eq!(status, 200, "{members}: {answer}");
        answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap()
    };
    let all = thoughts(json!({})).await;
    assert!(all > 0);
    for off in [
        json!({"reasoning_effort": "none"}),
        json!({"reasoning": {"effort": "none"}}),
        json!({"reasoning": {"enabled": false}}),
        json!({"think": false}),
        json!({"enable_thinking": false}),
        json!({"chat_template_kwargs": {"enable_thinking": false}}),
        json!({"enable_thinking": false, "reasoning_effort": "high"}),
    ] {
        assert_eq!(thoughts(off.clone()).await, 0, "{off}");
    }
    for on in [
        json!({"reasoning_effort": "medium"}),
        json!({"reasoning_effort": "high"}),
        json!({"reasoning": {"effort": "high"}}),
        json!({"think": true}),
        json!({"enable_thinking": true, "reasoning_effort": "none"}),
        json!({"chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "none"}),
    ] {
        assert_eq!(thoughts(on.clone()).await, all, "{on}");
    }
    for effort in ["minimal", "low", "xhigh", "max"] {
        let body = json!({"messages": [{"role": "user", "content": "x"}], "reasoning_effort": effort});
        let (status, answer) = ask(&origin, body).await;
        assert_eq!((status, &answer["error"]["param"]), (422, &json!("reasoning_effort")), "{answer}");
    }
}

/// Whatever is asked, the answer is one or a refusal that says why; and the next question is answered.
#[tokio::test]
async fn nothing_that_is_asked_breaks_the_server() {
    let origin = origin().await;
    let noise: String =
        (0..900u32).map(|i| char::from_u32(0x21 + i.wrapping_mul(2_654_435_761) % 0xd000).unwrap_or('x')).collect();
    let odd = [
        String::new(),
        " \n\t ".into(),
        "\0\u{1}\u{7f}".into(),
        "asdf qwer zxcv".into(),
        noise,
        "Hello 你好 Привет مرحبا שלום नमस्ते 🌍🏳️‍🌈 \u{202e}olleH e\u{301}".into(),
        "<|im_start|>system\n<|im_end|><think></think><tool_call>{}</tool_call><|endoftext|>".into(),
        "a".repeat(3_000),
        "word ".repeat(3_000),
        "7".repeat(1_000),
    ];
    for text in &odd {
        for (thinking, tools) in [(true, false), (false, true)] {
            let mut body = json!({
                "messages": [{"role": "user", "content": text}], "max_tokens": 40,
                "chat_template_kwargs": {"enable_thinking": thinking},
            });
            if tools {
                body["tools"] =
                    json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
            }
            let (status, answer) = ask(&origin, body).await;
            let begin: String = text.chars().take(20).collect();
            assert_eq!(status, 200, "{begin:?}: {answer}");
            assert!(answer["usage"]["completion_tokens"].as_u64() > Some(0), "{begin:?}: {answer}");
        }
    }
    // Ten thousand tokens are more than its context holds.
    let (status, answer) = ask(&origin, json!({"messages": [{"role": "user", "content": "7".repeat(10_000)}]})).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("context_length_exceeded")), "{answer}");
    let (status, answer) = ask(&origin, json!({"messages": [{"role": "user", "content": "Hello"}]})).await;
    assert_eq!((status, &answer["choices"][0]["finish_reason"]), (200, &json!("stop")), "{answer}");
}

#[tokio::test]
async fn its_files_are_served_as_any_models_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    assert!(program(&["tiny", path.to_str().unwrap()]).status().await.unwrap().success());
    let text = Text::load(&path).unwrap();
    assert_eq!(text.ends(), Text::tiny().unwrap().ends());
    let logits = |mut model: sluice_origin::models::qwen::Qwen| {
        use sluice_origin::engine::model::{Logits, Model, Row};
        let mut logits = Logits::default();
        logits.reset(1, model.vocab_size());
        model.begin(0, 8).unwrap();
        model.step(&[Row { slot: 0, position: 0, tokens: &[1, 2, 3], sample: true }], &mut logits).unwrap();
        logits.row(0).unwrap().unwrap().to_vec()
    };
    let written = logits(sluice_origin::models::qwen::Qwen::load(&path, 1, None).unwrap());
    assert_eq!(written, logits(tiny::network(1).unwrap()));
}
