//! Limits of tokens and cost: what is reserved is never exceeded, and what was not used is given back.
//!
//! The scripted model's tokens are bytes, so the edge's guess of a token for every four bytes is always too low, and a
//! request that names its `max_tokens` always takes the second way through the gates.

use harness::caller::Whole;
use harness::caller::{hello, hello_stream};
use harness::secrets::PROMPT;
use harness::wait::{SOON, until, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::hop::gate_call::own_key::OwnLimit;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::wire::header;
use std::time::{Duration, Instant};

/// What the prompt of [`hello`] comes to: its bytes and the template around them.
const HELLO: u32 = PROMPT.len() as u32 + 19;

fn window(unit: &str, limit: u32, window: &str) -> Value {
    json!({"name": "w", "kind": "window", "unit": unit, "limit": limit, "window": window})
}

/// The first limit, once everything is settled.
fn settled(stack: &RunningStack, key: &str) -> OwnLimit {
    until_true("all is settled", SOON, || stack.edge.own(key).live_leases == 0);
    stack.edge.own(key).limits.remove(0)
}

fn remaining(answer: &Answer) -> u32 {
    answer.header(header::REMAINING_TOKENS).expect("a limit of tokens is told").parse().expect("a number")
}

fn usage(answer: &Answer, stream: bool) -> Usage {
    if stream {
        answer.stream().whole().usage().expect("an origin of ours tells")
    } else {
        answer.completion().usage.usage
    }
}

/// A chat request of this key that names no `max_tokens`.
fn unnamed(body: Value) -> Value {
    let mut body = body;
    body.as_object_mut().expect("an object").remove("max_tokens");
    body
}

#[test]
fn a_window_of_tokens_holds_under_50_streams_at_once() {
    const LIMIT: u32 = 2_003;
    let stack = Stack::new().with(window("tokens", LIMIT, "1h")).plan("default_max_tokens", 64).slots(16).start();
    let key = stack.key();
    let script = stack.script();
    // Every third answer is short, so that something is given back while others are decided.
    for number in 0..200 {
        script.say(if number % 3 == 0 { Say::text("a short answer") } else { Say::endless("x") });
    }
    script.allow_all();
    let barrier = std::sync::Barrier::new(50);
    let send = |number: u32| {
        let (stream, named) = (number.is_multiple_of(2), !number.is_multiple_of(5));
        let body = if stream { hello_stream(8 + number) } else { hello(8 + number) };
        let body = if named { body } else { unnamed(body) };
        barrier.wait();
        (stack.edge.chat(Some(&key.key), &body), stream)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let send = &send;
        let threads: Vec<_> = (0..50).map(|number| scope.spawn(move || send(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("the request's thread does not panic")).collect()
    });
    let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer.status == 200);
    let mut reported: u64 = served.iter().map(|(answer, stream)| usage(answer, *stream).total_tokens).sum();
    let named_wait = refused.iter().map(|(answer, _)| answer.clone().refused(Reason::RateLimited).retry_after_ms());
    assert!(named_wait.flatten().all(|wait| wait > 3_500_000 && wait <= 3_600_000));
    let counted = || script.prompted() + script.generated();
    assert_eq!(u64::from(settled(&stack, &key.key).used.whole()), reported);
    assert_eq!(counted(), reported, "what the origin computed is what was reported");
    let of_50 = (served.len(), counted());

    // What is left is used up by the smallest requests there are.
    let small = || stack.edge.chat(Some(&key.key), &hello(1));
    let (last, _) = until("a refusal", SOON, || {
        let answer = small();
        if answer.status == 200 {
            reported += answer.completion().usage.usage.total_tokens;
        }
        (answer.status != 200).then_some(answer)
    });
    last.refused(Reason::RateLimited);
    let own = settled(&stack, &key.key);
    assert_eq!((u64::from(own.used.whole()), counted()), (reported, reported));
    assert!(own.used.whole() <= LIMIT && own.remaining.whole() < HELLO + 1, "{own:?}");
    println!("{} of 50 served with {} tokens, then filled to {reported} of {LIMIT}", of_50.0, of_50.1);
}

#[test]
fn what_was_not_used_is_given_back() {
    let stack = Stack::new().with(window("tokens", 1_000, "1h")).plan("default_max_tokens", 500).start();
    let key = stack.key();
    stack.script().allow_all();
    let mut used = 0;
    for named in [true, false, true] {
        let body = if named { hello(300) } else { unnamed(hello(1)) };
        stack.script().say(Say::text("ok"));
        let answer = stack.edge.chat(Some(&key.key), &body).ok();
        // A named number is reserved on top of the prompt as the origin counted it; a default, of the guess.
        let reserved = if named { HELLO + 300 } else { 13 + 500 };
        assert_eq!(remaining(&answer), 1_000 - used - reserved, "{named}");
        assert_eq!(answer.completion().usage.usage, Usage::new(u64::from(HELLO), 3));
        used += HELLO + 3;
        let own = settled(&stack, &key.key);
        assert_eq!((own.used.whole(), own.remaining.whole()), (used, 1_000 - used));
    }
}

#[test]
fn what_can_never_fit_is_refused_for_good_and_counts_nothing() {
    let stack = Stack::new().with(window("tokens", 1_000, "1h")).plan("default_max_tokens", 64).start();
    let key = stack.key();
    stack.script().allow_all();
    let long = |bytes: usize, body: Value| {
        let mut body = body;
        body["messages"][0]["content"] = "x".repeat(bytes).into();
        body
    };
    let cases = [
        ("max_tokens above the limit", hello(1_000)),
        ("a prompt that alone is too long, and its guess is not", unnamed(long(1_200, hello(1)))),
        ("a guess that alone is too long", unnamed(long(3_800, hello(1)))),
        ("a named number, with the prompt as counted", long(900, hello(200))),
    ];
    for (name, body) in cases {
        let refused = stack.edge.chat(Some(&key.key), &body);
        assert_eq!(refused.status, 429, "{name}: {}", refused.text());
        let refused = refused.refused(Reason::NeverFits);
        assert_eq!(refused.retry_after_ms(), None, "{name}");
        assert_eq!(refused.header(header::SHOULD_RETRY), Some("false"), "{name}");
        let own = settled(&stack, &key.key);
        assert_eq!(own.used, 0, "{name}");
    }
    assert_eq!(stack.script().steps(), 0, "the model was never asked");
    // Without a named number the answer is made shorter rather than refused.
    stack.script().say(Say::endless("x"));
    let answer = stack.edge.chat(Some(&key.key), &unnamed(long(930, hello(1)))).ok();
    assert!(answer.completion().usage.usage.total_tokens <= 1_000);
}

#[test]
fn waiting_for_tokens_exactly_as_told_suffices() {
    // In the first window a second request is refused by its guess, in the other one by the prompt as counted.
    for limit in [60, 70] {
        let stack = Stack::new().with(window("tokens", limit, "800ms")).start();
        let key = stack.key();
        stack.script().allow_all();
        for round in 0..2 {
            stack.script().say(Say::endless("x"));
            // However slow the machine is: sooner or later two fall into one window.
            let (wait, _) = until("a refusal", SOON, || {
                let answer = stack.edge.chat(Some(&key.key), &hello(8));
                (answer.status != 200).then(|| answer.refused(Reason::RateLimited).retry_after_ms())
            });
            let wait = wait.expect("a window says when");
            assert!((1..=800).contains(&wait), "round {round}: {wait}");
            std::thread::sleep(Duration::from_millis(wait));
            stack.edge.chat(Some(&key.key), &hello(8)).ok();
        }
    }
}

#[test]
fn who_leaves_is_settled_with_what_was_computed_and_who_found_no_room_gets_it_all_back() {
    let stack = Stack::new().with(window("tokens", 2_000, "1h")).slots(1).queue(0).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::endless("x"));
    let mut leaving = stack.open_chat(&key.key, &hello_stream(1_000));
    script.allow(2);
    leaving.read_text("\"content\":\"x\"");
    let reserved = HELLO + 1_000;
    assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), reserved);
    // The only slot is taken.
    stack.edge.chat(Some(&key.key), &hello(500)).refused(Reason::Overloaded);
    until_true("given back", SOON, || stack.edge.own(&key.key).live_leases == 1);
    assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), reserved);
    leaving.vanish();
    let start = Instant::now();
    // The engine's step under way is the last; the edge asks the origin what the request has used.
    until_true("the model has stopped", SOON, || {
        script.allow(1);
        script.occupied() == 0
    });
    let generated = u32::try_from(script.generated()).expect("a few tokens");
    assert_eq!(settled(&stack, &key.key).used.whole(), HELLO + generated);
    println!("a stream that was left is settled after {:?}", start.elapsed());
    assert_eq!(stack.edge.view(key.id).used.served, 1);
}

