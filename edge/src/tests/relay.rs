//! The relay of streams: what a caller reads, when the origin's connection closes, and what is counted of it.

use super::for_seeds;
use super::origin::Fate;
use super::stage::{MAX_TOKENS, Stage, plan};
use crate::platform::scripted::{Caller, Closed, Faults};
use serde_json::{Value, json};

fn stage(seed: u64) -> Stage {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
    ]);
    let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage
}

/// The events of a stream, each of which is whole.
fn events(caller: &Caller) -> Vec<Value> {
    let body = caller.body();
    assert!(body.is_empty() || body.ends_with("\n\n"), "half an event: {body:?}");
    let data = |event: &str| event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
    let read = |data: String| match data.as_str() {
        "[DONE]" => json!("[DONE]"),
        data => serde_json::from_str(data).unwrap_or_else(|_| panic!("an event that is none: {data:?}")),
    };
    body.split_terminator("\n\n").filter_map(data).map(read).collect()
}

#[test]
fn a_stream_is_whole_events_and_then_done_or_one_error() {
    let fates = [Fate::Well, Fate::Cut, Fate::Failed, Fate::Silent];
    for_seeds(1_000, |seed| {
        let stage = stage(seed);
        let fate = fates[stage.world.below(4) as usize];
        stage.origin.always.set(Some(fate));
        let caller = stage.chat(stage.place(), "<mark>", true);
        stage.finish(&caller);
        assert_eq!((caller.status(), caller.closed()), (Some(200), Some(Closed::Whole)));
        let events = events(&caller);
        let (last, before) = events.split_last().expect("a stream says how it ended");
        let is_error = |event: &Value| event.get("error").is_some();
        assert!(!before.iter().any(|event| is_error(event) || event == "[DONE]"), "{events:?}");
        let code = last["error"]["code"].as_str();
        match fate {
            Fate::Well => assert_eq!(last, "[DONE]"),
            Fate::Cut => assert_eq!(code, Some("origin_failed"), "{last}"),
            Fate::Silent => assert_eq!(code, Some("origin_silent"), "{last}"),
            _ => assert_eq!(code, Some("draining"), "{last}"),
        }
        stage.calm();
        assert_eq!(stage.used("tokens"), stage.origin.computed(), "{fate:?}");
        assert_eq!(stage.standing().live_leases, 0);
    });
}

#[test]
fn when_its_caller_leaves_the_origin_stops_at_once_and_what_it_computed_counts() {
    for_seeds(1_000, |seed| {
        let stage = stage(seed);
        stage.origin.always.set(Some(if seed % 4 == 0 { Fate::Silent } else { Fate::Well }));
        let caller = stage.chat(stage.place(), "<mark>", seed % 2 == 0);
        stage.world.run_for(stage.world.below(200));
        caller.leave();
        stage.world.run_for(200);
        assert!(stage.origin.work().values().all(|work| !work.runs), "the origin goes on for nobody");
        let computed = stage.origin.computed();
        stage.calm();
        assert_eq!(stage.origin.computed(), computed);
        assert_eq!(stage.used("tokens"), computed);
        assert_eq!(stage.standing().live_leases, 0);
    });
}

#[test]
fn a_caller_that_does_not_read_is_no_silence_of_the_origins() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        // As long as a lease lasts, and longer than an origin may be silent.
        let stalls = [6_000, 20_000, 40_000][(seed % 3) as usize];
        let caller = stage.chat(stage.place(), "<mark>", true);
        assert!(stage.world.run_until(2_000, || caller.status().is_some()));
        caller.set_reading(false);
        stage.world.run_for(stalls);
        caller.set_reading(true);
        stage.finish(&caller);
        let events = events(&caller);
        let code = events.last().map(|last| last["error"]["code"].clone());
        if stalls < 30_000 {
            assert_eq!(events.last(), Some(&json!("[DONE]")), "{code:?} after {stalls} ms");
            assert_eq!(caller.body().matches("<mark>").count(), MAX_TOKENS as usize);
        } else {
            assert_ne!(code, Some(json!("origin_silent")), "silence is not why");
        }
        stage.calm();
        assert_eq!(stage.standing().live_leases, 0);
        assert!(stage.used("tokens") >= stage.origin.computed());
    });
}
