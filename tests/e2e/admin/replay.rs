//! replay: what another table would have made of the requests that were made, asked of the edge as it is deployed.

use crate::request::described::{ADMIN, document, schema};
use harness::caller::hello;
use harness::wait::{SOON, until};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use sluice_protocol::wire::header;

/// Two plans, of which one has a limit of so many requests a day.
fn table(limit: u32) -> Value {
    json!({"plans": {
        "team": {"limits": [{"name": "daily", "kind": "window", "limit": limit, "window": "1d"}]},
        "other": {"limits": [{"name": "tokens", "kind": "budget", "unit": "tokens", "limit": 1_000_000, "period": "day",
            "zone": "Europe/Zurich"}]},
    }})
}

/// What a table makes of what is kept, once that is so many requests: they are handed on a few seconds after they were made.
fn replayed(stack: &RunningStack, table: &Value, lines: u64) -> Value {
    let document = document(ADMIN);
    until("all requests are kept", SOON, || {
        let answer = stack.edge.admin("POST", "/plans/replay", Some(table));
        schema::check(&document, "/plans/replay", "post", &answer);
        let told = answer.ok().json();
        (told["kept"]["lines"] == lines).then_some(told)
    })
    .0
}

#[test]
fn a_table_is_tried_on_the_requests_of_the_last_day() {
    let mut stack = Stack::new().plans(table(4).to_string()).start();
    stack.script().allow_all();
    let [team, other] = ["team", "other"].map(|plan| stack.edge.issue_key(plan));
    for _ in 0..4 {
        stack.edge.chat(Some(&team.key), &hello(4)).ok();
        stack.edge.chat(Some(&other.key), &hello(4)).ok();
    }
    // The first of these is refused by its Gate, and others by what the isolate remembers: they are not decided.
    stack.edge.chat(Some(&team.key), &hello(4)).refused(Reason::RateLimited);
    let etag = stack.edge.admin("GET", "/plans", None).ok().header(header::ETAG).map(str::to_owned);

    let told = replayed(&stack, &table(1), 9);
    assert_eq!(told["lines"], json!({"read": 9, "replayed": 9, "unknown_plan": 0}));
    assert_eq!(
        (&told["kept"]["one_in"], &told["kept"]["lost"], &told["kept"]["left_out"]),
        (&json!(1), &json!(0), &json!(0))
    );
    // By the table in force it is what was decided.
    let against = &told["against"];
    assert_eq!((&against["as_logged"], &against["all"]["let_through"]), (&json!(9), &json!(8)), "{told}");
    let account = format!("acct:{}", team.account.trim_start_matches("acct:"));
    let change = &told["difference"]["accounts"];
    assert_eq!(change.as_object().map(serde_json::Map::len), Some(1), "{told}");
    assert_eq!(
        (&change[&account]["newly_refused"], &change[&account]["refused_by"]["daily"]["refused"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(told["difference"]["newly_refused"], 3);
    assert_eq!(told["candidate"]["plans"]["other"]["let_through"], 4);
    let tokens = &told["candidate"]["all"]["completion_tokens"];
    assert!(tokens.as_u64().is_some_and(|tokens| tokens > 0), "{told}");

    // A plan that the candidate does not have is no mistake; one that is wrong is, at its place.
    let told = replayed(&stack, &json!({"plans": {"team": {"limits": []}}}), 9);
    assert_eq!(told["lines"]["unknown_plan"], 4);
    assert_eq!(told["difference"]["newly_let_through"], 1);
    let bad =
        json!({"plans": {"team": {"limits": [{"name": "daily", "kind": "window", "limit": -1, "window": "1d"}]}}});
    let refused = stack.edge.admin("POST", "/plans/replay", Some(&bad)).refused(Reason::InvalidRequest);
    assert!(refused.text().contains("plans.team.limits[0].limit"), "{}", refused.text());

    // Nothing was put in force, and what is kept outlives its objects.
    assert_eq!(stack.edge.admin("GET", "/plans", None).ok().header(header::ETAG).map(str::to_owned), etag);
    stack.restart_edge();
    assert_eq!(replayed(&stack, &table(1), 9)["difference"]["newly_refused"], 3);
    stack.check_logs(&[&team.key, &other.key]);
}

#[test]
fn where_nothing_is_kept_nothing_is_replayed() {
    let stack = Stack::new().plans(table(4).to_string()).setting("REPLAY_HOURS", "0").start();
    stack.script().allow_all();
    let key = stack.edge.issue_key("team");
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stack.edge.admin("POST", "/plans/replay", Some(&table(1))).refused(Reason::NotFound);
}
