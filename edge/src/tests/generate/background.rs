//! Responses in the background: each comes to one end, is answered to its end once at most and is counted, whatever ends
//! when; and what a caller was told of one stays true.

mod ends;
mod kills;

use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::origin::Mood;
use crate::tests::stage::{ADDRESS, MAX_TOKENS, Stage, json_of, plan};
use serde_json::{Value, json};
use sluice_protocol::id::RequestId;
use std::collections::BTreeMap;

const ME: (&str, &str) = ("cf-connecting-ip", ADDRESS);
const OTHER: (&str, &str) = ("cf-connecting-ip", "203.0.113.8");

fn plans() -> Value {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 100_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 10_000_000, "window": "1d"},
        {"name": "batches", "kind": "window", "limit": 100_000, "window": "1d", "when": {"endpoint": "batch"}},
    ]);
    plan(&limits, &json!("refuse"))
}

fn stage(seed: u64) -> Stage {
    calm(Stage::new(seed, &plans()))
}

/// Messages take a little, and nothing goes wrong.
fn calm(stage: Stage) -> Stage {
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage
}

fn ask(stage: &Stage, who: (&str, &str), method: &str, rest: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let caller = stage.send(stage.place(), method, &format!("/v1/responses{rest}"), &[who], body);
    stage.finish(&caller);
    (caller.status().unwrap_or_default(), json_of(&caller))
}

/// What asks for an answer in the background, which is this mark over and over.
fn asked(mark: &str) -> Value {
    json!({"model": "tiny", "max_output_tokens": MAX_TOKENS, "input": mark, "store": true, "background": true})
}

fn get(stage: &Stage, who: (&str, &str), id: &str) -> (u16, Value) {
    ask(stage, who, "GET", &format!("/{id}"), &Value::Null)
}

fn cancel(stage: &Stage, who: (&str, &str), id: &str) -> (u16, Value) {
    ask(stage, who, "POST", &format!("/{id}/cancel"), &Value::Null)
}

/// Begins one; its id.
fn begin(stage: &Stage, who: (&str, &str), mark: &str) -> String {
    let (status, told) = ask(stage, who, "POST", "", &asked(mark));
    assert_eq!((status, &told["status"], &told["background"]), (200, &json!("queued"), &json!(true)), "{told}");
    assert_eq!((&told["output"], &told["usage"]), (&json!([]), &Value::Null), "{told}");
    told["id"].as_str().expect("a response has an id").to_owned()
}

fn is_over(told: &Value) -> bool {
    ["completed", "incomplete", "failed", "cancelled"].iter().any(|status| told["status"] == *status)
}

/// Lets one come to its end within so many milliseconds; how it is then.
fn wait(stage: &Stage, who: (&str, &str), id: &str, ms: u64) -> Value {
    let end = crate::platform::now() + ms;
    loop {
        let (status, told) = get(stage, who, id);
        assert!(status == 200 || status >= 500, "{told}");
        if is_over(&told) {
            return told;
        }
        assert!(
            crate::platform::now() < end,
            "{told} {:#?}",
            stage.world.log().iter().rev().take(30).collect::<Vec<_>>()
        );
        stage.world.run_for(200);
    }
}

/// No answer is another's, and no request was answered to its end twice.
fn check(stage: &Stage, told: &Value, mark: &str) {
    if told["status"] == "completed" {
        let text = &told["output"][0]["content"][0]["text"];
        assert_eq!(text, &json!(mark.repeat(MAX_TOKENS as usize)), "{told}");
    }
    let mut whole = BTreeMap::<_, usize>::new();
    for work in stage.origin.work().values().filter(|work| work.is_whole) {
        *whole.entry(work.mark.clone()).or_default() += 1;
    }
    assert!(whole.values().all(|times| *times == 1), "one was answered twice: {whole:?}");
    assert!(stage.origin.work().values().all(|work| !work.idle), "somebody waits for it");
}

