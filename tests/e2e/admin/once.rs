//! `Idempotency-Key` on every POST: a request that is sent again is done once and answered alike.

use harness::caller::hello;
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;
use std::thread;

fn post(stack: &RunningStack, once: &str, path: &str, body: Option<&Value>) -> Answer {
    stack.edge.admin_with(&[("idempotency-key", once)], "POST", path, body)
}

fn key(answer: &Answer) -> CreatedKey {
    serde_json::from_value(answer.json()).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

#[test]
fn every_post_is_done_once() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let asked = json!({"name": "once", "plan": PLAN});
    let first = post(&stack, "k1", "/keys", Some(&asked));
    let made = key(&first);
    let path = format!("/keys/{}", made.id);
    let posts = [
        ("k2", "/keys/bulk".to_owned(), Some(json!({"keys": [asked, asked]}))),
        ("k3", "/accounts".into(), Some(json!({"name": "red", "owner": "ann"}))),
        ("k4", format!("{path}/rotate"), Some(json!({"overlap": "1h"}))),
        ("k5", format!("{path}/disable"), None),
        ("k6", format!("{path}/enable"), None),
        ("k7", format!("/accounts/{}/disable", made.account), None),
        ("k8", format!("/accounts/{}/enable", made.account), None),
        ("k9", "/denials".into(), Some(json!({"issuer": "sluice", "jti": "j-1", "ttl_s": 900}))),
    ];
    let answers: Vec<_> = posts.iter().map(|(once, path, body)| post(&stack, once, path, body.as_ref())).collect();
    let version = stack.edge.view(made.id).version;
    stack.restart_edge();
    for ((once, path, body), before) in posts.iter().zip(&answers) {
        assert!(before.status == 200 || before.status == 201, "{path}: {}", before.text());
        let again = post(&stack, once, path, body.as_ref());
        assert_eq!((again.status, again.json()), (before.status, before.json()), "{path}");
    }
    assert_eq!(key(&post(&stack, "k1", "/keys", Some(&asked))), made);
    assert_eq!(stack.edge.view(made.id).version, version, "nothing was done again");
    assert_eq!(stack.edge.list().data.len(), 3);
    // The secret that a repeated rotation shows is the one that works.
    let rotated = answers[2].json()["key"].as_str().expect("a secret").to_owned();
    stack.edge.chat(Some(&rotated), &hello(4)).ok();
    stack.check_logs(&[&made.key, &rotated]);
}

#[test]
fn the_same_key_for_another_request_is_refused() {
    let stack = Stack::new().start();
    let made = key(&post(&stack, "k", "/keys", Some(&json!({"plan": PLAN}))));
    for (path, body) in [
        ("/keys".to_owned(), Some(json!({"plan": PLAN, "name": "other"}))),
        ("/keys/bulk".into(), Some(json!({"keys": [{"plan": PLAN}]}))),
        (format!("/keys/{}/rotate", made.id), None),
        ("/denials".into(), Some(json!({"issuer": "sluice", "jti": "j-1"}))),
    ] {
        post(&stack, "k", &path, body.as_ref()).refused(Reason::IdempotencyKeyReused);
    }
    assert_eq!(stack.edge.list().data.len(), 1);
    // What is refused before anything is written takes no name.
    post(&stack, "k2", "/keys", Some(&json!({"plan": "gold"}))).refused(Reason::InvalidRequest);
    post(&stack, "k2", "/keys", Some(&json!({"plan": PLAN})));
    for bad in ["", " ", "a b", &"x".repeat(256), "é"] {
        let answer = stack.edge.send(|http, base| {
            let request = http.post(format!("{base}/admin/v1/keys")).bearer_auth(secrets::ADMIN_TOKEN);
            request.header("idempotency-key", bad.as_bytes()).json(&json!({"plan": PLAN}))
        });
        answer.from_edge().refused(Reason::InvalidRequest);
    }
    assert_eq!(stack.edge.list().data.len(), 2);
}

#[test]
fn of_many_that_are_sent_at_once_one_is_done() {
    let stack = Stack::new().start();
    let asked = json!({"keys": [{"plan": PLAN}, {"plan": PLAN}, {"plan": PLAN}]});
    let answers: Vec<_> = thread::scope(|scope| {
        let edge = &stack.edge;
        let ask = || edge.admin_with(&[("idempotency-key", "race")], "POST", "/keys/bulk", Some(&asked));
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    let told: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
    assert_eq!(told.len(), 8, "{answers:?}");
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    assert_eq!(stack.edge.list().data.len(), 3);
}

#[test]
fn a_request_whose_pepper_is_retired_is_not_answered_with_a_dead_key() {
    let mut stack = Stack::new().start();
    let asked = json!({"plan": PLAN});
    let made = key(&post(&stack, "k", "/keys", Some(&asked)));
    stack.restart_edge_with("KEY_PEPPERS", secrets::both_key_peppers());
    assert_eq!(key(&post(&stack, "k", "/keys", Some(&asked))), made, "its epoch lives");
    stack.restart_edge_with("KEY_PEPPERS", secrets::next_key_peppers());
    post(&stack, "k", "/keys", Some(&asked)).refused(Reason::IdempotencyKeyReused);
    assert_eq!(stack.edge.list().data.len(), 1);
}

/// What secrets are made from is kept for a day, and then it is gone though nobody sends anything: an alarm rings.
#[test]
fn what_secrets_are_made_from_is_gone_after_a_day() {
    let mut stack = Stack::new().start();
    let asked = json!({"plan": PLAN});
    key(&post(&stack, "old", "/keys", Some(&asked)));
    post(&stack, "denied", "/denials", Some(&json!({"issuer": "sluice", "jti": "j"})));
    let young = key(&post(&stack, "young", "/keys", Some(&asked)));
    // A day later, for two of the three. Whatever wakes the Registry does.
    stack
        .restart_edge_with_registry("UPDATE requests SET at = at - 86400001 WHERE at < (SELECT MAX(at) FROM requests)");
    let written = || stack.edge.list().storage.rows_written;
    until_true("they are forgotten", SOON, || written() >= 2);
    assert_eq!(key(&post(&stack, "young", "/keys", Some(&asked))), young, "and no other is");
    // The statement fails where there is such a row.
    let no_old =
        "INSERT INTO requests SELECT NULL, request, seed, at FROM requests WHERE at < (SELECT MAX(at) FROM requests)";
    stack.restart_edge_with_registry(no_old);
}
