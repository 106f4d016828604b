//! Answers that are kept: one generation for all that ask at once, nobody's for anybody else, and never half an answer.

use super::for_seeds;
use super::origin::Fate;
use super::stage::{Stage, plan};
use crate::platform::scripted::{Caller, Closed, Faults, Place};
use serde_json::{Value, json};
use sluice_protocol::wire::header;

fn plans(cache: &Value) -> Value {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 10_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
    ]);
    let mut plans = plan(&limits, &json!("refuse"));
    plans["plans"]["open"]["cache"] = cache.clone();
    plans
}

fn body(mark: &str, stream: bool) -> Value {
    json!({
        "model": "tiny", "max_tokens": 4, "temperature": 0, "stream": stream,
        "messages": [{"role": "user", "content": mark}],
    })
}

fn send(stage: &Stage, place: Place, address: &str, body: &Value, more: &[(&str, &str)]) -> Caller {
    let headers: Vec<_> = [("cf-connecting-ip", address)].into_iter().chain(more.iter().copied()).collect();
    stage.send(place, "POST", "/v1/chat/completions", &headers, body.to_string())
}

fn ask(stage: &Stage, address: &str, body: &Value, more: &[(&str, &str)]) -> (Option<String>, String) {
    let caller = send(stage, stage.place(), address, body, more);
    stage.finish(&caller);
    // What is done behind an answer is done.
    stage.world.run_for(1_000);
    (caller.header(header::CACHE), caller.body())
}

const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";

fn told(cache: &str) -> Option<String> {
    Some(cache.to_owned())
}

#[test]
fn fifty_at_once_are_one_generation() {
    for_seeds(30, |seed| {
        let stage = Stage::new(seed, &plans(&json!({"ttl": "1m", "price": 50})));
        stage.world.set_faults(Faults { delay_ms: 20, ..Faults::default() });
        let body = body("<mark>", seed % 2 == 0);
        let callers: Vec<_> = (0..50).map(|_| send(&stage, stage.places[0], A, &body, &[])).collect();
        for caller in &callers {
            stage.finish(caller);
            assert_eq!((caller.status(), caller.body().matches("<mark>").count()), (Some(200), 4), "{}", caller.body());
        }
        assert_eq!(stage.origin.work().len(), 1, "one generation");
        let hits = callers.iter().filter(|caller| caller.header(header::CACHE) == told("hit")).count();
        assert_eq!(hits, 49);
        stage.calm();
        // All count as requests, and each hit for half of what was used.
        assert_eq!((stage.used("requests"), stage.used("tokens")), (50, 8 + 49 * 4));
        assert_eq!(stage.standing().live_leases, 0);
    });
}

