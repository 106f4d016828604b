//! What an isolate remembers of a refusal: it spares the Gate a question, ends on time, and ends with every change.

use harness::caller::hello;
use harness::raw_origin;
use harness::wait::{Door, SOON, until, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::json;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many requests were put before a Gate.
fn asks(stack: &RunningStack) -> usize {
    stack.between().seen().iter().map(|message| message.asks()).sum()
}

fn chat(stack: &RunningStack, key: &CreatedKey) -> Answer {
    stack.edge.chat(Some(&key.key), &hello(4))
}

/// Asks until an answer comes from memory: a refusal for which no Gate was asked.
fn remembered(stack: &RunningStack, key: &CreatedKey) -> Answer {
    let look = || {
        let before = asks(stack);
        let answer = chat(stack, key);
        (answer.status != 200 && asks(stack) == before).then_some(answer)
    };
    until("a refusal from memory", SOON, look).0.refused(Reason::RateLimited)
}

#[test]
fn it_ends_at_the_time_that_was_told() {
    let stack = Stack::new().limit("2 per 900ms").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    for _ in 0..3 {
        let wait = remembered(&stack, &key).retry_after_ms().expect("a window says when");
        assert!((1..=900).contains(&wait), "{wait}");
        // As told, and not a moment longer.
        std::thread::sleep(Duration::from_millis(wait));
        let before = asks(&stack);
        chat(&stack, &key).ok();
        assert_eq!(asks(&stack), before + 1);
    }
}

#[test]
fn it_ends_within_a_second_where_the_wait_is_long() {
    let stack = Stack::new().limit("1 per 1h").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    chat(&stack, &key).ok();
    remembered(&stack, &key);
    let before = asks(&stack);
    let look = || {
        chat(&stack, &key).refused(Reason::RateLimited);
        (asks(&stack) > before).then_some(())
    };
    let ((), after) = until("the Gate is asked again", SOON, look);
    assert!(after < Duration::from_secs(2), "{after:?}");
}

#[test]
fn it_ends_with_every_change_to_what_it_was_about() {
    let stack = Stack::new().limit("1 per 1h").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    let beside = stack.edge.issue(&json!({"plan": PLAN, "account": key.account}));
    chat(&stack, &key).ok();
    let patch = |path: String, change: serde_json::Value| stack.edge.admin("PATCH", &path, Some(&change)).ok();
    let (of_key, of_account) = (format!("/keys/{}", key.id), format!("/accounts/{}", key.account));
    let table = json!({"plans": {PLAN: {"limits": []}, "other": {"limits": []}}}).to_string();
    // What lets more through: the next request passes. Each is taken back where the next one needs a refusal.
    type Change<'c> = (&'c str, Box<dyn Fn() + 'c>, Box<dyn Fn() + 'c>);
    let numbers = |path: &str, limit: u32| {
        let (path, most) = (path.to_owned(), json!({"overrides": {"window-0": limit}}));
        patch(path, most);
    };
    let changes: [Change<'_>; 3] = [
        ("its key's number", Box::new(|| numbers(&of_key, 9)), Box::new(|| numbers(&of_key, 1))),
        (
            "its account's number",
            Box::new(|| {
                patch(of_key.clone(), json!({"overrides": {}}));
                remembered(&stack, &key);
                numbers(&of_account, 9);
            }),
            Box::new(|| numbers(&of_account, 1)),
        ),
        ("the plan table", Box::new(|| drop(stack.edge.put_plans(Some("*"), &table).ok())), Box::new(|| ())),
    ];
    for (name, change, back) in changes {
        remembered(&stack, &key);
        change();
        let answer = chat(&stack, &key);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        back();
    }
    stack
        .edge
        .put_plans(
            Some("*"),
            &json!({"plans": {PLAN: {"limits": [
        {"name": "window-0", "kind": "window", "limit": 1, "window": "1h"}]}}})
            .to_string(),
        )
        .ok();
    // What refuses for another reason: that reason is told.
    remembered(&stack, &key);
    patch(of_key.clone(), json!({"disabled": true}));
    chat(&stack, &key).refused(Reason::Disabled);
    patch(of_key, json!({"disabled": false}));
    // Also for a key that shares the account.
    remembered(&stack, &beside);
    stack.edge.revoke(key.id);
    chat(&stack, &key).refused(Reason::InvalidKey);
    remembered(&stack, &beside);
    stack.edge.revoke(beside.id);
    chat(&stack, &beside).refused(Reason::InvalidKey);
}

#[test]
fn it_ends_when_something_is_given_back() {
    let full = serde_json::to_string(&Refusal::new(Reason::Overloaded, "full").body()).expect("JSON");
    let reply = raw_origin::json("503 Service Unavailable", "", full); // not a status: a line of HTTP
    let door = Arc::new(Mutex::new(Door::new()));
    let current = {
        let door = door.clone();
        move || door.lock().expect("nobody panics while it is held").clone()
    };
    let wait = current.clone();
    let stack = Stack::new().limit("1 per 1h").with_between().raw_origin(Arc::new(move |received, socket| {
        wait().pass();
        reply(received, socket);
    }));
    let stack = stack.start();
    let key = stack.key();
    let round = || {
        *door.lock().expect("nobody panics while it is held") = Door::new();
        let before = stack.received().len();
        let running = stack.open_chat(&key.key, &hello(4));
        until_true("it is at the origin", SOON, || stack.received().len() == before + 1);
        let start = Instant::now();
        remembered(&stack, &key);
        current().open();
        running.answer().from_edge().refused(Reason::Overloaded);
        until_true("another one reaches the origin", SOON, || {
            let answer = chat(&stack, &key);
            answer.json()["error"]["code"] == Reason::Overloaded.row().code
        });
        until_true("given back", SOON, || stack.edge.own(&key.key).live_leases == 0);
        // Later than that it is no longer remembered in any case, and nothing is shown.
        (start.elapsed() < Duration::from_millis(900)).then_some(())
    };
    until("one that was not waited for", SOON, round);
}
