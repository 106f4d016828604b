//! A hedge with processes: one origin stands still, and a stream that it has does not wait for it.

use super::{Named, stack};
use harness::caller::{hello, hello_stream};
use harness::wait::{SOON, until_true};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn a_stream_does_not_wait_for_an_origin_that_stands_still() {
    let origins = [Named::start("a"), Named::start("b")];
    let addresses = origins.each_ref().map(|one| (one.name, one.origin.address()));
    let stack = stack(&addresses).setting("ORIGINS_HEDGE", "p95").start();
    let issued = stack.key();
    let key = issued.key.clone();
    let body = || -> Value { hello_stream(8) };
    let authorization = format!("Bearer {key}");
    // Of one conversation, so that one origin has all of them.
    let ask = || {
        stack.edge.chat_as(&[("authorization", &authorization), ("x-session-id", "one")], &body()).ok().stream().whole()
    };
    for _ in 0..25 {
        ask();
    }
    let counts = origins.each_ref().map(Named::answered);
    let at = usize::from(counts[1] > counts[0]);
    assert_eq!((counts[at], counts[1 - at]), (25, 0), "{counts:?}");
    origins[at].origin.signal("STOP");
    let begun = Instant::now();
    let answer = ask();
    let took = begun.elapsed();
    origins[at].origin.signal("CONT");
    assert!(!answer.text().is_empty());
    // Where nothing is hedged, a probe finds out after a second at the soonest.
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert_eq!(origins[1 - at].answered(), 1, "the other one has answered");
    // What it had is over there, and counts for nobody.
    until_true("its lease is back", SOON, || stack.edge.view(issued.id).live_leases == 0);
    stack.edge.chat(Some(&key), &hello(4)).ok();
}
