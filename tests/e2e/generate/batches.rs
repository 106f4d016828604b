//! Batches through both gates: OpenAI's own client makes one, one of hundreds of lines comes through kills of both
//! gates, and live requests beside one keep their first token.

use super::ollama::Running;
use harness::caller::clients::run_client;
use harness::caller::{MODEL, hello_stream};
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// So many lines of a file.
pub(crate) fn lines(count: usize) -> String {
    let line = |number: usize| {
        let messages = json!([{"role": "user", "content": format!("line {number}")}]);
        let body = json!({"model": MODEL, "max_tokens": 4, "messages": messages});
        json!({"custom_id": number.to_string(), "method": "POST", "url": "/v1/chat/completions", "body": body})
            .to_string()
            + "\n"
    };
    (0..count).map(line).collect()
}

/// Makes a batch; its id.
fn make(stack: &RunningStack, key: &str, content: &str) -> String {
    batch_of(stack, key, &upload(stack, key, content))
}

/// Sends a file; its id.
pub(crate) fn upload(stack: &RunningStack, key: &str, content: &str) -> String {
    let field =
        |head: &str, content: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let fields = field("name=\"purpose\"", "batch") + &field("name=\"file\"; filename=\"a.jsonl\"", content);
    let file = stack.edge.send(|http, base| {
        let form = http.post(format!("{base}/v1/files")).bearer_auth(key);
        form.header("content-type", "multipart/form-data; boundary=b").body(fields + "--b--\r\n")
    });
    file.from_edge().ok().json()["id"].as_str().expect("a file has an id").to_owned()
}

/// Makes a batch of a file; its id.
pub(crate) fn batch_of(stack: &RunningStack, key: &str, file: &str) -> String {
    let asked = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = stack.edge.send(|http, base| http.post(format!("{base}/v1/batches")).bearer_auth(key).json(&asked));
    batch.from_edge().ok().json()["id"].as_str().expect("a batch has an id").to_owned()
}

fn get(stack: &RunningStack, key: &str, id: &str) -> Value {
    stack.edge.get(&format!("/v1/batches/{id}"), Some(key)).from_edge().ok().json()
}

fn completed(batch: &Value) -> u64 {
    batch["request_counts"]["completed"].as_u64().expect("a count")
}

#[test]
fn openai_s_python_client_makes_a_batch_and_reads_its_results() {
    let stack = Stack::new().limit("100 per 1h").start();
    let (key, other) = (stack.key(), stack.key());
    stack.says(&["So.", "So.", "So."]);
    let came = run_client("batches/openai_batch.py", &[&stack.edge.base_url(), &key.key, &other.key, MODEL]);
    assert_eq!((&came["made"], &came["status"]), (&json!("validating"), &json!("completed")), "{came}");
    assert_eq!(came["counts"], json!({"total": 3, "completed": 3, "failed": 0}), "{came}");
    assert_eq!(came["said"], json!({"line-0": "So.", "line-1": "So.", "line-2": "So."}), "{came}");
    assert_eq!((&came["metadata"], &came["content"]), (&json!({"run": "7"}), &json!(true)), "{came}");
    assert_eq!(came["file"], json!(["lines.jsonl", true, "batch"]), "{came}");
    assert_eq!((&came["listed"], &came["deleted"]), (&json!([3, true]), &json!(true)), "{came}");
    assert_eq!(came["failed"], json!(["failed", 1, "invalid_json_line"]), "{came}");
    assert_eq!(came["gone"], json!(["NotFoundError", "file_not_found"]), "{came}");
    assert_eq!(came["finished"], json!(["BadRequestError", "invalid_request"]), "{came}");
    let others = json!([["NotFoundError", "batch_not_found"], ["NotFoundError", "file_not_found"]]);
    assert_eq!(came["others"], others, "{came}");
    assert_eq!(came["purpose"], json!(["UnprocessableEntityError", "unsupported_parameter"]), "{came}");
    assert_eq!(stack.edge.view(key.id).used.served, 3);
}

