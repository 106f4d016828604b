//! What happens while an account's Gate cannot be reached, and once it can be again.

use harness::caller::Whole;
use harness::caller::hello;
use harness::edge::between::{Fate, Message, To};
use harness::wait::{SOON, until, until_true};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;
use std::time::{Duration, Instant};

/// A plan of `limit` requests an hour that lets through without its Gate what this bucket allows.
fn open(limit: u32, bucket: &Value) -> Value {
    json!({"limits": [{"name": "hour", "kind": "window", "limit": limit, "window": "1h"}], "without_gate": bucket})
}

fn stack(plans: &Value) -> RunningStack {
    let stack = Stack::new().plans(json!({ "plans": plans }).to_string()).with_twin().with_between().start();
    stack.script().allow_all();
    stack
}

/// Gates cannot be reached from now on; the Registry can.
fn lose_gates(stack: &RunningStack) {
    stack.between().decide(|message| if message.to == To::Gate { Fate::Unreachable } else { Fate::Pass });
}

/// What a key's Gate has counted in its first limit, once nothing of it runs.
fn used(stack: &RunningStack, key: &CreatedKey) -> u32 {
    until_true("all is settled", SOON, || stack.edge.own(&key.key).live_leases == 0);
    stack.edge.own(&key.key).limits[0].used.whole()
}

#[test]
fn a_key_that_was_just_admitted_passes_without_its_gate_as_its_plan_says() {
    let shut = json!({"limits": [{"name": "hour", "kind": "window", "limit": 9, "window": "1h"}]});
    let plans = json!({"open": open(5, &json!({"capacity": 3, "refill": 1, "every": "1h"})), "shut": shut});
    let stack = stack(&plans);
    let keys = ["open", "shut"].map(|plan| stack.edge.issue_key(plan));
    let [known, refusing] = &keys;
    let (unseen, disabled) = (stack.edge.issue_key("open"), stack.edge.issue_key("open"));
    let chat = |key: &CreatedKey| stack.edge.chat(Some(&key.key), &hello(4));
    for key in [known, refusing, &disabled] {
        chat(key).ok();
        assert_eq!(used(&stack, key), 1);
    }
    // Seen admitted, and then refused.
    stack.edge.admin("PATCH", &format!("/keys/{}", disabled.id), Some(&json!({"disabled": true}))).ok();
    chat(&disabled).refused(Reason::Disabled);

    lose_gates(&stack);
    for _ in 0..3 {
        let served = chat(known).ok();
        assert_eq!(served.header("ratelimit"), None, "nobody knows how it stands");
    }
    for key in [known, refusing, &unseen] {
        chat(key).refused(Reason::GateUnavailable);
    }
    // For a second its own refusal is remembered.
    let refused_as = |reason: Reason| chat(&disabled).json()["error"]["code"] == reason.row().code;
    until_true("it is refused like the others", SOON, || {
        let is_unavailable = refused_as(Reason::GateUnavailable);
        assert!(is_unavailable || refused_as(Reason::Disabled) || refused_as(Reason::GateUnavailable));
        is_unavailable
    });
    // Only who has seen the key lately knows it.
    stack.twin().chat(Some(&known.key), &hello(4)).refused(Reason::GateUnavailable);
    assert_eq!(stack.script().prompts().len(), 3 + 3);

    // Its Gate is back, and decides: what passed meanwhile was nobody's to count.
    stack.between().pass();
    assert_eq!(used(&stack, known), 1);
    for _ in 0..4 {
        chat(known).ok();
    }
    chat(known).refused(Reason::RateLimited);
    assert_eq!((used(&stack, known), stack.edge.view(known.id).used.served), (5, 5));
    for key in [refusing, &unseen] {
        chat(key).ok();
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    }
    chat(&disabled).refused(Reason::Disabled);
    stack.check_logs(&[&known.key, &refusing.key, &unseen.key, &disabled.key]);
}

