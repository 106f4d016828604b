//! What a person does with the console, in Chromium. The scenarios are in `edge/console/test/browser/`.

use crate::generate::batches::{batch_of, lines, upload};
use harness::caller::MODEL;
use harness::origin::DRAWS;
use harness::origin::raw::{RawOrigin, Received};
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack, secrets, tools};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

/// What the model says, and what it says without an end.
const SAYS: &str = "Two gates stand in front of a model.";
const ENDLESS: &str = "Go on without an end.";
/// Requests that the plan lets through, before an admin raises it.
const LIMIT: u32 = 4;

fn table(limit: u32) -> Value {
    json!({"plans": {
        "registered": {"limits": [{"name": "minute", "kind": "window", "limit": 60, "window": "1m"}]},
        "team": {"priority": 1, "lease": "10m", "limits": [
            {"name": "hour", "kind": "window", "limit": limit, "window": "1h"},
            {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 2_000_000, "window": "1h", "per": "key"},
            {"name": "burst", "kind": "bucket", "capacity": 40, "refill": 2, "when": {"class": "light"}},
            {"name": "parallel", "kind": "parallel", "limit": 4}]},
    }})
}

fn stack() -> RunningStack {
    let stack = held();
    stack.script().allow_all();
    stack
}

/// One whose model takes no step yet.
fn held() -> RunningStack {
    start(described())
}

fn described() -> Stack {
    let tokens = format!("{},{}", secrets::admin_tokens(), secrets::scoped_admin_tokens());
    Stack::new()
        .plans(table(LIMIT).to_string())
        .setting("ADMIN_TOKENS", tokens)
        .context(1_000_000)
        .slots(4)
        .with_console()
}

fn start(stack: Stack) -> RunningStack {
    let stack = stack.start();
    stack.script().answer(|prompt| if prompt.contains(ENDLESS) { Say::endless("and on ") } else { Say::text(SAYS) });
    stack
}

/// Runs a scenario to its end and prints what its steps have seen; panics with the steps that it took if one of them failed.
pub(super) fn drive(stack: &RunningStack, scenario: &str, more: &Value) {
    let screens = tools::root().join("target/console-screens");
    std::fs::create_dir_all(&screens).expect("the build's folder can be written to");
    let mut settings = json!({
        "url": format!("http://{}", stack.edge_address()),
        "chromium": tools::browser(),
        "profile": stack.directory().join("browser"),
        "screens": screens,
        "token": secrets::ADMIN_TOKEN,
        "secrets": [secrets::ADMIN_TOKEN],
        "model": MODEL,
    });
    let members = settings.as_object_mut().expect("it is an object");
    members.extend(more.as_object().expect("and so is this").clone());
    let script = tools::root().join("edge/console/test/browser").join(scenario);
    let output = Command::new(tools::node()).arg(script).arg(settings.to_string()).output().expect("node starts");
    let mut told = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let step: Value = serde_json::from_str(line).unwrap_or_else(|_| json!({"step": line, "ok": true}));
        let mark = if step["ok"] == true { "ok    " } else { "FAILED" };
        let [name, seen, trouble] = ["step", "seen", "trouble"].map(|member| step[member].as_str().unwrap_or_default());
        let _ = writeln!(told, "{mark} {:>6} ms  {name}  {}{trouble}", step["ms"], seen.replace('\n', " | "));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario}:\n{told}\n{said}");
    println!("{scenario}:\n{told}");
}

#[test]
fn an_operator_makes_a_key_reaches_its_limit_and_raises_it() {
    let stack = stack();
    let settings = json!({"says": SAYS, "endless": ENDLESS, "limit": LIMIT, "otherTable": table(LIMIT + 1)});
    drive(&stack, "operator.mjs", &settings);
}

#[test]
fn axe_finds_nothing_on_any_page_and_none_is_wider_than_its_screen() {
    let stack = stack();
    let edge = &stack.edge;
    let asked = json!({
        "name": "laptop of the search team", "plan": "team", "scopes": ["chat", "models"], "models": ["tiny*"],
        "addresses": ["127.0.0.0/8"], "overrides": {"hour": 1_000}, "metadata": {"team": "search"},
    });
    let key = edge.issue(&json!({"name": "playground", "plan": "team", "overrides": {"hour": 1_000}}));
    let shown = edge.issue(&asked);
    edge.issue(&json!({"name": "<b>not bold</b> \u{5d0}\u{5d1}\u{5d2}", "plan": "registered", "expires_at": 4_000_000_000_000_u64}));
    edge.admin("POST", &format!("/keys/{}/disable", edge.issue_key("team").id), None).ok();
    edge.admin("PATCH", "/accounts/ip:203.0.113.9", Some(&json!({"name": "the office", "owner": "ann"}))).ok();
    edge.get("/admin/v1/keys", Some("not-a-token"));
    let account = shown.account;
    let paths = json!({
        "overview": "/overview", "keys": "/keys", "key": format!("/keys/{}", shown.id), "new-key": "/keys/new",
        "accounts": "/accounts", "account": format!("/accounts/{account}"), "new-account": "/accounts/new",
        "usage": "/usage", "plans": "/plans", "origins": "/origins", "alerts": "/alerts", "audit": "/audit",
        "playground": "/playground", "nowhere": "/none",
    });
    drive(&stack, "pages.mjs", &json!({"paths": paths, "key": key.key}));
}

