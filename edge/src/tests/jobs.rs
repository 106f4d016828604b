//! Jobs: each line of a batch has one result, is answered to its end once at most, and is counted, whatever ends when.

mod ends;
mod kills;
mod taken_out;

use super::for_seeds;
use super::origin::{Fate, Mood};
use super::stage::{ADDRESS, MAX_TOKENS, Stage, json_of, plan};
use crate::platform::scripted::{Caller, Faults, Sent};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const OTHER: &str = "203.0.113.8";

pub(super) fn stage(seed: u64) -> Stage {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 100_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 10_000_000, "window": "1d"},
        {"name": "batches", "kind": "window", "limit": 100_000, "window": "1d", "when": {"endpoint": "batch"}},
    ]);
    let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    stage
}

/// A line that is answered with its mark.
pub(super) fn line(number: usize) -> String {
    let body = json!({
        "model": "tiny", "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": format!("<{number}>")}],
    });
    json!({"custom_id": format!("line-{number}"), "method": "POST", "url": "/v1/chat/completions", "body": body})
        .to_string()
}

pub(super) fn lines(count: usize) -> String {
    (0..count).map(|number| line(number) + "\n").collect()
}

/// Sends a file, as a form.
pub(super) fn upload(stage: &Stage, credential: (&str, &str), content: &str) -> Caller {
    let field =
        |head: &str, content: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let body =
        field("name=\"purpose\"", "batch") + &field("name=\"file\"; filename=\"a.jsonl\"", content) + "--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), credential];
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let (method, url) = ("POST".to_owned(), "https://edge.test/v1/files".to_owned());
    stage.world.send(stage.place(), Sent { method, url, headers, body: body.into_bytes(), body_ms: 0 })
}

pub(super) fn ask(stage: &Stage, credential: (&str, &str), method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let caller = stage.send(stage.place(), method, path, &[credential], body);
    stage.finish(&caller);
    (caller.status().unwrap_or_default(), json_of(&caller))
}

pub(super) const ME: (&str, &str) = ("cf-connecting-ip", ADDRESS);

/// Makes a batch of these lines; its id.
pub(super) fn batch(stage: &Stage, credential: (&str, &str), content: &str) -> String {
    let file = upload(stage, credential, content);
    stage.finish(&file);
    let file = json_of(&file);
    let asked = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let (status, made) = ask(stage, credential, "POST", "/v1/batches", asked);
    assert_eq!((status, &made["status"]), (200, &json!("validating")), "{made}");
    made["id"].as_str().expect("a batch has an id").to_owned()
}

pub(super) fn describe(stage: &Stage, credential: (&str, &str), id: &str) -> Value {
    ask(stage, credential, "GET", &format!("/v1/batches/{id}"), Value::Null).1
}

/// Lets a batch come to its end, within so many milliseconds; how it is then.
pub(super) fn wait(stage: &Stage, credential: (&str, &str), id: &str, ms: u64) -> Value {
    let end = crate::platform::now() + ms;
    loop {
        let batch = describe(stage, credential, id);
        if batch["completed_at"].is_u64() || is_over(&batch) {
            return batch;
        }
        assert!(
            crate::platform::now() < end,
            "{batch} {:#?}",
            stage.world.log().iter().rev().take(30).collect::<Vec<_>>()
        );
        stage.world.run_for(2_000);
    }
}

pub(super) fn is_over(batch: &Value) -> bool {
    ["completed", "failed", "expired", "cancelled"].iter().any(|status| batch["status"] == *status)
}

/// The results of a batch that is over, by the names of their lines; each has one.
pub(super) fn results(stage: &Stage, credential: (&str, &str), batch: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for name in ["output_file_id", "error_file_id"] {
        let Some(id) = batch[name].as_str() else { continue };
        let caller = stage.send(stage.place(), "GET", &format!("/v1/files/{id}/content"), &[credential], String::new());
        stage.finish(&caller);
        assert_eq!(caller.status(), Some(200), "{}", caller.body());
        for line in caller.body().lines() {
            let mut value: Value = serde_json::from_str(line).expect("a line is JSON");
            let custom_id = value["custom_id"].as_str().expect("a line has its name").to_owned();
            value["is_answer"] = json!(name == "output_file_id");
            assert!(all.insert(custom_id, value).is_none(), "a line has two results");
        }
    }
    let counts = &batch["request_counts"];
    let answers = all.values().filter(|value| value["is_answer"] == true).count();
    assert_eq!(counts["total"], json!(all.len()), "{batch}");
    assert_eq!((&counts["completed"], &counts["failed"]), (&json!(answers), &json!(all.len() - answers)), "{batch}");
    all
}

