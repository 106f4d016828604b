//! Peppers and grant keys change while requests run: the drill of docs/keys.md, step by step.

use crate::forward::{at_origin, claims};
use harness::caller::hello;
use harness::wait::{SOON, until_true};
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

/// A deploy under way: the first isolate already has the next pepper, the twin has not. Both ask the same Gates.
#[test]
fn while_peppers_differ_a_key_is_good_wherever_its_epoch_is_known() {
    let stack = Stack::new()
        .with_twin()
        .setting("KEY_PEPPERS", secrets::both_key_peppers())
        .twin_setting("KEY_PEPPERS", secrets::key_peppers())
        .start();
    stack.script().allow_all();
    let (new, old) = (stack.edge.clone(), stack.twin());
    let (next, first) = (new.issue_key(PLAN), old.issue_key(PLAN));
    for edge in [&new, &old] {
        edge.chat(Some(&first.key), &hello(4)).ok();
    }
    new.chat(Some(&next.key), &hello(4)).ok();
    until_true("all is settled", SOON, || new.view(next.id).live_leases == 0);
    // The isolate that does not know the epoch asks nobody.
    let before = (new.view(next.id).storage, new.list().storage);
    for _ in 0..10 {
        old.chat(Some(&next.key), &hello(4)).refused(Reason::InvalidKey);
        old.get("/v1/key", Some(&next.key)).refused(Reason::InvalidKey);
    }
    let after = (new.view(next.id).storage, new.list().storage);
    assert_eq!((after.0.calls, after.0.rows_written), (before.0.calls + 1, before.0.rows_written));
    assert_eq!(after.1.rows_written, before.1.rows_written);
    // By its id it is administered there all the same.
    assert_eq!(old.view(next.id).key.id, next.id);
    // Rotated here and used there: the newest pepper of the isolate that was asked decides.
    let rotate = |edge: &harness::caller::Caller, key: &sluice_protocol::admin::CreatedKey| {
        let answer = edge.admin("POST", &format!("/keys/{}/rotate", key.id), Some(&json!({"overlap": "1h"}))).ok();
        answer.json()["key"].as_str().expect("a secret").to_owned()
    };
    let from_new = rotate(&new, &first);
    new.chat(Some(&from_new), &hello(4)).ok();
    old.chat(Some(&from_new), &hello(4)).refused(Reason::InvalidKey);
    let from_old = rotate(&old, &next);
    for edge in [&new, &old] {
        edge.chat(Some(&from_old), &hello(4)).ok();
        edge.chat(Some(&first.key), &hello(4)).ok();
    }
}

/// The order of docs/keys.md: announced everywhere first, and then in force. No isolate refuses what another one makes.
#[test]
fn a_pepper_that_was_announced_is_put_in_force_without_a_gap() {
    let announced = format!("{},{}", secrets::key_peppers(), secrets::next_key_peppers());
    // Announced in one isolate, and not yet in the other; then in force in one, and not yet in the other.
    let deploys = [(announced.clone(), secrets::key_peppers()), (secrets::both_key_peppers(), announced)];
    for (now, before) in deploys {
        let stack =
            Stack::new().with_twin().setting("KEY_PEPPERS", now).twin_setting("KEY_PEPPERS", before.clone()).start();
        stack.script().allow_all();
        let edges = [stack.edge.clone(), stack.twin()];
        for maker in &edges {
            let key = maker.issue_key(PLAN);
            let path = format!("/keys/{}/rotate", key.id);
            let rotated = maker.admin("POST", &path, Some(&json!({"overlap": "1h"}))).ok().json();
            for edge in &edges {
                for secret in [Some(key.key.as_str()), rotated["key"].as_str()] {
                    let answer = edge.chat(secret, &hello(4));
                    assert_eq!(answer.status, 200, "after {before}: {}", answer.text());
                }
            }
        }
    }
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
    let mut stack = Stack::new().raw_origin(harness::origin::raw::json("200 OK", "", "{}")).start();
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
