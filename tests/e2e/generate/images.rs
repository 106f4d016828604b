//! Pictures through both gates: the clients that people use, tiers that count pictures, and exact charges.

mod crowd;
mod tiers;

use super::ollama::base;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::caller::clients::{run_client, run_node_client};
use harness::caller::raw::{self, RawConnection};
use harness::caller::{Caller, bearer};
use harness::origin::DRAWS;
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};

const PATH: &str = "/v1/images/generations";

/// A request for one small picture, but for these members.
fn body(members: &Value) -> Value {
    let mut body =
        json!({"model": DRAWS, "prompt": "a red square", "size": "64x64", "num_inference_steps": 4, "seed": 7});
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

fn ask(stack: &RunningStack, key: &str, members: &Value) -> Answer {
    let body = body(members);
    stack.edge.send(|http, edge| http.post(format!("{edge}{PATH}")).bearer_auth(key).json(&body)).from_edge()
}

#[test]
fn openai_s_clients_draw_whole_and_streamed() {
    let stack = Stack::new()
        .drawing_origin()
        .with(json!({"name": "day", "kind": "window", "unit": "images", "limit": 50, "window": "1d"}))
        .start();
    let key = stack.key();
    let arguments = [&base(&stack), &key.key, DRAWS];
    let python = run_client("images/images.py", &arguments);
    let node = run_node_client("images/images.mjs", &arguments);
    let (partial, completed) = ("image_generation.partial_image", "image_generation.completed");
    for came in [&python, &node] {
        let files: Vec<&str> = came["whole"].as_array().expect("files").iter().filter_map(Value::as_str).collect();
        assert_eq!(files.len(), 2);
        let png = STANDARD.decode(files[0]).expect("base64");
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_ne!(files[0], files[1], "each has its own seed");
        assert_eq!(came["types"], json!([partial, completed]));
        assert_eq!(came["streamed"], files[0], "the same seed is the same file, whole and streamed");
    }
    assert_eq!(python["whole"], node["whole"]);
    assert_eq!((&python["size"], &python["refused"]), (&json!("64x64"), &json!("size")));
    assert_eq!(python["usage"]["output_tokens"], 2 * 16);
    assert_eq!(python["stream_usage"]["output_tokens"], 16);
    // Three pictures for each client; what was refused counts none.
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(ask(&stack, &key.key, &json!({"n": 10})).ok().json()["data"].as_array().map(Vec::len), Some(10));
}

#[test]
fn a_tier_counts_pictures_and_not_requests() {
    let day = json!({"name": "day", "kind": "window", "unit": "images", "limit": 5, "window": "1d"});
    let stack = Stack::new().drawing_origin().with(day).start();
    let key = stack.key();
    ask(&stack, &key.key, &json!({"n": 3})).ok();
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let refused = ask(&stack, &key.key, &json!({"n": 3}));
    assert_eq!(refused.status, 429, "{}", refused.text());
    ask(&stack, &key.key, &json!({"n": 2})).ok();
    let refused = ask(&stack, &key.key, &json!({}));
    assert_eq!(refused.status, 429, "{}", refused.text());
}

#[test]
fn the_bucket_of_the_seed_is_charged_by_pixels_and_steps() {
    // Three tokens of so many units that 64 x 64 in four steps costs two of them; half the steps cost one.
    let cost = 64 * 64 * 4 / 1_000 + 1;
    let bucket = json!({"name": "burst", "kind": "bucket", "unit": "cost", "capacity": cost + 9, "refill": 1});
    let costs = json!([{"image_kilopixel_step": 1}]);
    let stack = Stack::new().drawing_origin().with(bucket).table("costs", costs).start();
    let key = stack.key();
    ask(&stack, &key.key, &json!({})).ok();
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let refused = ask(&stack, &key.key, &json!({}));
    assert_eq!(refused.status, 429, "{}", refused.text());
    ask(&stack, &key.key, &json!({"num_inference_steps": 2})).ok();
}

#[test]
fn a_finished_picture_is_given_again_and_costs_nothing() {
    let day = json!({"name": "day", "kind": "window", "unit": "images", "limit": 2, "window": "1d"});
    let stack = Stack::new().drawing_origin().with(day).start();
    let key = stack.key();
    let body = json!({"model": DRAWS, "prompt": "a red square", "size": "64x64", "num_inference_steps": 2});
    let send = || {
        let answer = stack.edge.send(|http, edge| {
            http.post(format!("{edge}{PATH}")).bearer_auth(&key.key).header("idempotency-key", "one").json(&body)
        });
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
        answer.from_edge().ok()
    };
    let first = send();
    for _ in 0..3 {
        assert_eq!(send().json()["data"], first.json()["data"]);
    }
    ask(&stack, &key.key, &json!({})).ok();
    assert_eq!(ask(&stack, &key.key, &json!({})).status, 429);
}

#[test]
fn who_leaves_pays_for_the_steps_that_were_computed() {
    let stack = Stack::new().drawing_origin().with(json!({"name": "once", "kind": "parallel", "limit": 1})).start();
    let key = stack.key();
    let computed = || {
        let origin = Caller::new(stack.origin_address());
        let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
        let name = format!("sluice_origin_image_steps_total{{model_name=\"{DRAWS}\"}} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&name))
            .map_or(0, |steps| steps.parse::<u64>().expect("a number"))
    };
    let long = json!({"size": "256x256", "num_inference_steps": 50, "n": 10, "stream": true});
    for _ in 0..3 {
        let before = computed();
        let mut body = json!({"model": DRAWS, "prompt": "a red square"});
        for (name, value) in long.as_object().expect("members") {
            body[name] = value.clone();
        }
        let headers = [bearer(&key.key), "Content-Type: application/json".into()];
        let request = raw::request("POST", PATH, &headers, body.to_string().as_bytes());
        let stream = RawConnection::send(stack.edge_address(), &request);
        until_true("it draws", SOON, || computed() > before);
        drop(stream);
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    }
    let steps = computed();
    assert!(steps < 3 * 500, "it drew on: {steps}");
    let usage = stack.edge.admin("GET", "/usage?by=model", None).ok().json();
    assert_eq!(usage["data"][0]["image_steps"], steps, "{usage}");
    ask(&stack, &key.key, &json!({})).ok();
}
