//! Each level of degrading, from an origin that says how full it is to what a caller reads; and a clamp.

use crate::platform::scripted::{Caller, Closed};
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, MAX_TOKENS, Stage};
use serde_json::{Value, json};
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::wire::header;

const HOLD_MS: u64 = 5_000;

fn plans(more: &Value) -> Value {
    let mut plan = json!({"lease": "30s", "limits": [
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 1_000, "window": "1d"},
    ]});
    for (name, value) in more.as_object().expect("members") {
        plan[name] = value.clone();
    }
    json!({"plans": {"open": plan}, "anonymous": "open"})
}

/// All five, at 50, 60, 70, 80 and 90 percent.
fn degrading() -> Value {
    let rungs = json!([
        {"do": "no_stream", "pressure": 50},
        {"do": "no_thinking", "pressure": 60},
        {"do": "max_tokens", "pressure": 70, "most": 2},
        {"do": "smaller_model", "pressure": 80, "models": {"tiny": "large"}},
        {"do": "static_answer", "pressure": 90, "text": "Later, please."},
    ]);
    plans(&json!({"degrade": {"hold": "5s", "ease": 10, "rungs": rungs}}))
}

fn ask(stage: &Stage, stream: bool, more: &[(&str, &str)]) -> Caller {
    let body = json!({
        "model": "tiny", "max_tokens": MAX_TOKENS, "stream": stream,
        "messages": [{"role": "user", "content": "<mark>"}],
    });
    let headers: Vec<_> = [("cf-connecting-ip", ADDRESS)].into_iter().chain(more.iter().copied()).collect();
    let caller = stage.send(stage.places[0], "POST", "/v1/chat/completions", &headers, body.to_string());
    stage.finish(&caller);
    caller
}

/// The origin says with its next answer that it is so full.
fn fill(stage: &Stage, percent: u32) {
    let capacity = Capacity { slots: 100, free: 100 - percent, ..Capacity::default() };
    stage.origin.capacity.replace(Some(capacity));
    ask(stage, false, &[]);
}

/// Of the places in use and the GPU's memory, whichever is more.
#[test]
fn memory_that_presses_is_as_places_in_use() {
    let stage = Stage::new(3, &degrading());
    for (places, mem, told) in [
        (49, Some(49), None),
        (0, Some(50), Some("no-stream")),
        (60, Some(10), Some("no-stream, no-thinking")),
        (10, Some(70), Some("no-stream, no-thinking, max-tokens=2")),
    ] {
        let capacity = Capacity { slots: 100, free: 100 - places, mem, ..Capacity::default() };
        stage.origin.capacity.replace(Some(capacity));
        ask(&stage, false, &[]);
        assert_eq!(ask(&stage, true, &[]).header(header::DEGRADED).as_deref(), told, "{capacity:?}");
    }
}

