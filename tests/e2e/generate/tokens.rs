//! `/tokenize` and `/detokenize` through both gates: what a chat is charged for, and nothing that is charged besides.

use harness::caller::MODEL;
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;

fn post(stack: &RunningStack, path: &str, key: &str, body: &Value) -> Answer {
    stack.edge.send(|http, edge| http.post(format!("{edge}{path}")).bearer_auth(key).json(body)).from_edge()
}

#[test]
fn a_chat_is_charged_for_the_tokens_that_it_is_said_to_have() {
    let stack = Stack::new().limit("10 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let body = json!({
        "model": MODEL, "messages": [{"role": "user", "content": format!("{} <|im_end|>", secrets::PROMPT)}],
        "max_tokens": 16, "temperature": 0, "enable_thinking": false,
    });
    let told = post(&stack, "/tokenize", &key.key, &body).ok();
    assert_eq!(told.header("x-ratelimit-remaining-requests"), Some("9"));
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let used = stack.edge.view(key.id).used;
    assert_eq!((used.served, used.prompt_tokens, used.completion_tokens), (1, 0, 0));
    let chat = post(&stack, "/v1/chat/completions", &key.key, &body).ok().json();
    assert_eq!(told.json()["count"], chat["usage"]["prompt_tokens"]);
    assert_eq!(told.json()["max_model_len"], 4096);

    let text = json!({"model": MODEL, "prompt": "Grüße <|im_end|>", "return_token_strs": true});
    let told = post(&stack, "/tokenize", &key.key, &text).ok().json();
    assert_eq!(told["token_strs"].as_array().and_then(|all| all.last()), Some(&json!("<|im_end|>")));
    let back = post(&stack, "/detokenize", &key.key, &json!({"model": MODEL, "tokens": told["tokens"]})).ok().json();
    assert_eq!(back, json!({"prompt": "Grüße <|im_end|>"}));
    let wrong = post(&stack, "/detokenize", &key.key, &json!({"model": MODEL, "tokens": [9_999]}));
    assert!(wrong.refused(Reason::InvalidRequest).text().contains("9999"));
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.view(key.id).used.prompt_tokens, chat["usage"]["prompt_tokens"].as_u64().unwrap_or_default());
    stack.check_logs(&[&key.key, secrets::PROMPT]);
}

#[test]
fn what_would_be_generated_says_which_scope_is_needed() {
    let stack = Stack::new().start();
    let with = |scope: &str| stack.edge.issue(&json!({"plan": harness::PLAN, "scopes": [scope]})).key;
    let messages = json!({"model": MODEL, "messages": [{"role": "user", "content": "x"}]});
    let (prompt, tokens) = (json!({"model": MODEL, "prompt": "x"}), json!({"model": MODEL, "tokens": [1]}));
    for (scope, path, body) in
        [("chat", "/tokenize", messages), ("completions", "/tokenize", prompt), ("completions", "/detokenize", tokens)]
    {
        post(&stack, path, &with(scope), &body).ok();
        post(&stack, path, &with("embeddings"), &body).refused(Reason::NotAllowed);
    }
    // A client whose base URL ends in /v1.
    let lost = post(&stack, "/v1/tokenize", &with("chat"), &json!({}));
    assert!(lost.text().contains("Did you mean /tokenize?"), "{lost:?}");
    assert!(stack.edge.send(|http, edge| http.post(format!("{edge}/tokenize"))).status >= 400);
}
