//! Tokens and subjects that are refused before their time.

use crate::auth::issuers::{ask, stack};
use crate::auth::rfc8725::all_issuers;
use harness::caller::Caller;
use harness::issuers::Issuer;
use harness::wait::until_true;
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::time::Duration;

/// Denies, and says what the list has of it.
fn deny(edge: &Caller, body: &Value) -> Value {
    let answer = edge.admin("POST", "/denials", Some(body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[test]
fn denials_hold_at_once_and_everywhere_within_seconds() {
    let stack = stack(&all_issuers()).with_twin().start();
    let id = |subject: &str, id: &str| {
        let mut claims = Issuer::Lab.claims(subject);
        claims["jti"] = id.into();
        Issuer::Lab.sign(&claims)
    };
    let (one, two, other) = (id("ann", "1"), id("ann", "2"), id("bob", "3"));
    let twin = stack.twin();
    for token in [&one, &two, &other] {
        ask(&stack, token).ok();
        twin.get("/v1/key", Some(token)).ok();
    }
    let denied = deny(&stack.edge, &json!({"issuer": "lab", "jti": "1", "ttl_s": 3_600}));
    assert!(ask(&stack, &one).refused(Reason::InvalidKey).text().contains("revoked"));
    ask(&stack, &two).ok();
    until_true("the other isolate learns it", Duration::from_secs(6), || twin.get("/v1/key", Some(&one)).status == 401);
    twin.get("/v1/key", Some(&two)).ok();
    let subject = deny(&stack.edge, &json!({"issuer": "lab", "sub": "ann"}));
    ask(&stack, &two).refused(Reason::InvalidKey);
    ask(&stack, &other).ok();
    // The same name at another issuer is somebody else.
    ask(&stack, &Issuer::Corp.token("ann")).ok();
    let listed = stack.edge.admin("GET", "/denials", None).ok().json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "{listed}");
    assert!(listed["data"].as_array().is_some_and(|all| all.contains(&subject) && all.contains(&denied)), "{listed}");
    stack.edge.admin("DELETE", &format!("/denials/{}", subject["id"].as_str().expect("an id")), None).ok();
    ask(&stack, &two).ok();
    ask(&stack, &one).refused(Reason::InvalidKey);
    stack
        .edge
        .admin("DELETE", &format!("/denials/{}", subject["id"].as_str().expect("an id")), None)
        .refused(Reason::KeyNotFound);
    // One that is for a second ends by itself.
    deny(&stack.edge, &json!({"issuer": "lab", "jti": "3", "ttl_s": 1}));
    ask(&stack, &other).refused(Reason::InvalidKey);
    until_true("it ends", Duration::from_secs(5), || ask(&stack, &other).status == 200);
    let log = stack.edge.admin("GET", "/audit", None).ok();
    let actions: Vec<_> =
        log.json()["data"].as_array().expect("entries").iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["denial.create", "denial.create", "denial.delete", "denial.create"]);
    assert!(!log.text().contains("ann"), "who was denied is in the list, and not in the log");
    for bad in [
        json!({"issuer": "lab"}),
        json!({"issuer": "lab", "sub": "a", "jti": "b"}),
        json!({"issuer": "nobody", "sub": "a"}),
        json!({"issuer": "lab", "sub": ""}),
        json!({"issuer": "lab", "sub": "s".repeat(257)}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": 0}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": -1}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": 1e30}),
        json!({"issuer": "lab", "sub": "a", "more": 1}),
        json!([]),
    ] {
        stack.edge.admin("POST", "/denials", Some(&bad)).refused(Reason::InvalidRequest);
    }
    for bad in ["", "x", &"0".repeat(32), &"A".repeat(32)] {
        stack.edge.admin("DELETE", &format!("/denials/{bad}"), None).refused(Reason::KeyNotFound);
    }
}
