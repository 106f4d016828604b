//! Lists of keys, and what is refused by name.

use super::{all, list, path};
use harness::{PLAN, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;

#[test]
fn lists_are_filtered_and_go_on_where_they_ended() {
    let plans = json!({"plans": {PLAN: {"limits": []}, "rare": {"limits": []}}});
    let stack = Stack::new().plans(plans.to_string()).start();
    let entry = |number: usize| {
        let plan = if number == 60 { "rare" } else { PLAN };
        let expires = number.is_multiple_of(10).then_some(4_000_000_000_000_u64 + number as u64);
        json!({"name": format!("{} key {number}", ["red", "blue"][number % 2]), "plan": plan, "expires_at": expires})
    };
    let keys: Vec<_> = (0..100).map(entry).collect();
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&json!({"keys": keys})));
    let made: Vec<CreatedKey> = serde_json::from_value(answer.json()["data"].clone()).expect("keys");
    let ids = |wanted: &dyn Fn(usize) -> bool| {
        let chosen = made.iter().enumerate().filter(|(number, _)| wanted(*number));
        let mut ids: Vec<_> = chosen.map(|(_, key)| key.id.to_string()).collect();
        ids.sort();
        ids
    };
    for limit in ["1", "9", "10", "100"] {
        let with = |query: &str| all(&stack, &format!("limit={limit}{query}"));
        assert_eq!(with("&plan=rare"), ids(&|number| number == 60));
        assert_eq!(with("&name=red%20key"), ids(&|number| number.is_multiple_of(2)));
        assert_eq!(with("&name=blue+key+1"), ids(&|number| number % 2 == 1 && format!("{number}").starts_with('1')));
        assert_eq!(with("&expires_before=4000000000050"), ids(&|number| number.is_multiple_of(10) && number < 50));
        assert_eq!(with("&disabled=true"), Vec::<String>::new());
        assert_eq!(with(&format!("&account={}", made[3].account)), ids(&|number| number == 3));
        assert_eq!(
            with(&format!("&plan={PLAN}&name=red&disabled=false")),
            ids(&|number| number.is_multiple_of(2) && number != 60)
        );
    }
    assert_eq!(all(&stack, ""), ids(&|_| true));
    // A plan that few have is found without a look at the others.
    let before = list(&stack, "").storage.rows_read;
    let read = list(&stack, "plan=rare").storage.rows_read - before;
    assert!(read <= 8, "{read} rows were read for one key");
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("disabled=yes", "disabled"),
        ("after=1", "after"),
        ("account=12", "account"),
        ("plan=Gold!", "plan"),
        ("expires_before=-1", "expires_before"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("Colour%0a=red", "query"),
        (&format!("name={}", "n".repeat(3_000)), "query"),
    ] {
        let refused = stack.edge.admin("GET", &format!("/keys?{query}"), None).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"], param, "{query}");
    }
}

/// Malformed, oversized, doubled, missing and hostile values: each is refused by name, and nothing is made.
#[test]
fn bad_values_are_refused_by_name() {
    let stack = Stack::new().start();
    let key = stack.key();
    let all = |member: &str, value: Value| (member.to_owned(), value);
    let many = |count: usize, text: &str| Value::from(vec![text; count]);
    let pairs = |count: usize, size: usize| {
        Value::from(
            (0..count).map(|n| (format!("m{n}"), Value::from("x".repeat(size)))).collect::<serde_json::Map<_, _>>(),
        )
    };
    let cases = [
        all("scopes", json!([])),
        all("scopes", json!(["Chat"])),
        all("scopes", json!(["chat "])),
        all("scopes", json!(["сhat"])),
        all("scopes", json!(["chat", "admin"])),
        all("scopes", json!(["*"])),
        all("models", json!([])),
        all("models", json!([""])),
        all("models", json!(["a*b"])),
        all("models", json!(["a\u{0}"])),
        all("models", many(33, "m")),
        all("models", json!(["m".repeat(129)])),
        all("addresses", json!(["203.0.113.0/33"])),
        all("addresses", json!(["2001:db8::/129"])),
        all("addresses", json!(["203.0.113.0/+8"])),
        all("addresses", json!(["203.0.113.0/08"])),
        all("addresses", json!(["0203.0.113.0"])),
        all("addresses", json!(["203.0.113"])),
        all("addresses", json!(["fe80::1%eth0"])),
        all("addresses", json!(["２03.0.113.1"])),
        all("addresses", json!(["localhost"])),
        all("addresses", many(65, "::1")),
        all("expires_at", json!(1)),
        all("expires_at", json!(253_402_300_800_000_u64)),
        all("metadata", json!({"": "x"})),
        all("metadata", json!({"a": "line\nbreak"})),
        all("metadata", pairs(17, 1)),
        all("metadata", pairs(2, 600)),
        all("name", json!("safe\u{202e}evil")),
        all("name", json!("zero\u{200b}width")),
        all("name", json!("\u{feff}bom")),
        all("name", json!("é".repeat(65))),
    ];
    for (member, value) in &cases {
        let body = json!({"plan": PLAN, member: value});
        let refused = stack.edge.admin("POST", "/keys", Some(&body)).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"].as_str(), Some(member.as_str()), "{body}");
        let body = json!({ member: value });
        let refused = stack.edge.admin("PATCH", &path(&key), Some(&body)).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"].as_str(), Some(member.as_str()), "{body}");
    }
    // Of a wrong type, or there twice, at whatever depth: the message says where.
    let raw = |method: &str, tail: &str, body: String| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        stack.edge.send(|http, base| {
            let request = http.request(method, format!("{base}/admin/v1/keys{tail}"));
            request.bearer_auth(secrets::ADMIN_TOKEN).header("content-type", "application/json").body(body)
        })
    };
    let tail = format!("/{}", key.id);
    for body in [
        r#"{"scopes":"chat"}"#.to_owned(),
        r#"{"expires_at":"2030"}"#.into(),
        r#"{"expires_at":1e30}"#.into(),
        r#"{"expires_at":-5}"#.into(),
        r#"{"metadata":{"a":1}}"#.into(),
        r#"{"metadata":{"a":"x","a":"y"}}"#.into(),
        r#"{"overrides":{"window-0":1,"window-0":2}}"#.into(),
        r#"{"name":"a","name":"b"}"#.into(),
        r#"{"addresses":[["::1"]]}"#.into(),
        r#"{"__proto__":{}}"#.into(),
        r#"{"Name":"x"}"#.into(),
    ] {
        raw("PATCH", &tail, body.clone()).refused(Reason::InvalidRequest);
        raw("POST", "", body).refused(Reason::InvalidRequest);
    }
    for body in
        [format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), "{\"name\":\"\\ud800\"}".into(), "{}{}".into()]
    {
        raw("POST", "", body).refused(Reason::InvalidJson);
    }
    assert_eq!(stack.edge.list().data.len(), 1);
    assert_eq!(stack.edge.view(key.id).version, 1, "nothing was changed");
}
