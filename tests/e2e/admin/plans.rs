//! plans: a table is replaced as a whole, checked as a whole, and holds everywhere within five seconds.

use harness::caller::Whole;
use harness::caller::{Caller, hello};
use harness::issuers::{self, Issuer};
use harness::wait::until_true;
use harness::{Answer, Stack};
use serde_json::{Value, json};
use sluice_protocol::limit::plan::MAX_TABLE_BYTES;
use sluice_protocol::refusal::Reason;
use sluice_protocol::wire::header;
use std::time::{Duration, Instant};

/// A plan with a limit of this many requests an hour.
fn plan(limit: u32) -> Value {
    json!({"limits": [{"name": "hour", "kind": "window", "limit": limit, "window": "1h"}]})
}

fn table(plans: &Value) -> String {
    json!({ "plans": plans }).to_string()
}

fn etag(answer: &Answer) -> String {
    answer.header(header::ETAG).expect("a table has a version").to_owned()
}

fn get(edge: &Caller) -> Answer {
    edge.admin("GET", "/plans", None).ok()
}

fn limit_of(edge: &Caller, key: &str) -> u32 {
    edge.own(key).limits[0].limit.whole()
}

#[test]
fn a_table_is_replaced_only_by_who_has_seen_it() {
    let first = table(&json!({"a": plan(1)}));
    let stack = Stack::new().plans(&*first).start();
    let edge = &stack.edge;
    let seen = get(edge);
    assert_eq!((seen.text(), seen.header(header::CONTENT_TYPE)), (&*first, Some("application/json")));
    let second = table(&json!({"a": plan(2)}));
    edge.put_plans(None, &second).refused(Reason::PreconditionRequired);
    for stale in ["\"0011223344556677\"", "0", "\"x\""] {
        edge.put_plans(Some(stale), &second).refused(Reason::PreconditionFailed);
    }
    assert_eq!(get(edge).text(), first);

    let put = edge.put_plans(Some(&etag(&seen)), &second).ok();
    assert_eq!((put.text(), etag(&put)), (&*second, etag(&get(edge))));
    assert_ne!(etag(&put), etag(&seen));
    // Two admins have seen the first table; the slower one is told.
    edge.put_plans(Some(&etag(&seen)), &first).refused(Reason::PreconditionFailed);
    // A proxy between makes a version a weak one; who does not care says so.
    let third = table(&json!({"a": plan(3)}));
    let put = edge.put_plans(Some(&format!("W/{}", etag(&put))), &third).ok();
    edge.put_plans(Some("*"), &third).ok();
    assert_eq!(etag(&get(edge)), etag(&put), "the same text is the same version");
    for method in ["POST", "DELETE", "PATCH"] {
        let refused = edge.admin(method, "/plans", None).refused(Reason::MethodNotAllowed);
        assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT"));
    }
}

#[test]
fn a_table_with_mistakes_changes_nothing_and_all_are_named() {
    let first = table(&json!({"a": plan(7), "b": plan(1)}));
    let stack = Stack::new().plans(&*first).start();
    let edge = &stack.edge;
    let key = edge.issue_key("a");
    let bad = json!({
        "plans": {
            "a": {"lease": "1s", "limits": [{"name": "w", "kind": "window", "limit": -1, "window": "1h"}]},
            "B": plan(1),
            "c": {"limits": [{"name": "w", "kind": "bucket", "capacity": 1.5, "refill": 0}], "colour": "red"},
        },
        "anonymous": "nobody",
        "costs": [{}],
    });
    let named = [
        "plans.a.lease",
        "plans.a.limits[0].limit",
        "plans.B",
        "plans.c.limits[0].capacity",
        "plans.c.limits[0].refill",
        "colour",
        "anonymous",
        "costs[0]",
    ];
    let refused = edge.put_plans(Some("*"), &bad.to_string()).refused(Reason::InvalidRequest);
    for at in named {
        assert!(refused.text().contains(at), "{at}: {}", refused.text());
    }
    let not_tables = ["", "{", "[]", "{}", r#"{"plans":{}}"#, r#"{"plans":{"a":{"limits":[]}},"plans":{}}"#];
    for text in not_tables {
        edge.put_plans(Some("*"), text).refused(Reason::InvalidRequest);
    }
    // A plan that a key names cannot go.
    let refused = edge.put_plans(Some("*"), &table(&json!({"b": plan(1)}))).refused(Reason::InvalidRequest);
    assert!(refused.text().contains("`a`") && refused.text().contains(&key.id.to_string()), "{}", refused.text());
    assert_eq!(refused.json()["error"]["param"], "plans.a");
    assert_eq!((get(edge).text(), limit_of(edge, &key.key)), (&*first, 7));
    // Once no key names it, it can.
    edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"plan": "b"}))).ok();
    edge.put_plans(Some("*"), &table(&json!({"b": plan(4)}))).ok();
    assert_eq!(limit_of(edge, &key.key), 4);
}

