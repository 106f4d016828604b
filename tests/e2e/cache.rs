//! cache: answers that are given again, on the real runtime.

use harness::caller::hello;
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::wire::header;
use std::time::Duration;

fn stack() -> Stack {
    Stack::new()
        .with(json!({"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"}))
        .plan("cache", json!({"ttl": "10m"}))
}

fn question(stream: bool) -> Value {
    let mut body = hello(4);
    body["temperature"] = 0.into();
    body["stream"] = stream.into();
    body
}

fn ask(stack: &RunningStack, key: &str, body: &Value) -> (String, Answer) {
    let answer = stack.edge.chat(Some(key), body).ok();
    (answer.header(header::CACHE).unwrap_or_default().to_owned(), answer)
}

/// Which generation an answer is of.
fn id(answer: &Answer) -> String {
    answer.completion().id
}

#[test]
fn fifty_at_once_are_one_generation() {
    let stack = stack().start();
    let key = stack.key();
    // The list of models is there before, so that the first does not wait for it alone.
    stack.edge.get("/v1/models", Some(&key.key)).ok();
    let connections: Vec<_> = (0..50).map(|_| stack.open_chat(&key.key, &question(false))).collect();
    until_true("all are admitted", SOON, || stack.edge.view(key.id).live_leases == 50);
    until_true("one has reached the origin", SOON, || stack.capacity().free == stack.capacity().slots - 1);
    stack.script().allow_all();
    let answers: Vec<Answer> = connections.into_iter().map(|one| one.answer().from_edge().ok()).collect();
    let first = id(&answers[0]);
    assert!(answers.iter().all(|answer| id(answer) == first), "all are of one generation");
    let told = |what| answers.iter().filter(|answer| answer.header(header::CACHE) == Some(what)).count();
    assert_eq!((told("miss"), told("hit")), (1, 49));
    until_true("all are settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.own(&key.key).limits[0].used, 50, "each has been a request");
}

#[test]
fn what_was_answered_is_answered_again_to_its_account_alone() {
    let stack = stack().with_twin().start();
    stack.script().allow_all();
    let (key, other) = (stack.key(), stack.key());
    let (first, answer) = ask(&stack, &key.key, &question(false));
    assert_eq!(first, "miss");
    // It is kept behind its answer; from then on also for another isolate.
    until_true("it is kept", SOON, || ask(&stack, &key.key, &question(false)).0 == "hit");
    let (_, again) = ask(&stack, &key.key, &question(false));
    assert_eq!((again.text(), again.request_id() == answer.request_id()), (answer.text(), false));
    let twin = stack.twin().chat(Some(&key.key), &question(false)).ok();
    assert_eq!((twin.header(header::CACHE), twin.text()), (Some("hit"), answer.text()));
    // Made into pieces for whoever wants them.
    let (hit, pieces) = ask(&stack, &key.key, &question(true));
    assert_eq!(
        (hit.as_str(), pieces.stream().whole().text()),
        ("hit", answer.completion().choices[0].message.content.clone().unwrap_or_default())
    );
    let (miss, others) = ask(&stack, &other.key, &question(false));
    assert_eq!((miss.as_str(), id(&others) == id(&answer)), ("miss", false), "accounts never share");
    let mut tools = question(false);
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(ask(&stack, &key.key, &tools).0, "bypass");
}

#[test]
fn a_stream_that_broke_off_is_never_kept_and_a_whole_one_is() {
    let stack = stack().start();
    let key = stack.key();
    stack.script().say(Say::fail_after("half", Fault::Row));
    stack.script().allow_all();
    let mut long = question(true);
    long["max_tokens"] = 64.into();
    let broken = stack.edge.chat(Some(&key.key), &long).ok();
    assert!(broken.text().contains("\"error\"") && !broken.text().contains("[DONE]"), "{}", broken.text());
    let (after, _) = ask(&stack, &key.key, &long);
    assert_eq!(after, "miss", "what broke off is not kept");
    let (miss, whole) = ask(&stack, &key.key, &question(true));
    assert_eq!(miss, "miss");
    until_true("that is kept", SOON, || ask(&stack, &key.key, &question(true)).0 == "hit");
    let (_, again) = ask(&stack, &key.key, &question(true));
    assert_eq!((again.text(), again.stream().whole().text()), (whole.text(), whole.stream().text()));
}

#[test]
fn what_an_admin_has_forgotten_is_not_given_again() {
    let stack = stack().with_twin().start();
    stack.script().allow_all();
    let (key, other) = (stack.key(), stack.key());
    let twin = stack.twin();
    let ask_twin = || twin.chat(Some(&key.key), &question(false)).ok().header(header::CACHE).map(str::to_owned);
    for key in [&key, &other] {
        until_true("it is kept", SOON, || ask(&stack, &key.key, &question(false)).0 == "hit");
    }
    assert_eq!(ask_twin().as_deref(), Some("hit"));
    stack.edge.admin("DELETE", &format!("/cache/{}", key.account), None).ok();
    assert_eq!(ask(&stack, &key.key, &question(false)).0, "miss");
    assert_eq!(ask(&stack, &other.key, &question(false)).0, "hit", "another account's stays");
    // An isolate that has a list of a moment ago finds what was kept under the new one as soon as it has that.
    until_true("the other isolate learns it", Duration::from_secs(6), || ask_twin().as_deref() == Some("hit"));
    stack.edge.admin("DELETE", "/cache", None).ok();
    assert_eq!(ask(&stack, &other.key, &question(false)).0, "miss");
    let log = stack.edge.admin("GET", "/audit", None).ok().json();
    let entries = log["data"].as_array().expect("entries");
    let purges: Vec<_> = entries.iter().filter(|entry| entry["action"] == "cache.purge").collect();
    let mut targets: Vec<_> = purges.iter().filter_map(|entry| entry["target"].as_str()).collect();
    targets.sort_unstable();
    assert!(targets.len() == 2 && targets[0].is_empty() && targets[1].ends_with(&key.account), "{targets:?}");
    stack.edge.admin("DELETE", "/cache/nobody", None).refused(sluice_protocol::refusal::Reason::KeyNotFound);
    stack.edge.admin("GET", "/cache", None).refused(sluice_protocol::refusal::Reason::MethodNotAllowed);
}
