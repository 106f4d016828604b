//! What an admin changes at one isolate holds at another one for the very next request, whatever that one remembers; and what
//! becomes of requests that were let in before.

use harness::caller::{Caller, hello, hello_stream};
use harness::wait::{SOON, until, until_true};
use harness::{PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;
use std::time::Duration;

/// How long an isolate remembers a refusal at most.
const REMEMBERED: Duration = Duration::from_secs(1);

fn asks(stack: &RunningStack) -> usize {
    stack.between().seen().iter().map(|message| message.asks()).sum()
}

/// Asks there until a refusal comes from memory.
fn remembered(stack: &RunningStack, edge: &Caller, key: &str) {
    let look = || {
        let before = asks(stack);
        let answer = edge.chat(Some(key), &hello(4));
        (answer.status != 200 && asks(stack) == before).then_some(answer)
    };
    until("a refusal from memory", SOON, look).0.refused(Reason::RateLimited);
}

fn rotate(stack: &RunningStack, key: &CreatedKey) -> String {
    let path = format!("/keys/{}/rotate", key.id);
    let answer = stack.edge.admin("POST", &path, Some(&json!({"overlap": "0s"}))).ok().json();
    answer["key"].as_str().expect("a secret").to_owned()
}

#[test]
fn a_number_that_is_lowered_holds_at_once_and_one_that_is_raised_when_nobody_remembers_another() {
    let stack = Stack::new().limit("3 per 1h").with_twin().with_between().start();
    stack.script().allow_all();
    let (key, twin) = (stack.key(), stack.twin());
    let of = [format!("/keys/{}", key.id), format!("/accounts/{}", key.account)];
    let patch =
        |path: &str, numbers: Value| drop(stack.edge.admin("PATCH", path, Some(&json!({"overrides": numbers}))).ok());
    let set = |path: &str, limit: u32| patch(path, json!({"window-0": limit}));
    let chat = |edge: &Caller| edge.chat(Some(&key.key), &hello(4));
    chat(&twin).ok();
    // Lowered, of the key and of its account: the next request there is refused.
    for path in &of {
        set(path, 1);
        chat(&twin).refused(Reason::RateLimited);
        set(path, 3);
        until_true("it is raised again", 2 * REMEMBERED, || chat(&twin).status == 200);
        patch(path, json!({}));
    }
    chat(&twin).refused(Reason::RateLimited);
    // Raised, while the twin remembers a refusal: where it was asked, at once; there, as soon as that is forgotten. No more
    // than the number passes.
    remembered(&stack, &twin, &key.key);
    set(&of[0], 9);
    chat(&stack.edge).ok();
    let after = until_true("it is raised there", 2 * REMEMBERED, || chat(&twin).status == 200);
    assert!(after <= REMEMBERED + Duration::from_millis(500), "{after:?}");
    let passed = (0..9).filter(|_| chat(&twin).status == 200).count();
    assert_eq!(passed, 9 - 5, "what was counted stays counted");
    // And lowered below what has passed.
    set(&of[0], 2);
    for edge in [&stack.edge, &twin] {
        chat(edge).refused(Reason::RateLimited);
    }
}

/// Whoever holds a secret that is over is nobody, and is not told how the key stands.
#[test]
fn what_a_secret_was_refused_is_told_to_no_other_secret() {
    let stack = Stack::new().limit("1 per 1h").with_between().with_twin().start();
    stack.script().allow_all();
    let (key, twin) = (stack.key(), stack.twin());
    let second = rotate(&stack, &key);
    for edge in [&stack.edge, &twin] {
        edge.chat(Some(&second), &hello(4));
        remembered(&stack, edge, &second);
        let before = asks(&stack);
        let answer = edge.chat(Some(&key.key), &hello(4)).refused(Reason::InvalidKey);
        assert_eq!((answer.header("ratelimit"), asks(&stack)), (None, before + 1));
        // It has changed nothing about what is remembered of the other.
        remembered(&stack, edge, &second);
    }
}

#[test]
fn a_secret_that_is_rotated_away_ends_everywhere_at_once() {
    let stack = Stack::new().limit("1 per 1h").with_twin().with_between().start();
    stack.script().allow_all();
    let (key, fresh, twin) = (stack.key(), stack.key(), stack.twin());
    // One that the twin has just let in.
    twin.chat(Some(&fresh.key), &hello(4)).ok();
    let second = rotate(&stack, &fresh);
    twin.chat(Some(&fresh.key), &hello(4)).refused(Reason::InvalidKey);
    twin.chat(Some(&second), &hello(4)).refused(Reason::RateLimited);
    // One of which it remembers a refusal: that, or none at all, and never anything else.
    twin.chat(Some(&key.key), &hello(4)).ok();
    remembered(&stack, &twin, &key.key);
    let third = rotate(&stack, &key);
    stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"overrides": {"window-0": 9}}))).ok();
    // The new secret is not the one that was refused.
    twin.chat(Some(&third), &hello(4)).ok();
    let refused = |edge: &Caller| {
        let answer = edge.chat(Some(&key.key), &hello(4));
        assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        answer.status == 401
    };
    assert!(refused(&stack.edge), "where it was rotated, at once");
    until_true("the twin has forgotten", 2 * REMEMBERED, || refused(&twin));
    twin.get("/v1/models", Some(&key.key)).refused(Reason::InvalidKey);
}

/// A request that was let in is served to its end, and counted, whatever becomes of its key or account meanwhile.
#[test]
fn what_ends_in_flight_serves_its_request() {
    type End = fn(&RunningStack, &CreatedKey) -> Reason;
    let ends: [(&str, End); 4] = [
        ("the key is deleted", |stack, key| {
            stack.edge.revoke(key.id);
            Reason::InvalidKey
        }),
        ("the key is disabled", |stack, key| {
            stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"disabled": true}))).ok();
            Reason::Disabled
        }),
        ("its account is deleted", |stack, key| {
            stack.edge.admin("DELETE", &format!("/accounts/{}", key.account), None).ok();
            Reason::InvalidKey
        }),
        ("its number is lowered", |stack, key| {
            stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"overrides": {"window-0": 1}}))).ok();
            Reason::RateLimited
        }),
    ];
    for (what, end) in ends {
        let stack = Stack::new().limit("2 per 1h").with_twin().start();
        let key = stack.key();
        // Another key of the account sees what was counted.
        let beside = stack.edge.issue(&json!({"plan": PLAN, "account": key.account}));
        let mut open = stack.open_chat(&key.key, &hello_stream(8));
        stack.script().allow(2);
        open.read_text("data:");
        let reason = end(&stack, &key);
        for edge in [&stack.edge, &stack.twin()] {
            let answer = edge.chat(Some(&key.key), &hello(4));
            assert_eq!(answer.status, reason.row().status, "{what}: {}", answer.text());
            answer.refused(reason);
        }
        stack.script().allow_all();
        open.read_text("[DONE]");
        if what == "its account is deleted" {
            stack.edge.chat(Some(&beside.key), &hello(4)).refused(Reason::InvalidKey);
            continue;
        }
        let account = || -> Value { stack.edge.admin("GET", &format!("/accounts/{}", key.account), None).ok().json() };
        until_true("it is settled", SOON, || account()["live_leases"] == 0);
        assert_eq!(account()["used"]["served"], 1, "{what}");
        stack.edge.chat(Some(&beside.key), &hello(4)).ok();
    }
}
