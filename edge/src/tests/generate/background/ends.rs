//! Responses in the background that end otherwise than well: cancelled, deleted, out of time, of somebody who is not let
//! in any more; and what is left.

use super::{ME, ask, asked, begin, calm, cancel, check, get, stage, wait};
use crate::platform::rows::Rows;
use crate::tests::for_seeds;
use crate::tests::origin::{Fate, Mood};
use crate::tests::stage::{ADDRESS, Stage, json_of, plan};
use serde_json::{Value, json};

fn rows(stage: &Stage, kind: &str, tables: &[&'static str]) -> Vec<usize> {
    stage.world.stored(kind, &format!("ip:{ADDRESS}"), |storage| {
        let count = |table: &&'static str| {
            let rows = Rows::new(storage, table);
            let all = format!("SELECT 1 FROM {table}");
            if rows.exists().unwrap() { rows.exec(&all, Vec::new()).unwrap().len() } else { 0 }
        };
        tables.iter().map(count).collect()
    })
}

#[test]
fn one_that_is_cancelled_stays_so_and_is_counted_for_what_was_computed() {
    for_seeds(150, |seed| {
        let stage = stage(seed);
        stage.origin.step_ms.set(200);
        let id = begin(&stage, ME, "<one>");
        stage.world.run_for(stage.world.below(2_500));
        let before = get(&stage, ME, &id).1;
        let (status, told) = cancel(&stage, ME, &id);
        assert_eq!(status, 200, "{told}");
        if before["status"] == "completed" {
            return assert_eq!(told, before);
        }
        if told["status"] == "cancelled" {
            assert_eq!((&told["output"], &told["error"]), (&json!([]), &Value::Null), "{told}");
            // Whoever cancels again is told the same, now and later.
            assert_eq!(cancel(&stage, ME, &id), (200, told.clone()));
            // It runs nowhere any more.
            stage.world.run_for(1_500);
            let runs = stage.origin.work().values().filter(|work| work.runs).count();
            assert_eq!(runs, 0, "it still runs");
            stage.world.run_for(60_000);
            assert_eq!(get(&stage, ME, &id), (200, told.clone()));
            assert_eq!(cancel(&stage, ME, &id), (200, told));
            let goes_on = json!({"model": "tiny", "input": "<two>", "previous_response_id": id});
            let (status, refused) = ask(&stage, ME, "POST", "", &goes_on);
            assert_eq!((status, &refused["error"]["param"]), (400, &json!("previous_response_id")), "{refused}");
        } else {
            // It had been answered by then.
            let over = wait(&stage, ME, &id, 30_000);
            assert_eq!(over["status"], "completed", "{over}");
            check(&stage, &over, "<one>");
        }
        stage.calm();
        assert_eq!(stage.standing().live_leases, 0);
        assert_eq!(stage.used("tokens"), stage.origin.computed());
    });
}

#[test]
fn one_that_is_deleted_ends_and_is_gone() {
    for_seeds(150, |seed| {
        let stage = stage(seed);
        stage.origin.step_ms.set(100);
        let id = begin(&stage, ME, "<one>");
        stage.world.run_for(stage.world.below(1_500));
        let (status, told) = ask(&stage, ME, "DELETE", &format!("/{id}"), &Value::Null);
        assert_eq!((status, &told["deleted"]), (200, &json!(true)), "{told}");
        for ms in [0, 100, 1_500, 60_000] {
            stage.world.run_for(ms);
            for (method, rest) in [("GET", ""), ("POST", "/cancel"), ("DELETE", ""), ("GET", "/input_items")] {
                let (status, told) = ask(&stage, ME, method, &format!("/{id}{rest}"), &Value::Null);
                assert_eq!(status, 404, "{method} {rest} after {ms} ms: {told}");
            }
        }
        stage.calm();
        assert_eq!(stage.standing().live_leases, 0);
        assert_eq!(stage.used("tokens"), stage.origin.computed());
        let left = stage.world.stored("JOBS", &format!("ip:{ADDRESS}"), |storage| {
            let rows = Rows::new(storage, "responses");
            rows.exec("SELECT value FROM responses WHERE is_over = 0", Vec::new()).unwrap().len()
        });
        assert_eq!(left, 0, "it is over");
    });
}

