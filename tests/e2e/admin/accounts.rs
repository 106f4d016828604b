//! Accounts, whole life: made, listed, changed, disabled, deleted; what several keys of one have used.

use harness::caller::hello;
use harness::{PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;

fn make(stack: &RunningStack, asked: &Value) -> Value {
    let answer = stack.edge.admin("POST", "/accounts", Some(asked));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn path(account: &Value) -> String {
    format!("/accounts/{}", account["account"].as_str().expect("an id"))
}

fn names(stack: &RunningStack, query: &str) -> Vec<String> {
    let listed = stack.edge.admin("GET", &format!("/accounts?{query}"), None).ok().json();
    let data = listed["data"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = data.iter().filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect();
    names.sort();
    names
}

#[test]
fn an_account_lives_and_ends() {
    let mut stack = Stack::new().limit("9 per 1h").with_twin().start();
    stack.script().allow_all();
    let account = make(&stack, &json!({"name": "red team", "owner": "ann", "overrides": {"window-0": 5}}));
    let id = account["account"].clone();
    assert_eq!(
        (&account["name"], &account["owner"], &account["version"]),
        (&json!("red team"), &json!("ann"), &json!(1))
    );
    let join = |stack: &RunningStack| stack.edge.issue(&json!({"plan": PLAN, "account": id}));
    let (first, second) = (join(&stack), join(&stack));
    let chat = |stack: &RunningStack, key: &CreatedKey| stack.edge.chat(Some(&key.key), &hello(4));
    for key in [&first, &second, &second] {
        chat(&stack, key).ok();
    }
    let twin = stack.twin();
    let view = stack.edge.admin("GET", &path(&account), None).ok();
    assert_eq!(view.json()["keys"].as_array().map(Vec::len), Some(2));
    harness::wait::until_true("all are settled", harness::wait::SOON, || {
        stack.edge.admin("GET", &path(&account), None).json()["live_leases"] == 0
    });
    let view = stack.edge.admin("GET", &path(&account), None).ok().json();
    assert_eq!(view["used"]["served"], 3);
    let used = |key: &CreatedKey| view["used_by_key"][key.id.to_string()]["served"].clone();
    assert_eq!((used(&first), used(&second)), (json!(1), json!(2)));

    // Changed by whoever saw its version; for the next request, everywhere.
    let version = format!("\"{}\"", view["version"]);
    let change =
        |etag: &str, body: Value| stack.edge.admin_with(&[("if-match", etag)], "PATCH", &path(&account), Some(&body));
    change(&version, json!({"owner": "bob", "overrides": {"window-0": 4}})).ok();
    change(&version, json!({"owner": "eve"})).refused(Reason::PreconditionFailed);
    twin.chat(Some(&first.key), &hello(4)).ok();
    twin.chat(Some(&first.key), &hello(4)).refused(Reason::RateLimited);
    let post = |verb: &str| stack.edge.admin("POST", &format!("{}/{verb}", path(&account)), None).ok();
    assert_eq!(post("disable").json()["disabled"], true);
    for edge in [&stack.edge, &twin] {
        edge.chat(Some(&second.key), &hello(4)).refused(Reason::Disabled);
    }
    assert_eq!(post("enable").json()["disabled"], false);

    let deleted = stack.edge.admin("DELETE", &path(&account), None).ok().json();
    assert_eq!(deleted, json!({"account": id, "deleted": true}));
    stack.edge.chat(Some(&second.key), &hello(4)).refused(Reason::InvalidKey);
    // Elsewhere it may be told for a second that it is disabled.
    harness::wait::until_true("it is refused as nobody's", harness::wait::SOON, || {
        let answer = twin.chat(Some(&second.key), &hello(4));
        answer.status != 200 && answer.json()["error"]["code"] == Reason::InvalidKey.row().code
    });
    for (method, body) in [("GET", None), ("DELETE", None), ("PATCH", Some(json!({"name": "x"})))] {
        stack.edge.admin(method, &path(&account), body.as_ref()).refused(Reason::KeyNotFound);
    }
    assert!(stack.edge.list().data.is_empty() && names(&stack, "").is_empty());
    stack.restart_edge();
    chat(&stack, &second).refused(Reason::InvalidKey);
    let join = stack.edge.admin("POST", "/keys", Some(&json!({"plan": PLAN, "account": id})));
    assert_eq!(join.refused(Reason::InvalidRequest).json()["error"]["param"], "account");
}

#[test]
fn accounts_are_listed_with_those_of_keys_and_of_others() {
    let stack = Stack::new().start();
    make(&stack, &json!({"name": "red one", "owner": "ann", "plan": PLAN}));
    make(&stack, &json!({"name": "red two", "owner": "bob"}));
    let own = stack.key();
    stack.edge.admin("PATCH", &format!("/accounts/{}", own.account), Some(&json!({"name": "own"}))).ok();
    stack.edge.admin("PATCH", "/accounts/ip:203.0.113.9", Some(&json!({"name": "flood", "disabled": true}))).ok();
    assert_eq!(names(&stack, ""), ["flood", "own", "red one", "red two"]);
    assert_eq!(names(&stack, "name=red"), ["red one", "red two"]);
    assert_eq!(names(&stack, "owner=bob"), ["red two"]);
    assert_eq!(names(&stack, &format!("plan={PLAN}")), ["red one"]);
    assert_eq!(names(&stack, "disabled=true"), ["flood"]);
    let first = stack.edge.admin("GET", "/accounts?limit=3", None).ok().json();
    let next = first["next"].as_str().expect("there is a fourth").replace(':', "%3A");
    assert_eq!(names(&stack, &format!("after={next}")).len(), 1);
    stack.edge.admin("DELETE", "/accounts/ip:203.0.113.9", None).refused(Reason::InvalidRequest);
    // Who is nobody's is not changed by a slip of the pen.
    let typo = "/accounts/00000000000000aa";
    stack.edge.admin("PATCH", typo, Some(&json!({"disabled": true}))).refused(Reason::KeyNotFound);
    stack.edge.admin("GET", typo, None).refused(Reason::KeyNotFound);
    // A plan that an account has stays.
    let refused =
        stack.edge.put_plans(Some("*"), r#"{"plans":{"other":{"limits":[]}}}"#).refused(Reason::InvalidRequest);
    assert!(refused.text().contains(PLAN), "{}", refused.text());
}
