//! Peppers and grant keys change while requests run: the drill of docs/keys.md, step by step.

use crate::forward::{at_origin, claims};
use harness::caller::hello;
use harness::{PLAN, Stack, secrets};
use serde_json::json;
use sluice_protocol::refusal::Reason;

#[test]
fn the_drill_moves_keys_from_one_pepper_to_the_next() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let (moved, left) = (stack.key(), stack.key());
    // 1. Both epochs live: old keys are good, and new secrets are of the new one.
    stack.restart_edge_with("KEY_PEPPERS", secrets::both_key_peppers());
    let fresh = stack.key();
    for key in [&moved, &left, &fresh] {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
    // 2. A key is moved by rotating it: its id, its account and its limits stay.
    let path = format!("/keys/{}/rotate", moved.id);
    let rotated = stack.edge.admin("POST", &path, Some(&json!({"overlap": "1h"}))).ok().json();
    let rotated = rotated["key"].as_str().expect("a secret").to_owned();
    for key in [&rotated, &moved.key] {
        stack.edge.chat(Some(key), &hello(4)).ok();
    }
    // 3. The old epoch is retired: its secrets are refused without asking anybody, those of the new one are good.
    stack.restart_edge_with("KEY_PEPPERS", secrets::next_key_peppers());
    for key in [&rotated, &fresh.key] {
        stack.edge.own(key);
    }
    let before = stack.edge.view(moved.id).storage;
    for key in [&moved.key, &left.key] {
        for _ in 0..20 {
            stack.edge.chat(Some(key), &hello(4)).refused(Reason::InvalidKey);
            stack.edge.get("/v1/models", Some(key)).refused(Reason::InvalidKey);
            stack.edge.get("/v1/key", Some(key)).refused(Reason::InvalidKey);
        }
    }
    let after = stack.edge.view(moved.id).storage;
    assert_eq!(
        (after.calls, after.rows_read, after.rows_written),
        (before.calls + 1, before.rows_read, before.rows_written)
    );
    let first = stack.edge.view(left.id).storage;
    assert_eq!((first.calls, first.rows_written), (1, 0), "its Gate was not even started by its key");
    // A key that was left behind is moved all the same: an admin still knows it by its id.
    let path = format!("/keys/{}/rotate", left.id);
    let late = stack.edge.admin("POST", &path, Some(&json!({"overlap": "0s"}))).ok().json();
    stack.edge.chat(late["key"].as_str(), &hello(4)).ok();
    assert_eq!(
        stack.edge.admin("GET", &format!("/keys?plan={PLAN}"), None).ok().json()["data"].as_array().map(Vec::len),
        Some(3)
    );
}

/// 1,000 forged, mistyped and retired keys: no object is asked, whatever they name.
#[test]
fn keys_that_are_no_keys_touch_no_storage() {
    let mut stack = Stack::new().start();
    let key = stack.key();
    stack.restart_edge_with("KEY_PEPPERS", secrets::both_key_peppers());
    let before = (stack.edge.view(key.id).storage, stack.edge.list().storage);
    let mut mistyped = key.key.clone().into_bytes();
    let edges = std::thread::scope(|scope| {
        let mut asked = Vec::new();
        for part in 0..4_u8 {
            let (edge, mut text) = (stack.edge.clone(), mistyped.clone());
            asked.push(scope.spawn(move || {
                for number in 0..250_u32 {
                    let place = 4 + (number as usize % (text.len() - 4));
                    let old = text[place];
                    text[place] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        [(usize::from(old) * 7 + usize::from(part) + number as usize) % 62];
                    if text[place] == old {
                        text[place] = if old == b'0' { b'1' } else { b'0' };
                    }
                    let sent = String::from_utf8(text.clone()).expect("ASCII");
                    edge.get("/v1/key", Some(&sent)).refused(Reason::InvalidKey);
                    text[place] = old;
                }
            }));
        }
        asked.into_iter().map(|one| one.join().is_ok()).filter(|ok| *ok).count()
    });
    mistyped.clear();
    assert_eq!(edges, 4);
    let after = (stack.edge.view(key.id).storage, stack.edge.list().storage);
    assert_eq!(after.0.calls, before.0.calls + 1, "only the admin's look reached its Gate");
    assert_eq!(after.0.rows_written, before.0.rows_written);
    // The Registry is asked for the plans by whoever is an admin, and for the list: never by a bad key.
    assert!(after.1.calls <= before.1.calls + 4, "{before:?} {after:?}");
}

/// Grants are signed with the newest key; the origin knows two, so neither gate has to be changed at the same moment as the
/// other, and a stream that began before is not cut.
#[test]
fn grant_keys_change_while_requests_run() {
    let mut stack = Stack::new().raw_origin(harness::raw_origin::json("200 OK", "", "{}")).start();
    let key = stack.key();
    let kid = |stack: &harness::RunningStack| {
        stack.edge.chat(Some(&key.key), &hello(4));
        let received = stack.received();
        let grant = received.last().and_then(|request| request.header("x-sluice-grant")).expect("a grant").to_owned();
        jsonwebtoken::decode_header(&grant).expect("a grant's header").kid
    };
    assert_eq!(kid(&stack).as_deref(), Some(secrets::KID));
    stack.restart_edge_with("GRANT_KEYS", secrets::both_grant_keys());
    assert_eq!(kid(&stack).as_deref(), Some(secrets::NEXT_KID));

    // An origin that knows both takes either.
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stack.restart_edge_with("GRANT_KEYS", secrets::both_grant_keys());
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
}

/// The end of the drill: the first key is retired, at the edge and at an origin that is started again without it.
#[test]
fn a_grant_key_that_is_retired_opens_nothing_any_more() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    let [first, next] = secrets::grant_publics();
    let body = hello(4).to_string();
    let directly = |stack: &harness::RunningStack, number: u8| {
        at_origin(stack, Some(&secrets::sign(&claims(number, &body))), &body).status
    };
    assert_eq!(directly(&stack, 1), 200);
    stack.restart_edge_with("GRANT_KEYS", secrets::both_grant_keys());
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    // Retired at the edge first: nothing is signed with it any more.
    stack.restart_edge_with("GRANT_KEYS", secrets::next_grant_keys());
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert_eq!(directly(&stack, 2), 200, "the origin does not know that yet");
    stack.restart_origin_with(&[next]);
    stack.script().allow_all();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert_eq!(directly(&stack, 3), 401);
    // An edge that was forgotten is of no use; its callers are told that it is not their fault.
    stack.restart_edge_with("GRANT_KEYS", secrets::grant_keys());
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginFailed);
    stack.restart_origin_with(&[first]);
    stack.script().allow_all();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stack.check_logs(&[&key.key]);
}
