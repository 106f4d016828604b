//! Batches that end otherwise than well: cancelled, out of time, of somebody who is not let in any more; and what is
//! left.

use super::{ME, batch, check, describe, lines, results, stage, wait};
use crate::platform::rows::Rows;
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::{ADDRESS, Stage, json_of};
use serde_json::{Value, json};

fn codes(results: &std::collections::BTreeMap<String, Value>) -> Vec<&Value> {
    results.values().filter(|result| result["is_answer"] == false).map(|result| &result["error"]["code"]).collect()
}

#[test]
fn a_batch_that_is_cancelled_sends_nothing_more_and_keeps_what_it_has() {
    for_seeds(40, |seed| {
        let stage = stage(seed);
        let id = batch(&stage, ME, &lines(40));
        stage.world.run_for(stage.world.below(1_500));
        let before = describe(&stage, ME, &id);
        let cancel = |id: &str| super::ask(&stage, ME, "POST", &format!("/v1/batches/{id}/cancel"), Value::Null);
        let (status, cancelled) = cancel(&id);
        if before["status"] == "completed" {
            return assert_eq!(status, 400);
        }
        assert_eq!(status, 200, "{cancelled}");
        let reached = stage.origin.reached.get();
        let over = wait(&stage, ME, &id, 120_000);
        assert!(stage.origin.reached.get() <= reached + 4, "what was under way, and nothing more");
        let all = results(&stage, ME, &over);
        if over["status"] == "cancelled" && !all.is_empty() {
            assert!(all.len() == 40 && codes(&all).iter().all(|code| *code == "batch_cancelled"), "{all:?}");
        }
        check(&stage, &all);
        stage.calm();
        assert_eq!(stage.standing().live_leases, 0);
        assert_eq!(stage.used("tokens"), stage.origin.computed());
    });
}

#[test]
fn a_batch_that_runs_out_of_time_says_so_line_by_line() {
    let stage = stage(0);
    stage.origin.mood.set(Mood::Full);
    let id = batch(&stage, ME, &lines(3));
    stage.world.run_for(24 * 60 * 60 * 1_000);
    let over = wait(&stage, ME, &id, 120_000);
    assert_eq!(over["status"], "expired", "{over}");
    let all = results(&stage, ME, &over);
    assert_eq!(codes(&all), [&json!("batch_expired"); 3]);
}

#[test]
fn a_key_that_is_revoked_has_nothing_more_answered() {
    for_seeds(20, |seed| {
        let stage = stage(seed);
        let created = stage.admin(stage.place(), "POST", "/keys", None, r#"{"plan": "open", "name": "one"}"#);
        stage.finish(&created);
        let created = json_of(&created);
        let bearer = format!("Bearer {}", created["key"].as_str().unwrap());
        let own = ("authorization", bearer.as_str());
        let id = batch(&stage, own, &lines(60));
        stage.world.run_for(300 + stage.world.below(1_000));
        let key = created["id"].as_str().unwrap();
        let disabled = stage.admin(stage.place(), "PATCH", &format!("/keys/{key}"), None, r#"{"disabled": true}"#);
        stage.finish(&disabled);
        assert_eq!(disabled.status(), Some(200), "{}", disabled.body());
        let reached = stage.origin.reached.get();
        stage.world.run_for(60_000);
        assert!(stage.origin.reached.get() <= reached + 4, "what was under way, and nothing more");
        let enabled = stage.admin(stage.place(), "PATCH", &format!("/keys/{key}"), None, r#"{"disabled": false}"#);
        stage.finish(&enabled);
        stage.world.run_for(5_000);
        let over = wait(&stage, own, &id, 120_000);
        assert_eq!(over["status"], "failed", "{over}");
        assert_eq!(over["errors"]["data"][0]["code"], "invalid_api_key", "{over}");
        let all = results(&stage, own, &over);
        assert!(all.len() == 60 && codes(&all).iter().all(|code| *code == "invalid_api_key"), "{all:?}");
        check(&stage, &all);
    });
}

/// How many rows each table has.
fn rows(stage: &Stage) -> [usize; 4] {
    stage.world.stored("JOBS", &format!("ip:{ADDRESS}"), |storage| {
        ["files", "parts", "batches", "lines"].map(|table| {
            let rows = Rows::new(storage, table);
            let all = format!("SELECT 1 FROM {table}");
            if rows.exists().unwrap() { rows.exec(&all, Vec::new()).unwrap().len() } else { 0 }
        })
    })
}

#[test]
fn what_is_kept_is_over_in_its_time_and_leaves_nothing_behind() {
    let stage = stage(0);
    let account = format!("ip:{ADDRESS}");
    assert_eq!(super::ask(&stage, ME, "GET", "/v1/files", Value::Null).1["data"], json!([]));
    assert_eq!((rows(&stage), stage.world.alarm("JOBS", &account)), ([0; 4], None));
    let id = batch(&stage, ME, &lines(3));
    wait(&stage, ME, &id, 60_000);
    assert_eq!(rows(&stage), [2, 2, 1, 0], "lines are in their files");
    stage.world.run_for(6 * 24 * 60 * 60 * 1_000);
    assert_eq!(rows(&stage), [2, 2, 1, 0]);
    stage.world.run_for(24 * 60 * 60 * 1_000 + 120_000);
    assert_eq!(rows(&stage), [0; 4]);
    stage.world.run_for(24 * 60 * 60 * 1_000);
    assert_eq!(stage.world.alarm("JOBS", &account), None);
}

#[test]
fn an_admin_sees_how_far_batches_are_and_ends_one() {
    let stage = stage(0);
    stage.origin.mood.set(Mood::Full);
    let id = batch(&stage, ME, &lines(3));
    stage.world.run_for(2_000);
    let ask = |method: &str, path: &str, body: &str| {
        let caller = stage.admin(stage.place(), method, path, None, body);
        stage.finish(&caller);
        (caller.status().unwrap_or_default(), json_of(&caller))
    };
    let mine = format!("/jobs/ip:{ADDRESS}");
    let (status, view) = ask("GET", &mine, "");
    assert_eq!((status, &view["files"], &view["responses"]), (200, &json!(1), &json!(0)), "{view}");
    let seen = &view["batches"][0];
    assert_eq!(
        (&seen["id"], &seen["status"], &seen["total"]),
        (&json!(id), &json!("in_progress"), &json!(3)),
        "{view}"
    );
    assert_eq!(seen["made_by"], json!(format!("ip:{ADDRESS}")), "{view}");
    let other = "/jobs/ip:203.0.113.9";
    assert_eq!(ask("GET", other, "").1["batches"], json!([]));
    let body = json!({"batch": id}).to_string();
    let (status, refused) = ask("POST", &format!("{other}/cancel"), &body);
    assert_eq!((status, &refused["error"]["code"]), (404, &json!("batch_not_found")), "it is another account's");
    let end = || ask("POST", &format!("{mine}/cancel"), &body);
    let (status, ended) = end();
    assert_eq!((status, &ended["status"]), (200, &json!("cancelling")), "{ended}");
    assert_eq!(wait(&stage, ME, &id, 120_000)["status"], "cancelled");
    assert_eq!(end().0, 400, "it is over");
    let entries = ask("GET", "/audit?action=batch.cancel", "").1;
    assert_eq!(entries["data"].as_array().map(Vec::len), Some(3), "each time that it was wanted: {entries}");
    // The verb is that of jobs alone.
    assert_eq!(ask("POST", "/keys/key_a1a1a1a1a1a1a1a1b2b2b2b2/cancel", "").0, 404);
}