/// Hundreds of lines through kills of workerd and of the origin: each has one result, and all leases come back.
#[test]
fn a_batch_comes_through_kills_of_both_gates() {
    const LINES: usize = 300;
    let mut stack = Stack::new().limit("100000 per 1h").lease("20s").slots(4).start();
    let key = stack.key();
    stack.script().allow_all();
    let id = make(&stack, &key.key, &lines(LINES));
    let [grant_key, _] = secrets::grant_publics();
    for kill in 1..=4 {
        let from = kill * LINES as u64 / 6;
        until_true("some more lines are answered", 6 * SOON, || completed(&get(&stack, &key.key, &id)) >= from);
        if kill % 2 == 0 {
            stack.restart_origin_with(std::slice::from_ref(&grant_key));
            stack.script().allow_all();
        } else {
            stack.restart_edge();
        }
    }
    until_true("it is over", 12 * SOON, || get(&stack, &key.key, &id)["status"] == "completed");
    let batch = get(&stack, &key.key, &id);
    let mut seen = BTreeSet::new();
    for name in ["output_file_id", "error_file_id"] {
        let Some(file) = batch[name].as_str() else { continue };
        let content = stack.edge.get(&format!("/v1/files/{file}/content"), Some(&key.key)).ok();
        for line in content.text().lines() {
            let result: Value = serde_json::from_str(line).expect("a line is JSON");
            let custom_id = result["custom_id"].as_str().expect("a name").to_owned();
            assert!(seen.insert(custom_id), "a line has two results: {line}");
            let is_lost = result["error"]["code"] == "answer_lost";
            assert!(name == "output_file_id" || is_lost, "{line}");
        }
    }
    assert_eq!((seen.len(), completed(&batch) >= LINES as u64 - 8), (LINES, true), "{batch}");
    until_true("leases come back", 6 * SOON, || stack.edge.view(key.id).live_leases == 0);
    assert!(stack.edge.view(key.id).used.served >= LINES as u64);
}

/// While lines of a batch hold what they may, live requests have the other slots at once, and none of them waits.
#[test]
fn live_requests_beside_a_batch_have_their_slots() {
    let stack = Stack::new().limit("100000 per 1h").slots(3).start();
    let (key, live) = (stack.key(), stack.key());
    // No step is allowed: what has a slot keeps it.
    let id = make(&stack, &key.key, &lines(20));
    until_true("a line has a slot", SOON, || stack.capacity().free == 2);
    let streams = [(); 2].map(|()| stack.open_chat(&live.key, &hello_stream(4)));
    until_true("so have the live ones", SOON, || stack.capacity().free == 0);
    assert_eq!(stack.capacity().queued, 0, "nobody waits, and no line of a batch does");
    stack.script().allow_all();
    for stream in streams {
        stream.answer().ok();
    }
    until_true("it is over", 6 * SOON, || get(&stack, &key.key, &id)["status"] == "completed");
}

/// The median first token of live streams beside a batch is that of those without one, but for a share of the machine.
#[test]
fn live_requests_beside_a_batch_keep_their_first_token() {
    let stack = Stack::new().limit("100000 per 1h").slots(4).start();
    let (key, live) = (stack.key(), stack.key());
    stack.script().allow_all();
    let median = || {
        let one = |_| {
            let began = Instant::now();
            stack.edge.chat(Some(&live.key), &hello_stream(1)).ok();
            began.elapsed()
        };
        let mut all: Vec<Duration> = (0..31).map(one).collect();
        all.sort_unstable();
        all[15]
    };
    let alone = median();
    let id = make(&stack, &key.key, &lines(5_000));
    until_true("it is under way", SOON, || completed(&get(&stack, &key.key, &id)) > 0);
    let beside = median();
    let batch = get(&stack, &key.key, &id);
    assert_eq!(batch["status"], "in_progress", "{batch}");
    eprintln!("the first token takes {alone:?} alone and {beside:?} beside a batch");
    assert!(beside < 3 * alone + Duration::from_millis(50), "{beside:?} beside a batch, {alone:?} alone");
    let cancel = format!("/v1/batches/{id}/cancel");
    stack.edge.send(|http, base| http.post(format!("{base}{cancel}")).bearer_auth(&key.key)).ok();
    until_true("it has ended", 6 * SOON, || get(&stack, &key.key, &id)["status"] == "cancelled");
    let counts = get(&stack, &key.key, &id)["request_counts"].clone();
    let [completed, failed] = ["completed", "failed"].map(|name| counts[name].as_u64().expect("a count"));
    assert_eq!(counts["total"], json!(completed + failed), "{counts}");
}

/// What is too large is refused before it is read, and what is no form is told so.
#[test]
fn files_that_are_none_are_refused() {
    let stack = Stack::new().setting("JOBS_FILE_BYTES", "1000").start();
    let key = stack.key();
    let post = |kind: &str, body: String| {
        let send = |http: &reqwest::blocking::Client, base: &str| {
            http.post(format!("{base}/v1/files")).bearer_auth(&key.key).header("content-type", kind).body(body)
        };
        stack.edge.send(send).from_edge()
    };
    post("multipart/form-data; boundary=b", "x".repeat(20_000)).refused(Reason::BodyTooLarge);
    post("application/json", "{}".into()).refused(Reason::UnsupportedMediaType);
    post("multipart/form-data; boundary=b", "--b--".into()).refused(Reason::InvalidRequest);
    let off = Stack::new().setting("JOBS_KEPT_MS", "0").start();
    off.edge.get("/v1/files", Some(&off.key().key)).from_edge().refused(Reason::NotFound);
}
