//! Hedges: a stream that begins late is served by whoever begins first, the other origin stops, and it counts once.

use super::Several;
use crate::platform::scripted::{Closed, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::MAX_TOKENS;
use std::collections::BTreeMap;

/// Streams one after another, until each isolate knows how soon they begin.
fn learn(several: &Several) {
    for place in several.stage.places.iter().flat_map(|place| [*place; 25]) {
        let caller = several.stage.chat(place, "<known>", true);
        several.stage.finish(&caller);
        assert_eq!(caller.status(), Some(200));
    }
}

/// Requests that more than one origin has had, and more than one was not told to end. An origin behind a proxy does not see
/// that nobody listens: what ends it is that word alone.
fn left_running(several: &Several) -> Vec<String> {
    let mut untold: BTreeMap<String, u32> = BTreeMap::new();
    for (id, work) in several.origins.iter().flat_map(|origin| origin.work()) {
        *untold.entry(id).or_default() += u32::from(!work.is_cancelled);
    }
    untold.into_iter().filter(|(_, origins)| *origins > 1).map(|(id, _)| id).collect()
}

#[test]
fn a_stream_that_begins_late_is_served_by_another_origin_and_counts_once() {
    for_seeds(40, |seed| {
        for hedge in ["p95", "off"] {
            let several = Several::hedged(seed, 3, hedge);
            let world = &several.stage.world;
            world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
            learn(&several);
            let (before, computed) = (several.stage.used("tokens"), several.computed());
            // One stands still: whoever comes to it waits for as long as that lasts, or until a probe finds it out.
            several.origins[seed as usize % 3].mood.set(Mood::Still);
            let began = crate::platform::now();
            let callers: Vec<_> = several.callers(6).into_iter().collect();
            let all_are_served =
                world.run_until(60_000, || callers.iter().all(|(caller, _)| caller.closed().is_some()));
            assert!(all_are_served, "{:#?}", world.log());
            let took = crate::platform::now() - began;
            several.calm();
            for (caller, mark) in &callers {
                let body = caller.body();
                assert_eq!((caller.status(), caller.closed()), (Some(200), Some(Closed::Whole)), "{body}");
                assert_eq!(body.matches(mark.as_str()).count(), MAX_TOKENS as usize, "{body}");
                assert_eq!(body.matches('<').count(), MAX_TOKENS as usize, "of one origin: {body}");
            }
            assert_eq!(several.stage.standing().live_leases, 0);
            assert!(several.origins.iter().all(|origin| !origin.runs()), "the other one has stopped");
            let left = left_running(&several);
            assert!(left.is_empty(), "of two origins neither was told to end: {left:?}");
            let (counted, done) = (several.stage.used("tokens") - before, several.computed() - computed);
            let served = 6 * u64::from(MAX_TOKENS + 60);
            assert!(counted <= served && counted <= done, "{counted} of {done}");
            // Those with whole answers are not hedged, and wait for the probe.
            let streams = callers.iter().filter(|(caller, _)| caller.body().contains("data: ")).count();
            assert!(streams < 6 || hedge == "off" || took < 1_000, "{took} ms for {streams} streams");
        }
    });
}

#[test]
fn whatever_origins_do_a_hedge_is_charged_once_and_every_lease_comes_back() {
    for_seeds(80, |seed| {
        let several = Several::hedged(seed, 3, "p95");
        let world = &several.stage.world;
        world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        learn(&several);
        let known = several.stage.used("requests");
        several.origins.iter().for_each(|origin| origin.odd.set(100));
        world.set_faults(Faults {
            delay_ms: 40,
            lost: 30,
            answer_lost: 30,
            repeated: 30,
            unreachable: 40,
            reply_lost: 40,
            isolate_ends: 1,
            object_ends: 10,
            ..Faults::default()
        });
        let mut served = Vec::new();
        for _ in 0..4 {
            for origin in &several.origins {
                origin.mood.set(Mood::ALL[world.below(Mood::ALL.len() as u64) as usize]);
            }
            served.extend(several.callers(5));
            world.run_for(world.below(3_000));
        }
        served.iter().filter(|_| world.below(6) == 0).for_each(|(caller, _)| caller.leave());
        several.calm();
        for (caller, mark) in &served {
            let body = caller.body();
            assert!(caller.closed().is_some(), "neither told nor ended: {body}");
            assert_eq!(body.matches('<').count(), body.matches(mark.as_str()).count(), "another's answer: {body}");
            assert!(body.matches(mark.as_str()).count() <= MAX_TOKENS as usize, "of two origins: {body}");
        }
        assert_eq!(several.stage.standing().live_leases, 0);
        assert!(several.origins.iter().all(|origin| !origin.runs()), "nothing runs on for nobody");
        let counted = (several.stage.used("requests") - known) as usize;
        assert!(counted <= served.len(), "nobody is charged twice: {counted}");
    });
}
