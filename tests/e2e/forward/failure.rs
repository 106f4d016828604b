//! What happens when something breaks: restarts, settings, and what a test leaves behind.

use harness::caller::{Caller, hello, hello_stream};
use harness::edge::{FAILING, FLOODING};
use harness::issuers::{self, Issuer};
use harness::wait::{SOON, until, until_true};
use harness::{PLAN, Stack, secrets};
use serde_json::json;
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn an_edge_that_is_killed_keeps_its_counts() {
    let mut stack = Stack::new().limit("4 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    for _ in 0..3 {
        stack.restart_edge();
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
    let refused = stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    stack.restart_edge();
    let again = stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    // The window goes on as if nothing had happened.
    assert!(again.retry_after_ms() <= refused.retry_after_ms());
    assert!(again.retry_after_ms() > Some(3_500_000));
    stack.check_logs(&[&key.key]);
}

#[test]
fn a_worker_that_traps_is_made_anew_and_keeps_its_counts() {
    let stack = Stack::new().limit("9 per 1h").observed().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert_eq!(stack.seen_inside().instances, 1);
    // Whoever meets it is answered by the platform, not by us.
    let chat = |http: &reqwest::blocking::Client, base: &str| {
        http.post(format!("{base}/v1/chat/completions")).bearer_auth(&key.key).json(&hello(4))
    };
    for traps in 1..=3 {
        stack.trap_inside();
        until_true("it is made anew", SOON, || {
            stack.edge.send(chat).status == 200 && stack.seen_inside().instances == traps + 1
        });
        let before = stack.edge.view(key.id).used.served;
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
        until_true("it is counted", SOON, || stack.edge.view(key.id).used.served == before + 1);
    }
    let refused = (0..9).any(|_| stack.edge.send(chat).status == Reason::RateLimited.row().status);
    assert!(refused, "what was counted before is counted after");
}

#[test]
fn what_was_admitted_right_before_the_kill_is_counted() {
    let mut stack = Stack::new().limit("1 per 1h").start();
    stack.script().say(Say::text("x"));
    let key = stack.key();
    // The request is at the origin, which says nothing yet: its decision was made and nothing has been settled.
    let connection = stack.open_chat(&key.key, &hello(4));
    until_true("it is at the origin", SOON, || stack.script().is_blocked());
    stack.restart_edge();
    connection.leave();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn leases_of_a_killed_edge_end_at_their_deadline_and_the_model_stops_at_once() {
    let mut stack = Stack::new().lease("5s").parallel(1).slots(1).start();
    let key = stack.key();
    stack.script().say(Say::endless("x"));
    stack.script().allow(3);
    let mut connection = stack.open_chat(&key.key, &hello_stream(3_000));
    connection.read_text("\"content\":\"x\"");
    let start = Instant::now();
    stack.restart_edge();
    until_true("the model stops", SOON, || {
        stack.script().allow(1);
        stack.script().occupied() == 0
    });
    stack.script().allow_all();
    // Nobody can settle it any more: it holds its place, and then it does not.
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::ParallelLimited);
    until("a place", SOON, || (stack.edge.chat(Some(&key.key), &hello(4)).status == 200).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(20), "a lease of 5 s ended after {:?}", start.elapsed());
}

#[test]
fn without_its_gate_a_plan_refuses_or_lets_a_little_through() {
    let open = json!({"capacity": 3, "refill": 1, "every": "1h"});
    let plans = json!({
        "plans": {"open": {"limits": [], "without_gate": open}, "shut": {"limits": []}},
        "anonymous": "open",
    });
    let issuers = issuers::setting(&[(Issuer::Corp, "open"), (Issuer::Lab, "shut")]);
    let mut stack = Stack::new().plans(plans.to_string()).setting("JWT_ISSUERS", issuers).start();
    stack.script().allow_all();
    let keys = ["open", "shut"].map(|plan| stack.edge.issue_key(plan));
    for key in &keys {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
    stack.lose_gates();
    let address = |address: &str| stack.edge.chat_as(&[("cf-connecting-ip", address)], &hello(4));
    let token = |issuer: Issuer, subject: &str| stack.edge.chat(Some(&issuer.token(subject)), &hello(4));
    // Whoever is known without a Gate passes up to the bucket, each account for itself.
    for account in ["203.0.113.1", "203.0.113.2"] {
        for _ in 0..3 {
            address(account).ok();
        }
        address(account).refused(Reason::GateUnavailable);
    }
    for _ in 0..3 {
        token(Issuer::Corp, "ann").ok();
    }
    token(Issuer::Corp, "ann").refused(Reason::GateUnavailable);
    token(Issuer::Corp, "bob").ok();
    token(Issuer::Lab, "ann").refused(Reason::GateUnavailable);
    // Only its Gate knows whether a key lives.
    for key in &keys {
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
        stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::GateUnavailable);
    }
    assert_eq!(stack.script().prompts().len(), 2 + 3 + 3 + 3 + 1);
    // The Registry is another object, and its list is there.
    assert_eq!(stack.edge.list().data.len(), 2);
    stack.check_logs(&[&keys[0].key, &keys[1].key]);
}

#[test]
fn a_flood_is_refused_before_anything_is_looked_at() {
    let stack = Stack::new().table("anonymous", PLAN).with_shield().start();
    stack.script().allow_all();
    let key = stack.key();
    let bearer = format!("Bearer {}", key.key);
    let from =
        |address: &str| stack.edge.chat_as(&[("authorization", &bearer), ("cf-connecting-ip", address)], &hello(4));
    from("203.0.113.65").ok();
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let before = stack.edge.view(key.id).storage;
    for _ in 0..5 {
        let refused = from(FLOODING).refused(Reason::Flooding);
        assert_eq!(refused.retry_after_ms(), None, "the shield does not say until when");
    }
    // Neither a bad key nor a bad body is looked at.
    let bad = |headers: &[(&str, &str)]| stack.edge.chat_as(headers, &json!("not a request"));
    bad(&[("authorization", "Bearer x"), ("cf-connecting-ip", FLOODING)]).refused(Reason::Flooding);
    bad(&[("cf-connecting-ip", FLOODING)]).refused(Reason::Flooding);
    for path in ["/v1/models", "/v1/key"] {
        let get = |http: &reqwest::blocking::Client, base: &str| {
            http.get(format!("{base}{path}")).bearer_auth(&key.key).header("cf-connecting-ip", FLOODING)
        };
        stack.edge.send(get).from_edge().refused(Reason::Flooding);
    }
    let after = stack.edge.view(key.id).storage;
    assert_eq!((after.calls, after.rows_written), (before.calls + 1, before.rows_written), "and that is this look");
    assert_eq!(stack.script().prompts().len(), 1);
    // The exact limits come after it: a shield that fails lets through, and so does one that knows no address.
    from(FAILING).ok();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stack.edge.get("/healthz", None).ok();
    until_true("logged", SOON, || stack.edge_log().contains("the flood shield fails"));
}

#[test]
fn settings_that_are_missing_are_all_named_and_health_is_served_without_them() {
    let needed = ["ORIGIN_URL", "KEY_PEPPERS", "GRANT_KEYS", "ADMIN_TOKENS"];
    let stack = needed.into_iter().fold(Stack::new(), Stack::without).start();
    stack.edge.get("/healthz", None).ok();
    let refused = stack.edge.chat(Some("slc_x"), &hello(4)).refused(Reason::Misconfigured);
    for name in needed {
        assert!(!refused.text().contains(name), "a caller cannot set it: {}", refused.text());
        assert!(stack.edge_log().contains(name), "{name} is not in the log: {}", stack.edge_log());
    }
    stack.edge.get("/v1/models", None).refused(Reason::Misconfigured);
    stack.edge.admin("GET", "/keys", None).refused(Reason::Misconfigured);
    stack.edge.get("/healthz", None).ok();
}

#[test]
fn settings_that_are_wrong_are_named_without_their_values() {
    let value = "hunter2-not-a-value";
    let names = [
        "ORIGIN_URL",
        "KEY_PEPPERS",
        "GRANT_KEYS",
        "ADMIN_TOKENS",
        "PLANS",
        "MAX_BODY_BYTES",
        "BODY_TIMEOUT_MS",
        "ORIGIN_TIMEOUT_MS",
    ];
    let stack = names.into_iter().fold(Stack::new(), |stack, name| stack.setting(name, value)).start();
    let refused = stack.edge.chat(Some("slc_x"), &hello(4)).refused(Reason::Misconfigured);
    assert!(!refused.text().contains(value));
    let log = stack.edge_log();
    for name in names {
        assert!(log.contains(name), "{name} is not in the log: {log}");
    }
    assert!(!log.contains(value), "{log}");
}

#[test]
fn every_mistake_in_the_plans_is_named() {
    let plans = r#"{"plans":{"a":{"limits":[{"name":"w","kind":"window","limit":0,"window":"1h"}]},"b":{"lease":"1s","limits":[]}}}"#;
    let stack = Stack::new().plans(plans).start();
    stack.edge.admin("GET", "/keys", None).refused(Reason::Misconfigured);
    for at in ["plans.a.limits[0].limit", "plans.b.lease"] {
        assert!(stack.edge_log().contains(at), "{at}: {}", stack.edge_log());
    }
}

#[test]
fn a_plan_that_was_taken_away_is_our_mistake_and_not_the_callers() {
    let mut stack = Stack::new().start();
    let key = stack.key();
    stack.restart_edge_with("PLANS", "built-in");
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::Misconfigured);
    assert!(stack.edge_log().contains("a key names the plan"), "{}", stack.edge_log());
}