#[test]
fn an_operator_sees_how_far_a_batch_is_and_ends_it() {
    let stack = held();
    let key = stack.edge.issue(&json!({"name": "batches", "plan": "registered"}));
    let [bad, good] = ["{\n".to_owned(), lines(40)].map(|content| {
        let file = upload(&stack, &key.key, &content);
        batch_of(&stack, &key.key, &file)
    });
    let status =
        |batch: &str| stack.edge.get(&format!("/v1/batches/{batch}"), Some(&key.key)).ok().json()["status"].clone();
    until_true("one runs, and one is none", SOON, || status(&good) == "in_progress" && status(&bad) == "failed");
    drive(&stack, "jobs.mjs", &json!({"account": key.account, "batch": good}));
    stack.script().allow_all();
    until_true("it ends", 3 * SOON, || status(&good) == "cancelled");
    let entries = stack.edge.admin("GET", "/audit?action=batch.cancel", None).ok().json();
    assert_eq!(entries["data"][0]["details"]["batch"], json!(good), "{entries}");
}

#[test]
fn an_operator_sees_what_happens_while_it_does() {
    let stack = stack();
    let key = stack.edge.issue(&json!({"name": "busy", "plan": "team"}));
    drive(&stack, "live.mjs", &json!({"key": key.key, "limit": LIMIT, "secrets": [secrets::ADMIN_TOKEN, key.key]}));
}

#[test]
fn an_operator_sees_whom_alerts_tell_and_tries_it() {
    let hooks = RawOrigin::start(Arc::new(|received: &Received, socket: &mut TcpStream| {
        let status = if received.line.starts_with("POST /takes ") { "200 OK" } else { "302 Found" };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // Whoever asked may be gone.
        drop(socket.write_all(head.as_bytes()));
    }));
    let webhook = |path: &str| {
        let url = format!("http://{}/{path}", hooks.address());
        json!({"url": url, "form": "json", "secret": "the console's webhook", "private": true})
    };
    let webhooks = json!({"takes": webhook("takes"), "moved": webhook("moved")});
    let mut plans = table(LIMIT);
    plans["alerts"] = json!([
        {"name": "refused", "when": {"kind": "key_refused", "more_than": 3, "within": "5m"}, "send": ["takes", "gone"]},
        {"name": "quiet", "when": {"kind": "lapsed", "more_than": 0, "within": "10m"}, "muted": true},
    ]);
    let stack = start(described().plans(plans.to_string()).setting("ALERT_WEBHOOKS", webhooks.to_string()));
    stack.script().allow_all();
    let key = stack.edge.issue(&json!({"name": "refused", "plan": "team"}));
    let scoped = |name: &str| secrets::scoped_token(name);
    let settings = json!({
        "rule": "refused", "key": key.key, "keyId": key.id.to_string(), "served": LIMIT, "refused": 5,
        "scoped": {"read": scoped("read"), "plans": scoped("plans")},
        "secrets": [secrets::ADMIN_TOKEN, key.key, scoped("read"), scoped("plans")],
    });
    drive(&stack, "alerts.mjs", &settings);
    let told = |phase: &str| {
        let is_so = |one: &Received| {
            let notice: Value = serde_json::from_slice(&one.body).expect("JSON");
            one.line.starts_with("POST /takes ") && notice["phase"] == phase
        };
        hooks.received().iter().any(is_so)
    };
    assert!(told("test"));
    until_true("the incident is told", SOON, || told("opened"));
}

#[test]
fn nobody_sees_a_button_for_what_would_be_refused() {
    let stack = stack();
    let edge = &stack.edge;
    let key = edge.issue(&json!({"name": "counted", "plan": "team"}));
    let scoped = |name: &str| secrets::scoped_token(name);
    let many: Vec<_> = (0..70).map(|number| json!({"name": format!("many-{number}"), "plan": "team"})).collect();
    let made = edge.admin("POST", "/keys/bulk", Some(&json!({"keys": many})));
    assert_eq!(made.status, 201, "{}", made.text());
    let settings = json!({
        "scoped": {"read": scoped("read"), "keys": scoped("keys"), "plans": scoped("plans"), "origins": scoped("origins")},
        "key": key.key, "keyId": key.id.to_string(), "many": many.len(),
        "secrets": [secrets::ADMIN_TOKEN, key.key, scoped("read"), scoped("keys"), scoped("plans"), scoped("origins")],
    });
    drive(&stack, "callers.mjs", &settings);
}

#[test]
fn a_caller_draws_a_picture_and_sees_what_it_has_used() {
    let day = json!({"name": "day", "kind": "window", "unit": "images", "limit": 50, "window": "1d"});
    let stack = Stack::new().drawing_origin().with(day).with_console().start();
    let key = stack.key();
    // Large enough to be looked at on its way, on a fast machine, too.
    let settings = json!({"key": key.key, "model": DRAWS, "large": "256x256", "secrets": [key.key]});
    drive(&stack, "picture.mjs", &settings);
}
