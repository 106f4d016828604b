//! limit: exactly as many as the plan says, and a refusal that is honest about when to come back.

mod budget;
mod degrade;
mod flood;
mod group;
mod kinds;
mod lost;
mod permissions;
mod remembered;
mod unreachable;

use harness::caller::raw::RawConnection;
use harness::caller::{Caller, hello, hello_stream};
use harness::wait::{SOON, until, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::json;
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;
use std::time::{Duration, Instant};

/// Sends the same request `times` at once.
fn at_once(caller: &Caller, key: &str, times: usize) -> Vec<Answer> {
    let barrier = std::sync::Barrier::new(times);
    std::thread::scope(|scope| {
        let send = || {
            barrier.wait();
            caller.chat(Some(key), &hello(4))
        };
        let threads: Vec<_> = (0..times).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("the request's thread does not panic")).collect()
    })
}

#[test]
fn exactly_the_limit_passes_of_200_at_once() {
    let plan = |limit: u32| {
        format!(r#""w{limit}":{{"limits":[{{"name":"hour","kind":"window","limit":{limit},"window":"1h"}}]}}"#)
    };
    let stack = Stack::new().plans(format!(r#"{{"plans":{{{},{},{}}}}}"#, plan(1), plan(37), plan(199))).start();
    stack.script().allow_all();
    for limit in [1, 37, 199] {
        let key = stack.edge.issue_key(&format!("w{limit}"));
        let answers = at_once(&stack.edge, &key.key, 200);
        let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        for answer in &refused {
            let wait = answer.clone().refused(Reason::RateLimited).retry_after_ms().expect("a window says when");
            assert!(wait > 3_500_000 && wait <= 3_600_000, "{wait}");
        }
        assert_eq!(served.len(), limit, "of 200");
        let used = || (stack.edge.view(key.id).used.served == limit as u64).then_some(());
        until("all that was served is settled", SOON, used);
        // Each served request is two rows at most, its decision and its settlement: what travels together is one.
        let rows = stack.edge.view(key.id).storage.rows_written - 1;
        assert!((2..=2 * limit as u64).contains(&rows), "{rows}, without the one for the key itself");
    }
}

#[test]
fn exactly_the_limit_passes_of_200_across_three_kills() {
    const LIMITS: [usize; 3] = [1, 37, 199];
    let plan = |limit: &usize| {
        let hour = json!({"name": "hour", "kind": "window", "limit": limit, "window": "1h"});
        (format!("w{limit}"), json!({"limits": [hour]}))
    };
    let plans: serde_json::Map<_, _> = LIMITS.iter().map(plan).collect();
    let mut stack = Stack::new().plans(json!({"plans": plans}).to_string()).start();
    stack.script().allow_all();
    let keys = LIMITS.map(|limit| stack.edge.issue_key(&format!("w{limit}")));
    let mut served = [0; 3];
    for portion in 0..4 {
        if portion > 0 {
            stack.restart_edge();
        }
        for (key, served) in keys.iter().zip(&mut served) {
            let answers = at_once(&stack.edge, &key.key, 50);
            let (passed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
            *served += passed.len();
            for answer in refused {
                answer.refused(Reason::RateLimited);
            }
        }
    }
    assert_eq!(served, LIMITS, "of 200 each");
}

#[test]
fn no_lease_outlives_a_thousand_killed_streams() {
    const BATCH: usize = 40;
    let stack = Stack::new().parallel(BATCH as u32).slots(BATCH).start();
    let key = stack.key();
    for _ in 0..25 * BATCH {
        stack.script().say(Say::endless("x"));
    }
    let mut releases: Vec<Duration> = Vec::with_capacity(25 * BATCH);
    for batch in 0..25 {
        // Every place of the parallel limit: a lease that was left behind would refuse one of them.
        let mut streams: Vec<_> = (0..BATCH).map(|_| stack.open_chat(&key.key, &hello_stream(3_000))).collect();
        let begun = |streams: &mut [RawConnection]| streams.iter_mut().all(|stream| stream.has(b"\"content\":\"x\""));
        until_true("all streams have begun", SOON, || {
            stack.script().allow(1);
            begun(&mut streams)
        });
        for (number, stream) in streams.into_iter().enumerate() {
            if number % 2 == 0 { stream.leave() } else { stream.vanish() }
        }
        releases.extend(released(&stack, &key.key, BATCH));
        assert_eq!(releases.len(), (batch + 1) * BATCH);
    }
    until_true("nothing runs", SOON, || {
        stack.script().allow(1);
        stack.script().occupied() == 0
    });
    let view = stack.edge.view(key.id);
    assert_eq!((view.live_leases, view.used.served), (0, 25 * BATCH as u64));
    releases.sort();
    let (median, worst) = (releases[releases.len() / 2], releases[releases.len() - 1]);
    println!("1,000 killed streams: 0 leases left, released after {median:?} (median), {worst:?} (worst)");
    assert!(median < Duration::from_secs(1), "{median:?}");
}

/// How long each of so many leases was seen to last from now on, while the model goes on slowly.
fn released(stack: &RunningStack, key: &str, leases: usize) -> Vec<Duration> {
    let start = Instant::now();
    let mut seen = Vec::new();
    until_true("all leases are back", SOON, || {
        // Who left politely is noticed at the second token that is written to it.
        stack.script().allow(4);
        let live = stack.edge.own(key).live_leases as usize;
        seen.resize(leases - live, start.elapsed());
        live == 0
    });
    seen
}

#[test]
fn a_refusal_that_was_for_much_is_not_remembered_for_little() {
    let limit = |name: &str, unit: &str, most: u32, class: &str| json!({"name": name, "kind": "window", "unit": unit, "limit": most, "window": "1h", "when": {"class": class}});
    let tokens = json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": 1_000, "window": "1h"});
    let stack = Stack::new().with(tokens).with(limit("heavy", "requests", 1, "heavy")).start();
    stack.script().allow_all();
    stack.script().say(Say::endless("x"));
    let key = stack.key();
    let chat = |max_tokens| stack.edge.chat(Some(&key.key), &hello(max_tokens));
    chat(500).ok();
    for _ in 0..3 {
        chat(600).refused(Reason::RateLimited);
        chat(4).ok();
    }
    let key = stack.edge.issue(&json!({"plan": PLAN}));
    let path = format!("/keys/{}", key.id);
    stack.edge.admin("PATCH", &path, Some(&json!({"overrides": {"tokens": 1_000_000}}))).ok();
    let chat = |max_tokens| stack.edge.chat(Some(&key.key), &hello(max_tokens));
    chat(2_049).ok();
    for _ in 0..3 {
        chat(2_049).refused(Reason::RateLimited);
        chat(2_048).ok();
    }
}

#[test]
fn waiting_exactly_as_told_suffices() {
    let stack = Stack::new().limit("3 per 700ms").start();
    stack.script().allow_all();
    let key = stack.key();
    for round in 0..3 {
        // However slow the machine is: sooner or later three fall into one window.
        let wait = until("a refusal", SOON, || {
            let answer = stack.edge.chat(Some(&key.key), &hello(4));
            match answer.status {
                200 => None,
                _ => answer.refused(Reason::RateLimited).retry_after_ms(),
            }
        });
        let wait = wait.0;
        assert!((1..=700).contains(&wait), "round {round}: {wait}");
        std::thread::sleep(Duration::from_millis(wait));
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
}

#[test]
fn a_served_request_is_two_rows_and_a_refused_one_none() {
    let stack = Stack::new().limit("2 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let mut before = stack.edge.view(key.id).storage;
    for number in 1..=2 {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
        until_true("settled", SOON, || stack.edge.view(key.id).used.served == number);
        let after = stack.edge.view(key.id).storage;
        assert_eq!(after.rows_written, before.rows_written + 2);
        assert!(after.rows_read <= before.rows_read + 2, "at most the row that each write replaces: {after:?}");
        before = after;
    }
    for _ in 0..5 {
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    }
    let after = stack.edge.view(key.id).storage;
    // The edge remembers a refusal for a moment: not every one of them is a message.
    assert!((before.calls + 2..=before.calls + 6).contains(&after.calls), "{before:?} {after:?}");
    assert_eq!((after.rows_read, after.rows_written), (before.rows_read, before.rows_written));
}

#[test]
fn a_refusal_names_every_limit_and_waits_for_the_longest() {
    let stack = Stack::new().limit("1 per 10m").limit("1 per 1h").limit("2 per 1d").parallel(5).start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let refused = stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("window-0") && message.contains("window-1"), "{message}");
    assert!(!message.contains("window-2") && !message.contains("parallel"), "{message}");
    let wait = refused.retry_after_ms().expect("a window says when");
    assert!(wait > 3_500_000 && wait <= 3_600_000, "{wait}");
    assert_eq!(refused.header("x-should-retry"), Some("false"), "no client is to sleep for an hour");
}

#[test]
fn the_limits_are_those_of_the_account_and_of_nobody_else() {
    let stack = Stack::new().limit("2 per 1h").start();
    stack.script().allow_all();
    let first = stack.key();
    let shared = stack.edge.issue(&serde_json::json!({"plan": PLAN, "account": first.account}));
    let stranger = stack.key();
    stack.edge.chat(Some(&first.key), &hello(4)).ok();
    stack.edge.chat(Some(&shared.key), &hello(4)).ok();
    stack.edge.chat(Some(&first.key), &hello(4)).refused(Reason::RateLimited);
    stack.edge.chat(Some(&shared.key), &hello(4)).refused(Reason::RateLimited);
    stack.edge.chat(Some(&stranger.key), &hello(4)).ok();
}

#[test]
fn at_most_so_many_run_at_once() {
    let stack = Stack::new().parallel(2).slots(4).start();
    let key = stack.key();
    for _ in 0..2 {
        stack.script().say(Say::text("done"));
    }
    let running: Vec<_> = (0..2).map(|_| stack.open_chat(&key.key, &hello(8))).collect();
    until_true("both run", SOON, || stack.edge.view(key.id).live_leases == 2);
    let refused = stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::ParallelLimited);
    // When a place comes free is not known: SDKs back off by themselves.
    assert_eq!(refused.retry_after_ms(), None);
    assert_eq!(refused.header("x-should-retry"), Some("true"));
    stack.script().allow_all();
    for connection in running {
        connection.answer().from_edge().ok();
    }
    until_true("both leases are back", SOON, || stack.edge.view(key.id).live_leases == 0);
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
}

#[test]
fn exactly_the_parallel_limit_passes_of_50_at_once() {
    let stack = Stack::new().parallel(7).slots(8).start();
    let key = stack.key();
    let refusals = std::thread::scope(|scope| {
        let all = scope.spawn(|| at_once(&stack.edge, &key.key, 50));
        // Nothing ends until all have been decided: 43 refusals, and 7 that hold their leases.
        let decided = || stack.edge.view(key.id).storage.calls;
        until_true("seven leases are held", SOON, || decided() > 50 && stack.edge.view(key.id).live_leases == 7);
        stack.script().allow_all();
        all.join().expect("the requests' threads do not panic")
    });
    assert_eq!(refusals.iter().filter(|answer| answer.status == 200).count(), 7);
    for answer in refusals.into_iter().filter(|answer| answer.status != 200) {
        answer.refused(Reason::ParallelLimited);
    }
}

#[test]
fn every_decided_answer_tells_how_its_caller_stands() {
    let stack = Stack::new().limit("3 per 1h").limit("9 per 1s").parallel(2).start();
    stack.script().allow_all();
    let key = stack.key().key;
    let header = |answer: &Answer, name: &str| answer.header(name).unwrap_or_default().to_owned();
    let policy = r#""window-0";q=3;w=3600, "window-1";q=9;w=1, "parallel";q=2;qu="concurrent-requests""#;
    for left in [2, 1, 0] {
        let answer = stack.edge.chat(Some(&key), &hello(4)).ok();
        assert_eq!(header(&answer, "ratelimit-policy"), policy);
        assert!(header(&answer, "ratelimit").starts_with(&format!(r#""window-0";r={left};t="#)));
        assert_eq!(header(&answer, "x-ratelimit-limit-requests"), "3");
        assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), left.to_string());
        assert!(header(&answer, "x-ratelimit-reset-requests").ends_with('s'));
    }
    // Asked twice: at the Gate, and from the isolate's memory.
    for _ in 0..2 {
        let refused = stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
        assert_eq!(header(&refused, "ratelimit-policy"), policy);
        assert!(header(&refused, "ratelimit").starts_with(r#""window-0";r=0;t="#));
        assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    }
    let models = stack.edge.get("/v1/models", Some(&key)).ok();
    assert_eq!(header(&models, "ratelimit-policy"), policy);
}

#[test]
fn a_caller_sees_its_own_limits_and_asking_costs_nothing() {
    let stack = Stack::new().limit("2 per 1h").parallel(2).start();
    stack.script().allow_all();
    let key = stack.key();
    let own = || stack.edge.get("/v1/key", Some(&key.key)).ok().json();
    for used in 0..=2u32 {
        let seen = own();
        assert_eq!(seen["id"], key.id.to_string());
        assert_eq!(seen["plan"], PLAN);
        assert_eq!(seen["limits"][0]["kind"], "window");
        assert_eq!((&seen["limits"][0]["used"], &seen["limits"][0]["remaining"]), (&json!(used), &json!(2 - used)));
        let passes = seen["next_request_in_ms"].as_u64().unwrap();
        assert_eq!(passes > 0, used == 2, "{seen}");
        if used < 2 {
            stack.edge.chat(Some(&key.key), &hello(4)).ok();
            until_true("settled", SOON, || own()["used"]["served"] == used + 1);
        }
    }
    stack.edge.get("/v1/key", None).refused(Reason::MissingKey);
    stack.edge.revoke(key.id);
    stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::InvalidKey);
}
