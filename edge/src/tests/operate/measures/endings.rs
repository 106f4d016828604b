//! Each cause of an ending, on the whole walk: it counts as what it was, once, wherever the request came from.

use super::{live, metrics, outcomes, plans};
use crate::platform::scripted::Faults;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, Stage};
use crate::tests::{for_seeds, jobs};
use serde_json::json;
use std::collections::BTreeMap;

/// What there is to be told once all is handed on.
fn told(stage: &Stage) -> BTreeMap<String, u64> {
    stage.calm();
    outcomes(&live(stage, ""))
}

fn one(outcome: &str) -> BTreeMap<String, u64> {
    [(outcome.to_owned(), 1)].into()
}

#[test]
fn an_ending_counts_as_what_it_was() {
    for (fate, streams, outcome, code) in [
        (Fate::Well, true, "served", None),
        (Fate::Well, false, "served", None),
        (Fate::Longer, true, "served", None),
        (Fate::Full, false, "failed", Some("server_is_overloaded")),
        (Fate::Gone, true, "failed", Some("origin_failed")),
        (Fate::NoModel, false, "refused", Some("model_not_found")),
        // These have begun, with a status of 200.
        (Fate::Cut, true, "failed", Some("origin_failed")),
        (Fate::Failed, true, "failed", Some("draining")),
        (Fate::Silent, true, "failed", Some("origin_silent")),
        (Fate::Cut, false, "failed", Some("origin_failed")),
    ] {
        let met = (0..6).filter(|seed| {
            // Each in a thread of its own, as it has a world of its own.
            let seed = *seed;
            let of_thread = move || {
                let stage = Stage::new(seed, &plans(100));
                stage.origin.always.set(Some(fate));
                let caller = stage.chat(stage.places[0], "x", streams);
                stage.finish(&caller);
                let is_done = caller.body().contains("[DONE]");
                (told(&stage), live(&stage, "")["total"]["refused"].clone(), is_done)
            };
            let (outcomes, refused, is_done) = std::thread::spawn(of_thread).join().expect("it ends");
            // An answer without a token ends before anything can become of it.
            let (outcome, code) = if is_done { ("served", None) } else { (outcome, code) };
            assert_eq!(outcomes, one(outcome), "{fate:?}, {streams}");
            assert_eq!(refused, code.map(|code| json!({ code: 1 })).unwrap_or_default(), "{fate:?}, {streams}");
            !is_done
        });
        assert!(met.count() > 0 || outcome == "served", "{fate:?}, {streams}");
    }
}

/// Nobody can have the operator called by leaving.
#[test]
fn who_leaves_is_nobodys_failure() {
    for_seeds(60, |seed| {
        let stage = Stage::new(seed, &plans(100));
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        stage.origin.always.set(Some(Fate::Well));
        let caller = stage.chat(stage.places[0], "x", seed % 2 == 0);
        stage.world.run_for(stage.world.below(150));
        caller.leave();
        let told = told(&stage);
        assert!(told == one("left") || told == one("served"), "{told:?}");
        assert_eq!(live(&stage, "")["total"]["refused"], json!(null));
    });
}

#[test]
fn a_response_in_the_background_counts_once() {
    let stage = Stage::new(3, &plans(100));
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage.origin.always.set(Some(Fate::Well));
    let asked = json!({"model": "tiny", "max_output_tokens": 8, "input": "x", "store": true, "background": true});
    let who = [("cf-connecting-ip", ADDRESS)];
    let begun = stage.send(stage.places[0], "POST", "/v1/responses", &who, asked.to_string());
    stage.finish(&begun);
    assert_eq!(begun.status(), Some(200), "{}", begun.body());
    assert_eq!(told(&stage), one("served"));
    // And what the last job has counted is handed on with nobody else there.
    assert_eq!(live(&stage, "")["models"][0]["model"], "tiny");
}

/// A batch that is larger than its limit waits, over and over, and nobody has done anything wrong.
#[test]
fn lines_that_wait_are_no_refusals() {
    let stage = Stage::new(5, &plans(3));
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage.origin.always.set(Some(Fate::Well));
    let id = jobs::batch(&stage, jobs::ME, &jobs::lines(7));
    jobs::wait(&stage, jobs::ME, &id, 5 * 3_600_000);
    stage.calm();
    let day = live(&stage, "?span=day");
    assert_eq!(outcomes(&day), [("served".to_owned(), 7)].into());
    assert_eq!((&day["total"]["refused_by"], &day["total"]["refused"]), (&json!(null), &json!(null)));
}

/// With less than all of it counters would fall, and rise again as if all of it were new.
#[test]
fn sums_never_fall_whatever_cannot_be_asked() {
    let stage = Stage::new(9, &plans(1_000));
    stage.origin.always.set(Some(Fate::Well));
    for number in 0..40 {
        stage.finish(&stage.chat(stage.places[number % 2], "x", false));
        stage.world.run_for(1_000);
    }
    stage.calm();
    let all = metrics(&stage);
    let authorization = format!("Bearer {}", crate::tests::stage::ADMIN_TOKEN);
    stage.world.set_faults(Faults { overloaded: 250, ..Faults::default() });
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..200 {
        let headers = [("authorization", authorization.as_str())];
        let asked = stage.send(stage.places[0], "GET", "/metrics", &headers, String::new());
        stage.finish(&asked);
        match asked.status() {
            Some(200) => whole += 1,
            Some(503) => refused += 1, // not a status: what was told
            other => panic!("{other:?}"),
        }
        for (name, count) in all.iter().filter(|(name, _)| name.starts_with("sluice_requests_total")) {
            assert!(
                asked.status() != Some(200) || asked.body().contains(&format!("{name} {count}\n")),
                "{}",
                asked.body()
            );
        }
    }
    assert!(whole > 0 && refused > 0, "{whole} and {refused}");
}
