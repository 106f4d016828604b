//! The built-in model through both gates: what was scripted elsewhere, said by a model that was trained to say it.

use harness::caller::MODEL;
use harness::caller::clients::run_client;
use harness::{Stack, tools};
use serde_json::{Value, json};

/// Questions and their most likely answers: end tokens, thinking, calls, JSON, stop strings, several turns.
const ANSWERS: &str = "origin/tiny/answers.json";

#[test]
fn recorded_answers_come_back_through_openais_python_client() {
    let stack = Stack::new().slots(2).tiny_origin().start();
    let key = stack.key();
    let file = tools::root().join(ANSWERS);
    let recorded: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let came = run_client("chat/openai_tiny.py", &[&stack.edge.base_url(), &key.key, MODEL, file.to_str().unwrap()]);
    let recorded = recorded.as_array().unwrap();
    assert_eq!(came.as_array().map(Vec::len), Some(recorded.len()));
    for (came, entry) in came.as_array().unwrap().iter().zip(recorded) {
        for way in ["whole", "streamed"] {
            assert_eq!(came[way], entry["answer"], "{}, {way}", entry["name"]);
        }
    }
}

#[test]
fn an_answer_ends_by_itself_and_is_counted() {
    let stack = Stack::new().tiny_origin().start();
    let key = stack.key();
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "temperature": 0});
    let answer = stack.edge.chat(Some(&key.key), &body).ok().json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let tokens = answer["usage"]["completion_tokens"].as_u64().unwrap();
    // `max_tokens` is 512 where none is named.
    assert!((4..32).contains(&tokens), "{answer}");
}