#[test]
fn one_is_told_at_once_answered_soon_gone_on_with_and_nobody_elses() {
    for_seeds(60, |seed| {
        let stage = stage(seed);
        stage.origin.step_ms.set(400);
        let id = begin(&stage, ME, "<one>");
        let early = get(&stage, ME, &id).1;
        assert!(early["status"] == "queued" || early["status"] == "in_progress", "{early}");
        let (_, items) = ask(&stage, ME, "GET", &format!("/{id}/input_items"), &Value::Null);
        assert_eq!(items["data"][0]["content"][0]["text"], "<one>", "{items}");
        // What has no answer yet is not gone on from, and says so.
        let goes_on = json!({"model": "tiny", "input": "<two>", "previous_response_id": id});
        let (status, refused) = ask(&stage, ME, "POST", "", &goes_on);
        assert_eq!((status, &refused["error"]["param"]), (400, &json!("previous_response_id")), "{refused}");
        let over = wait(&stage, ME, &id, 30_000);
        assert_eq!(
            (&over["status"], &over["background"], &over["id"]),
            (&json!("completed"), &json!(true), &json!(id))
        );
        assert_eq!(over["output"][0]["id"], json!(format!("msg_{}_0", id.strip_prefix("resp_").unwrap())));
        check(&stage, &over, "<one>");
        assert_eq!(cancel(&stage, ME, &id), (200, over), "what is over stays as it is");
        // As soon as it is told to be completed.
        let mut next = asked("<two>");
        next["previous_response_id"] = json!(id);
        let second = ask(&stage, ME, "POST", "", &next).1["id"].as_str().expect("it is begun").to_owned();
        let second = wait(&stage, ME, &second, 30_000);
        assert_eq!(second["previous_response_id"], json!(id));
        check(&stage, &second, "<two>");
        let texts = stage.origin.bodies.borrow().last().map(|body| body["input"].as_array().map(Vec::len));
        assert_eq!(texts, Some(Some(3)), "all of the conversation is sent");
        // Others see nothing of it, and what is not there is one and the same.
        let never = format!("resp_{}", RequestId([9; 16]));
        for (who, which) in [(OTHER, &id), (ME, &never), (OTHER, &never)] {
            for (method, rest) in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")] {
                let (status, refused) = ask(&stage, who, method, &format!("/{which}{rest}"), &Value::Null);
                assert_eq!((status, &refused["error"]["code"]), (404, &json!("response_not_found")), "{method} {rest}");
            }
        }
        assert_eq!(ask(&stage, ME, "DELETE", &format!("/{id}"), &Value::Null).1["deleted"], true);
        assert_eq!(get(&stage, ME, &id).0, 404);
        stage.calm();
        assert_eq!((stage.used("requests"), stage.used("batches"), stage.standing().live_leases), (2, 0, 0));
        assert_eq!(stage.used("tokens"), stage.origin.computed());
        assert!(stage.world.log().iter().all(|(_, line)| !line.contains('<')), "a line of the log holds a prompt");
    });
}

#[test]
fn what_cannot_be_answered_in_the_background_is_refused_by_name() {
    let stage = stage(0);
    let with = |name: &str, value: Value| {
        let mut body = asked("<x>");
        body[name] = value;
        body
    };
    for (body, status, code, param) in [
        (with("store", json!(false)), 400, "invalid_request", "background"),
        (with("stream", json!(true)), 422, "unsupported_parameter", "stream"),
        (with("background", json!("yes")), 422, "unsupported_parameter", "background"),
        (with("model", json!(7)), 400, "invalid_request", "model"),
        (with("previous_response_id", json!("resp_1")), 404, "response_not_found", "previous_response_id"),
    ] {
        let (told, refused) = ask(&stage, ME, "POST", "", &body);
        let error = &refused["error"];
        assert_eq!((told, &error["code"], &error["param"]), (status, &json!(code), &json!(param)), "{refused}");
    }
    assert_eq!((stage.origin.reached.get(), stage.world.delivered("JOBS")), (0, 0));
    // A response that somebody has waited for is none that can be cancelled.
    let live = ask(&stage, ME, "POST", "", &with("background", json!(false))).1;
    let (status, refused) = cancel(&stage, ME, live["id"].as_str().expect("it is answered"));
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_request")), "{refused}");
    drop(stage);
    for off in ["JOBS_KEPT_MS", "RESPONSES_KEPT_MS"] {
        let stage = calm(Stage::with(0, &plans(), &[("ORIGIN_URL", "http://origin.test"), (off, "0")]));
        let (status, refused) = ask(&stage, ME, "POST", "", &asked("<x>"));
        assert_eq!((status, &refused["error"]["code"]), (422, &json!("unsupported_parameter")), "{off}: {refused}");
        assert_eq!(stage.world.delivered("JOBS"), 0, "{off}");
    }
}

#[test]
fn an_account_has_so_many_and_they_wait_for_their_limits_and_for_room() {
    let limits = json!([
        {"name": "parallel", "kind": "parallel", "limit": 2},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
    ]);
    let stage = calm(Stage::new(3, &plan(&limits, &json!("refuse"))));
    stage.origin.mood.set(Mood::Full);
    let ids: Vec<_> = (0..100).map(|number| begin(&stage, ME, &format!("<{number}>"))).collect();
    let (status, refused) = ask(&stage, ME, "POST", "", &asked("<x>"));
    assert_eq!((status, &refused["error"]["code"]), (413, &json!("storage_full")), "{refused}");
    assert_eq!(cancel(&stage, ME, &ids[99]).1["status"], "cancelled");
    stage.world.run_for(1_000);
    begin(&stage, ME, "<one more>");
    stage.origin.mood.set(Mood::Well);
    for (number, id) in ids[..99].iter().enumerate() {
        let over = wait(&stage, ME, id, 600_000);
        assert_eq!(over["status"], "completed", "{over}");
        check(&stage, &over, &format!("<{number}>"));
    }
    assert!(stage.origin.most_at_once() <= 2, "a limit is a limit");
}

#[test]
fn a_batch_holds_nobody_up_who_waits() {
    for_seeds(10, |seed| {
        let stage = stage(seed);
        stage.origin.step_ms.set(3_000);
        let batch = crate::tests::jobs::batch(&stage, ME, &crate::tests::jobs::lines(40));
        stage.world.run_for(20_000);
        assert_eq!(crate::tests::jobs::describe(&stage, ME, &batch)["status"], "in_progress");
        let began = stage.origin.reached.get();
        let id = begin(&stage, ME, "<one>");
        stage.world.run_for(1_000);
        assert_ne!(get(&stage, ME, &id).1["status"], "queued", "it has begun by now");
        assert!(stage.origin.work().values().any(|work| work.mark == "<one>"), "{began}");
    });
}