#[test]
fn a_plan_that_something_else_names_cannot_go_or_lets_nobody_through() {
    let plans = json!({"a": plan(1), "b": plan(1), "c": plan(1)});
    let issuers = issuers::setting(&[(Issuer::Corp, "b")]);
    let mut stack = Stack::new().plans(table(&plans)).setting("JWT_ISSUERS", issuers).start();
    let edge = &stack.edge;
    let key = edge.issue_key("a");
    let refused = edge.put_plans(Some("*"), &table(&json!({"a": plan(1)}))).refused(Reason::InvalidRequest);
    assert!(refused.text().contains("`b`") && refused.text().contains("JWT_ISSUERS"), "{}", refused.text());
    edge.admin("PATCH", &format!("/accounts/{}", key.account), Some(&json!({"plan": "c"}))).ok();
    let without = table(&json!({"a": plan(1), "b": plan(1)}));
    let refused = edge.put_plans(Some("*"), &without).refused(Reason::InvalidRequest);
    assert!(refused.text().contains("`c`") && refused.text().contains("account"), "{}", refused.text());
    // A deploy asks nobody: whose plan is gone all the same is refused.
    stack.restart_edge_with("PLANS", without);
    let edge = &stack.edge;
    edge.chat(Some(&key.key), &hello(4)).refused(Reason::Misconfigured);
    edge.get("/v1/key", Some(&key.key)).refused(Reason::Misconfigured);
    assert_eq!(stack.script().steps(), 0);
}

#[test]
fn a_table_holds_at_once_here_and_soon_everywhere_and_outlives_a_restart() {
    let mut stack = Stack::new().plans(table(&json!({"a": plan(1)}))).with_twin().start();
    stack.script().allow_all();
    let key = stack.edge.issue_key("a").key;
    let twin = stack.twin();
    for edge in [&stack.edge, &twin] {
        assert_eq!(limit_of(edge, &key), 1);
    }
    stack.edge.chat(Some(&key), &hello(4)).ok();
    stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
    stack.edge.put_plans(Some("*"), &table(&json!({"a": plan(2)}))).ok();
    let start = Instant::now();
    stack.edge.chat(Some(&key), &hello(4)).ok();
    assert_eq!(limit_of(&stack.edge, &key), 2);
    // One that asks all the time, as callers do.
    until_true("the other isolate has it", Duration::from_secs(5), || limit_of(&twin, &key) == 2);
    println!("another isolate has a new table after {:?}", start.elapsed());
    // What was counted under the old table counts under the new one.
    stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);

    stack.restart_edge();
    assert_eq!((limit_of(&stack.edge, &key), limit_of(&stack.twin(), &key)), (2, 2));
    // The variable was for the time before a table was put.
    stack.restart_edge_with("PLANS", table(&json!({"a": plan(50)})));
    assert_eq!(limit_of(&stack.edge, &key), 2);
    stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn a_gate_asks_once_for_a_table_that_it_lacks() {
    let stack = Stack::new().plans(table(&json!({"a": plan(1)}))).with_twin().start();
    stack.script().allow_all();
    let twin = stack.twin();
    let key = twin.issue_key("a").key;
    // Gates live in the first isolate, which knows nothing of this.
    twin.put_plans(Some("*"), &table(&json!({"a": plan(5)}))).ok();
    let start = Instant::now();
    let before = twin.list().storage.calls;
    for _ in 0..5 {
        twin.chat(Some(&key), &hello(4)).ok();
    }
    twin.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
    let calls = twin.list().storage.calls - before - 1;
    // The isolate asks which origins there are, once at first; and on a slow machine for news of both meanwhile, every two
    // seconds at most.
    let news = 1 + 2 * (start.elapsed().as_secs() / 2);
    assert!((1..=1 + news).contains(&calls), "{calls} calls in {:?}", start.elapsed());
}

#[test]
fn the_largest_table_goes_all_the_way() {
    let limit =
        |number: usize| json!({"name": format!("limit-{number}"), "kind": "window", "limit": 9, "window": "1h"});
    let plans: serde_json::Map<_, _> = (0..60)
        .map(|number| (format!("plan-{number}"), json!({"limits": (0..16).map(limit).collect::<Vec<_>>()})))
        .collect();
    let mut large = table(&plans.into());
    assert!(large.len() < MAX_TABLE_BYTES && large.len() > MAX_TABLE_BYTES * 3 / 4, "{}", large.len());
    large.push_str(&" ".repeat(MAX_TABLE_BYTES - large.len()));
    let mut stack = Stack::new().plans(table(&json!({"a": plan(1)}))).start();
    stack.script().allow_all();
    let put = stack.edge.put_plans(Some("*"), &large).ok();
    assert_eq!(get(&stack.edge).text(), large);
    let key = stack.edge.issue_key("plan-49").key;
    stack.edge.put_plans(Some(&etag(&put)), &format!("{large} ")).refused(Reason::BodyTooLarge);
    stack.restart_edge();
    assert_eq!(get(&stack.edge).text(), large);
    stack.edge.chat(Some(&key), &hello(4)).ok();
    assert_eq!(stack.edge.own(&key).limits.len(), 16);
}
