//! Kept responses: what a caller was told is kept is there, as it was told, until it is deleted or over, and is nobody
//! else's.

mod object;

use crate::platform::rows::Rows;
use crate::platform::scripted::{Caller, Closed, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, MAX_TOKENS, Stage, json_of, plan};
use serde_json::{Value, json};
use sluice_protocol::id::RequestId;
use sluice_protocol::time::Millis;

const DAY_MS: Millis = 24 * 60 * 60 * 1000;
const OTHER: &str = "203.0.113.8";

fn stage(seed: u64) -> Stage {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
    ]);
    let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage
}

/// A request for a response, with these members besides.
fn respond(stage: &Stage, address: &str, mut body: Value) -> Caller {
    let members = body.as_object_mut().expect("an object");
    members.entry("model").or_insert_with(|| json!("tiny"));
    members.entry("max_output_tokens").or_insert_with(|| json!(MAX_TOKENS));
    send(stage, "POST", address, "", body.to_string())
}

/// A request about kept ones.
fn about(stage: &Stage, method: &str, address: &str, rest: &str) -> (Option<u16>, Value) {
    let caller = send(stage, method, address, rest, String::new());
    stage.finish(&caller);
    (caller.status(), json_of(&caller))
}

fn send(stage: &Stage, method: &str, address: &str, rest: &str, body: String) -> Caller {
    stage.send(stage.place(), method, &format!("/v1/responses{rest}"), &[("cf-connecting-ip", address)], body)
}

/// The answer that a caller was told to its end, whole or in the last event of a stream.
fn told(caller: &Caller) -> Option<Value> {
    if caller.status() != Some(200) || caller.closed() != Some(Closed::Whole) {
        return None;
    }
    let body = caller.body();
    if body.starts_with('{') {
        return serde_json::from_str(&body).ok();
    }
    let last = body.strip_suffix("\n\n")?.rsplit("\n\n").next()?;
    let data =
        last.strip_prefix("event: response.completed\n")?.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str::<Value>(data).ok().map(|event| event["response"].clone())
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().expect("an answer has an id")
}

/// How many rows are there for an account's kept responses and their conversations.
fn rows(stage: &Stage, account: &str) -> [usize; 2] {
    stage.world.stored("RESPONSES", account, |storage| {
        ["responses", "conversations"].map(|table| {
            let rows = Rows::new(storage, table);
            let is_there = rows.exists().expect("rows are read");
            let all =
                |rows: &Rows| rows.exec(&format!("SELECT id FROM {table}"), Vec::new()).expect("rows are read").len();
            if is_there { all(&rows) } else { 0 }
        })
    })
}

#[test]
fn what_is_kept_is_given_gone_on_with_listed_and_deleted_and_is_nobody_elses() {
    for_seeds(100, |seed| {
        let stage = stage(seed);
        let (stream, odd) = (seed % 2 == 0, seed % 5 == 0);
        let first =
            respond(&stage, ADDRESS, json!({"input": "<one>", "store": true, "stream": stream, "instructions": "x"}));
        stage.finish(&first);
        let first = told(&first).expect("it is answered");
        assert_eq!(first["store"], true);
        // Also where it takes a second reservation, under another id.
        stage.origin.always.set(odd.then_some(Fate::Longer));
        let members = json!({"input": [{"role": "user", "content": "<two>"}], "store": true, "stream": stream, "previous_response_id": id(&first)});
        let second = respond(&stage, ADDRESS, members);
        stage.finish(&second);
        let second = told(&second).expect("it is answered");
        stage.origin.always.set(None);
        assert_eq!(second["previous_response_id"], first["id"]);
        let third = respond(&stage, ADDRESS, json!({"input": "<three>", "previous_response_id": id(&second)}));
        stage.finish(&third);
        let third = told(&third).expect("it is answered");
        assert_eq!(third["store"], false);
        let [one, two] = ["<one>", "<two>"].map(|mark| mark.repeat(MAX_TOKENS as usize));
        let request = id(&third).strip_prefix("resp_").expect("an id of ours").to_owned();
        assert_eq!(stage.origin.input(&request), ["<one>", &one, "<two>", &two, "<three>"]);
        for answer in [&first, &second] {
            assert_eq!(about(&stage, "GET", ADDRESS, &format!("/{}", id(answer))), (Some(200), answer.clone()));
        }
        let (status, items) = about(&stage, "GET", ADDRESS, &format!("/{}/input_items", id(&second)));
        assert_eq!(
            (status, &items["data"][0]["content"][0]["text"], items["data"].as_array().map(Vec::len)),
            (Some(200), &json!("<two>"), Some(1))
        );
        // Another account's, one that was not kept, and one that never was are one and the same.
        let never = format!("resp_{}", RequestId([9; 16]));
        let missing = about(&stage, "GET", ADDRESS, &format!("/{never}"));
        assert_eq!(missing.0, Some(404));
        let id_of_first = id(&first).to_owned();
        for (address, which) in [(OTHER, &*id_of_first), (ADDRESS, id(&third)), (OTHER, &never), (ADDRESS, "resp_1")] {
            for (method, rest) in [("GET", ""), ("DELETE", ""), ("GET", "/input_items")] {
                assert_eq!(
                    about(&stage, method, address, &format!("/{which}{rest}")),
                    missing,
                    "{method} {which}{rest}"
                );
            }
            let goes_on = respond(&stage, address, json!({"input": "<x>", "previous_response_id": which}));
            stage.finish(&goes_on);
            assert_eq!(
                (goes_on.status(), &json_of(&goes_on)["error"]["code"]),
                (Some(404), &json!("response_not_found"))
            );
        }
        let path = format!("/{id_of_first}");
        let deleted = json!({"id": id_of_first, "object": "response", "deleted": true});
        assert_eq!(about(&stage, "DELETE", ADDRESS, &path), (Some(200), deleted));
        assert_eq!(about(&stage, "DELETE", ADDRESS, &path), missing);
        assert_eq!(about(&stage, "GET", ADDRESS, &path), missing);
        // What goes on from it is there, and has lost what it goes on from.
        assert_eq!(about(&stage, "GET", ADDRESS, &format!("/{}", id(&second))).0, Some(200));
        let goes_on = respond(&stage, ADDRESS, json!({"input": "<x>", "previous_response_id": id(&second)}));
        stage.finish(&goes_on);
        assert_eq!(goes_on.status(), Some(404));
        stage.calm();
        assert_eq!((stage.standing().live_leases, stage.used("requests")), (0, 3), "only answers are counted");
        assert_eq!(stage.used("tokens"), stage.origin.computed());
        assert!(stage.world.log().iter().all(|(_, line)| !line.contains('<')), "a line holds a prompt");
    });
}