#[test]
fn the_built_in_plans_are_there_without_any_setting() {
    let stack = Stack::new().without("PLANS").start();
    stack.script().allow_all();
    // An empty body asks for all defaults.
    let made = stack.edge.admin("POST", "/keys", None);
    assert_eq!((made.status, &made.json()["plan"]), (201, &"registered".into()));
    let key = made.json()["key"].as_str().expect("a key").to_owned();
    stack.edge.chat(Some(&key), &hello(4)).ok();
    let five_a_second = |_| stack.edge.chat(Some(&key), &hello(4)).status == 429;
    assert!((0..60).any(five_a_second), "60 a minute, and one is gone");
}

#[test]
fn keys_outlive_a_change_of_peppers_by_one_epoch() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let old = stack.key();
    stack.restart_edge_with("KEY_PEPPERS", secrets::both_key_peppers());
    stack.edge.chat(Some(&old.key), &hello(4)).ok();
    let new = stack.key();
    stack.restart_edge_with("KEY_PEPPERS", secrets::next_key_peppers());
    stack.edge.chat(Some(&old.key), &hello(4)).refused(Reason::InvalidKey);
    stack.edge.chat(Some(&new.key), &hello(4)).ok();
}

#[test]
fn a_stack_that_is_dropped_leaves_nothing_behind() {
    let stack = Stack::new().real_origin().start();
    let (edge, origin) = (stack.edge_address(), stack.origin_address());
    Caller::new(edge).get("/healthz", None).ok();
    drop(stack);
    for address in [edge, origin] {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }
}