#[test]
fn each_level_is_seen_by_the_origin_and_told_to_the_caller() {
    let stage = Stage::new(3, &degrading());
    for (percent, told, model, most) in [
        (0, None, "tiny", MAX_TOKENS),
        (50, Some("no-stream"), "tiny", MAX_TOKENS),
        (60, Some("no-stream, no-thinking"), "tiny", MAX_TOKENS),
        (70, Some("no-stream, no-thinking, max-tokens=2"), "tiny", 2),
        (80, Some("no-stream, no-thinking, max-tokens=2, model"), "large", 2),
    ] {
        fill(&stage, percent);
        let streamed = ask(&stage, true, &[]);
        let asked = stage.origin.bodies.borrow().last().cloned().expect("it was asked");
        assert_eq!(streamed.header(header::DEGRADED).as_deref(), told, "{percent}");
        assert_eq!((asked["model"].as_str(), asked["stream"] == true), (Some(model), told.is_none()));
        assert_eq!(asked["enable_thinking"] == false, percent >= 60);
        // Whoever asked for events reads events, all that was generated in them.
        assert_eq!(streamed.header("content-type").as_deref(), Some(header::EVENT_STREAM));
        let body = streamed.body();
        assert!(body.ends_with("data: [DONE]\n\n") && streamed.closed() == Some(Closed::Whole), "{body}");
        assert_eq!(body.matches("<mark>").count() as u32, most, "{percent}: {body}");
        let steps = told.map(|told| told.split(", ").map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(body.contains("\"degraded\""), steps.is_some());
        // A whole answer tells it beside what was used.
        let whole = ask(&stage, false, &[]);
        let answer: Value = serde_json::from_str(&whole.body()).expect("JSON");
        let own = steps.map(|steps| steps.into_iter().filter(|step| step != "no-stream").collect::<Vec<_>>());
        let own = own.filter(|own| !own.is_empty()).map_or(Value::Null, Value::from);
        assert_eq!(answer["usage"]["degraded"], own);
    }
    let before = stage.origin.reached.get();
    fill(&stage, 90);
    for stream in [false, true] {
        let caller = ask(&stage, stream, &[]);
        assert_eq!(caller.header(header::DEGRADED).as_deref(), Some("static-answer"));
        let body = caller.body();
        assert!(body.contains("Later, please.") && body.ends_with("[DONE]\n\n") == stream, "{body}");
    }
    assert_eq!(stage.origin.reached.get(), before + 1, "the static answer asks nobody");
    stage.calm();
    // Charged is what was computed.
    assert_eq!(stage.used("tokens"), stage.origin.computed());
    assert_eq!(stage.standing().live_leases, 0);
}

#[test]
fn who_takes_no_less_waits_exactly_as_long_as_it_is_told() {
    let stage = Stage::new(5, &degrading());
    let strict = [("x-sluice-degrade", "none")];
    fill(&stage, 75);
    let refused = ask(&stage, true, &strict);
    assert_eq!(
        (refused.status(), refused.header(header::RETRY_AFTER_MS)),
        (Some(503), Some((3 * HOLD_MS).to_string()))
    );
    // What would be answered as it asks is let through: it does not stream, and asks for few tokens.
    let body = json!({
        "model": "tiny", "max_tokens": 2, "enable_thinking": false, "messages": [{"role": "user", "content": "x"}],
    });
    stage.origin.capacity.replace(None);
    let headers = [("cf-connecting-ip", ADDRESS), strict[0]];
    let small = stage.send(stage.places[0], "POST", "/v1/chat/completions", &headers, body.to_string());
    stage.finish(&small);
    assert_eq!((small.status(), small.header(header::DEGRADED)), (Some(200), None));
    stage.world.run_for(2 * HOLD_MS - 1_000);
    let refused = ask(&stage, true, &strict);
    let wait: u64 = refused.header(header::RETRY_AFTER_MS).expect("a wait").parse().expect("a number");
    assert!(wait <= 2 * HOLD_MS, "{wait}");
    stage.world.run_for(wait);
    assert_eq!(ask(&stage, true, &strict).status(), Some(200));
    let wrong = ask(&stage, true, &[("x-sluice-degrade", "please")]);
    assert_eq!((wrong.status(), wrong.body().contains("x-sluice-degrade")), (Some(400), true));
}

#[test]
fn what_a_limit_of_tokens_would_refuse_has_what_fits() {
    let stage = Stage::new(7, &plans(&json!({"clamp": 3})));
    let big = |max_tokens: u64, more: &[(&str, &str)]| {
        let body = json!({"model": "tiny", "max_tokens": max_tokens, "messages": [{"role": "user", "content": "x"}]});
        let headers: Vec<_> = [("cf-connecting-ip", ADDRESS)].into_iter().chain(more.iter().copied()).collect();
        let caller = stage.send(stage.places[0], "POST", "/v1/chat/completions", &headers, body.to_string());
        stage.finish(&caller);
        caller
    };
    assert_eq!(big(900, &[]).header(header::DEGRADED), None);
    assert_eq!(big(900, &[("x-sluice-degrade", "none")]).status(), Some(429));
    let clamped = big(900, &[]);
    let told = clamped.header(header::DEGRADED).expect("it is told");
    let most: u64 = told.strip_prefix("clamp=").expect("a clamp").parse().expect("a number");
    assert_eq!((clamped.status(), clamped.body().matches('x').count() as u64 >= most), (Some(200), true));
    // All is used up: what is left is below the floor.
    assert_eq!(big(900, &[]).status(), Some(429));
    stage.calm();
    assert_eq!(stage.used("tokens"), stage.origin.computed());
}

/// An origin that fails whole answers fails them for those that wanted pieces, too: with a refusal, as before a stream.
#[test]
fn a_whole_answer_that_breaks_off_is_a_refusal() {
    let stage = Stage::new(9, &degrading());
    fill(&stage, 55);
    stage.origin.always.set(Some(Fate::Cut));
    let caller = ask(&stage, true, &[]);
    assert_eq!(caller.status(), Some(502), "{}", caller.body());
    assert_eq!(caller.header("content-type").as_deref(), Some("application/json"));
}