#[test]
fn the_same_question_is_answered_again_and_any_other_is_not() {
    let stage = Stage::new(1, &plans(&json!({"ttl": "1m"})));
    let (question, streamed) = (body("<mark>", false), body("<mark>", true));
    let (first, answer) = ask(&stage, A, &question, &[]);
    assert_eq!(first, told("miss"));
    assert_eq!(ask(&stage, A, &question, &[]), (told("hit"), answer));
    // In pieces, of the whole answer; and once more of pieces that were kept.
    let (hit, events) = ask(&stage, A, &streamed, &[]);
    assert_eq!((hit, events.matches("<mark>").count()), (told("hit"), 4));
    assert!(events.ends_with("data: [DONE]\n\n"));
    assert_eq!(ask(&stage, A, &question, &[("x-sluice-cache", "none")]).0, None);
    assert_eq!(stage.origin.work().len(), 2);
    let others = [
        json!({"temperature": 1.0}),
        json!({"max_tokens": 3}),
        json!({"seed": 5}),
        json!({"user": "u"}),
        json!({"model": "large"}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ];
    for (place, more) in others.iter().enumerate() {
        let mut other = question.clone();
        for (name, value) in more.as_object().expect("members") {
            other[name] = value.clone();
        }
        let expected = if place == 0 || place == 5 { told("bypass") } else { told("miss") };
        assert_eq!(ask(&stage, A, &other, &[]).0, expected, "{more}");
    }
    // Another revision of the model has answered nothing yet.
    stage.origin.loaded_at.set(2);
    stage.world.run_for(10_000);
    assert_eq!(ask(&stage, A, &question, &[]).0, told("miss"));
    stage.world.run_for(60_000);
    assert_eq!(ask(&stage, A, &question, &[]).0, told("miss"), "its time is over");
}

#[test]
fn accounts_never_share_unless_their_plan_says_so() {
    for is_shared in [false, true] {
        let stage = Stage::new(2, &plans(&json!({"ttl": "1m", "shared": is_shared})));
        let question = body("<mark>", false);
        assert_eq!(ask(&stage, A, &question, &[]).0, told("miss"));
        assert_eq!(ask(&stage, B, &question, &[]).0, told(if is_shared { "hit" } else { "miss" }));
        // Whoever takes older ones than its plan says has its own.
        let older = [("x-sluice-cache", "600")];
        assert_eq!(ask(&stage, A, &question, &older).0, told(if is_shared { "miss" } else { "hit" }));
        assert_eq!(ask(&stage, B, &question, &older).0, told(if is_shared { "miss" } else { "hit" }));
    }
}

#[test]
fn a_caller_may_ask_for_it_without_its_plan() {
    let limits = json!([{"name": "requests", "kind": "window", "limit": 100, "window": "1d"}]);
    let stage = Stage::new(4, &plan(&limits, &json!("refuse")));
    let question = body("<mark>", false);
    assert_eq!(ask(&stage, A, &question, &[]).0, None);
    let minute = [("x-sluice-cache", "60")];
    assert_eq!(ask(&stage, A, &question, &minute).0, told("miss"));
    assert_eq!(ask(&stage, A, &question, &minute).0, told("hit"));
    assert_eq!(ask(&stage, A, &question, &[]).0, None);
    stage.world.run_for(3_000);
    assert_eq!(ask(&stage, A, &question, &[("x-sluice-cache", "1")]).0, told("miss"), "it is older than that");
    let (_, refused) = ask(&stage, A, &question, &[("x-sluice-cache", "yes")]);
    assert!(refused.contains("x-sluice-cache"), "{refused}");
}

#[test]
fn an_answer_that_did_not_come_to_its_end_is_never_kept() {
    for fate in [Fate::Full, Fate::NoModel, Fate::Gone, Fate::Cut, Fate::Failed, Fate::Silent] {
        for stream in [false, true] {
            let stage = Stage::new(6, &plans(&json!({"ttl": "1m"})));
            stage.origin.always.set(Some(fate));
            let question = body("<mark>", stream);
            let (_, broken) = ask(&stage, A, &question, &[]);
            stage.origin.always.set(Some(Fate::Well));
            let (again, answer) = ask(&stage, A, &question, &[]);
            assert_eq!((again, answer.matches("<mark>").count()), (told("miss"), 4), "{fate:?} {stream}: {broken}");
        }
    }
}

#[test]
fn what_an_admin_has_forgotten_is_not_given_again() {
    let stage = Stage::new(8, &plans(&json!({"ttl": "10m"})));
    let question = body("<mark>", false);
    let purge = |path: &str| {
        let caller = stage.admin(stage.places[0], "DELETE", path, None, "");
        stage.finish(&caller);
        assert_eq!(caller.status(), Some(200), "{}", caller.body());
        // As long as an isolate goes on with the list that it has.
        stage.world.run_for(5_000);
    };
    for address in [A, B] {
        assert_eq!(ask(&stage, address, &question, &[]).0, told("miss"));
    }
    purge(&format!("/cache/ip:{A}"));
    assert_eq!(ask(&stage, A, &question, &[]).0, told("miss"));
    assert_eq!(ask(&stage, A, &question, &[]).0, told("hit"));
    assert_eq!(ask(&stage, B, &question, &[]).0, told("hit"), "another account's stays");
    purge("/cache");
    for address in [A, B] {
        assert_eq!(ask(&stage, address, &question, &[]).0, told("miss"));
    }
}

/// Whoever asks for all may leave, vanish or fail: the others are answered, and whatever is a hit is a whole answer.
#[test]
fn whatever_becomes_of_the_first_the_others_are_answered() {
    for_seeds(300, |seed| {
        let stage = Stage::new(seed, &plans(&json!({"ttl": "5s"})));
        stage.origin.odd.set(300);
        let faults = Faults { delay_ms: 20, lost: 30, unreachable: 30, isolate_ends: 1, ..Faults::default() };
        stage.world.set_faults(faults);
        let mut callers = Vec::new();
        for round in 0..4 {
            let body = body(&format!("<{}>", round % 2), seed % 2 == 0);
            let address = if stage.world.below(2) == 0 { A } else { B };
            callers.extend((0..4).map(|_| send(&stage, stage.place(), address, &body, &[])));
            stage.world.run_for(stage.world.below(150));
            if let Some(caller) = callers.get(stage.world.below(8) as usize) {
                caller.leave();
            }
        }
        stage.calm();
        for caller in &callers {
            let body = caller.body();
            assert!(caller.closed().is_some(), "neither told nor ended: {:#?}", stage.world.log());
            if caller.header(header::CACHE) == told("hit") && caller.closed() == Some(Closed::Whole) {
                assert_eq!((caller.status(), body.matches('<').count()), (Some(200), 4), "{body}");
                assert!(!body.contains("\"error\""), "{body}");
            }
        }
        assert_eq!(stage.standing().live_leases, 0);
    });
}
