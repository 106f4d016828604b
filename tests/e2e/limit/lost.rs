//! Answers that are lost on the way: of the second ask of a request whose prompt was taken for shorter than it is, and of
//! asks for plans.

mod plans;

use harness::caller::Whole;
use harness::caller::hello;
use harness::edge::between::{Fate, Message};
use harness::secrets::PROMPT;
use harness::wait::{Door, SOON, until_true};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::hop::gate_call::Call;
use sluice_protocol::refusal::Reason;
use std::time::Instant;

/// What the prompt of [`hello`] comes to at the scripted model.
const HELLO: u32 = PROMPT.len() as u32 + 19;

fn tokens(limit: u32) -> Value {
    json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": limit, "window": "1h"})
}

fn hour(limit: u32) -> Value {
    json!({"name": "hour", "kind": "window", "limit": limit, "window": "1h"})
}

/// Whether a message gives a reservation back and asks for another one.
fn is_second_ask(message: &Message) -> bool {
    message.asks() > 0 && message.envelope().calls.iter().any(|call| matches!(call, Call::Readmit { .. }))
}

fn check_used(stack: &RunningStack, key: &CreatedKey, used: u32) {
    until_true("all leases are back", SOON, || stack.edge.own(&key.key).live_leases == 0);
    assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), used);
}

#[test]
fn a_second_ask_that_is_lost_leaves_no_tokens_reserved() {
    let stack = Stack::new().with(tokens(1_000)).with_between().start();
    stack.script().allow_all();
    // What may not have arrived is sent once more; a Gate that has failed over it, or has too much to do, is not asked again.
    for (fate, sent) in [(Fate::LoseAnswer, 2), (Fate::Unreachable, 2), (Fate::Fail, 1), (Fate::Overload, 1)] {
        let key = stack.key();
        let lost = fate.clone();
        stack.between().decide(move |message| if is_second_ask(message) { lost.clone() } else { Fate::Pass });
        let (before, steps) = (stack.between().seen().len(), stack.script().steps());
        stack.edge.chat(Some(&key.key), &hello(300)).refused(Reason::GateUnavailable);
        assert_eq!(
            stack.between().seen()[before..].iter().filter(|message| is_second_ask(message)).count(),
            sent,
            "{fate:?}"
        );
        check_used(&stack, &key, 0);
        // The origin has counted its prompt, so it has been a request, or whoever floods its own Gate would have that for nothing.
        assert_eq!(stack.edge.view(key.id).used.served, 1, "{fate:?}");
        assert_eq!(stack.script().steps(), steps, "{fate:?}: nothing was generated");
        // All of it is there for the next one.
        stack.between().pass();
        stack.script().say(Say::text("ok"));
        stack.edge.chat(Some(&key.key), &hello(1_000 - HELLO)).ok();
        check_used(&stack, &key, HELLO + 3);
    }
}

#[test]
fn a_second_ask_that_is_lost_may_pass_without_its_gate_and_counts_all_the_same() {
    let bucket = json!({"capacity": 9, "refill": 1, "every": "1h"});
    let stack = Stack::new().with(tokens(1_000)).plan("without_gate", bucket).with_between().start();
    stack.script().allow_all();
    // Its Gate knows one of both reservations, and learns for that what was used.
    for fate in [Fate::LoseAnswer, Fate::Unreachable] {
        let key = stack.key();
        stack.script().say(Say::text("ok"));
        stack.edge.chat(Some(&key.key), &hello(100)).ok();
        check_used(&stack, &key, HELLO + 3);
        stack.between().decide(move |message| if is_second_ask(message) { fate.clone() } else { Fate::Pass });
        stack.script().say(Say::text("ok"));
        stack.edge.chat(Some(&key.key), &hello(100)).ok();
        check_used(&stack, &key, 2 * (HELLO + 3));
        stack.between().pass();
    }
}

#[test]
fn a_gate_that_never_answers_refuses_and_keeps_nothing() {
    let stack = Stack::new().with(hour(9)).with_between().start();
    stack.script().allow_all();
    let (key, door) = (stack.key(), Door::new());
    let waits = door.clone();
    stack.between().decide(move |message| {
        if message.asks() > 0 {
            waits.pass();
        }
        Fate::Pass
    });
    let asked_at = Instant::now();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
    assert!(asked_at.elapsed() < 2 * SOON, "{:?}", asked_at.elapsed());
    // It may have been admitted, and its ask may yet arrive: it comes too late, or ends with its settle.
    door.open();
    stack.between().pass();
    check_used(&stack, &key, 0);
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    check_used(&stack, &key, 1);
}
