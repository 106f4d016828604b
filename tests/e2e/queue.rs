//! queue: the origin takes what it can hold, refuses the rest with a time, and forgets who has left.

use harness::caller::{hello, hello_stream};
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;

/// Waits until the origin says that nothing is free and so many wait.
fn until_full(stack: &RunningStack, queued: u32) {
    until_true("the origin is full", SOON, || {
        let capacity = stack.capacity();
        capacity.free == 0 && capacity.queued == queued
    });
}

#[test]
fn a_full_origin_refuses_with_a_time_once_one_is_known_and_nothing_is_counted() {
    let stack = Stack::new().limit("3 per 1h").slots(1).queue(0).start();
    let key = stack.key();
    let first = stack.open_chat(&key.key, &hello(8));
    until_full(&stack, 0);
    for _ in 0..2 {
        let refused = stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::Overloaded);
        assert_eq!(refused.retry_after_ms(), None, "no slot was ever given back");
        assert_eq!(refused.header("x-should-retry"), Some("true"));
        until_true("given back", SOON, || stack.edge.view(key.id).live_leases == 1);
    }
    stack.script().allow_all();
    first.answer().from_edge().ok();

    stack.script().hold();
    let second = stack.open_chat(&key.key, &hello(8));
    until_full(&stack, 0);
    let refused = stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::Overloaded);
    let wait = refused.retry_after_ms().expect("a slot was given back");
    assert!((1..=30_000).contains(&wait), "{wait}");
    until_true("given back", SOON, || stack.edge.view(key.id).live_leases == 1);
    stack.script().allow_all();
    second.answer().from_edge().ok();

    // Two were served: the third of this hour is still there.
    until_true("the slot is free", SOON, || stack.capacity().free == 1);
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
}

#[test]
fn nobody_waits_longer_than_the_origin_allows() {
    let stack = Stack::new().limit("2 per 1h").slots(1).queue(1).queue_timeout_ms(200).start();
    let key = stack.key();
    let first = stack.open_chat(&key.key, &hello(8));
    until_full(&stack, 0);
    for _ in 0..2 {
        stack.edge.chat(Some(&key.key), &hello_stream(8)).refused(Reason::QueueTimeout);
        until_true("given back", SOON, || stack.edge.view(key.id).live_leases == 1);
    }
    stack.script().allow_all();
    first.answer().from_edge().ok();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
}

#[test]
fn a_higher_priority_goes_first() {
    let plan = |name: &str, priority: u8| format!(r#""{name}":{{"priority":{priority},"limits":[]}}"#);
    let stack = Stack::new()
        .plans(format!(r#"{{"plans":{{{},{}}}}}"#, plan("low", 0), plan("high", 9)))
        .slots(1)
        .queue(4)
        .start();
    let (low, high) = (stack.edge.issue_key("low"), stack.edge.issue_key("high"));
    let said = |text: &str| {
        let mut body = hello(8);
        body["messages"][0]["content"] = text.into();
        body
    };
    let mut all = vec![stack.open_chat(&low.key, &said("the-first"))];
    until_full(&stack, 0);
    all.push(stack.open_chat(&low.key, &said("the-patient")));
    until_full(&stack, 1);
    all.push(stack.open_chat(&high.key, &said("the-urgent")));
    until_full(&stack, 2);
    stack.script().allow_all();
    for connection in all {
        connection.answer().from_edge().ok();
    }
    let prompts = stack.script().prompts();
    for (prompt, text) in prompts.iter().zip(["the-first", "the-urgent", "the-patient"]) {
        assert!(prompt.contains(text), "{prompts:?}");
    }
    assert_eq!(stack.script().widest_step(), 1, "one slot runs one request");
}

#[test]
fn a_client_that_leaves_the_queue_gives_its_place_back() {
    let stack = Stack::new().parallel(2).slots(1).queue(1).start();
    let key = stack.key();
    stack.script().say(Say::text("first"));
    let first = stack.open_chat(&key.key, &hello(8));
    until_full(&stack, 0);
    for body in [hello(8), hello_stream(8)] {
        let waiting = stack.open_chat(&key.key, &body);
        until_full(&stack, 1);
        waiting.vanish();
        let place = until_true("its place in the queue", SOON, || stack.capacity().queued == 0);
        let lease = until_true("its lease", SOON, || stack.edge.view(key.id).live_leases == 1);
        println!("left the queue: place back after {place:?}, lease {lease:?} later");
    }
    stack.script().allow_all();
    first.answer().from_edge().ok();
    assert_eq!(stack.script().prompts().len(), 1, "who left was never computed");
}
