//! The whole walk: what callers are told, what the origin computes, and what an account's Gate has counted in the end.

use super::for_seeds;
use super::origin::Fate;
use super::stage::{ADDRESS, MAX_TOKENS, Stage, plan};
use crate::platform::scripted::{Caller, Closed, Faults};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Three limits that nobody reaches but the last.
fn limits() -> Value {
    json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
        {"name": "parallel", "kind": "parallel", "limit": AT_ONCE},
    ])
}

#[test]
fn where_nothing_goes_wrong_what_is_counted_is_what_was_computed() {
    for_seeds(200, |seed| {
        let stage = Stage::new(seed, &plan(&limits(), &json!("refuse")));
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let served = callers(&stage, 8);
        stage.calm();
        let done = served.iter().filter(|(caller, _)| caller.status() == Some(200)).count();
        for (caller, mark) in &served {
            assert_eq!(caller.closed(), Some(Closed::Whole));
            assert!(matches!(caller.status(), Some(200 | 429)), "{:?} {}", caller.status(), caller.body());
            assert_eq!(content_of(caller, mark), if caller.status() == Some(200) { MAX_TOKENS as usize } else { 0 });
        }
        assert!(done >= AT_ONCE);
        assert_eq!(stage.used("tokens"), stage.origin.computed());
        assert_eq!(stage.used("requests") as usize, done);
        let lines = stage.lines();
        let told = |what: &str| lines.iter().filter(|(_, line)| line["outcome"] == what).count();
        assert_eq!((lines.len(), told("served"), told("refused")), (8, done, 8 - done), "{lines:?}");
        let tokens = |(_, line): &(_, Value)| {
            line["prompt_tokens"].as_u64().unwrap_or_default() + line["completion_tokens"].as_u64().unwrap_or_default()
        };
        assert_eq!(lines.iter().map(tokens).sum::<u64>(), stage.origin.computed());
        assert_eq!(stage.standing().live_leases, 0);
        assert!(stage.origin.most_at_once() <= AT_ONCE);
    });
}

#[test]
fn whatever_is_lost_late_repeated_or_abandoned_nothing_is_over_and_nothing_that_was_computed_is_free() {
    for_seeds(1_000, |seed| {
        let stage = Stage::new(seed, &plan(&limits(), &json!("refuse")));
        stage.origin.odd.set(400);
        stage.world.set_faults(Faults {
            delay_ms: 40,
            lost: 60,
            answer_lost: 60,
            repeated: 60,
            overloaded: 20,
            isolate_ends: 2,
            object_ends: 15,
            write_lost: 15,
            ..Faults::default()
        });
        let mut served = Vec::new();
        for _ in 0..3 {
            served.extend(callers(&stage, 4));
            stage.world.run_for(stage.world.below(400));
            for (caller, _) in &served {
                if stage.world.below(8) == 0 {
                    caller.leave();
                }
            }
        }
        stage.calm();
        for (caller, mark) in &served {
            let closed = caller.closed();
            let closed = closed
                .unwrap_or_else(|| panic!("neither told nor ended: {:?} {:#?}", caller.body(), stage.world.log()));
            let body = caller.body();
            content_of(caller, mark);
            match caller.status() {
                Some(200) | None => {}
                Some(status) => {
                    assert!(status >= 400 && (closed != Closed::Whole || body.contains("\"error\"")), "{body}")
                }
            }
        }
        let lines = stage.lines();
        let ids: BTreeSet<_> = lines.iter().map(|(id, _)| id).collect();
        assert!(ids.len() == lines.len() && lines.len() <= served.len(), "a request has one line at most");
        assert!(lines.iter().all(|(_, line)| !line.to_string().contains('<')), "a line holds a prompt");
        assert_eq!(stage.standing().live_leases, 0, "a lease that nobody settles ends by itself");
        assert!(stage.origin.most_at_once() <= AT_ONCE, "{} at once", stage.origin.most_at_once());
        let worked = stage.origin.work().values().filter(|work| work.used.total_tokens > 0).count();
        assert!(stage.used("requests") as usize >= worked, "{} of {worked}", stage.used("requests"));
        let (counted, computed) = (stage.used("tokens"), stage.origin.computed());
        assert!(counted >= computed, "{counted} of {computed} tokens are counted");
        let account = format!("ip:{ADDRESS}");
        assert!(stage.origin.work().values().all(|work| work.account.is_empty() || work.account == account));
    });
}