/// Each answer is its line's own, and no line was answered to its end twice.
pub(super) fn check(stage: &Stage, results: &BTreeMap<String, Value>) {
    for (name, result) in results {
        let mark = format!("<{}>", name.strip_prefix("line-").expect("a line of ours"));
        if result["is_answer"] == true {
            let content = &result["response"]["body"]["choices"][0]["message"]["content"];
            assert_eq!(content, &json!(mark.repeat(MAX_TOKENS as usize)), "{result}");
        }
    }
    let mut whole = BTreeMap::<_, usize>::new();
    for work in stage.origin.work().values().filter(|work| work.is_whole) {
        *whole.entry(work.mark.clone()).or_default() += 1;
    }
    assert!(whole.values().all(|times| *times == 1), "a line was answered twice: {whole:?}");
}

#[test]
fn a_batch_is_answered_line_by_line_and_is_nobody_elses() {
    for_seeds(40, |seed| {
        let stage = stage(seed);
        let id = batch(&stage, ME, &lines(7));
        let over = wait(&stage, ME, &id, 120_000);
        assert_eq!(over["status"], "completed", "{over}");
        let results = results(&stage, ME, &over);
        assert!(results.len() == 7 && results.values().all(|result| result["is_answer"] == true), "{results:?}");
        check(&stage, &results);
        stage.calm();
        assert_eq!((stage.used("requests"), stage.used("batches"), stage.standing().live_leases), (7, 7, 0));
        assert_eq!(stage.used("tokens"), stage.origin.computed());
        assert!(stage.origin.work().values().all(|work| work.idle), "a line takes idle time only");
        let live = stage.chat(stage.place(), "<live>", false);
        stage.finish(&live);
        assert!(stage.origin.work().values().any(|work| !work.idle), "a live request is none");
        assert_eq!((stage.used("requests"), stage.used("batches")), (8, 7));
        // Others see nothing of it.
        let (file, output) = (over["input_file_id"].as_str().unwrap(), over["output_file_id"].as_str().unwrap());
        let other = ("cf-connecting-ip", OTHER);
        let paths = [
            ("GET", format!("/v1/files/{file}")),
            ("GET", format!("/v1/files/{output}/content")),
            ("DELETE", format!("/v1/files/{file}")),
            ("GET", format!("/v1/batches/{id}")),
            ("POST", format!("/v1/batches/{id}/cancel")),
        ];
        for (method, path) in &paths {
            assert_eq!(ask(&stage, other, method, path, Value::Null).0, 404, "{method} {path}");
        }
        let asked = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        let (status, refused) = ask(&stage, other, "POST", "/v1/batches", asked);
        assert_eq!((status, &refused["error"]["code"]), (404, &json!("file_not_found")));
        for (path, mine) in [("/v1/files", 2), ("/v1/batches", 1)] {
            let count =
                |credential| ask(&stage, credential, "GET", path, Value::Null).1["data"].as_array().map(Vec::len);
            assert_eq!((count(ME), count(other)), (Some(mine), Some(0)), "{path}");
        }
        // What is over cannot be cancelled, and what is deleted is gone.
        let (status, refused) = ask(&stage, ME, "POST", &paths[4].1, Value::Null);
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("invalid_request")), "{refused}");
        assert_eq!(ask(&stage, ME, "DELETE", &paths[0].1, Value::Null).1["deleted"], true);
        assert_eq!(ask(&stage, ME, "GET", &paths[0].1, Value::Null).0, 404);
        assert!(stage.world.log().iter().all(|(_, line)| !line.contains('<')), "a line of the log holds a prompt");
    });
}

#[test]
fn lists_go_page_by_page() {
    let stage = stage(0);
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..5 {
        let file = upload(&stage, ME, &line(0));
        stage.finish(&file);
        ids.push(json_of(&file)["id"].as_str().unwrap().to_owned());
        stage.world.run_for(1_000);
    }
    for (order, expected) in [("asc", ids.clone()), ("desc", ids.iter().rev().cloned().collect())] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/files?limit=2&order={order}&purpose=batch{after}");
            let (status, page) = ask(&stage, ME, "GET", &path, Value::Null);
            assert_eq!(status, 200, "{page}");
            found.extend(page["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap().to_owned()));
            if page["has_more"] == false {
                break;
            }
            after = format!("&after={}", page["last_id"].as_str().unwrap());
        }
        assert_eq!(found, expected, "{order}");
    }
    for wrong in ["limit=0", "limit=x", "order=up", "after=x", "purpose=fine-tune"] {
        assert_eq!(ask(&stage, ME, "GET", &format!("/v1/files?{wrong}"), Value::Null).0, 400, "{wrong}");
    }
}

