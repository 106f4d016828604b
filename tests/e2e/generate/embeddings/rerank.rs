//! Reranking through both gates: a client that people use, its retry at a limit, and the cache.

use crate::generate::ollama::base;
use harness::caller::MODEL;
use harness::caller::clients::run_client;
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;

/// Vectors have this many numbers.
const WIDTH: usize = 8;

fn post(stack: &RunningStack, key: &str, body: &Value) -> Answer {
    stack.edge.send(|http, edge| http.post(format!("{edge}/v1/rerank")).bearer_auth(key).json(body)).from_edge()
}

#[test]
fn litellm_reranks() {
    let stack = Stack::new().embeds(WIDTH).limit("100 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let came = run_client("embeddings/rerank.py", &[&base(&stack), &key.key, MODEL]);
    // The same letters are the same vector: they are as near as can be.
    assert_eq!(
        (&came["order"], &came["best"], &came["told"]),
        (&json!([2, 0, 1]), &json!("niar"), &json!(1)),
        "{came}"
    );
    let scores: Vec<f64> = serde_json::from_value(came["scores"].clone()).expect("numbers");
    assert!((scores[0] - 1.0).abs() < 1e-6 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let read: usize = ["rain", "rain in spring", "Grüße, 世界", "niar"].iter().map(|text| text.len() + 1).sum();
    assert_eq!(came["tokens"], read);
    assert!(came["refused"].as_str().is_some_and(|told| told.contains("`documents` must be")), "{came}");
}

#[test]
fn it_has_limits_and_is_repeated_as_any_question() {
    let stack = Stack::new().embeds(WIDTH).limit("2 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let body = json!({"model": MODEL, "query": "rain", "documents": ["sun", "rain"]});
    let ask = || {
        let send = |http: &reqwest::blocking::Client, edge: &str| {
            http.post(format!("{edge}/v1/rerank")).bearer_auth(&key.key).header("x-sluice-cache", "60").json(&body)
        };
        stack.edge.send(send).from_edge()
    };
    let first = ask().ok();
    let again = ask().ok();
    assert_eq!((first.header("x-sluice-cache"), again.header("x-sluice-cache")), (Some("miss"), Some("hit")));
    assert_eq!(first.json(), again.json());
    assert_eq!(first.json()["results"][0]["index"], 1);
    let refused = post(&stack, &key.key, &body).refused(Reason::RateLimited);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    // A path that its clients are used to elsewhere is told where to go.
    for path in ["/v2/rerank", "/rerank", "/v1/v1/rerank"] {
        let lost = stack.edge.send(|http, edge| http.post(format!("{edge}{path}")).bearer_auth(&key.key).json(&body));
        assert!(lost.status == 404 && lost.text().contains("Did you mean /v1/rerank?"), "{path}: {lost:?}");
    }
}
