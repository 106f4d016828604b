//! A hedge with processes: one origin stands still, and no stream waits for it.

use super::{Named, stack};
use harness::caller::hello_stream;
use harness::wait::{SOON, until_true};
use std::time::{Duration, Instant};

#[test]
fn no_stream_waits_for_an_origin_that_stands_still() {
    let origins = [Named::start("a"), Named::start("b")];
    let addresses = origins.each_ref().map(|one| (one.name, one.origin.address()));
    let stack = stack(&addresses).setting("ORIGINS_HEDGE", "p95").start();
    let issued = stack.key();
    let authorization = format!("Bearer {}", issued.key);
    let ask = |session: &str| {
        let headers = [("authorization", authorization.as_str()), ("x-session-id", session)];
        let begun = Instant::now();
        let answer = stack.edge.chat_as(&headers, &hello_stream(8)).ok().stream().whole();
        assert!(!answer.text().is_empty());
        begun.elapsed()
    };
    // Until it is known how soon they begin.
    for number in 0..30 {
        ask(&number.to_string());
    }
    origins[0].origin.signal("STOP");
    // One after another, so that about half of them are sent there first. A probe finds out after a second at the soonest.
    let slowest = (0..8).map(|number| ask(&format!("again-{number}"))).max();
    origins[0].origin.signal("CONT");
    assert!(slowest.is_some_and(|took| took < Duration::from_millis(900)), "{slowest:?}");
    until_true("every lease is back", SOON, || stack.edge.view(issued.id).live_leases == 0);
}
