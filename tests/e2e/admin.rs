//! Administration: nobody gets in without a token, and nothing that is misspelt is without effect.

mod access;
mod accounts;
mod audit_log;
mod cost;
mod hostile;
mod keys;
mod leaks;
mod once;
mod outbox;
mod plans;
mod replay;

use harness::caller::raw::{exchange, request};
use harness::caller::{bearer, hello};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::json;
use sluice_protocol::admin::failed_logins::MAX_NOTED;
use sluice_protocol::refusal::Reason;

const KEYS: &str = "/admin/v1/keys";

fn send(stack: &RunningStack, method: &str, path: &str, headers: &[String], body: &[u8]) -> Answer {
    exchange(stack.edge_address(), &request(method, path, headers, body)).from_edge()
}

#[test]
fn every_route_needs_the_token() {
    let stack = Stack::new().start();
    let key = stack.key();
    let other = secrets::ADMIN_TOKEN.replace('6', "7");
    let half = &secrets::ADMIN_TOKEN[..secrets::ADMIN_TOKEN.len() - 1];
    let credentials: Vec<(&str, Vec<String>)> = vec![
        ("none", vec![]),
        ("a wrong one", vec![bearer(&other)]),
        ("half of it", vec![bearer(half)]),
        ("its hash", vec![bearer(secrets::admin_tokens().split(':').next_back().expect("name:hash"))]),
        ("an API key", vec![bearer(&key.key)]),
        ("in x-api-key", vec![format!("x-api-key: {}", secrets::ADMIN_TOKEN)]),
        ("as Basic", vec![format!("Authorization: Basic {}", secrets::ADMIN_TOKEN)]),
        ("twice", vec![bearer(secrets::ADMIN_TOKEN), bearer(secrets::ADMIN_TOKEN)]),
    ];
    let one = format!("{KEYS}/{}", key.id);
    let routes = [
        ("GET", KEYS),
        ("POST", KEYS),
        ("PUT", KEYS),
        ("GET", one.as_str()),
        ("DELETE", one.as_str()),
        ("GET", "/admin/v1/none"),
    ];
    let before = stack.edge.list().storage;
    let mut failed = 0;
    for (name, headers) in &credentials {
        for (method, path) in routes {
            // Each from elsewhere: whoever fails again and again from one address is told something else.
            let number = u16::try_from(failed).expect("a few hundred").to_be_bytes();
            let from = [format!("cf-connecting-ip: 198.51.{}.{}", number[0], number[1])];
            let answer = send(&stack, method, path, &[headers.as_slice(), &from].concat(), b"");
            assert_eq!(answer.status, 401, "{method} {path} with {name}: {}", answer.text());
            answer.refused(Reason::InvalidAdminToken);
            failed += u32::from(headers.iter().any(|header| header.to_lowercase().starts_with("authorization")));
        }
    }
    let in_query = format!("{KEYS}?token={0}&admin_token={0}", secrets::ADMIN_TOKEN);
    send(&stack, "GET", &in_query, &[], b"").refused(Reason::InvalidAdminToken);
    let after = stack.edge.list();
    assert!(failed > MAX_NOTED);
    assert_eq!(after.storage.calls, before.calls + 1 + u64::from(MAX_NOTED), "they only reached the audit log");
    assert_eq!(after.data.len(), 1, "the key lives");
    stack.check_logs(&[&key.key, &other]);
}