#[test]
fn a_file_that_is_no_batch_s_says_which_line_and_sends_nothing() {
    let stage = stage(0);
    let good = line(0);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&line(1)).unwrap();
        change(&mut value);
        value.to_string()
    };
    let cases = [
        ("invalid_json_line", "{".to_owned()),
        ("duplicate_custom_id", good.clone()),
        ("mismatched_url", changed(&|line| line["url"] = json!("/v1/embeddings"))),
        ("invalid_method", changed(&|line| line["method"] = json!("GET"))),
        ("unsupported_parameter", changed(&|line| line["body"]["stream"] = json!(true))),
        ("invalid_request", changed(&|line| line["body"]["messages"] = json!("x"))),
    ];
    for (code, bad) in cases {
        let content = format!("{good}\n\n{}\n{bad}\n{}", line(2), line(3));
        let id = batch(&stage, ME, &content);
        let over = wait(&stage, ME, &id, 60_000);
        assert_eq!((&over["status"], &over["request_counts"]["total"]), (&json!("failed"), &json!(0)), "{over}");
        let errors = over["errors"]["data"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{over}");
        assert_eq!((&errors[0]["code"], &errors[0]["line"]), (&json!(code), &json!(4)), "{over}");
    }
    let over = wait(&stage, ME, &batch(&stage, ME, "\n \n"), 60_000);
    assert_eq!(over["errors"]["data"][0]["code"], "empty_file", "{over}");
    assert_eq!(stage.origin.reached.get(), 0);
}

#[test]
fn what_there_is_no_room_for_is_refused_by_name() {
    let stage = stage(0);
    let large = "x".repeat(16 << 20);
    let refused = upload(&stage, ME, &format!("{large}x"));
    stage.finish(&refused);
    assert_eq!((refused.status(), &json_of(&refused)["error"]["code"]), (Some(413), &json!("body_too_large")));
    for _ in 0..4 {
        let taken = upload(&stage, ME, &large);
        stage.finish(&taken);
        assert_eq!(taken.status(), Some(200), "{}", taken.body());
    }
    let refused = upload(&stage, ME, "x");
    stage.finish(&refused);
    assert_eq!((refused.status(), &json_of(&refused)["error"]["code"]), (Some(413), &json!("storage_full")));
    let empty = upload(&stage, ME, "");
    stage.finish(&empty);
    assert_eq!((empty.status(), &json_of(&empty)["error"]["param"]), (Some(400), &json!("file")));
}

#[test]
fn lines_wait_for_their_limits_and_for_room() {
    for_seeds(30, |seed| {
        let limits = json!([
            {"name": "batches", "kind": "window", "limit": 3, "window": "1m", "when": {"endpoint": "batch"}},
            {"name": "parallel", "kind": "parallel", "limit": 2},
            {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
        ]);
        let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        stage.origin.mood.set(Mood::Full);
        let id = batch(&stage, ME, &lines(8));
        stage.world.run_for(20_000);
        assert_eq!(describe(&stage, ME, &id)["request_counts"]["completed"], 0);
        assert_eq!(stage.used("batches"), 0, "what finds no room is not counted");
        stage.origin.mood.set(Mood::Well);
        stage.world.run_for(45_000);
        assert_eq!(describe(&stage, ME, &id)["request_counts"]["completed"], 3, "three a minute");
        let live = stage.chat(stage.place(), "<live>", false);
        stage.finish(&live);
        assert_eq!(live.status(), Some(200), "a live request is not a batch's");
        let over = wait(&stage, ME, &id, 300_000);
        assert_eq!((&over["status"], &over["request_counts"]["completed"]), (&json!("completed"), &json!(8)), "{over}");
        check(&stage, &results(&stage, ME, &over));
        assert!(stage.origin.most_at_once() <= 3);
    });
}

#[test]
fn a_line_that_is_refused_says_why_and_the_others_go_on() {
    let stage = stage(0);
    stage.origin.always.set(Some(Fate::NoModel));
    let id = batch(&stage, ME, &lines(2));
    let over = wait(&stage, ME, &id, 60_000);
    assert_eq!((&over["status"], &over["request_counts"]["failed"]), (&json!("completed"), &json!(2)), "{over}");
    for result in results(&stage, ME, &over).values() {
        let response = &result["response"];
        assert_eq!((&response["status_code"], &result["error"]), (&json!(404), &Value::Null), "{result}");
        assert_eq!(response["body"]["error"]["code"], "model_not_found", "{result}");
    }
}
