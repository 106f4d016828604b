//! What an isolate remembers of a refusal: it spares the Gate a question, ends on time, and ends with every change.

use harness::caller::hello;
use harness::caller::raw::exchange;
use harness::edge::between::{Message, To};
use harness::origin::raw;
use harness::wait::{Door, SOON, until, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::json;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::hop::gate_call::Call;
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
    let reply = raw::json("503 Service Unavailable", "", full); // not a status: a line of HTTP
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

/// Messages that asked a Gate who somebody is.
fn hops(stack: &RunningStack) -> usize {
    let asks_for = |call: &Call| matches!(call, Call::Admit(_) | Call::Identify { .. } | Call::DescribeCaller { .. });
    let is_hop = |message: &Message| message.to == To::Gate && message.envelope().calls.iter().any(asks_for);
    stack.between().seen().iter().filter(|message| is_hop(message)).count()
}

/// Asks at every door, until some seconds are over; how many hops that took, and how many seconds.
fn flood(stack: &RunningStack, key: &str, reason: Reason) -> (usize, u64, usize) {
    let (before, start, mut requests) = (hops(stack), Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(1_500) {
        let answers = [
            stack.edge.chat(Some(key), &hello(4)),
            stack.edge.get("/v1/models", Some(key)),
            stack.edge.get("/v1/key", Some(key)),
            stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(key)),
        ];
        requests += answers.len();
        answers.into_iter().for_each(|answer| drop(answer.refused(reason)));
    }
    (hops(stack) - before, start.elapsed().as_secs(), requests)
}

#[test]
fn whoever_its_gate_does_not_let_in_costs_it_a_hop_a_second_at_whatever_door() {
    let stack = Stack::new().setting("TOKEN_KEYS", secrets::token_keys()).with_between().start();
    stack.script().allow_all();
    let [disabled, deleted, rotated, elsewhere] = [0; 4].map(|_| stack.key());
    let path = |key: &CreatedKey| format!("/keys/{}", key.id);
    stack.edge.admin("POST", &format!("{}/disable", path(&disabled)), None).ok();
    stack.edge.revoke(deleted.id);
    stack.edge.admin("POST", &format!("{}/rotate", path(&rotated)), Some(&json!({"overlap": "0s"}))).ok();
    stack.edge.admin("PATCH", &path(&elsewhere), Some(&json!({"addresses": ["203.0.113.9"]}))).ok();
    for (key, reason) in [
        (&disabled, Reason::Disabled),
        (&deleted, Reason::InvalidKey),
        (&rotated, Reason::InvalidKey),
        (&elsewhere, Reason::NotAllowed),
    ] {
        let (hops, seconds, requests) = flood(&stack, &key.key, reason);
        assert!(hops as u64 <= seconds + 1 && requests > 20, "{reason:?}: {hops} hops in {seconds} s for {requests}");
    }
    // A body is not even read for it: this one never comes.
    stack.edge.chat(Some(&disabled.key), &hello(4)).refused(Reason::Disabled);
    let head = request_head(&disabled.key);
    exchange(stack.edge_address(), head.as_bytes()).from_edge().refused(Reason::Disabled);
}

/// A request whose body is announced and does not come.
fn request_head(key: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n"
    )
}

#[test]
fn who_is_let_in_again_is_so_at_once_where_that_was_done_and_a_second_later_elsewhere() {
    let stack = Stack::new().with_twin().with_between().start();
    stack.script().allow_all();
    let (key, twin) = (stack.key(), stack.twin());
    let set = |verb: &str| drop(stack.edge.admin("POST", &format!("/keys/{}/{verb}", key.id), None).ok());
    for _ in 0..3 {
        set("disable");
        // What refuses holds at once, everywhere, whatever was remembered.
        for edge in [&stack.edge, &twin] {
            edge.chat(Some(&key.key), &hello(4)).refused(Reason::Disabled);
            edge.chat(Some(&key.key), &hello(4)).refused(Reason::Disabled);
        }
        set("enable");
        let start = Instant::now();
        chat(&stack, &key).ok();
        until_true("let in there", SOON, || twin.chat(Some(&key.key), &hello(4)).status == 200);
        assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    }
}
