//! What admins may send and should not: bodies, ids and headers that are malformed, oversized, doubled or disguised. Each is
//! refused by its name, and nothing is made or changed by any of them.

mod bounds;

use harness::caller::bearer;
use harness::caller::raw::{exchange, request};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::{Map, Value, json};
use sluice_protocol::refusal::Reason;

/// A request to an admin route, byte for byte.
fn send(stack: &RunningStack, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut lines = vec![bearer(secrets::ADMIN_TOKEN), "Content-Type: application/json".to_owned()];
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    exchange(stack.edge_address(), &request(method, &format!("/admin/v1{path}"), &lines, body)).from_edge()
}

/// One key and the account that it is in, and whether they are still as they were made.
struct Untouched {
    stack: RunningStack,
    key: String,
    account: String,
}

impl Untouched {
    fn start() -> Self {
        let stack = Stack::new().limit("9 per 1h").start();
        let key = stack.key();
        let (key, account) = (format!("/keys/{}", key.id), format!("/accounts/{}", key.account));
        Self { stack, key, account }
    }

    fn check(&self) {
        let view = |path: &str| self.stack.edge.admin("GET", path, None).ok().json();
        assert_eq!((&view(&self.key)["version"], &view(&self.key)["disabled"]), (&json!(1), &json!(false)));
        // The account was written with its key, and not since.
        assert_eq!((&view(&self.account)["name"], &view(&self.account)["disabled"]), (&json!(""), &json!(false)));
        for kind in ["/keys", "/accounts"] {
            assert_eq!(view(kind)["data"].as_array().map(Vec::len), Some(1), "{kind}");
        }
    }
}

/// Texts that read like others, or like nothing, and one that is too long. Each is no name.
const DISGUISED: [&str; 11] = [
    "null\u{0}byte",
    "line\nbreak",
    "delete\u{7f}",
    "next\u{85}line",
    "zero\u{200b}width",
    "right\u{202e}tfel",
    "isolate\u{2066}d",
    "word\u{2060}joiner",
    "\u{feff}mark",
    "tag\u{e0041}",
    "separator\u{2028}",
];

#[test]
fn accounts_are_refused_by_the_name_of_what_is_wrong() {
    let untouched = Untouched::start();
    let stack = &untouched.stack;
    let numbers = |count: u32| Value::from((0..count).map(|n| (format!("l{n}"), json!(1))).collect::<Map<_, _>>());
    let mut cases: Vec<(&str, Value, Option<&str>)> = vec![
        ("name", json!("é".repeat(65)), Some("name")),
        ("name", json!(7), None),
        ("owner", json!("o".repeat(129)), Some("owner")),
        ("owner", json!({"name": "ann"}), None),
        ("plan", json!("gold"), Some("plan")),
        ("plan", json!(""), Some("plan")),
        ("plan", json!("tеst"), Some("plan")),
        ("plan", json!("test "), Some("plan")),
        ("plan", json!(1), None),
        ("disabled", json!("true"), None),
        ("disabled", json!(1), None),
        ("overrides", json!([]), None),
        ("overrides", numbers(17), Some("overrides")),
        ("overrides", json!({"window-0": 0}), Some("overrides.window-0")),
        ("overrides", json!({"window-0": 1_000_000_001}), Some("overrides.window-0")),
        ("overrides", json!({"window-0": -1}), Some("overrides.window-0")),
        ("overrides", json!({"window-0": 1.5}), Some("overrides.window-0")),
        ("overrides", json!({"window-0": "5"}), Some("overrides.window-0")),
        ("overrides", json!({"window-0": null}), Some("overrides.window-0")),
        ("overrides", json!({"Window": 1}), Some("overrides.Window")),
        ("overrides", json!({"": 1}), Some("overrides.")),
        ("overrides", json!({"wіndow": 1}), Some("overrides.wіndow")),
        // What only keys have.
        ("scopes", json!(["chat"]), None),
        ("metadata", json!({}), None),
        ("account", json!("0011223344556677"), None),
        ("version", json!(1), None),
    ];
    for member in ["name", "owner"] {
        cases.extend(DISGUISED.map(|text| (member, json!(text), Some(member))));
    }
    for (member, value, param) in &cases {
        let body = json!({ *member: value }).to_string();
        for (method, path) in [("POST", "/accounts"), ("PATCH", &untouched.account)] {
            let answer = send(stack, method, path, &[], body.as_bytes());
            assert_eq!(answer.status, Reason::InvalidRequest.row().status, "{method} {body}: {}", answer.text());
            let refused = answer.refused(Reason::InvalidRequest);
            assert_eq!(refused.json()["error"]["param"].as_str(), *param, "{method} {body}");
        }
    }
    untouched.check();
}

