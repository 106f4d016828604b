//! Every reachable state of small worlds: all interleavings of asks, settles, repeats, reordered and lost messages, lost
//! answers, evictions, and a clock that ticks, stalls and goes back a little. Where the properties sample, this walks.
//!
//! # Bounds
//!
//! Two clients with one or two requests each; limits of at most 3 requests or 6 tokens; windows and leases of 2 or 3
//! ticks; 3 to 8 ticks of time, which goes back by one tick as often as it likes. A tick is half of the shortest lease
//! that a plan may have; in one world it is 40 s, so that settles are forgotten while the world lasts. That makes some
//! 200,000 states; merged logs, very many values, and changes of a plan are left to the properties.
//!
//! # What a step is
//!
//! The network keeps every message that a client could send and delivers any of them, at any time, any number of times:
//! that is more than real networks and clients do, and holds every repeat, every reordering (a settle before its ask) and
//! every loss. An answer that is lost changes nothing here, since the clients' messages do not depend on it. A Gate
//! stores the row when [`Changed`] says so, before it answers; it may be evicted after any step and then goes on from
//! the row. A step that crashes before the row is stored is one that never happened.
//!
//! # What is checked
//!
//! At every step the answer is the one that [`Truth`] gives; at every state the laws hold, what callers are told is what
//! is true, and who was admitted holds a lease in the *stored* row.

mod truth;
mod walk;

use sluice_protocol::limit::gate::CLOSED_MS;
use truth::{End, Kind, per_key, requests, tokens};
use walk::{TICK_MS, Walk, explores};

const START: u64 = 1_790_000_000_000;

/// Leases outlast the window: what is taken back late may have left its log.
#[test]
fn a_window_of_requests() {
    let limits = [requests(Kind::Window { most: 2, span: 2 })];
    let ends = [End::Unknown, End::NotServed];
    explores(&Walk::new(&limits, &[(0, 2), (0, 2), (1, 2)], &ends, 3, TICK_MS, 3), 55_000);
}

#[test]
fn a_window_of_tokens() {
    let limits = [tokens(Kind::Window { most: 5, span: 3 })];
    let ends = [End::Used(1), End::NotServed];
    explores(&Walk::new(&limits, &[(0, 2), (0, 3), (1, 4)], &ends, 2, TICK_MS, 3), 45_000);
}

/// It refills by two thirds of a token in a tick.
#[test]
fn a_bucket_of_tokens() {
    let limits = [tokens(Kind::Bucket { most: 5, refill: 2, every: 3 })];
    let ends = [End::Used(1), End::NotServed];
    explores(&Walk::new(&limits, &[(0, 2), (0, 3), (1, 4)], &ends, 3, TICK_MS, 3), 21_000);
}

#[test]
fn requests_at_once() {
    let limits = [requests(Kind::Parallel { most: 2 }), per_key(requests(Kind::Parallel { most: 1 }))];
    let ends = [End::Unknown];
    explores(&Walk::new(&limits, &[(0, 2), (0, 2), (1, 2), (1, 2)], &ends, 2, TICK_MS, 3), 43_000);
}

#[test]
fn several_limits_at_once() {
    let limits = [
        requests(Kind::Window { most: 3, span: 3 }),
        per_key(tokens(Kind::Window { most: 4, span: 2 })),
        tokens(Kind::Bucket { most: 6, refill: 1, every: 1 }),
        requests(Kind::Parallel { most: 2 }),
    ];
    let ends = [End::Used(1), End::NotServed];
    explores(&Walk::new(&limits, &[(0, 2), (1, 4)], &ends, 2, TICK_MS, 7), 25_000);
}

/// A tick is a third of the time for which a settle is remembered.
#[test]
fn settles_that_are_forgotten() {
    let limits = [requests(Kind::Window { most: 2, span: 2 }), requests(Kind::Parallel { most: 2 })];
    let ends = [End::Unknown, End::NotServed];
    explores(&Walk::new(&limits, &[(0, 2), (1, 2)], &ends, 2, CLOSED_MS / 3, 8), 15_000);
}

/// The second request is the first one again, with a prompt that the origin has counted: it may fit beside the third, fit only
/// later, or be refused by requests that the first one is among.
#[test]
fn requests_that_the_origin_counts() {
    let limits = [
        requests(Kind::Window { most: 2, span: 3 }),
        tokens(Kind::Window { most: 5, span: 2 }),
        requests(Kind::Parallel { most: 2 }),
    ];
    let ends = [End::Used(1), End::NotServed];
    let walk = Walk::new(&limits, &[(0, 2), (0, 4), (1, 2)], &ends, 2, TICK_MS, 3);
    explores(&Walk { again: vec![(0, 1)], ..walk }, 50_000);
}

#[test]
fn requests_that_the_origin_counts_in_buckets_and_for_each_client() {
    let limits = [
        requests(Kind::Bucket { most: 2, refill: 1, every: 2 }),
        per_key(tokens(Kind::Bucket { most: 5, refill: 2, every: 3 })),
    ];
    let ends = [End::Unknown, End::NotServed];
    let walk = Walk::new(&limits, &[(0, 2), (0, 4), (1, 2)], &ends, 3, TICK_MS, 3);
    explores(&Walk { again: vec![(0, 1)], ..walk }, 20_000);
}
