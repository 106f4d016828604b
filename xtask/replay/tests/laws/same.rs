//! The most important law: a replay by the plans that decided gives the decisions that were logged, each with the limits
//! that refused.

use crate::{example, read, replayed};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::drive::{Mean, drive};
use sluice_protocol::replay::tally::is_as_logged;
use sluice_replay::example::Example;
use sluice_replay::replay::{Named, by};

/// Every kind of limit, every unit, whoever shares a count, and all that a plan says besides.
const PLANS: [(&str, &str); 7] = [
    (
        "windows",
        r#"{"plans": {"a": {"limits": [
        {"name": "second", "kind": "window", "limit": 2, "window": "1s"},
        {"name": "minute", "kind": "window", "limit": 9, "window": "1m", "per": "key"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 20000, "window": "1m", "per": "model"}]}}}"#,
    ),
    (
        "buckets",
        r#"{"plans": {"a": {"limits": [
        {"name": "burst", "kind": "bucket", "capacity": 5, "refill": 1, "every": "3s"},
        {"name": "tokens", "kind": "bucket", "unit": "tokens", "capacity": 9000, "refill": 100, "per": "user"}]}}}"#,
    ),
    (
        "at once",
        r#"{"plans": {"a": {"lease": "5s", "limits": [
        {"name": "parallel", "kind": "parallel", "limit": 2},
        {"name": "session", "kind": "parallel", "limit": 1, "per": "session"}]}}}"#,
    ),
    (
        "budgets",
        r#"{"plans": {"a": {"limits": [
        {"name": "day", "kind": "budget", "unit": "cost", "currency": "USD", "limit": "0.05", "period": "day",
            "zone": "Europe/Zurich"},
        {"name": "week", "kind": "budget", "limit": 900, "period": "week", "per": "key"},
        {"name": "credits", "kind": "budget", "unit": "tokens", "limit": 300000, "period": "ever"}]}},
        "costs": [{"currency": "USD", "prompt": "0.50", "cached": "0.05", "completion": "2.00"}]}"#,
    ),
    (
        "costs and classes",
        r#"{"plans": {"a": {"limits": [
        {"name": "heavy", "kind": "window", "limit": 2, "window": "1m", "when": {"class": "heavy"}},
        {"name": "batch", "kind": "window", "limit": 1, "window": "1m", "when": {"endpoint": "batch"}},
        {"name": "cost", "kind": "window", "unit": "cost", "limit": 15000, "window": "5m",
            "when": {"model": "qwen3-*"}}]}},
        "costs": [{"when": {"class": "heavy"}, "request": 50, "prompt_token": 2, "completion_token": 4},
            {"request": 5, "prompt_token": 1, "completion_token": 3, "thinking_token": 2}]}"#,
    ),
    (
        "clamps and bounds",
        r#"{"plans": {
        "a": {"clamp": 32, "default_max_tokens": 200, "limits": [
            {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 6000, "window": "1m"}]},
        "b": {"max_tokens": 1500, "max_input_bytes": 20000, "models": ["qwen3-*"], "limits": [
            {"name": "watched", "kind": "window", "limit": 2, "window": "1m", "shadow": true},
            {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 9000, "window": "1m"}]}}}"#,
    ),
    (
        "hours and exceptions",
        r#"{"plans": {"a": {"limits": [
        {"name": "office", "kind": "window", "limit": 8, "window": "1m", "schedule": {"utc_offset": "+01:00", "rules": [
            {"from": "01:05", "to": "01:10", "percent": 0}, {"from": "01:10", "to": "02:00", "percent": 25}]}}]}},
        "exempt": [{"limit": "office", "who": ["key_000000000000000201000000", "acct:0000000000000003"]}]}"#,
    ),
];

#[test]
fn the_plans_in_force_give_what_was_logged() {
    for (what, plans) in PLANS {
        for seed in 0..6 {
            // Hours with little to do, and minutes with much.
            let every_ms = [40, 400, 4_000][seed as usize % 3];
            let text = example(Example { requests: 1_500, accounts: 12, every_ms, seed }, plans);
            let told = replayed(&text, plans, Some(plans)).unwrap();
            let (all, as_logged) = (told.part.candidate.all, told.part.candidate.as_logged);
            assert_eq!((all.asked, as_logged), (1_500, 1_500), "{what}, seed {seed}");
            assert!(all.through > 60 && all.refused() > 30, "{what}, seed {seed}: {all:?}");
            assert_eq!(all.assumed, 0, "{what}, seed {seed}");
            assert_eq!(told.part.candidate, told.part.against, "{what}");
            assert_eq!(told.part.difference, Default::default(), "{what}");
        }
    }
}

/// Decision by decision, and not by their number.
#[test]
fn each_decision_is_the_logged_one() {
    for (what, plans) in PLANS {
        let text = example(Example { requests: 800, accounts: 1, every_ms: 500, seed: 9 }, plans);
        let log = read(&text).unwrap();
        let table = PlanTable::parse(plans).unwrap();
        let mut requests: Vec<_> = log.requests.iter().collect();
        requests.sort_by_key(|request| (request.at, request.line));
        let mut by = by(Named { name: "plans", table: &table }).unwrap();
        let verdicts = drive(&requests, &log.names, Mean::default(), &mut by).unwrap();
        for (request, verdict) in requests.iter().zip(&verdicts) {
            assert!(is_as_logged(request, &log.names, verdict), "{what}, line {}: {verdict:?}", request.line);
        }
    }
}

/// Lines are written when requests are over, by many isolates: their order says nothing.
#[test]
fn the_order_of_lines_says_nothing() {
    for (what, plans) in PLANS {
        let text = example(Example { requests: 600, accounts: 4, every_ms: 300, seed: 3 }, plans);
        let mut lines: Vec<_> = text.lines().collect();
        let forwards = replayed(&text, plans, None).unwrap();
        lines.reverse();
        assert_eq!(replayed(&lines.join("\n"), plans, None).unwrap(), forwards, "{what}");
    }
}

/// What is used is what the log says, exactly.
#[test]
fn what_was_let_through_has_used_what_the_log_says() {
    let (_, plans) = PLANS[3];
    let text = example(Example { requests: 1_000, accounts: 5, every_ms: 2_000, seed: 4 }, plans);
    let told = replayed(&text, plans, None).unwrap().part.candidate.all;
    let (mut prompt, mut completion, mut nano, mut unknown) = (0, 0, 0_u128, 0);
    for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let number = |member: &str| line[member].as_u64();
        match (line["limits"].is_null(), number("prompt_tokens"), number("completion_tokens")) {
            (true, Some(asked), Some(answered)) => {
                let cached = number("cached_tokens").unwrap_or(0);
                (prompt, completion) = (prompt + asked, completion + answered);
                // 0.50, 0.05 and 2.00 a million, in billionths, rounded up once for each request.
                let exact = u128::from(asked - cached) * 500 + u128::from(cached) * 50 + u128::from(answered) * 2_000;
                nano += exact;
            }
            (true, ..) if line["given_back"].is_null() => unknown += 1,
            _ => {}
        }
    }
    assert_eq!((told.prompt_tokens, told.completion_tokens), (prompt, completion));
    assert_eq!((u128::from(told.money), told.unknown), (nano, unknown));
}