/// Bodies that are no JSON, or JSON in which a member is there twice: of keys and accounts, new and changed.
#[test]
fn bodies_that_can_be_read_in_two_ways_are_not_read() {
    let untouched = Untouched::start();
    let twice: [&[u8]; 6] = [
        br#"{"name":"a","name":"a"}"#,
        br#"{"name":"a","n\u0061me":"b"}"#,
        br#"{"disabled":false,"disabled":true}"#,
        br#"{"plan":"test","plan":null}"#,
        br#"{"overrides":{"window-0":1,"window-0":9}}"#,
        br#"{"overrides":{"window-0":1,"window\u002d0":9}}"#,
    ];
    let garbled: [&[u8]; 14] = [
        b"{\"name\":\"a\0b\"}",
        b"{\"name\":\"a\"}\0",
        b"\0",
        br#"{"name":"\ud800"}"#,
        br#"{"name":"\udc00\ud800"}"#,
        br#"{"name":"\ud83d\u0041"}"#,
        br#"{"\ud800":1}"#,
        br#"{"overrides":{"\udfff":1}}"#,
        b"{\"name\":\"\xed\xa0\x80\"}",
        b"{\"name\":\"\xf5\x80\x80\x80\"}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{name:\"a\"}",
        b"{\"name\":\"a\",}",
    ];
    let routes = [
        ("POST", "/keys".to_owned()),
        ("PATCH", untouched.key.clone()),
        ("POST", "/accounts".into()),
        ("PATCH", untouched.account.clone()),
    ];
    let bodies = twice.map(|body| (body, Reason::InvalidRequest)).into_iter();
    for (body, reason) in bodies.chain(garbled.map(|body| (body, Reason::InvalidJson))) {
        for (method, path) in &routes {
            let answer = send(&untouched.stack, method, path, &[], body);
            let shown = String::from_utf8_lossy(body);
            assert_eq!(answer.status, reason.row().status, "{method} {path} {shown}: {}", answer.text());
            answer.refused(reason);
        }
    }
    // In a list of many, and where a body is only wanted empty or of one kind.
    let others: [(&str, &[u8], Reason); 6] = [
        ("/keys/bulk", br#"{"keys":[{"plan":"test","plan":"test"}]}"#, Reason::InvalidRequest),
        ("/keys/bulk", br#"{"keys":[{"plan":"test"}],"keys":[]}"#, Reason::InvalidRequest),
        ("/rotate", br#"{"overlap":"0s","overlap":"1h"}"#, Reason::InvalidRequest),
        ("/rotate", br#"{"overlap":"1h\ud800"}"#, Reason::InvalidJson),
        ("/rotate", br#"{"overlap":null,"reason":"x"}"#, Reason::InvalidRequest),
        ("/disable", b"{}{}", Reason::InvalidRequest),
    ];
    for (path, body, reason) in others {
        let path = if path.starts_with("/keys") { path.to_owned() } else { format!("{}{path}", untouched.key) };
        send(&untouched.stack, "POST", &path, &[], body).refused(reason);
    }
    untouched.check();
}

/// Ids that look like one, or could be taken for one by something between: none is.
#[test]
fn ids_that_look_like_another_name_nobody() {
    let untouched = Untouched::start();
    let (key, account) = (&untouched.key["/keys/".len()..], &untouched.account["/accounts/".len()..]);
    let wide = |text: &str| {
        let place = text.find(|digit: char| digit.is_ascii_digit()).expect("an id without any digit is one in 10^7");
        let digit = text.as_bytes()[place] - b'0';
        // A full-width digit, in UTF-8.
        format!("{}%EF%BC%{:02X}{}", &text[..place], 0x90 + digit, &text[place + 1..])
    };
    let raw = str::to_owned;
    let keys = [
        key.to_uppercase(),
        wide(key),
        format!("{key}%00"),
        format!("{key}%20"),
        format!("{key}%2e"),
        format!("{key}%0a"),
        format!("{key}%e2%80%8b"),
        key.replacen("key_", "k%D0%B5y_", 1),
        key.replacen("key_", "key%5F", 1),
        key.replacen("key_", "", 1),
        format!("{key}0"),
        raw("key_%00"),
        "k".repeat(4_000),
    ];
    let accounts = [
        wide(account),
        format!("{account}%00"),
        format!("{account}%20"),
        format!("0{account}"),
        format!("acct:acct:{account}"),
        format!("ip:{account}"),
        raw("ip:203.0.113.9/32"),
        raw("ip:::ffff:203.0.113.9"),
        raw("ip:2001:DB8::/64"),
        raw("ip:2001:db8::1/64"),
        raw("ip:2001:db8::"),
        raw("ip:%EF%BC%9203.0.113.9"),
        raw("jwt:Lab:000102030405060708090a0b0c0d0e0f"),
        raw("jwt::000102030405060708090a0b0c0d0e0f"),
        raw("jwt:lab:000102030405060708090A0B0C0D0E0F"),
        "a".repeat(4_000),
    ];
    let ids = keys.iter().map(|id| format!("/keys/{id}")).chain(accounts.iter().map(|id| format!("/accounts/{id}")));
    for path in ids {
        for (method, tail, body) in
            [("GET", "", ""), ("PATCH", "", r#"{"disabled":true}"#), ("DELETE", "", ""), ("POST", "/disable", "")]
        {
            let answer = send(&untouched.stack, method, &format!("{path}{tail}"), &[], body.as_bytes());
            assert_eq!(answer.status, Reason::KeyNotFound.row().status, "{method} {path}{tail}: {}", answer.text());
            answer.refused(Reason::KeyNotFound);
        }
    }
    untouched.check();
}

/// Headers that are there twice, empty, or nearly right: what they were to prevent does not happen.
#[test]
fn headers_that_bind_a_change_are_read_strictly() {
    let untouched = Untouched::start();
    let (key, account) = (&untouched.key, &untouched.account);
    let version = untouched.stack.edge.admin("GET", account, None).ok().header("etag").expect("an etag").to_owned();
    let routes = |of: &str| {
        let verb = |verb: &str| format!("{of}/{verb}");
        [("PATCH", of.to_owned(), r#"{"name":"x"}"#), ("DELETE", of.to_owned(), ""), ("POST", verb("disable"), "")]
    };
    for (of, etag) in [(key, "\"1\""), (account, version.as_str())] {
        let matches = [
            vec![format!("If-Match: {etag}"), format!("If-Match: {etag}")],
            vec![format!("If-Match: {etag}"), "If-Match: \"7\"".into()],
            vec!["If-Match: \"7\"".into(), format!("If-Match: {etag}")],
            vec!["If-Match: *".into(), "If-Match: *".into()],
            vec!["If-Match: *".into(), format!("If-Match: {etag}")],
            // One without a value never arrives: the runtime takes it for none.
            vec!["If-Match: \"\"".into()],
            vec![format!("If-Match: {}", etag.trim_matches('"'))],
            vec![format!("If-Match: w/{etag}")],
            vec![format!("If-Match: W/ {etag}")],
            vec![format!("If-Match: {etag},")],
            vec!["If-Match: \"+1\"".into()],
            vec!["If-Match: \"0x1\"".into()],
            vec!["If-Match: \"１\"".into()],
        ];
        for lines in &matches {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            for (method, path, body) in routes(of) {
                let answer = send(&untouched.stack, method, &path, &lines, body.as_bytes());
                let status = Reason::PreconditionFailed.row().status;
                assert_eq!(answer.status, status, "{method} {path} {lines:?}: {}", answer.text());
                answer.refused(Reason::PreconditionFailed);
            }
        }
    }
    let rotate = format!("{key}/rotate");
    send(&untouched.stack, "POST", &rotate, &["If-Match: \"1\"", "If-Match: \"1\""], b"")
        .refused(Reason::PreconditionFailed);
    let plan = json!({"plan": PLAN}).to_string();
    let disable = [format!("{key}/disable"), format!("{account}/disable")];
    let posts = [("/keys", plan.as_str()), ("/accounts", "{}"), (&rotate, ""), (&disable[0], ""), (&disable[1], "")];
    for lines in [
        &["Idempotency-Key: a", "Idempotency-Key: a"][..],
        &["Idempotency-Key: a", "Idempotency-Key: b"],
        &["Idempotency-Key:"],
        &["Idempotency-Key:  "],
        &["Idempotency-Key: a\tb"],
        &["Idempotency-Key: ａ"],
        &["Idempotency-Key: a", "Idempotency-Key:"],
    ] {
        for (path, body) in posts {
            let answer = send(&untouched.stack, "POST", path, lines, body.as_bytes());
            assert_eq!(answer.status, Reason::InvalidRequest.row().status, "{path} {lines:?}: {}", answer.text());
            answer.refused(Reason::InvalidRequest);
        }
    }
    // Two credentials are none, whichever of them is good.
    let bad = bearer("e2e-admin-token-0000");
    for second in [bearer(secrets::ADMIN_TOKEN), bad] {
        send(&untouched.stack, "DELETE", key, &[&second], b"").refused(Reason::InvalidAdminToken);
    }
    untouched.check();
}
