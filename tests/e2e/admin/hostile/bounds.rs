//! Bounds of what admins send.

use super::send;
use harness::{PLAN, Stack};
use serde_json::{Map, Value, json};
use sluice_protocol::refusal::Reason;

/// What is as large as it may be is taken, and one more is not.
#[test]
fn bounds_are_exact() {
    // Numbers are for limits that there are: these.
    let names: Vec<_> = ["a".to_owned(), "n".repeat(32)].into_iter().chain((2..17).map(|n| format!("l{n}"))).collect();
    let limit = |name: &String| json!({"name": name, "kind": "window", "limit": 999, "window": "1h"});
    let table = json!({"plans": {PLAN: {"limits": names[..16].iter().map(limit).collect::<Value>()}}});
    let stack = Stack::new().plans(table.to_string()).start();
    let numbers =
        |count: usize| Value::from(names[..count].iter().map(|name| (name.clone(), json!(1))).collect::<Map<_, _>>());
    let pairs = |count: usize, size: usize| {
        Value::from((0..count).map(|n| (format!("{n:02}"), json!("x".repeat(size)))).collect::<Map<_, _>>())
    };
    let limits = |count: u32| {
        let limit = |n| json!({"name": format!("own-{n}"), "kind": "window", "limit": 5, "window": "1h"});
        (0..count).map(limit).collect::<Value>()
    };
    let of_both = [
        ("name", json!("n".repeat(128)), json!("n".repeat(129))),
        ("overrides", numbers(16), numbers(17)),
        ("overrides", json!({"a": 1_000_000_000}), json!({"a": 1_000_000_001})),
        ("overrides", json!({"a": 1}), json!({"a": 0})),
        ("overrides", json!({"n".repeat(32): 1}), json!({"n".repeat(33): 1})),
    ];
    let of_keys = [
        ("models", json!(vec!["m"; 32]), json!(vec!["m"; 33])),
        ("models", json!(["m".repeat(128)]), json!(["m".repeat(129)])),
        ("addresses", json!(vec!["::1"; 64]), json!(vec!["::1"; 65])),
        ("metadata", pairs(16, 1), pairs(17, 1)),
        ("metadata", pairs(1, 1_022), pairs(1, 1_023)),
        ("metadata", json!({"m".repeat(64): ""}), json!({"m".repeat(65): ""})),
        ("expires_at", json!(253_402_300_799_999_u64), json!(253_402_300_800_000_u64)),
        ("limits", limits(16), limits(17)),
    ];
    let of_accounts = [("owner", json!("ö".repeat(64)), json!("ö".repeat(64) + "o"))];
    let (key, account) = (stack.key(), stack.key().account);
    let routes = [("/keys", format!("/keys/{}", key.id)), ("/accounts", format!("/accounts/{account}"))];
    let keys = of_both.iter().chain(&of_keys).map(|case| (case, &routes[0]));
    for ((member, fits, over), (make, change)) in
        keys.chain(of_both.iter().chain(&of_accounts).map(|case| (case, &routes[1])))
    {
        let body = |value: &Value| json!({"plan": PLAN, *member: value});
        for (method, path) in [("POST", *make), ("PATCH", change)] {
            let taken = stack.edge.admin(method, path, Some(&body(fits)));
            assert!(matches!(taken.status, 200 | 201), "{method} {path} {}: {}", body(fits), taken.text());
            let refused = stack.edge.admin(method, path, Some(&body(over))).refused(Reason::InvalidRequest);
            let param = refused.json()["error"]["param"].as_str().unwrap_or_default().to_owned();
            assert!(param == *member || param.starts_with(&format!("{member}.")), "{member}: {param}");
        }
    }
    // Bodies are counted whole, and not by what they say.
    let padded = |text: &str, length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    let many = json!({"keys": [{"plan": PLAN}]}).to_string();
    let one = json!({"plan": PLAN}).to_string();
    for (path, body, most) in
        [("/keys", &one, 64 << 10), ("/keys/bulk", &many, 256 << 10), ("/accounts", &one, 64 << 10)]
    {
        assert_eq!(send(&stack, "POST", path, &[], padded(body, most).as_bytes()).status, 201, "{path}");
        send(&stack, "POST", path, &[], padded(body, most + 1).as_bytes()).refused(Reason::BodyTooLarge);
    }
    let once = |length: usize| format!("Idempotency-Key: {}", "k".repeat(length));
    assert_eq!(send(&stack, "POST", "/keys", &[&once(255)], one.as_bytes()).status, 201);
    send(&stack, "POST", "/keys", &[&once(256)], one.as_bytes()).refused(Reason::InvalidRequest);
}
