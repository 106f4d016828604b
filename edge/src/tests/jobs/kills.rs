//! Batches while everything ends now and then.

use super::{ME, batch, check, describe, is_over, lines, results, stage, upload, wait};
use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::{ADDRESS, json_of};
use serde_json::{Value, json};

fn account() -> String {
    format!("ip:{ADDRESS}")
}

#[test]
fn whatever_ends_when_each_line_has_one_result_and_is_answered_to_its_end_once() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        let id = batch(&stage, ME, &lines(10));
        stage.origin.odd.set(150);
        stage.world.set_faults(Faults {
            delay_ms: 40,
            lost: 20,
            answer_lost: 20,
            repeated: 40,
            overloaded: 10,
            // What an origin had computed that could not be asked is not counted: we failed it.
            unreachable: if seed % 2 == 0 { 20 } else { 0 },
            reply_lost: if seed % 2 == 0 { 20 } else { 0 },
            isolate_ends: 1,
            object_ends: 8,
            write_lost: 8,
            ..Faults::default()
        });
        for _ in 0..20 {
            stage.world.run_for(3_000);
        }
        stage.origin.odd.set(0);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        let over = wait(&stage, ME, &id, 3_600_000);
        assert_eq!(over["status"], "completed", "{over}");
        let results = results(&stage, ME, &over);
        assert_eq!(results.len(), 10);
        check(&stage, &results);
        for result in results.values().filter(|result| result["is_answer"] == false) {
            let code = &result["error"]["code"];
            assert!(code == "answer_lost" || code == "tried_too_often", "{result}");
        }
        if seed % 2 == 1 {
            stage.counts_what_was_computed();
        }
    });
}

#[test]
fn ten_thousand_lines_come_through_five_kills() {
    let many = 10_000 / crate::tests::one_in() as usize;
    let stage = stage(7);
    stage.origin.step_ms.set(2);
    let id = batch(&stage, ME, &lines(many));
    let completed = || describe(&stage, ME, &id)["request_counts"]["completed"].as_u64().unwrap_or_default();
    for kill in 1..=5 {
        while completed() < kill * many as u64 / 6 {
            stage.world.run_for(1_000);
        }
        // In the middle of whatever is under way.
        stage.world.run_for(stage.world.below(200));
        match kill % 3 {
            0 => {
                stage.origin.mood.set(Mood::Dead);
                stage.world.run_for(10_000);
                stage.origin.mood.set(Mood::Well);
            }
            1 => stage.world.end_object("JOBS", &account()),
            _ => {
                stage.world.end_object("JOBS", &account());
                stage.world.end_object("GATE", &account());
            }
        }
    }
    let over = wait(&stage, ME, &id, 36_000_000);
    assert_eq!(over["status"], "completed", "{over}");
    let results = results(&stage, ME, &over);
    assert_eq!(results.len(), many);
    check(&stage, &results);
    let lost = results.values().filter(|result| result["is_answer"] == false).count();
    assert!(lost <= 20, "{lost} of {many} lines have no answer");
    stage.counts_what_was_computed();
}

#[test]
fn an_origin_that_is_gone_costs_a_line_no_more_than_a_try() {
    for_seeds(20, |seed| {
        let stage = stage(seed);
        let id = batch(&stage, ME, &lines(20));
        stage.world.run_for(200 + stage.world.below(500));
        stage.origin.mood.set(Mood::Dead);
        stage.world.run_for(3_600_000);
        assert!(!is_over(&describe(&stage, ME, &id)));
        stage.origin.mood.set(Mood::Well);
        let over = wait(&stage, ME, &id, 600_000);
        assert_eq!(
            (&over["status"], &over["request_counts"]["completed"]),
            (&json!("completed"), &json!(20)),
            "{over}"
        );
        check(&stage, &results(&stage, ME, &over));
    });
}

#[test]
fn what_comes_twice_is_made_once() {
    for_seeds(100, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 20, repeated: 500, answer_lost: 100, ..Faults::default() });
        let file = upload(&stage, ME, &lines(3));
        stage.finish(&file);
        if file.status() != Some(200) {
            return;
        }
        let file = json_of(&file);
        stage.world.set_faults(Faults { delay_ms: 20, repeated: 500, ..Faults::default() });
        let asked =
            json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        let made = super::ask(&stage, ME, "POST", "/v1/batches", asked).1;
        let over = wait(&stage, ME, made["id"].as_str().unwrap(), 120_000);
        assert_eq!(results(&stage, ME, &over).len(), 3);
        let listed = super::ask(&stage, ME, "GET", "/v1/batches", Value::Null).1;
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
        stage.calm();
        assert_eq!(stage.used("batches"), 3);
    });
}