#[test]
fn whatever_is_lost_late_repeated_or_abandoned_what_was_told_is_kept_and_what_was_deleted_is_gone() {
    for_seeds(600, |seed| {
        let stage = stage(seed);
        let faults = Faults {
            delay_ms: 40,
            lost: 60,
            answer_lost: 60,
            repeated: 100,
            overloaded: 20,
            isolate_ends: 2,
            object_ends: 15,
            write_lost: 15,
            ..Faults::default()
        };
        stage.origin.odd.set(300);
        stage.world.set_faults(faults);
        let mut callers = Vec::new();
        let mut previous = None;
        for place in 0..6 {
            let mut members =
                json!({"input": format!("<{place}>"), "store": true, "stream": stage.world.below(2) == 0});
            if let Some(previous) = &previous {
                members["previous_response_id"] = json!(previous);
            }
            let caller = respond(&stage, ADDRESS, members);
            stage.world.run_for(stage.world.below(1_500));
            if stage.world.below(8) == 0 {
                caller.leave();
            }
            previous = told(&caller).map(|answer| id(&answer).to_owned()).or(previous);
            callers.push(caller);
        }
        // Some are deleted, whatever becomes of that.
        let mut deleted = Vec::new();
        for caller in &callers {
            if let Some(answer) = told(caller).filter(|_| stage.world.below(3) == 0) {
                deleted.push((
                    answer.clone(),
                    send(&stage, "DELETE", ADDRESS, &format!("/{}", id(&answer)), String::new()),
                ));
            }
        }
        stage.calm();
        for caller in &callers {
            assert!(caller.closed().is_some(), "neither told nor ended: {:#?}", stage.world.log());
            let Some(answer) = told(caller) else { continue };
            let deletion = deleted.iter().find(|(other, _)| *other == answer).map(|(_, caller)| caller.status());
            let (status, found) = about(&stage, "GET", ADDRESS, &format!("/{}", id(&answer)));
            match (deletion, status) {
                (Some(Some(200)), status) => assert_eq!(status, Some(404), "it was deleted"),
                // Nobody knows whether it was.
                (Some(_), _) => {}
                (None, Some(200)) => {
                    let kept = json!({"store": answer["store"]});
                    let mut found = found;
                    found["store"] = kept["store"].clone();
                    assert_eq!(found, answer, "another answer is kept than was told");
                }
                (None, status) => assert_eq!((status, &answer["store"]), (Some(404), &json!(false)), "{answer}"),
            }
        }
        assert_eq!(stage.standing().live_leases, 0);
        assert!(stage.used("tokens") >= stage.origin.computed());
        assert!(stage.world.log().iter().all(|(_, line)| !line.contains('<')), "a line holds a prompt");
    });
}

