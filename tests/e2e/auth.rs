//! auth: who is refused, on what grounds, and that a bad key costs no storage operation.

mod denials;
mod epochs;
pub(crate) mod issuers;
mod jwks;
mod principals;
pub(crate) mod rfc8725;
mod secrecy;
mod short_tokens;
mod signatures;

use harness::caller::raw::{exchange, request};
use harness::caller::{bearer, hello};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::json;
use sluice_protocol::id::AccountId;
use sluice_protocol::refusal::Reason;

/// Sends a good chat request with these header lines.
fn chat_with(stack: &RunningStack, path: &str, headers: &[String]) -> Answer {
    let mut lines = vec!["Content-Type: application/json".to_owned()];
    lines.extend_from_slice(headers);
    exchange(stack.edge_address(), &request("POST", path, &lines, hello(8).to_string().as_bytes())).from_edge()
}

const CHAT: &str = "/v1/chat/completions";

/// The key with its character number `index` changed into another of the same alphabet.
fn mistyped(key: &str, index: usize) -> String {
    let mut bytes = key.as_bytes().to_vec();
    bytes[index] = if bytes[index] == b'7' { b'8' } else { b'7' };
    String::from_utf8(bytes).expect("ASCII stays ASCII")
}

#[test]
fn keys_that_are_not_authentic_cost_no_storage_operation() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let account = AccountId::parse(&key.account).expect("an account");
    let bad = [
        secrets::forged_tag(account),
        secrets::retired_epoch(account),
        mistyped(&key.key, 4),
        mistyped(&key.key, key.key.len() / 2),
        mistyped(&key.key, key.key.len() - 1),
        key.key[..key.key.len() - 1].to_owned(),
        format!("{}a", key.key),
        key.key.replace("slc_", "sk-"),
        "x".to_owned(),
    ];
    // What looking alone costs, as the base line.
    let (_, first) = (stack.edge.list(), stack.edge.list().storage);
    let second = stack.edge.list().storage;
    let gate_before = stack.edge.view(key.id).storage;
    for text in &bad {
        stack.edge.chat(Some(text), &hello(8)).refused(Reason::InvalidKey);
        stack.edge.get("/v1/models", Some(text)).refused(Reason::InvalidKey);
    }
    stack.edge.chat(None, &hello(8)).refused(Reason::MissingKey);
    stack.edge.get("/v1/models", None).refused(Reason::MissingKey);
    let third = stack.edge.list().storage;
    let gate_after = stack.edge.view(key.id).storage;

    assert_eq!(gate_after.calls, gate_before.calls + 1, "only the admin asked the Gate");
    assert_eq!(gate_after.rows_read, gate_before.rows_read);
    assert_eq!(gate_after.rows_written, gate_before.rows_written);
    assert_eq!(third.calls, second.calls + 1, "only the admin asked the Registry");
    assert_eq!(third.rows_read - second.rows_read, second.rows_read - first.rows_read);
    assert_eq!(third.rows_written, second.rows_written);
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    let all: Vec<&str> =
        bad.iter().map(String::as_str).filter(|text| text.len() > 1).chain([key.key.as_str()]).collect();
    stack.check_logs(&all);
}

#[test]
fn an_authentic_key_with_another_secret_is_refused_by_its_gate() {
    let stack = Stack::new().start();
    let key = stack.key();
    let account = AccountId::parse(&key.account).expect("an account");
    let before = stack.edge.view(key.id).storage;
    stack.edge.chat(Some(&secrets::guessed_secret(account)), &hello(8)).refused(Reason::InvalidKey);
    stack.edge.chat(Some(&secrets::guessed_secret(AccountId([9; 8]))), &hello(8)).refused(Reason::InvalidKey);
    let after = stack.edge.view(key.id).storage;
    assert_eq!(after.calls, before.calls + 2, "the Gate was asked once, and then by the admin");
    assert_eq!(after.rows_written, before.rows_written);
}

#[test]
fn a_revoked_key_is_refused_on_the_very_next_request() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let revoked = stack.key();
    // A second key of the same account goes on.
    let other = stack.edge.issue(&json!({"plan": PLAN, "account": revoked.account}));
    for _ in 0..5 {
        stack.edge.chat(Some(&revoked.key), &hello(8)).ok();
    }
    stack.edge.revoke(revoked.id);
    stack.edge.chat(Some(&revoked.key), &hello(8)).refused(Reason::InvalidKey);
    stack.edge.get("/v1/models", Some(&revoked.key)).refused(Reason::InvalidKey);
    stack.edge.chat(Some(&other.key), &hello(8)).ok();
    assert!(stack.edge.list().data.iter().all(|entry| entry.id != revoked.id));
    stack.edge.admin("GET", &format!("/keys/{}", revoked.id), None).refused(Reason::KeyNotFound);
    stack.edge.admin("DELETE", &format!("/keys/{}", revoked.id), None).refused(Reason::KeyNotFound);
}

#[test]
fn a_revoked_key_is_told_so_even_if_it_was_over_its_limit() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
    stack.edge.revoke(key.id);
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::InvalidKey);
}

#[test]
fn credentials_are_one_header_and_nothing_else() {
    let stack = Stack::new().limit("4 per 1h").start();
    stack.script().allow_all();
    let (key, other) = (stack.key().key, stack.key().key);
    let api_key = |key: &str| format!("x-api-key: {key}");
    let cases: Vec<(&str, String, Vec<String>, Reason)> = vec![
        ("none", CHAT.into(), vec![], Reason::MissingKey),
        ("in the query", format!("{CHAT}?api_key={key}&key={key}&access_token={key}"), vec![], Reason::MissingKey),
        ("in a cookie", CHAT.into(), vec![format!("Cookie: api_key={key}")], Reason::MissingKey),
        ("two Authorizations", CHAT.into(), vec![bearer(&key), bearer(&other)], Reason::AmbiguousKey),
        ("the same Authorization twice", CHAT.into(), vec![bearer(&key), bearer(&key)], Reason::AmbiguousKey),
        ("Authorization and x-api-key differ", CHAT.into(), vec![bearer(&key), api_key(&other)], Reason::AmbiguousKey),
        ("two x-api-keys", CHAT.into(), vec![api_key(&key), api_key(&other)], Reason::AmbiguousKey),
        ("Basic", CHAT.into(), vec![format!("Authorization: Basic {key}")], Reason::InvalidKey),
        ("no scheme", CHAT.into(), vec![format!("Authorization: {key}")], Reason::InvalidKey),
        ("an empty token", CHAT.into(), vec!["Authorization: Bearer ".into()], Reason::InvalidKey),
        ("the admin's token", CHAT.into(), vec![bearer(secrets::ADMIN_TOKEN)], Reason::InvalidKey),
    ];
    for (name, path, headers, reason) in cases {
        let answer = chat_with(&stack, &path, &headers);
        assert_eq!(answer.status, reason.row().status, "{name}: {}", answer.text());
        let answer = answer.refused(reason);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        // RFC 6750, section 3: no error code where no credentials were sent.
        assert_eq!(challenge.contains("error="), reason == Reason::InvalidKey, "{name}: {challenge}");
    }
    // Every good spelling is one and the same key.
    for headers in [vec![bearer(&key)], vec![api_key(&key)], vec![bearer(&key), api_key(&key)]] {
        chat_with(&stack, CHAT, &headers).ok();
    }
    chat_with(&stack, CHAT, &[format!("authorization: bearer  {key}")]).ok();
    chat_with(&stack, CHAT, &[bearer(&key)]).refused(Reason::RateLimited);
    stack.check_logs(&[&key, &other]);
}