#[test]
fn what_is_misspelt_is_refused_by_name() {
    let stack = Stack::new().start();
    let admin = [bearer(secrets::ADMIN_TOKEN), "Content-Type: application/json".to_owned()];
    let plan = |more: &str| format!(r#"{{"plan":"{PLAN}"{more}}}"#);
    let cases: Vec<(&str, String, Reason, Option<&str>)> = vec![
        ("not JSON", "{".into(), Reason::InvalidJson, None),
        ("a list of nothing", "[1]".into(), Reason::InvalidRequest, None),
        ("an unknown member", plan(r#","expires":"1d""#), Reason::InvalidRequest, None),
        ("a member twice", plan(r#","plan":"test""#), Reason::InvalidRequest, None),
        ("an unknown plan", r#"{"plan":"gold"}"#.into(), Reason::InvalidRequest, Some("plan")),
        ("no plan where the default is unknown", "{}".into(), Reason::InvalidRequest, Some("plan")),
        ("a plan that is a number", r#"{"plan":1}"#.into(), Reason::InvalidRequest, None),
        ("a short account", plan(r#","account":"12""#), Reason::InvalidRequest, Some("account")),
        (
            "a huge account",
            plan(&format!(r#","account":"{}""#, "f".repeat(17))),
            Reason::InvalidRequest,
            Some("account"),
        ),
        ("an account in capitals", plan(r#","account":"ABCDEF0123456789""#), Reason::InvalidRequest, Some("account")),
        ("a long name", plan(&format!(r#","name":"{}""#, "n".repeat(129))), Reason::InvalidRequest, Some("name")),
        ("a name with a line break", plan(r#","name":"a\nb""#), Reason::InvalidRequest, Some("name")),
        ("a body that is too large", plan(&format!(r#","name":"{}""#, " ".repeat(70_000))), Reason::BodyTooLarge, None),
    ];
    for (name, body, reason, param) in cases {
        let answer = send(&stack, "POST", KEYS, &admin, body.as_bytes());
        assert_eq!(answer.status, reason.row().status, "{name}: {}", answer.text());
        assert_eq!(answer.refused(reason).json()["error"]["param"].as_str(), param, "{name}");
    }
    send(&stack, "POST", KEYS, &admin, b"{\"name\":\"\xff\"}").refused(Reason::InvalidJson);
    send(&stack, "POST", KEYS, &admin[..1], plan("").as_bytes()).refused(Reason::UnsupportedMediaType);
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = send(&stack, method, KEYS, &admin, b"").refused(Reason::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    }
    let known = format!("{KEYS}/{}", stack.key().id);
    let answer = send(&stack, "POST", &known, &admin, b"").refused(Reason::MethodNotAllowed);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PATCH, DELETE"));
    for id in ["key_", "x", "key_0123456789abcdef01234567", "key_0123456789ABCDEF01234567", "..%2f..", ""] {
        send(&stack, "GET", &format!("{KEYS}/{id}"), &admin, b"").refused(Reason::KeyNotFound);
        send(&stack, "DELETE", &format!("{KEYS}/{id}"), &admin, b"").refused(Reason::KeyNotFound);
    }
    send(&stack, "GET", "/admin/v1/teapots", &admin, b"").refused(Reason::NotFound);
    let answer = send(&stack, "GET", &format!("{KEYS}?after=1"), &admin, b"").refused(Reason::InvalidRequest);
    assert_eq!(answer.json()["error"]["param"], "after");
    assert_eq!(stack.edge.list().data.len(), 1, "only the good one was made");
}

#[test]
fn a_key_is_shown_once_and_listed_ever_after() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let mut made: Vec<_> =
        (0..3).map(|number| stack.edge.issue(&json!({"name": format!("key {number} ö"), "plan": PLAN}))).collect();
    made.sort_by_key(|key| key.id.to_string());
    let answer = stack.edge.admin("GET", "/keys", None).ok();
    for key in &made {
        assert!(!answer.text().contains(&key.key), "the list shows a secret: {}", answer.text());
        assert!(!stack.edge.admin("GET", &format!("/keys/{}", key.id), None).text().contains(&key.key));
    }
    let listed = stack.edge.list();
    let both = listed.data.iter().zip(&made);
    assert!(both.clone().all(|(entry, key)| entry.id == key.id && entry.name == key.name && entry.plan == PLAN));
    assert_eq!((both.count(), listed.next), (3, None));
    let rest = stack.edge.admin("GET", &format!("/keys?after={}", made[0].id), None).ok().json();
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(2));

    stack.edge.revoke(made[0].id);
    stack.restart_edge();
    let listed = stack.edge.list().data;
    assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), [made[1].id, made[2].id]);
    stack.edge.chat(Some(&made[0].key), &hello(4)).refused(Reason::InvalidKey);
    stack.edge.chat(Some(&made[1].key), &hello(4)).ok();
    stack.check_logs(&made.iter().map(|key| key.key.as_str()).collect::<Vec<_>>());
}

#[test]
fn many_keys_are_listed_page_by_page() {
    let stack = Stack::new().start();
    // Names as long as they may be: the page is as long as it gets.
    let asked = json!({"name": "n".repeat(128), "plan": PLAN});
    let mut made: Vec<_> = (0..103).map(|_| stack.edge.issue(&asked).id.to_string()).collect();
    made.sort();
    let first = stack.edge.list();
    let next = first.next.expect("there is a second page");
    let second = stack.edge.admin("GET", &format!("/keys?after={next}"), None).ok().json();
    assert_eq!(second.get("next"), None);
    let second = second["data"].as_array().cloned().unwrap_or_default();
    let ids = first.data.iter().map(|entry| entry.id.to_string());
    let all: Vec<_> = ids.chain(second.iter().filter_map(|entry| Some(entry["id"].as_str()?.to_owned()))).collect();
    assert_eq!(all, made);
}

#[test]
fn a_key_that_is_pasted_where_its_id_belongs_is_not_logged() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.edge.admin("DELETE", &format!("/keys/{}", key.key), None).refused(Reason::KeyNotFound);
    stack.edge.admin("GET", &format!("/keys/{}", key.id), None).ok();
    until_true("logged", SOON, || stack.edge_log().contains(&key.id.to_string()));
    stack.check_logs(&[&key.key]);
}

/// Every admin route, with a parameter that none of them knows: refused, and nothing is done.
#[test]
fn a_parameter_that_is_not_known_is_refused_everywhere() {
    let stack = Stack::new().start();
    let key = stack.key();
    let document = crate::request::described::document(crate::request::described::ADMIN);
    let before = stack.edge.admin("GET", "/audit", None).ok().text().to_owned();
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let path =
            path.replace("{key}", &key.id.to_string()).replace("{account}", &key.account).replace("{denial}", "00");
        for method in methods.as_object().expect("methods").keys().filter(|name| *name != "parameters") {
            let method = method.to_uppercase();
            let headers = [("if-match", "*")];
            for query in ["before_this=1", "x=", "Limit=1"] {
                let answer = stack.edge.admin_with(&headers, &method, &format!("{path}?{query}"), None);
                assert_eq!(
                    answer.status,
                    Reason::InvalidRequest.row().status,
                    "{method} {path}?{query}: {}",
                    answer.text()
                );
                if method != "HEAD" {
                    answer.refused(Reason::InvalidRequest);
                }
                count += 1;
            }
        }
    }
    assert!(count >= 3 * 15, "{count}");
    assert_eq!(stack.edge.admin("GET", "/audit", None).ok().text(), before);
}