#[test]
fn an_answer_that_breaks_off_is_not_kept_and_one_that_cannot_be_kept_says_so() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        let stream = seed % 2 == 0;
        for fate in [Fate::Cut, Fate::Failed, Fate::Silent] {
            stage.origin.always.set(Some(fate));
            let caller = respond(&stage, ADDRESS, json!({"input": "<x>", "store": true, "stream": stream}));
            stage.finish(&caller);
            assert_eq!((told(&caller), caller.closed()), (None, Some(Closed::Whole)), "{fate:?}");
            assert!(caller.body().contains("error"), "{}", caller.body());
        }
        assert_eq!(rows(&stage, &format!("ip:{ADDRESS}")), [0, 0]);
        stage.origin.always.set(None);
        // Its disk is full. The answer is told all the same, and what was promised of it is taken back.
        stage.world.set_room("RESPONSES", &format!("ip:{ADDRESS}"), Some(0));
        let caller = respond(&stage, ADDRESS, json!({"input": "<x>", "store": true, "stream": stream}));
        stage.finish(&caller);
        let answer = told(&caller).expect("it is answered");
        assert_eq!(answer["store"], false);
        stage.world.set_room("RESPONSES", &format!("ip:{ADDRESS}"), None);
        assert_eq!(about(&stage, "GET", ADDRESS, &format!("/{}", id(&answer))).0, Some(404));
        stage.calm();
        assert_eq!(stage.standing().live_leases, 0);
    });
}

#[test]
fn what_nobody_goes_on_with_is_over_in_time_and_leaves_nothing_behind() {
    for_seeds(20, |seed| {
        let stage = stage(seed);
        let account = format!("ip:{ADDRESS}");
        let keep = |previous: Option<&str>| {
            let caller =
                respond(&stage, ADDRESS, json!({"input": "<x>", "store": true, "previous_response_id": previous}));
            stage.finish(&caller);
            told(&caller).expect("it is answered")
        };
        let there = |answer: &Value| about(&stage, "GET", ADDRESS, &format!("/{}", id(answer))).0 == Some(200);
        assert_eq!(stage.world.alarm("RESPONSES", &account), None);
        let [first, lone] = [keep(None), keep(None)];
        assert!(stage.world.alarm("RESPONSES", &account).is_some());
        stage.world.run_for(DAY_MS / 2);
        let second = keep(Some(id(&first)));
        stage.world.run_for(DAY_MS / 2 - 60_000);
        assert!(there(&first) && there(&second) && there(&lone));
        stage.world.run_for(120_000);
        // A conversation's time is that of its last answer.
        assert!(there(&first) && there(&second) && !there(&lone));
        assert_eq!(rows(&stage, &account), [2, 1]);
        // What was deleted leaves nothing behind in the end, either.
        about(&stage, "DELETE", ADDRESS, &format!("/{}", id(&second)));
        stage.world.run_for(DAY_MS / 2);
        assert!(!there(&first));
        assert_eq!((rows(&stage, &account), stage.world.alarm("RESPONSES", &account)), ([0, 0], None));
        stage.world.run_for(2 * DAY_MS);
        assert_eq!(stage.world.alarm("RESPONSES", &account), None);
    });
}

#[test]
fn who_is_refused_reaches_no_kept_response() {
    let limits = json!([{"name": "requests", "kind": "window", "limit": 1, "window": "1h"}]);
    let stage = Stage::new(0, &plan(&limits, &json!("refuse")));
    let members = json!({"input": "<x>", "store": true});
    let first = respond(&stage, ADDRESS, members.clone());
    stage.finish(&first);
    let delivered = stage.world.delivered("RESPONSES");
    assert_eq!(delivered, 1);
    let refused = respond(&stage, ADDRESS, members);
    stage.finish(&refused);
    assert_eq!(refused.status(), Some(429));
    // A key that nobody made.
    let id = id(&told(&first).expect("it is answered")).to_owned();
    let body = json!({"model": "tiny", "input": "<x>", "previous_response_id": id}).to_string();
    let forged = [("cf-connecting-ip", ADDRESS), ("authorization", "Bearer slc_no")];
    let calls = [
        ("POST", String::new(), body),
        ("GET", format!("/{id}"), String::new()),
        ("DELETE", format!("/{id}"), String::new()),
    ];
    for (method, rest, body) in calls {
        let caller = stage.send(stage.places[0], method, &format!("/v1/responses{rest}"), &forged, body);
        stage.finish(&caller);
        assert_eq!(caller.status(), Some(401), "{method}");
    }
    assert_eq!(stage.world.delivered("RESPONSES"), delivered);
    // At its limit a caller may look at what it has, which is not counted.
    assert_eq!(about(&stage, "GET", ADDRESS, &format!("/{id}")).0, Some(200));
}
