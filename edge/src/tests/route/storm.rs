//! Origins that change their moods while there are requests.

use super::Several;
use crate::platform::scripted::{Caller, Closed, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::MAX_TOKENS;

/// Whatever becomes of some of them, for a while.
fn storm(several: &Several, moods: &[Mood], always_well: Option<usize>) -> Vec<(Caller, String)> {
    let world = &several.stage.world;
    let mut served = Vec::new();
    for _ in 0..6 {
        for (index, origin) in several.origins.iter().enumerate() {
            let mood = moods[world.below(moods.len() as u64) as usize];
            origin.mood.set(if always_well == Some(index) { Mood::Well } else { mood });
        }
        served.extend(several.callers(5));
        world.run_for(world.below(4_000));
    }
    served
}

#[test]
fn where_one_origin_is_well_whatever_had_not_begun_is_answered() {
    for_seeds(300, |seed| {
        let several = Several::new(seed, 3);
        several.stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let served = storm(&several, &Mood::ALL, Some(seed as usize % 3));
        several.calm();
        for (caller, mark) in &served {
            let (closed, body) = (caller.closed(), caller.body());
            assert_eq!(caller.status(), Some(200), "{body} {:#?}", several.stage.world.log());
            assert_eq!(
                body.matches('<').count(),
                body.matches(mark.as_str()).count(),
                "another caller's answer: {body}"
            );
            // A stream that had begun may break off with its origin, and says so.
            let is_whole = closed == Some(Closed::Whole) && body.matches(mark.as_str()).count() == MAX_TOKENS as usize;
            assert!(is_whole || body.contains("\"error\""), "{closed:?} {body}");
        }
        assert_eq!(several.stage.standing().live_leases, 0);
        assert!(several.stage.used("requests") as usize <= served.len(), "nobody is charged twice");
        let most = served.len() as u32 * (MAX_TOKENS + 60);
        assert!(several.stage.used("tokens") <= u64::from(most));
    });
}

#[test]
fn where_every_origin_can_be_asked_what_is_counted_is_what_was_computed() {
    for_seeds(300, |seed| {
        let several = Several::new(seed, 3);
        several.stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        // The connection breaks after something was computed, too.
        several.origins.iter().for_each(|origin| origin.odd.set(150));
        let served = storm(&several, &[Mood::Well, Mood::Drains, Mood::Full], None);
        several.calm();
        assert!(served.iter().all(|(caller, _)| caller.closed().is_some()));
        assert_eq!(several.stage.standing().live_leases, 0);
        assert_eq!(several.stage.used("tokens"), several.computed(), "{:#?}", several.stage.world.log());
    });
}

#[test]
fn whatever_is_lost_late_or_abandoned_every_lease_comes_back_and_nobody_pays_twice() {
    for_seeds(400, |seed| {
        let several = Several::new(seed, 3);
        several.origins.iter().for_each(|origin| origin.may_be_unheard.set(true));
        several.origins.iter().for_each(|origin| origin.odd.set(200));
        several.stage.world.set_faults(Faults {
            delay_ms: 40,
            lost: 40,
            answer_lost: 40,
            repeated: 40,
            unreachable: 60,
            reply_lost: 60,
            isolate_ends: 1,
            object_ends: 10,
            ..Faults::default()
        });
        let served = storm(&several, &Mood::ALL, None);
        for (caller, _) in &served {
            if several.stage.world.below(6) == 0 {
                caller.leave();
            }
        }
        several.calm();
        for (caller, mark) in &served {
            let body = caller.body();
            assert!(caller.closed().is_some(), "neither told nor ended: {body}");
            assert_eq!(
                body.matches('<').count(),
                body.matches(mark.as_str()).count(),
                "another caller's answer: {body}"
            );
        }
        assert_eq!(several.stage.standing().live_leases, 0);
        assert!(several.stage.used("requests") as usize <= served.len(), "nobody is charged twice");
        let answered = served.iter().filter(|(caller, mark)| caller.body().contains(mark.as_str())).count();
        assert!(several.stage.used("requests") as usize >= answered, "what was answered is counted");
    });
}

#[test]
fn wherever_clocks_are_set_every_lease_comes_back_and_nobody_pays_twice() {
    for_seeds(200, |seed| {
        let several = Several::new(seed, 3);
        let world = &several.stage.world;
        for origin in &several.origins {
            origin.odd.set(100);
            // Its grant may be over by then.
            origin.may_be_unheard.set(true);
        }
        world.set_faults(Faults { delay_ms: 20, answer_lost: 20, repeated: 20, reply_lost: 40, ..Faults::default() });
        let mut served = Vec::new();
        let mut ahead = 0;
        for _ in 0..5 {
            served.extend(storm(&several, &Mood::ALL, None));
            // A little, or by minutes; now and then more than a lease lasts.
            let most = [2_000, 30_000, 300_000][world.below(3) as usize];
            let by = i64::try_from(world.below(2 * most)).expect("minutes") - most as i64;
            world.set_clocks(by);
            ahead += by;
        }
        // Whoever set them wrong sets them right in the end.
        world.set_clocks(-ahead);
        several.calm();
        for (caller, mark) in &served {
            let body = caller.body();
            assert!(caller.closed().is_some(), "neither told nor ended: {body}");
            assert_eq!(body.matches('<').count(), body.matches(mark.as_str()).count(), "another's answer: {body}");
        }
        assert_eq!(several.stage.standing().live_leases, 0);
        assert!(several.stage.used("requests") as usize <= served.len(), "nobody is charged twice");
        let most = served.len() as u32 * (MAX_TOKENS + 60);
        assert!(several.stage.used("tokens") <= u64::from(most));
    });
}
