//! Keys, whole life: made, listed, looked at, changed, rotated, disabled, deleted; alone and many at once.

mod lists;

use harness::caller::hello;
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::json;
use sluice_protocol::admin::{CreatedKey, KeyList};
use sluice_protocol::refusal::Reason;
use std::collections::BTreeSet;

fn path(key: &CreatedKey) -> String {
    format!("/keys/{}", key.id)
}

fn chat(stack: &RunningStack, key: &str) -> Answer {
    stack.edge.chat(Some(key), &hello(4))
}

fn list(stack: &RunningStack, query: &str) -> KeyList {
    serde_json::from_value(stack.edge.admin("GET", &format!("/keys?{query}"), None).ok().json()).expect("a list")
}

/// All pages of a list.
fn all(stack: &RunningStack, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = list(stack, query);
    loop {
        found.extend(page.data.iter().map(|entry| entry.id.to_string()));
        match page.next {
            Some(next) => page = list(stack, &format!("{query}&after={next}")),
            None => return found,
        }
    }
}

#[test]
fn a_key_is_made_with_all_that_can_be_said_of_it() {
    let stack = Stack::new().limit("5 per 1h").start();
    stack.script().allow_all();
    let account = stack.edge.admin("POST", "/accounts", Some(&json!({"name": "red"}))).json();
    let asked = json!({
        "name": "ann's ✓", "plan": PLAN, "account": account["account"], "overrides": {"window-0": 7, "own": 9},
        "limits": [{"name": "own", "kind": "window", "limit": 3, "window": "1h"}],
        "scopes": ["chat", "models"], "models": ["tiny", "big-*"], "addresses": ["203.0.113.0/24", "::1"],
        "expires_at": 253_402_300_799_999_u64, "metadata": {"team": "red", "ticket": "T-1"}
    });
    let key = stack.edge.issue(&asked);
    let answer = stack.edge.admin("GET", &path(&key), None).ok();
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let view = answer.json();
    for member in ["name", "plan", "account", "overrides", "scopes", "models", "addresses", "expires_at", "metadata"] {
        assert_eq!(view[member], asked[member], "{member}");
    }
    assert_eq!((&view["disabled"], &view["version"], &view["old_until"]), (&json!(false), &json!(1), &json!([])));
    assert_eq!(view["limits"][0]["per"], "key", "{view}");
    assert!(!answer.text().contains(&key.key) && !answer.text().contains("hash"));
    let chat = || {
        stack.edge.chat_as(
            &[("authorization", &format!("Bearer {}", key.key)), ("cf-connecting-ip", "203.0.113.1")],
            &hello(4),
        )
    };
    assert_eq!((0..9).take_while(|_| chat().status == 200).count(), 7, "the override of the plan's limit");
    let used = stack.edge.view(key.id);
    assert_eq!((used.used.served, used.used_by_key.served), (7, 7));
}

#[test]
fn a_rotated_key_has_two_secrets_until_the_old_one_ends() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    let rotate = |stack: &RunningStack, overlap: &str| {
        let body = json!({"overlap": overlap});
        let answer = stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&body)).ok().json();
        assert_eq!(answer["id"], key.id.to_string());
        answer["key"].as_str().expect("a secret").to_owned()
    };
    let second = rotate(&stack, "1h");
    chat(&stack, &key.key).ok();
    chat(&stack, &second).ok();
    stack.restart_edge();
    chat(&stack, &key.key).ok();
    // A shorter overlap ends all that came before; none at all ends them at once.
    let third = rotate(&stack, "700ms");
    chat(&stack, &second).ok();
    chat(&stack, &third).ok();
    harness::wait::until_true("the old ones end", harness::wait::SOON, || {
        [&key.key, &second].iter().all(|old| chat(&stack, old).status == 401)
    });
    chat(&stack, &second).refused(Reason::InvalidKey);
    let fourth = rotate(&stack, "0s");
    chat(&stack, &third).refused(Reason::InvalidKey);
    chat(&stack, &fourth).ok();
    let keys = [&key.key, &second, &third, &fourth];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(stack.edge.list().data.len(), 1, "it is one key all along");
    stack.check_logs(&keys.map(String::as_str));
    for bad in ["1", "-1s", "32d", "1w", "", "99999999999999999999d"] {
        let refused = stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&json!({"overlap": bad})));
        assert_eq!(refused.refused(Reason::InvalidRequest).json()["error"]["param"], "overlap", "{bad}");
    }
}

/// A request that was let in with a secret that is rotated away meanwhile is served to its end.
#[test]
fn a_secret_that_is_rotated_away_in_flight_serves_its_request() {
    let stack = Stack::new().parallel(2).start();
    let key = stack.key();
    let mut open = stack.open_chat(&key.key, &harness::caller::hello_stream(8));
    stack.script().allow(2);
    open.read_text("data:");
    stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&json!({"overlap": "0s"}))).ok();
    chat(&stack, &key.key).refused(Reason::InvalidKey);
    stack.script().allow_all();
    open.read_text("[DONE]");
    harness::wait::until_true("it is settled", harness::wait::SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.view(key.id).used_by_key.served, 1);
}