#[test]
fn what_passes_without_a_gate_keeps_to_the_buckets_rate() {
    const EVERY: Duration = Duration::from_millis(250);
    let stack = stack(&json!({"open": open(99, &json!({"capacity": 2, "refill": 1, "every": "250ms"}))}));
    let key = stack.edge.issue_key("open");
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    lose_gates(&stack);
    let start = Instant::now();
    let mut served = 0;
    until("six more", SOON, || {
        let answer = stack.edge.chat(Some(&key.key), &hello(4));
        match answer.status {
            200 => served += 1,
            _ => drop(answer.refused(Reason::GateUnavailable)),
        }
        (served == 2 + 6).then_some(())
    });
    let refilled = start.elapsed().as_millis() / EVERY.as_millis();
    assert!(served <= 2 + refilled, "{served} in {:?}", start.elapsed());
}

#[test]
fn a_request_whose_admission_was_lost_is_settled_all_the_same() {
    let stack = stack(&json!({
        "open": open(9, &json!({"capacity": 3, "refill": 1, "every": "1h"})),
        "shut": {"limits": [{"name": "hour", "kind": "window", "limit": 9, "window": "1h"}]},
    }));
    let (open, shut) = (stack.edge.issue_key("open"), stack.edge.issue_key("shut"));
    stack.edge.chat(Some(&open.key), &hello(4)).ok();
    assert_eq!(used(&stack, &open), 1);
    let lose_admissions = |message: &Message| if message.asks() > 0 { Fate::LoseAnswer } else { Fate::Pass };
    stack.between().decide(lose_admissions);
    // Its Gate holds a lease that nobody was told of: it was served, and counts.
    stack.edge.chat(Some(&open.key), &hello(4)).ok();
    assert_eq!((used(&stack, &open), stack.edge.view(open.id).used.served), (2, 2));
    // And here it was not, and does not.
    stack.edge.chat(Some(&shut.key), &hello(4)).refused(Reason::GateUnavailable);
    assert_eq!((used(&stack, &shut), stack.edge.view(shut.id).used.served), (0, 0));
}

/// A caller can bring about both by itself: a flood, or a row that its Gate fails over.
#[test]
fn a_gate_that_is_there_and_does_not_answer_lets_nobody_pass() {
    let stack = stack(&json!({"open": open(9, &json!({"capacity": 9, "refill": 1, "every": "1h"}))}));
    let key = stack.edge.issue_key("open");
    let chat = || stack.edge.chat(Some(&key.key), &hello(4));
    chat().ok();
    // What is yet to be settled would go in the same message, and who was in a message with others is asked for once more.
    until_true("settled", SOON, || stack.edge.view(key.id).used.served == 1);
    for fate in [Fate::Fail, Fate::Overload] {
        let lost = fate.clone();
        stack.between().decide(move |message| if message.asks() > 0 { lost.clone() } else { Fate::Pass });
        let before = stack.between().seen().len();
        chat().refused(Reason::GateUnavailable);
        let asked = stack.between().seen()[before..].iter().filter(|message| message.asks() > 0).count();
        assert_eq!(asked, 1, "{fate:?}: it is not asked again");
    }
    lose_gates(&stack);
    chat().ok();
    stack.between().pass();
    assert_eq!(used(&stack, &key), 1);
}

#[test]
fn what_a_gate_has_said_of_a_subject_holds_without_it() {
    let bucket = json!({"capacity": 9, "refill": 1, "every": "1h"});
    let plans = json!({"plans": {"open": open(9, &bucket)}, "anonymous": "open"});
    let stack = Stack::new().plans(plans.to_string()).with_between().start();
    stack.script().allow_all();
    let from = |address: &str| stack.edge.chat_as(&[("cf-connecting-ip", address)], &hello(4));
    let (one, other) = ("203.0.113.9", "203.0.113.10");
    from(one).ok();
    from(other).ok();
    stack.edge.admin("PATCH", &format!("/accounts/ip:{one}"), Some(&json!({"disabled": true}))).ok();
    from(one).refused(Reason::Disabled);
    lose_gates(&stack);
    until_true("nothing of the second before is remembered", SOON, || {
        let status = from(one).status;
        assert_ne!(status, 200);
        status == 503 // not a status: what the answer's is compared with
    });
    from(other).ok();
}
