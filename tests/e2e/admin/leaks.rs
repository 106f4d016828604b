//! Reports of leaked keys: a key that is reported is disabled at once, and nobody but the scanner can report.

use harness::caller::hello;
use harness::issuers::{Issuer, KID, KeyServer, sign_report};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::id::{AccountId, hex};
use sluice_protocol::refusal::Reason;

fn report(stack: &RunningStack, kid: &str, signature: &str, message: &str) -> Answer {
    stack
        .edge
        .send(|http, base| {
            http.post(format!("{base}/leaks/github"))
                .header("content-type", "application/json")
                .header("Github-Public-Key-Identifier", kid)
                .header("Github-Public-Key-Signature", signature)
                .body(message.to_owned())
        })
        .from_edge()
}

fn matched(token: &str) -> Value {
    json!({"token": token, "type": "sluice_api_key", "url": "https://github.com/x/y/commit/1", "source": "content"})
}

#[test]
fn a_key_that_is_reported_is_disabled_and_only_that_one() {
    let server = KeyServer::start_scanner();
    let stack = Stack::new().setting("LEAK_REPORTS", server.url()).start();
    stack.script().allow_all();
    let (leaked, other) = (stack.key(), stack.key());
    let account = AccountId::parse(&leaked.account).expect("an account");
    let found = [
        leaked.key.clone(),
        secrets::forged_tag(account),
        secrets::guessed_secret(account),
        "slc_x".into(),
        leaked.key.clone(),
    ];
    let message = Value::from(found.each_ref().map(|token| matched(token)).to_vec()).to_string();
    let answer = report(&stack, KID, &sign_report(message.as_bytes()), &message).ok();
    let labels: Vec<_> = answer.json().as_array().expect("a list").iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels, ["true_positive", "false_positive", "false_positive", "false_positive", "true_positive"]);
    assert_eq!(answer.json()[0]["token_hash"], hex(&Sha256::digest(&leaked.key)));
    assert!(!answer.text().contains("slc_"), "what leaked is not said again");
    stack.edge.chat(Some(&leaked.key), &hello(4)).refused(Reason::Disabled);
    stack.edge.chat(Some(&other.key), &hello(4)).ok();
    let log = stack.edge.admin("GET", "/audit", None).ok();
    let entries = log.json()["data"].as_array().expect("entries").clone();
    let leaks: Vec<_> = entries.iter().filter(|entry| entry["action"] == "key.leaked").collect();
    assert_eq!(leaks.len(), 1, "{log:?}");
    assert_eq!((&leaks[0]["actor"], &leaks[0]["target"]), (&json!("leaks"), &json!(leaked.id.to_string())));
    assert!(!log.text().contains("slc_"));
    // An admin may enable it again; a report that comes again disables it again.
    stack.edge.admin("PATCH", &format!("/keys/{}", leaked.id), Some(&json!({"disabled": false}))).ok();
    stack.edge.chat(Some(&leaked.key), &hello(4)).ok();
    report(&stack, KID, &sign_report(message.as_bytes()), &message).ok();
    stack.edge.chat(Some(&leaked.key), &hello(4)).refused(Reason::Disabled);
    stack.check_logs(&found.each_ref().map(|token| token.as_str()));
}

/// What is reported, and the one label that comes back.
fn label(stack: &RunningStack, token: &str) -> Value {
    let message = json!([matched(token)]).to_string();
    report(stack, KID, &sign_report(message.as_bytes()), &message).ok().json()[0]["label"].clone()
}

#[test]
fn a_key_that_leaks_while_its_account_is_disabled_stays_disabled() {
    let server = KeyServer::start_scanner();
    let stack = Stack::new().setting("LEAK_REPORTS", server.url()).start();
    stack.script().allow_all();
    let leaked = stack.key();
    let account = format!("/accounts/{}", leaked.account);
    stack.edge.admin("POST", &format!("{account}/disable"), None).ok();
    assert_eq!(label(&stack, &leaked.key), "true_positive");
    stack.edge.admin("POST", &format!("{account}/enable"), None).ok();
    stack.edge.chat(Some(&leaked.key), &hello(4)).refused(Reason::Disabled);
}

#[test]
fn a_secret_before_a_keys_own_counts_until_its_overlap_ends() {
    let server = KeyServer::start_scanner();
    let stack = Stack::new().setting("LEAK_REPORTS", server.url()).start();
    stack.script().allow_all();
    let rotated = |key: &CreatedKey, overlap: &str| {
        let body = json!({"overlap": overlap});
        let answer = stack.edge.admin("POST", &format!("/keys/{}/rotate", key.id), Some(&body)).ok();
        answer.json()["key"].as_str().expect("a secret").to_owned()
    };
    let (in_overlap, over) = (stack.key(), stack.key());
    rotated(&in_overlap, "1h");
    assert_eq!(label(&stack, &in_overlap.key), "true_positive");
    stack.edge.chat(Some(&in_overlap.key), &hello(4)).refused(Reason::Disabled);
    let fresh = rotated(&over, "1s");
    until_true("the old secret is over", SOON, || stack.edge.get("/v1/key", Some(&over.key)).status == 401);
    assert_eq!(label(&stack, &over.key), "false_positive");
    stack.edge.chat(Some(&fresh), &hello(4)).ok();
}

#[test]
fn what_the_scanner_has_not_signed_does_nothing() {
    let server = KeyServer::start_scanner();
    let stack = Stack::new().setting("LEAK_REPORTS", server.url()).start();
    let key = stack.key();
    let message = json!([matched(&key.key)]).to_string();
    let signature = sign_report(message.as_bytes());
    let other = Issuer::Port.sign_text(&message, &message);
    let bad = [
        ("no signature", KID, ""),
        ("no key", "", &signature),
        ("a key that is not there", "k-2", &signature),
        ("a key that cannot be read", "old", &signature),
        ("a path", "../k-1", &signature),
        ("another message's", KID, &sign_report(b"[]")),
        ("in another form", KID, other.rsplit('.').next().expect("three parts")),
        ("zeros", KID, "MAYCAQACAQA="),
        ("not base64", KID, "???"),
    ];
    let before = stack.edge.view(key.id).storage.calls;
    for (what, kid, signature) in bad {
        let answer = report(&stack, kid, signature, &message);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(Reason::InvalidSignature);
    }
    assert_eq!(stack.edge.view(key.id).storage.calls, before + 1, "no Gate was asked");
    assert_eq!(server.received().len(), 1);
    stack.edge.get("/v1/key", Some(&key.key)).ok();
    for (text, reason) in [("{", Reason::InvalidJson), ("[{}]", Reason::InvalidJson), ("{}", Reason::InvalidJson)] {
        report(&stack, KID, &sign_report(text.as_bytes()), text).refused(reason);
    }
    stack.edge.get("/leaks/github", None).refused(Reason::MethodNotAllowed);
    stack.check_logs(&[&key.key]);
    drop(stack);
    let off = Stack::new().start();
    report(&off, KID, &sign_report(b"[]"), "[]").refused(Reason::NotFound);
}
