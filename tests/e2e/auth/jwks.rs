//! Keys behind a URL, as time goes by: an issuer that rotates them, one whose keys cannot be had any more, and one that is silent. How
//! long keys are kept, to the millisecond, is shown where it is decided; here the edge waits out its own pauses, half a minute at most.

use crate::auth::issuers::{ask, by_url, named, stack};
use harness::PLAN;
use harness::caller::Caller;
use harness::issuers::{Issuer, KID, KeyServer};
use harness::wait::until_true;
use serde_json::json;
use sluice_protocol::refusal::Reason;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Longer than the pause between two tries for a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(45);

/// Whether one of several callers at once is let in.
fn is_one_let_in(edge: &Caller, token: &str) -> bool {
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..6).map(|_| scope.spawn(|| edge.get("/v1/key", Some(token)).status)).collect();
        let statuses: Vec<_> = callers.into_iter().map(|caller| caller.join().expect("it was answered")).collect();
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
        statuses.contains(&200)
    })
}

#[test]
fn an_issuer_rotates_its_keys_and_what_the_old_one_signed_is_refused_from_then_on() {
    let server = KeyServer::start(&[Issuer::Mill.jwk(Some(KID))]);
    let stack = stack(&[by_url(Issuer::Mill, &server)]).start();
    let (old, new) = (named(Issuer::Mill, KID, "ann"), named(Issuer::Mill, "k-2", "ann"));
    ask(&stack, &old).ok();
    ask(&stack, &new).refused(Reason::InvalidKey);
    server.publish(&[Issuer::Mill.jwk(Some("k-2"))]);
    // Not yet, whoever asks: the edge has asked a moment ago. Then one asks for all.
    let waited = until_true("the new key is known", PAUSE, || is_one_let_in(&stack.edge, &new));
    assert_eq!(server.received().len(), 2, "after {waited:?}");
    // It was checked and remembered, and that holds no longer than its key.
    ask(&stack, &old).refused(Reason::InvalidKey);
    ask(&stack, &named(Issuer::Mill, KID, "bob")).refused(Reason::InvalidKey);
    ask(&stack, &new).ok();
    ask(&stack, &named(Issuer::Mill, "k-2", "bob")).ok();
    assert_eq!(server.received().len(), 2);
}

#[test]
fn old_keys_hold_while_new_ones_cannot_be_had() {
    let server = KeyServer::start(&[Issuer::Lab.jwk(Some(KID))]);
    let stack = stack(&[by_url(Issuer::Lab, &server)]).start();
    let known = |subject: &str| named(Issuer::Lab, KID, subject);
    let unknown = named(Issuer::Lab, "k-9", "ann");
    ask(&stack, &known("ann")).ok();
    server.answer_with("500 Oops", ""); // not a status: what a key server says
    until_true("it is asked again", PAUSE, || {
        assert!(!is_one_let_in(&stack.edge, &unknown));
        server.received().len() > 1
    });
    // Not a word of it to those whose key is known: neither who was seen nor who was not.
    ask(&stack, &known("ann")).ok();
    ask(&stack, &known("bob")).ok();
    assert!(stack.edge_log().contains("the keys of lab cannot be had"));
    let asked = server.received().len();
    // A fetch that failed is tried again sooner: seconds, not half a minute; and not at will.
    server.publish(&[Issuer::Lab.jwk(Some(KID)), Issuer::Lab.jwk(Some("k-9"))]);
    let begun = Instant::now();
    until_true("the new key is known", PAUSE, || is_one_let_in(&stack.edge, &unknown));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(server.received().len(), asked + 1);
    ask(&stack, &known("cid")).ok();
}

#[test]
fn an_issuer_that_is_silent_is_not_waited_for_by_others() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}/keys", silent.local_addr().expect("it listens"));
    let mill = Issuer::Mill.entry(&json!({"plan": PLAN, "key": null, "jwks_url": url}));
    let stack = stack(&[mill, Issuer::Lab.entry(&json!({ "plan": PLAN }))]).start();
    let token = named(Issuer::Mill, KID, "ann");
    let (edge, begun) = (&stack.edge, Instant::now());
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| edge.get("/v1/key", Some(&token)))).collect();
        // Somebody else's issuer is not concerned.
        ask(&stack, &Issuer::Lab.token("ann")).ok();
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        for one in waiting {
            one.join().expect("it was answered").refused(Reason::IssuerUnavailable);
        }
    });
    // Five seconds for the fetch, and nobody waits for more than seven.
    assert!((4..12).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    stack.check_logs(&[&token]);
}
