//! limit: never more than a limit allows, whatever becomes of messages; and what passes where a Gate cannot be reached.

mod budget;
mod degrade;
mod group;
mod replay;
mod usage;

use super::for_seeds;
use super::stage::{Stage, json_of, plan};
use crate::platform::scripted::{Caller, Faults};
use serde_json::json;

#[test]
fn of_a_crowd_over_several_isolates_exactly_as_many_pass_as_may() {
    for_seeds(100, |seed| {
        let stage = Stage::new(seed, &plan(&json!([window(7)]), &json!("refuse")));
        stage.world.set_faults(Faults { delay_ms: 30, ..Faults::default() });
        let crowd: Vec<_> = (0..30).map(|_| stage.chat(stage.place(), "x", false)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        assert_eq!(passed(&crowd), 7);
        assert_eq!(stage.used("requests"), 7);
    });
}

#[test]
fn never_more_pass_than_may_whatever_becomes_of_messages() {
    for_seeds(1_000, |seed| {
        let stage = Stage::new(seed, &plan(&json!([window(3)]), &json!("refuse")));
        stage.world.set_faults(Faults {
            delay_ms: 30,
            lost: 100,
            answer_lost: 100,
            repeated: 100,
            overloaded: 20,
            object_ends: 20,
            write_lost: 20,
            ..Faults::default()
        });
        let crowd: Vec<_> = (0..8).map(|_| stage.chat(stage.place(), "x", false)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        assert!(passed(&crowd) <= 3, "{} passed", passed(&crowd));
        assert!(stage.origin.work().len() <= 3);
        assert!(crowd.iter().all(|caller| matches!(caller.status(), Some(200 | 429 | 503))));
    });
}

#[test]
fn without_its_gate_a_caller_passes_only_where_its_plan_says_so_and_its_gate_is_not_reached() {
    for_seeds(200, |seed| {
        let bucket = json!({"capacity": 3, "refill": 1, "every": "1h"});
        for (without, unreachable, most) in [(&json!("refuse"), true, 0), (&bucket, true, 2 * 3), (&bucket, false, 0)] {
            let stage = Stage::new(seed, &plan(&json!([window(100)]), without));
            // One that works, so that both isolates have the plans.
            for place in &stage.places {
                stage.finish(&stage.chat(*place, "x", false));
            }
            let faults = Faults { delay_ms: 5, ..Faults::default() };
            stage.world.set_faults(match unreachable {
                true => Faults { lost: 1_000, ..faults },
                false => Faults { overloaded: 1_000, ..faults },
            });
            let crowd: Vec<_> = (0..12).map(|_| stage.chat(stage.place(), "x", false)).collect();
            crowd.iter().for_each(|caller| stage.finish(caller));
            assert!(passed(&crowd) <= most, "{} of {most} passed", passed(&crowd));
            assert!(most == 0 || passed(&crowd) >= 3, "a bucket that is full lets through");
        }
    });
}

#[test]
fn a_refusal_says_when_and_then_the_request_passes() {
    for_seeds(100, |seed| {
        let limits = json!([{"name": "requests", "kind": "window", "limit": 2, "window": "10s"}]);
        let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
        let ask = || {
            let caller = stage.chat(stage.place(), "x", false);
            stage.finish(&caller);
            caller
        };
        assert!(ask().status() == Some(200) && ask().status() == Some(200));
        let refused = ask();
        assert_eq!(json_of(&refused)["error"]["code"], "rate_limit_exceeded");
        let wait: u64 = refused.header("retry-after-ms").expect("a refusal says when").parse().expect("a number");
        stage.world.run_for(wait);
        assert_eq!(ask().status(), Some(200));
    });
}

fn window(limit: u32) -> serde_json::Value {
    json!({"name": "requests", "kind": "window", "limit": limit, "window": "1d"})
}

fn passed(crowd: &[Caller]) -> usize {
    crowd.iter().filter(|caller| caller.status() == Some(200)).count()
}
