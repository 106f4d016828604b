//! The one walk of an operator, in Chromium, through all that was built for one: `edge/console/test/browser/walk.mjs`.

use super::driven::drive;
use harness::Stack;
use harness::origin::raw::{RawOrigin, Received};
use harness::secrets;
use harness::wait::{SOON, until_true};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

/// Requests that the plan lets through in an hour, and after it was lowered.
const LIMIT: u32 = 6;
const LOWERED: u32 = 4;
/// What is asked, and how many tokens the answer may have: it has more to say.
const MESSAGE: &str = "x";
const MAX_TOKENS: u64 = 5;
const SAYS: &str = "Two gates stand in front of a model.";
/// What a request uses: the message's bytes, the template around them, and the answer.
const TOKENS: u64 = MESSAGE.len() as u64 + 19 + MAX_TOKENS;
/// What a token costs, in billionths of a dollar: a request costs a cent.
const PRICE_NANOS: u64 = 400_000;
/// So five of them fit, and nothing is left.
const BUDGET: &str = "0.05";
/// How soon a refusal shows on the overview, in milliseconds.
const SHOWN_MS: u64 = 5_000;

fn table() -> Value {
    json!({
        "plans": {
            "registered": {"limits": [{"name": "minute", "kind": "window", "limit": 60, "window": "1m"}]},
            "team": {"limits": [{"name": "hour", "kind": "window", "limit": LIMIT, "window": "1h"}]},
            "paid": {"limits": [{"name": "money", "kind": "budget", "unit": "cost", "currency": "USD", "limit": BUDGET,
                "period": "month"}]}},
        "costs": [{"currency": "USD", "prompt": "0.0004", "completion": "0.0004", "per": "1"}],
        "alerts": [{"name": "spent", "when": {"kind": "budget", "percent": [100]}, "send": ["ops"]}],
    })
}

#[test]
fn an_operator_walks_from_a_key_to_its_refusal_its_budget_and_the_audit_log() {
    let hook = RawOrigin::start(Arc::new(|_: &Received, socket: &mut TcpStream| {
        // Whoever asked may be gone.
        drop(socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
    }));
    let url = format!("http://{}/ops", hook.address());
    let webhooks = json!({"ops": {"url": url, "form": "json", "secret": "the walk's webhook", "private": true}});
    let stack = Stack::new()
        .plans(table().to_string())
        .setting("ALERT_WEBHOOKS", webhooks.to_string())
        .context(1_000_000)
        .slots(4)
        .with_console()
        .start();
    stack.script().answer(|_| Say::text(SAYS));
    stack.script().allow_all();
    let settings = json!({
        "limit": LIMIT, "lowered": LOWERED, "inPlayground": 2, "message": MESSAGE, "maxTokens": MAX_TOKENS,
        "tokens": TOKENS, "priceNanos": PRICE_NANOS, "budget": BUDGET, "rule": "spent", "webhook": "ops",
        "shownMs": SHOWN_MS, "secrets": [secrets::ADMIN_TOKEN],
    });
    drive(&stack, "walk.mjs", &settings);
    let told = || -> Vec<Value> {
        let read = |one: &Received| serde_json::from_slice(&one.body).expect("JSON");
        hook.received().iter().filter(|one| one.line.starts_with("POST /ops ")).map(read).collect()
    };
    until_true("the webhook is told", SOON, || !told().is_empty());
    let notices = told();
    println!("the webhook was told: {}", notices[0]);
    let keys = stack.edge.admin("GET", "/keys", None).ok().json();
    let account = format!("acct:{}", keys["data"][0]["account"].as_str().expect("an account's id"));
    for notice in &notices {
        // Once; a try whose answer was lost comes again as it was.
        assert_eq!((notice["id"].clone(), &notice["phase"]), (notices[0]["id"].clone(), &json!("opened")), "{notice}");
        let facts = &notice["facts"];
        assert_eq!((&notice["rule"], &facts["account"]), (&json!("spent"), &json!(account)), "{notice}");
        let of = (&facts["plan"], &facts["budget"], &facts["percent"]);
        assert_eq!(of, (&json!("paid"), &json!("money"), &json!("100")), "{notice}");
    }
}
