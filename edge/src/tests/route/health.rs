//! Who is sent what: nothing to whom another isolate found dead, nothing new to whom drains, something to whom is
//! well again.

use super::Several;
use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::{Stage, plan};
use serde_json::json;

#[test]
fn an_isolate_that_is_new_does_not_find_out_again_who_is_dead() {
    for_seeds(100, |seed| {
        let several = Several::new(seed, 3);
        let (stage, dead) = (&several.stage, &several.origins[seed as usize % 3]);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        dead.mood.set(Mood::Dead);
        let old = stage.places[0];
        let chat = |place, number: u64| {
            let caller = stage.chat(place, &format!("<{number}>"), number.is_multiple_of(2));
            stage.finish(&caller);
            assert_eq!(caller.status(), Some(200), "{}", caller.body());
        };
        (0..12).for_each(|number| chat(old, number));
        assert!(dead.reached.get() > 0, "nobody has found out");
        // It tells, within two seconds of traffic.
        stage.world.run_for(2_500);
        chat(old, 12);
        stage.world.run_for(100);
        let (reached, probes) = (dead.reached.get(), dead.probes.get());
        let new = stage.world.place();
        (100..112).for_each(|number| chat(new, number));
        assert_eq!(dead.reached.get(), reached, "a caller's request went to whom was known to be dead");
        assert!(dead.probes.get() > probes, "it asks for itself");
        // And it is used again once it is well.
        dead.mood.set(Mood::Well);
        (0_u64..60).for_each(|number| {
            stage.world.run_for(400);
            chat(if number.is_multiple_of(2) { old } else { new }, 200 + number);
        });
        assert!(dead.reached.get() > reached, "it is well again, and gets nothing");
        several.calm();
        assert_eq!(several.stage.standing().live_leases, 0);
    });
}

#[test]
fn who_drains_finishes_what_it_has_and_gets_nothing_new() {
    for_seeds(100, |seed| {
        let several = Several::new(seed, 2);
        let (stage, place) = (&several.stage, several.stage.places[0]);
        stage.world.set_faults(Faults { delay_ms: 2, ..Faults::default() });
        several.origins.iter().for_each(|origin| origin.step_ms.set(400));
        let begun: Vec<_> = (0..8).map(|number| stage.chat(place, &format!("<{number}>"), true)).collect();
        stage.world.run_for(300);
        several.origins[0].mood.set(Mood::Drains);
        let finish = |number: u64| stage.finish(&stage.chat(place, &format!("<n{number}>"), true));
        (0..6).for_each(finish);
        let reached = several.origins[0].reached.get();
        (6..12).for_each(finish);
        assert_eq!(several.origins[0].reached.get(), reached, "it had said that it takes nothing");
        for caller in &begun {
            stage.finish(caller);
            assert!(caller.status() == Some(200) && !caller.body().contains("error"), "{}", caller.body());
        }
        several.calm();
        assert_eq!(stage.used("tokens"), several.computed());
    });
}

#[test]
fn where_all_are_down_a_caller_is_told_and_holds_nothing() {
    for_seeds(60, |seed| {
        let several = Several::new(seed, 3);
        let stage = &several.stage;
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        several.origins.iter().for_each(|origin| origin.mood.set(Mood::Dead));
        for number in 0..10 {
            let caller = stage.chat(stage.place(), &format!("<{number}>"), false);
            stage.finish(&caller);
            assert_eq!(caller.status(), Some(502), "{}", caller.body());
            assert!(
                caller.body().contains("origin_failed") && caller.body().contains("Try again"),
                "{}",
                caller.body()
            );
        }
        stage.world.run_for(3_000);
        assert_eq!((stage.standing().live_leases, stage.used("tokens"), stage.used("requests")), (0, 0, 0));
    });
}

#[test]
fn a_model_that_nobody_has_is_refused_and_counted_as_ever() {
    let several = Several::new(0, 2);
    let stage = &several.stage;
    stage.finish(&stage.chat(stage.places[0], "<first>", false));
    let reached: u32 = several.origins.iter().map(|origin| origin.reached.get()).sum();
    let body = json!({"model": "larger", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let address = [("cf-connecting-ip", crate::tests::stage::ADDRESS)];
    let caller = stage.send(stage.places[0], "POST", "/v1/chat/completions", &address, body);
    stage.finish(&caller);
    assert_eq!(caller.status(), Some(404));
    assert!(caller.body().contains("Did you mean `large`?"), "{}", caller.body());
    assert_eq!(several.origins.iter().map(|origin| origin.reached.get()).sum::<u32>(), reached, "nobody is asked");
    several.calm();
    assert_eq!((stage.standing().live_leases, stage.used("requests")), (0, 2));
}

#[test]
fn a_deployment_with_one_origin_asks_and_probes_nobody() {
    let stage = Stage::new(0, &plan(&super::limits(), &json!("refuse")));
    let ask = |number: u64| stage.finish(&stage.chat(stage.places[0], &format!("<{number}>"), false));
    ask(0);
    let before = stage.world.delivered("REGISTRY");
    (1..8).for_each(ask);
    assert_eq!((stage.origin.reached.get(), stage.origin.probes.get()), (8, 0));
    assert_eq!(stage.world.delivered("REGISTRY"), before);
    stage.origin.mood.set(Mood::Dead);
    ask(8);
    assert_eq!(stage.origin.reached.get(), 9, "it is not tried again either");
}