#[test]
fn disabling_and_deleting_hold_for_the_next_request_everywhere() {
    let stack = Stack::new().with_twin().start();
    stack.script().allow_all();
    let twin = stack.twin();
    let (key, other) = (stack.key(), stack.key());
    let post = |verb: &str| stack.edge.admin("POST", &format!("{}/{verb}", path(&key)), None).ok();
    let both = |key: &CreatedKey| [&stack.edge, &twin].map(|edge| edge.chat(Some(&key.key), &hello(4)).status);
    assert_eq!(both(&key), [200, 200]);
    assert_eq!(post("disable").json()["disabled"], true);
    assert_eq!(both(&key), [403, 403]);
    assert_eq!(list(&stack, "disabled=true").data.len(), 1);
    assert_eq!(post("enable").header("etag"), Some("\"3\""));
    assert_eq!(stack.edge.chat(Some(&key.key), &hello(4)).status, 200);
    // Elsewhere the refusal may be remembered for a second.
    harness::wait::until_true("it passes elsewhere", harness::wait::SOON, || both(&key) == [200, 200]);
    stack.edge.revoke(key.id);
    assert_eq!(both(&key), [401, 401]);
    assert_eq!(both(&other), [200, 200]);
    for (method, tail) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")] {
        let body = (method == "PATCH").then(|| json!({"name": "x"}));
        stack.edge.admin(method, &format!("{}{tail}", path(&key)), body.as_ref()).refused(Reason::KeyNotFound);
    }
    let some = json!({"reason": "x"});
    stack.edge.admin("POST", &format!("{}/disable", path(&other)), Some(&some)).refused(Reason::InvalidRequest);
    stack.edge.admin("PUT", &format!("{}/disable", path(&other)), None).refused(Reason::MethodNotAllowed);
}

#[test]
fn of_two_admins_who_change_one_key_one_is_told() {
    let stack = Stack::new().start();
    let key = stack.key();
    let change = |etag: &str, name: &str| {
        stack.edge.admin_with(&[("if-match", etag)], "PATCH", &path(&key), Some(&json!({ "name": name })))
    };
    let etag = stack.edge.admin("GET", &path(&key), None).ok().header("etag").expect("a version").to_owned();
    let first = change(&etag, "first").ok();
    assert_eq!(first.header("etag"), Some("\"2\""));
    change(&etag, "second").refused(Reason::PreconditionFailed);
    for bad in ["1", "\"01\"", "\"x\"", "\"4294967296\"", "\"2", "2\"", "\"2\", \"3\""] {
        let answer = change(bad, "third");
        assert_eq!(answer.status, Reason::PreconditionFailed.row().status, "{bad:?}: {}", answer.text());
    }
    assert_eq!(stack.edge.view(key.id).key.name, "first");
    change("W/\"2\"", "fourth").ok();
    change("*", "fifth").ok();
    for (method, tail) in [("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")] {
        let refused = stack.edge.admin_with(&[("if-match", "\"9\"")], method, &format!("{}{tail}", path(&key)), None);
        refused.refused(Reason::PreconditionFailed);
    }
    // At once: of those who saw the same version exactly one is served.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..6).map(|_| scope.spawn(|| change("\"4\"", "race").status)).collect();
        asking.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(stack.edge.view(key.id).version, 5);
}

#[test]
fn keys_are_made_many_at_once() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let account = stack.key().account;
    let keys: Vec<_> = (0..100)
        .map(|number| match number % 2 {
            0 => json!({"name": format!("bulk {number}"), "plan": PLAN}),
            _ => json!({"name": format!("bulk {number}"), "plan": PLAN, "account": account}),
        })
        .collect();
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&json!({"keys": keys})));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: Vec<CreatedKey> = serde_json::from_value(answer.json()["data"].clone()).expect("keys");
    assert_eq!(made.len(), 100);
    assert!(made.iter().enumerate().all(|(number, key)| key.name == format!("bulk {number}")));
    assert!(made.iter().skip(1).step_by(2).all(|key| key.account == account));
    for key in [&made[0], &made[1], &made[98], &made[99]] {
        chat(&stack, &key.key).ok();
    }
    assert_eq!(all(&stack, &format!("account={account}")).len(), 51);
    // What cannot be made is told in its place; the others are made.
    let unknown = "00000000000000aa";
    let some = json!({"keys": [{"plan": PLAN, "account": unknown}, {"plan": PLAN}]});
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&some));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["error"]["param"], "account");
    assert!(answer.json()["data"][1]["key"].is_string());
    let none = json!({"keys": [{"plan": PLAN, "account": unknown}]});
    stack.edge.admin("POST", "/keys/bulk", Some(&none)).refused(Reason::InvalidRequest);
    // One that is wrong refuses all, by its place.
    let wrong = json!({"keys": [{"plan": PLAN}, {"plan": "gold"}]});
    let refused = stack.edge.admin("POST", "/keys/bulk", Some(&wrong)).refused(Reason::InvalidRequest);
    assert_eq!(refused.json()["error"]["param"], "keys[1].plan");
    for empty in [json!({"keys": []}), json!({}), json!({"keys": vec![json!({"plan": PLAN}); 101]})] {
        stack.edge.admin("POST", "/keys/bulk", Some(&empty)).refused(Reason::InvalidRequest);
    }
    assert_eq!(all(&stack, "limit=7").len(), 102);
}
