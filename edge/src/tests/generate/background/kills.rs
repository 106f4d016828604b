//! Responses in the background while everything ends now and then.

use super::{ME, asked, begin, calm, check, get, is_over, plans, stage, wait};
use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::{ADDRESS, Stage, json_of};
use serde_json::{Value, json};

fn account() -> String {
    format!("ip:{ADDRESS}")
}

#[test]
fn whatever_ends_when_each_comes_to_one_end_and_what_was_told_stays_true() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        stage.origin.odd.set(150);
        stage.world.set_faults(Faults {
            delay_ms: 40,
            lost: 20,
            answer_lost: 20,
            repeated: 40,
            overloaded: 10,
            unreachable: if seed % 2 == 0 { 20 } else { 0 },
            reply_lost: if seed % 2 == 0 { 20 } else { 0 },
            isolate_ends: 1,
            object_ends: 8,
            write_lost: 8,
            ..Faults::default()
        });
        let mut begun = Vec::new();
        for number in 0..6 {
            let mark = format!("<{number}>");
            let caller = stage.send(stage.place(), "POST", "/v1/responses", &[ME], asked(&mark).to_string());
            stage.finish(&caller);
            if caller.status() == Some(200) {
                begun.push((json_of(&caller)["id"].as_str().expect("it has an id").to_owned(), mark, Value::Null));
            }
            stage.world.run_for(stage.world.below(2_000));
        }
        for _ in 0..30 {
            stage.world.run_for(stage.world.below(2_000));
            let which = stage.world.below(12) as usize;
            for (place, (id, _, told)) in begun.iter_mut().enumerate() {
                // Some of them are cancelled, whatever becomes of that.
                let (method, path) = match place == which {
                    true => ("POST", format!("/v1/responses/{id}/cancel")),
                    false => ("GET", format!("/v1/responses/{id}")),
                };
                let caller = stage.send(stage.place(), method, &path, &[ME], String::new());
                stage.finish(&caller);
                if caller.status() == Some(200) {
                    let now = json_of(&caller);
                    if is_over(told) {
                        assert_eq!((&now["status"], &now["output"]), (&told["status"], &told["output"]), "{id}");
                    }
                    *told = now;
                } else {
                    assert_ne!(caller.status(), Some(404), "{id} is gone");
                }
            }
        }
        stage.origin.odd.set(0);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        for (id, mark, told) in &begun {
            let over = wait(&stage, ME, id, 3_600_000);
            if is_over(told) {
                assert_eq!((&over["status"], &over["output"]), (&told["status"], &told["output"]), "{id}");
            }
            check(&stage, &over, mark);
            if over["status"] == "failed" {
                let code = &over["error"]["code"];
                assert!(code == "answer_lost" || code == "tried_too_often", "{over}");
            }
        }
        if seed % 2 == 1 {
            stage.counts_what_was_computed();
        }
    });
}

/// The object ends at every moment of one response's life in turn.
#[test]
fn an_object_that_ends_at_any_moment_loses_none() {
    for_seeds(120, |seed| {
        let stage = stage(seed);
        stage.origin.step_ms.set(60);
        let id = begin(&stage, ME, "<one>");
        stage.world.run_for(seed * 8);
        let kind = ["JOBS", "GATE", "RESPONSES"][seed as usize % 3];
        stage.world.end_object(kind, &account());
        let over = wait(&stage, ME, &id, 120_000);
        assert!(over["status"] == "completed" || over["error"]["code"] == "answer_lost", "{over}");
        check(&stage, &over, "<one>");
        stage.counts_what_was_computed();
    });
}

#[test]
fn an_origin_that_is_gone_is_waited_for() {
    for_seeds(20, |seed| {
        let stage = stage(seed);
        let id = begin(&stage, ME, "<one>");
        stage.world.run_for(stage.world.below(100));
        stage.origin.mood.set(Mood::Dead);
        stage.world.run_for(3_600_000);
        let told = get(&stage, ME, &id).1;
        stage.origin.mood.set(Mood::Well);
        let over = wait(&stage, ME, &id, 120_000);
        assert!(is_over(&told) || over["status"] == "completed", "{over}");
        check(&stage, &over, "<one>");
    });
}

#[test]
fn what_comes_twice_is_begun_once() {
    for_seeds(60, |seed| {
        let stage = calm(Stage::new(seed, &plans()));
        stage.world.set_faults(Faults { delay_ms: 20, repeated: 500, ..Faults::default() });
        let id = begin(&stage, ME, "<one>");
        let over = wait(&stage, ME, &id, 60_000);
        assert_eq!(over["status"], json!("completed"));
        check(&stage, &over, "<one>");
        stage.calm();
        assert_eq!(stage.used("requests"), 1);
    });
}