#[test]
fn cost_is_what_the_formula_makes_of_the_usage() {
    let costs = json!([
        {"request": 1_000, "prompt_token": 2, "completion_token": 8, "when": {"class": "heavy"}},
        {"request": 10, "prompt_token": 1, "completion_token": 4, "thinking_token": 3},
    ]);
    let stack = Stack::new().with(window("cost", 100_000, "1h")).table("costs", costs).start();
    let key = stack.key();
    stack.script().allow_all();
    let mut cost = 0;
    let mut add = |body: &Value, says: &str, [request, prompt, completion, thinking]: [u64; 4]| {
        stack.script().say(Say::text(says));
        let report = stack.edge.chat(Some(&key.key), body).ok().completion().usage;
        let (usage, thought) = (report.usage, report.completion_tokens_details.reasoning_tokens);
        assert_eq!(thought > 0, says.contains("<think>"));
        cost += request + prompt * usage.prompt_tokens + completion * usage.completion_tokens + thinking * thought;
        assert_eq!(u64::from(settled(&stack, &key.key).used.whole()), cost);
        assert_eq!(stack.edge.view(key.id).used.cost, cost);
    };
    let asked = |thinking: bool| {
        let mut body = hello(64);
        body["enable_thinking"] = thinking.into();
        body
    };
    let light = [10, 1, 4, 3];
    add(&hello(32), "an answer", light);
    add(&unnamed(hello(32)), "an answer", light);
    add(&asked(true), "an answer", light);
    add(&hello(3_000), "an answer", [1_000, 2, 8, 0]);
    // What was thought is charged, whatever was asked for.
    for body in [hello(64), asked(true), asked(false)] {
        add(&body, "<think>\nHm.\n</think>\n\nYes.", light);
    }
    // A cost that is above the limit in any case.
    let dear = stack.edge.issue(&json!({"plan": harness::PLAN}));
    stack.edge.admin("PATCH", &format!("/keys/{}", dear.id), Some(&json!({"overrides": {"w": 100}}))).ok();
    stack.edge.chat(Some(&dear.key), &hello(32)).refused(Reason::NeverFits);
}