#[test]
fn a_key_that_is_revoked_has_nothing_more_answered_and_another_plan_holds_at_once() {
    for_seeds(20, |seed| {
        let stage = stage(seed);
        let created = stage.admin(stage.place(), "POST", "/keys", None, r#"{"plan": "open", "name": "one"}"#);
        stage.finish(&created);
        let created = json_of(&created);
        let bearer = format!("Bearer {}", created["key"].as_str().unwrap());
        let own = ("authorization", bearer.as_str());
        stage.origin.mood.set(Mood::Full);
        let id = begin(&stage, own, "<one>");
        stage.world.run_for(3_000);
        assert_eq!(get(&stage, ME, &id).0, 404, "it is nobody else's");
        let key = created["id"].as_str().unwrap();
        let change = |body: &str| {
            let changed = stage.admin(stage.place(), "PATCH", &format!("/keys/{key}"), None, body);
            stage.finish(&changed);
            assert_eq!(changed.status(), Some(200), "{}", changed.body());
        };
        change(r#"{"disabled": true}"#);
        stage.origin.mood.set(Mood::Well);
        let reached = stage.origin.reached.get();
        stage.world.run_for(60_000);
        assert_eq!(stage.origin.reached.get(), reached, "nothing more is sent");
        change(r#"{"disabled": false}"#);
        let over = wait(&stage, own, &id, 30_000);
        assert_eq!((&over["status"], over["error"]["code"].is_string()), (&json!("failed"), true), "{over}");
    });
}

#[test]
fn one_that_a_limit_holds_up_waits_as_long_as_that_says_and_then_no_longer_than_a_day() {
    let limits = json!([{"name": "requests", "kind": "window", "limit": 1, "window": "10m"}]);
    let stage = calm(Stage::new(0, &plan(&limits, &json!("refuse"))));
    let first = begin(&stage, ME, "<one>");
    assert_eq!(wait(&stage, ME, &first, 30_000)["status"], "completed");
    // Whether the isolate remembers that the limit is reached is chance: who asks may be told so at once.
    let other = stage.world.place();
    let caller = stage.send(other, "POST", "/v1/responses", &[ME], asked("<two>").to_string());
    stage.finish(&caller);
    let second = json_of(&caller)["id"].as_str().expect("it is begun").to_owned();
    stage.world.run_for(540_000);
    assert_eq!(get(&stage, ME, &second).1["status"], "queued");
    assert_eq!(stage.origin.reached.get(), 1);
    stage.world.run_for(120_000);
    assert_eq!(wait(&stage, ME, &second, 5_000)["status"], "completed");
    stage.origin.mood.set(Mood::Full);
    stage.world.run_for(600_000);
    let third = begin(&stage, ME, "<three>");
    stage.world.run_for(23 * 60 * 60 * 1_000);
    assert_eq!(get(&stage, ME, &third).1["status"], "queued");
    stage.world.run_for(70 * 60 * 1_000);
    let over = get(&stage, ME, &third).1;
    assert_eq!((&over["status"], &over["error"]["code"]), (&json!("failed"), &json!("response_expired")), "{over}");
}

#[test]
fn one_that_is_refused_says_why() {
    let stage = stage(0);
    stage.origin.always.set(Some(Fate::NoModel));
    let id = begin(&stage, ME, "<one>");
    let over = wait(&stage, ME, &id, 30_000);
    assert_eq!((&over["status"], &over["error"]["code"]), (&json!("failed"), &json!("model_not_found")), "{over}");
    assert_eq!(ask(&stage, ME, "DELETE", &format!("/{id}"), &Value::Null).1["deleted"], true);
    assert_eq!(get(&stage, ME, &id).0, 404);
}

#[test]
fn what_is_over_is_forgotten_in_its_time_and_leaves_nothing_behind() {
    let stage = stage(0);
    let account = format!("ip:{ADDRESS}");
    let id = begin(&stage, ME, "<one>");
    wait(&stage, ME, &id, 60_000);
    stage.origin.mood.set(Mood::Full);
    let other = begin(&stage, ME, "<two>");
    cancel(&stage, ME, &other);
    stage.world.run_for(1_000);
    assert_eq!(rows(&stage, "JOBS", &["responses", "tries"]), [2, 0], "what is over has no request");
    stage.world.run_for(6 * 24 * 60 * 60 * 1_000);
    assert_eq!(rows(&stage, "JOBS", &["responses", "tries"]), [2, 0]);
    stage.world.run_for(24 * 60 * 60 * 1_000 + 120_000);
    assert_eq!(rows(&stage, "JOBS", &["responses", "tries"]), [0, 0]);
    stage.world.run_for(24 * 60 * 60 * 1_000);
    assert_eq!(stage.world.alarm("JOBS", &account), None);
    assert_eq!(rows(&stage, "RESPONSES", &["responses", "conversations"]), [0, 0]);
}
