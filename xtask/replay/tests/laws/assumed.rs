//! What is assumed of requests that were refused, and what of others a table makes shorter.

use crate::replayed;
use serde_json::{Value, json};

/// A line that the edge could have written, `number` seconds after the first.
fn line(number: u64, more: &Value) -> String {
    let at = 1_790_000_000_000_u64 + number * 1_000;
    let id = format!("req_0{:02}9mkOv2l6AkSp3WsPxY7", number + 10);
    let mut line = json!({
        "version": 2, "request": id, "at": at, "path": "/v1/chat/completions", "account": "acct:0707070707070707",
        "subject": "key_070707070707070707070707", "model": "m", "endpoint": "chat", "body_bytes": 100,
        "prompt_guess": 10, "plan": "p", "decided_at": at, "outcome": "served", "status": 200, "ms": 400,
    });
    let members = line.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    line.to_string()
}

fn served(completion: u64) -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": completion, "reasoning_tokens": completion / 2})
}

fn refused() -> Value {
    json!({"outcome": "refused", "status": 429, "limits": ["minute"]})
}

const COSTS: &str = r#""costs": [{"completion_token": 1, "thinking_token": 10}]"#;

#[test]
fn what_was_refused_is_taken_to_be_as_its_accounts_mean() {
    let lines = [
        line(0, &served(100)),
        line(1, &served(300)),
        line(2, &refused()),
        line(3, &json!({"outcome": "refused", "status": 429, "limits": ["minute"], "max_tokens": 50})),
        line(4, &json!({"outcome": "refused", "status": 403, "decided_at": null})),
    ];
    let free = format!(r#"{{"plans": {{"p": {{"limits": []}}}}, {COSTS}}}"#);
    let told = replayed(&lines.join("\n"), &free, None).unwrap().part.candidate;
    let all = told.all;
    assert_eq!((all.asked, all.through, all.assumed, told.as_logged), (5, 5, 3, 2));
    // Two that used what they did; a mean of 200, one of at most 50, and a mean again.
    assert_eq!((all.prompt_tokens, all.completion_tokens), (9 + 9 + 10 + 10 + 10, 100 + 300 + 200 + 50 + 200));
    // Half of each answer was thought, and no more than an answer has.
    assert_eq!(all.units, all.completion_tokens + 10 * (50 + 150 + 100 + 50 + 100));
    // It takes the mean of their time: one place is free again after 400 ms.
    let one = r#"{"plans": {"p": {"limits": [{"name": "one", "kind": "parallel", "limit": 1}]}}}"#;
    assert_eq!(replayed(&lines.join("\n"), one, None).unwrap().part.candidate.all.through, 5);
}

#[test]
fn an_answer_ends_where_the_table_ends_it() {
    let lines =
        [line(0, &served(100)), line(1, &served(300)), line(2, &json!({})), line(3, &json!({"given_back": true}))];
    let short = format!(r#"{{"plans": {{"p": {{"limits": [], "default_max_tokens": 120}}}}, {COSTS}}}"#);
    let all = replayed(&lines.join("\n"), &short, None).unwrap().part.candidate.all;
    assert_eq!((all.through, all.cut, all.unknown, all.assumed), (4, 1, 1, 0));
    assert_eq!((all.prompt_tokens, all.completion_tokens), (18, 220));
}

#[test]
fn what_passed_without_a_gate_and_what_nobody_decided_is_counted_apart() {
    let lines = [
        line(0, &served(5)),
        line(1, &json!({"without_gate": true, "decided_at": null})),
        line(2, &json!({"plan": null, "decided_at": null, "outcome": "failed", "status": 503})),
    ];
    let told = replayed(&lines.join("\n"), r#"{"plans": {"p": {"limits": []}}}"#, None).unwrap();
    assert_eq!((told.part.candidate.all.asked, told.seen.without_gate, told.seen.undecided), (1, 1, 1));
}

/// In one millisecond a place was free for one of two. The log says for which.
#[test]
fn what_was_let_through_was_first_in_its_millisecond() {
    let lines =
        [line(0, &refused()), line(1, &json!({"at": 1_790_000_000_000_u64, "decided_at": 1_790_000_000_000_u64}))];
    let plans = r#"{"plans": {"p": {"limits": [{"name": "minute", "kind": "window", "limit": 1, "window": "1m"}]}}}"#;
    let told = replayed(&lines.join("\n"), plans, None).unwrap().part.candidate;
    assert_eq!((told.as_logged, told.all.through, told.all.limited), (2, 1, 1));
}

/// What was made of a request stays so: another model, fewer tokens, or none.
#[test]
fn what_was_bent_is_asked_for_as_it_was_bent() {
    let bent = |members: Value| {
        let mut degraded = json!({"no_stream": false, "no_thinking": true, "max_tokens": null, "model": null,
            "static_answer": false, "clamped": null});
        degraded.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"degraded": degraded, "thinking": true, "max_tokens": 500, "prompt_tokens": 9, "completion_tokens": 6})
    };
    let plans = r#"{"plans": {"p": {"limits": [
        {"name": "small", "kind": "window", "unit": "tokens", "limit": 30, "window": "1m", "when": {"model": "small"}},
        {"name": "m", "kind": "window", "unit": "tokens", "limit": 400, "window": "1m", "when": {"model": "m"}}]}},
        "costs": [{"completion_token": 1, "thinking_token": 10}]}"#;
    for (members, limited, units) in [
        (json!({}), vec!["m"], 0),
        (json!({"model": "small", "max_tokens": 7}), vec![], 6),
        (json!({"max_tokens": 7}), vec![], 6),
        (json!({"static_answer": true}), vec![], 0),
    ] {
        let told = replayed(&line(0, &bent(members.clone())), plans, None).unwrap().part.candidate;
        let found: Vec<_> =
            told.limits.iter().flat_map(|(_, limits)| limits.iter()).map(|(limit, _)| limit.as_str()).collect();
        assert_eq!((found, told.all.units), (limited, units), "{members}");
    }
}

/// Whose request it was: a limit for each key is one for each subject of a token, too.
#[test]
fn subjects_of_one_account_are_told_apart() {
    let of = |number, subject: &str| {
        let who = json!({"account": "jwt:corp:00112233445566778899aabbccddeeff", "by": subject,
            "subject": "jwt:corp:00112233445566778899aabbccddeeff"});
        line(number, &who)
    };
    let lines = [of(0, "0011223344556677"), of(1, "0011223344556677"), of(2, "8899aabbccddeeff")];
    let plans = |per: &str| {
        format!(
            r#"{{"plans": {{"p": {{"limits": [{{"name": "l", "kind": "window", "limit": 1, "window": "1m", "per": "{per}"}}]}}}}}}"#
        )
    };
    let through = |per| replayed(&lines.join("\n"), &plans(per), None).unwrap().part.candidate.all.through;
    assert_eq!((through("account"), through("key")), (1, 2));
}