/// What the origin has to count, it works for: it stays counted as a request where the limits then refuse it.
#[test]
fn prompts_that_turn_out_too_long_count_as_requests() {
    let minute = json!({"name": "minute", "kind": "window", "limit": 5, "window": "1h"});
    let stack = Stack::new().with(minute).with(window("tokens", 1_500, "1h")).start();
    let key = stack.key();
    stack.script().allow_all();
    let mut body = hello(16);
    body["messages"][0]["content"] = "中".repeat(1_000).into();
    let before = stack.edge.view(key.id).storage.rows_written;
    let reasons: Vec<_> = (0..40)
        .map(|_| {
            let answer = stack.edge.chat(Some(&key.key), &body);
            answer.json()["error"]["code"].as_str().expect("a refusal").to_owned()
        })
        .collect();
    // The guess fits: only the origin can tell that it never will.
    let (counted, limited) = reasons.split_at(5);
    assert!(counted.iter().all(|code| code == "request_exceeds_limit"), "{counted:?}");
    assert!(limited.iter().all(|code| code == "rate_limit_exceeded"), "{limited:?}");
    let own = stack.edge.own(&key.key);
    assert_eq!((own.live_leases, own.limits[0].used.whole(), own.limits[1].used.whole()), (0, 5, 0));
    let rows = stack.edge.view(key.id).storage.rows_written - before;
    assert!((5..=10).contains(&rows), "{rows}: two for each that was admitted, and none for the others");
    assert_eq!(stack.script().steps(), 0, "the model was never asked");
}