#[test]
fn a_lease_that_nobody_was_told_of_ends_before_its_deadline() {
    for_seeds(300, |seed| {
        let stage = Stage::new(seed, &plan(&limits(), &json!("refuse")));
        stage.finish(&stage.chat(stage.places[0], "<first>", false));
        stage.world.run_for(5_000);
        // Its Gate admits it, and cannot say so; or it can, and its caller has left.
        let leaves = seed % 2 == 0;
        let answer_lost = if leaves { 0 } else { 1_000 };
        stage.world.set_faults(Faults { delay_ms: 20, answer_lost, ..Faults::default() });
        let caller = stage.chat(stage.places[0], "<second>", false);
        if leaves {
            stage.world.run_for(stage.world.below(60));
            caller.leave();
        } else {
            stage.finish(&caller);
            assert_eq!(caller.status(), Some(503));
        }
        stage.world.set_faults(Faults { delay_ms: 20, ..Faults::default() });
        stage.world.run_for(8_000);
        assert_eq!(stage.standing().live_leases, 0, "a lease lasts for 30 seconds, and nobody uses it");
    });
}

#[test]
fn who_asks_for_a_model_that_is_not_there_is_told_soon_and_holds_nothing_meanwhile() {
    for_seeds(200, |seed| {
        let stage = Stage::new(seed, &plan(&limits(), &json!("refuse")));
        stage.origin.always.set(Some(Fate::NoModel));
        let (hides, leaves) = (seed % 2 == 0, seed % 3 == 0);
        stage.origin.hides_models.set(hides);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        let begun = crate::platform::now();
        let caller = stage.chat(stage.place(), "<mark>", seed % 5 == 0);
        if leaves {
            stage.world.run_for(stage.world.below(1_200));
            caller.leave();
            stage.world.run_for(2_000);
        } else {
            stage.finish(&caller);
            let took = crate::platform::now() - begun;
            assert!(took < 1_200, "a refusal took {took} ms");
            let body = caller.body();
            assert_eq!(caller.status(), Some(404), "{body}");
            assert_eq!((body.contains("`tiny`"), body.contains("large")), (!hides, false), "{body}");
        }
        if hides {
            // It waits for a list that does not come; its place has been free for most of that time.
            assert_eq!(stage.standing().live_leases, 0);
            assert_eq!(stage.used("tokens"), 0);
        }
        stage.calm();
        assert_eq!((stage.standing().live_leases, stage.used("tokens")), (0, 0));
    });
}

#[test]
fn a_path_that_nobody_serves_is_not_written_down() {
    let stage = Stage::new(0, &plan(&limits(), &json!("refuse")));
    let secret = "slc_a-key-in-the-wrong-place";
    for path in ["/v1/", "/admin/v1/keys/", "/v1/models/", "/"].map(|begins| format!("{begins}{secret}")) {
        stage.finish(&stage.send(stage.places[0], "GET", &path, &[], String::new()));
    }
    stage.calm();
    let log = stage.world.log();
    assert!(log.iter().filter(|(_, line)| line.contains("\"outcome\"")).count() == 4, "{log:?}");
    assert!(log.iter().all(|(_, line)| !line.contains(secret)), "{log:?}");
}

/// So many callers at once, at any isolate, half of them with streams; each has a mark of its own.
fn callers(stage: &Stage, count: u64) -> Vec<(Caller, String)> {
    let one = |_| {
        let mark = format!("<{:016x}>", stage.world.below(u64::MAX));
        (stage.chat(stage.place(), &mark, stage.world.below(2) == 0), mark)
    };
    (0..count).map(one).collect()
}

/// How often its own mark is in a caller's answer. Nobody else's is.
fn content_of(caller: &Caller, mark: &str) -> usize {
    let body = caller.body();
    let own = body.matches(mark).count();
    assert_eq!(body.matches('<').count(), own, "another caller's answer: {body}");
    own
}

/// How many requests run at once.
const AT_ONCE: usize = 4;
