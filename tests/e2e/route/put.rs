//! Origins are added and taken out while requests come, without a deploy.

use super::{NOWHERE, Named, setting, stack};
use harness::caller::{hello, hello_stream};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn put(stack: &RunningStack, if_match: &str, list: &str) -> Answer {
    let body: Value = serde_json::from_str(list).expect("a list");
    stack.edge.admin_with(&[("if-match", if_match)], "PUT", "/origins", Some(&body))
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").expect("a list has its etag").to_owned()
}

#[test]
fn who_is_put_serves_within_five_seconds_and_who_is_taken_out_finishes_what_it_has() {
    let (a, b) = (Named::start("a"), Named::start("b"));
    let (at_a, at_b) = (setting(&[("a", a.origin.address())]), setting(&[("b", b.origin.address())]));
    let stack = stack(&[("a", a.origin.address())]).with_twin().setting("REQUEST_LOG", "known").start();
    let key = stack.key().key;
    stack.edge.chat(Some(&key), &hello(4)).ok();
    let (is_over, failed) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (stack, key, is_over, failed) = (&stack, &key, &is_over, &failed);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let body = if caller % 2 == 0 { hello(24) } else { hello_stream(24) };
                    let answer = stack.edge.chat(Some(key), &body);
                    let is_whole = answer.status == 200 && (caller % 2 == 0 || answer.text().contains("data: [DONE]"));
                    if !is_whole {
                        failed.lock().expect("nobody panics").push(format!("{} {}", answer.status, answer.text()));
                    }
                }
            });
        }
        let first = stack.edge.admin("GET", "/origins", None).ok();
        assert_eq!(first.json()["source"], "settings");
        let second = put(&stack, &etag(&first), &at_b).ok();
        assert_eq!((&second.json()["source"], &second.json()["state"][0]["name"]), (&json!("admin"), &json!("b")));
        let (begun, before) = (Instant::now(), b.answered());
        until_true("b serves", SOON, || b.answered() > before);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        // Another isolate hears of it by itself.
        until_true("a is sent nothing more", SOON, || {
            let before = a.answered();
            let asked = b.answered();
            until_true("more is answered", SOON, || b.answered() >= asked + 20);
            a.answered() == before
        });
        // Whoever would undo somebody's work is told; and it is put back.
        put(&stack, &etag(&first), &at_a).refused(Reason::PreconditionFailed);
        let back = stack.edge.admin_with(&[("if-match", &etag(&second))], "DELETE", "/origins", None).ok();
        assert_eq!((&back.json()["source"], etag(&back)), (&json!("settings"), etag(&first)));
        let before = a.answered();
        until_true("a serves again", SOON, || a.answered() > before);
        is_over.store(true, Ordering::Relaxed);
    });
    let failed = failed.into_inner().expect("nobody panics");
    assert!(failed.is_empty(), "{failed:?}");
    let log = stack.edge.admin("GET", "/audit", None).ok().json();
    let done: Vec<_> = log["data"].as_array().expect("entries").iter().map(|entry| entry["action"].clone()).collect();
    assert!(done.contains(&json!("origins.put")) && done.contains(&json!("origins.delete")), "{done:?}");
}

#[test]
fn a_list_takes_the_place_of_the_one_origin_and_outlives_the_edge() {
    let a = Named::start("a");
    let mut stack =
        Stack::new().no_origin().setting("ORIGIN_URL", format!("http://{}", SocketAddr::from(NOWHERE))).start();
    let key = stack.key().key;
    stack.edge.chat(Some(&key), &hello(4)).refused(Reason::OriginFailed);
    assert_eq!(stack.edge.admin("GET", "/origins", None).ok().json()["state"], json!([]));
    put(&stack, "*", &setting(&[("a", a.origin.address())])).ok();
    until_true("it serves", SOON, || stack.edge.chat(Some(&key), &hello(4)).status == 200);
    stack.restart_edge();
    stack.edge.chat(Some(&key), &hello(4)).ok();
    assert_eq!(stack.edge.admin("GET", "/origins", None).ok().json()["source"], "admin");
}

#[test]
fn a_bad_list_leaves_the_old_one_and_every_mistake_is_named() {
    let stack = stack(&[("a", SocketAddr::from(NOWHERE))]).setting("MODEL_ALIASES", r#"{"gpt-*": "m"}"#).start();
    let before = stack.edge.admin("GET", "/origins", None).ok();
    let bad =
        json!([{"name": "a", "url": "http://plain.example", "wieght": 3}, {"name": "a", "url": "https://b.example"}]);
    let told = put(&stack, "*", &bad.to_string()).refused(Reason::InvalidRequest).text().to_owned();
    for part in ["`wieght`", "`url` must start with https://", "origin 2: has the `name`"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let without = json!([{"name": "a", "url": "https://a.example", "models": ["other"]}]);
    let told = put(&stack, "*", &without.to_string()).refused(Reason::InvalidRequest).text().to_owned();
    assert!(told.contains("has `m`"), "{told}");
    for list in [json!([]), json!({}), json!("x"), json!(null)] {
        put(&stack, "*", &list.to_string()).refused(Reason::InvalidRequest);
    }
    let good = setting(&[("b", SocketAddr::from(NOWHERE))]);
    let body: Value = serde_json::from_str(&good).expect("a list");
    stack.edge.admin("PUT", "/origins", Some(&body)).refused(Reason::PreconditionRequired);
    put(&stack, "\"no\"", &good).refused(Reason::PreconditionFailed);
    stack.edge.admin("DELETE", "/origins", None).refused(Reason::PreconditionRequired);
    let after = stack.edge.admin("GET", "/origins", None).ok();
    assert_eq!((etag(&before), before.json()["origins"].clone()), (etag(&after), after.json()["origins"].clone()));
}
