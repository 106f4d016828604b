//! `/v1/embeddings` and Ollama's two doors: the same vectors by each of them, exact usage, and texts that go through the
//! engine side by side in one slot.

use crate::harness::{Edge, Harness, chat, claims, parts, until};
use crate::models::embedding::write;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::choice::{ModelChoice, Models};
use sluice_origin::models::load::load;
use sluice_origin::models::scripted::{Fault, MODEL, Say, Script};
use sluice_origin::server::Origin;

/// Vectors of a scripted model have this many numbers.
const WIDTH: usize = 8;

async fn scripted(config: Config) -> Harness {
    Harness::with_script(config, Script::embedding(16, WIDTH)).await
}

fn request(harness: &Harness, path: &str, body: &Value) -> RequestBuilder {
    let request = harness.client.post(format!("{}{path}", harness.url));
    request.header("content-type", "application/json").body(body.to_string())
}

async fn ask(harness: &Harness, path: &str, body: &Value) -> (u16, Value) {
    parts(request(harness, path, body).send().await.unwrap()).await
}

fn vector(told: &Value) -> Vec<f32> {
    match told.as_str() {
        Some(text) => {
            let bytes = STANDARD.decode(text).unwrap();
            bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
        }
        None => serde_json::from_value(told.clone()).unwrap(),
    }
}

/// What the script makes of a text's bytes and its end token.
fn expected(text: &str, width: usize) -> Vec<f32> {
    let mut counts = [0f32; WIDTH];
    for token in text.bytes().map(usize::from).chain([256]) {
        counts[token % WIDTH] += 1.0;
    }
    let length = counts[..width].iter().map(|count| count * count).sum::<f32>().sqrt();
    counts[..width].iter().map(|count| count / length).collect()
}

fn near(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[tokio::test]
async fn each_text_has_its_vector_whichever_way_it_is_asked_for() {
    let harness = scripted(Config { slots: 2, ..Config::local() }).await;
    harness.script.allow_all();
    let texts = ["rain", "a longer text", "x", "rain", "Grüße"];
    let tokens: usize = texts.iter().map(|text| text.len() + 1).sum();
    let ids: Vec<Vec<u8>> = texts.iter().map(|text| text.bytes().collect()).collect();
    for (input, encoding) in
        [(json!(texts), "float"), (json!(texts), "base64"), (json!(ids), "float"), (json!(ids), "base64")]
    {
        let body = json!({"model": MODEL, "input": input, "encoding_format": encoding, "user": "u"});
        let (status, told) = ask(&harness, "/v1/embeddings", &body).await;
        assert_eq!((status, &told["object"], &told["model"]), (200, &json!("list"), &json!(MODEL)), "{told}");
        assert_eq!(told["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
        let data = told["data"].as_array().unwrap();
        assert_eq!(data.len(), texts.len());
        for (at, (one, text)) in data.iter().zip(texts).enumerate() {
            assert_eq!((&one["object"], &one["index"]), (&json!("embedding"), &json!(at)));
            assert_eq!(one["embedding"].is_string(), encoding == "base64");
            assert!(near(&vector(&one["embedding"]), &expected(text, WIDTH)), "{text}: {one}");
        }
    }
    // One text as a text, and as its tokens with the end token already there.
    for input in
        [json!("rain"), json!([114, 97, 105, 110]), json!([114, 97, 105, 110, 256]), json!("rain<|endoftext|>")]
    {
        let (_, told) =
            ask(&harness, "/v1/embeddings", &json!({"model": MODEL, "input": input, "dimensions": 3})).await;
        assert_eq!(told["usage"]["prompt_tokens"], 5, "{told}");
        assert!(near(&vector(&told["data"][0]["embedding"]), &expected("rain", 3)), "{told}");
    }
    let (status, told) = ask(&harness, "/api/embed", &json!({"model": "scripted:latest", "input": texts})).await;
    assert_eq!(
        (status, &told["prompt_eval_count"], &told["load_duration"]),
        (200, &json!(tokens), &json!(0)),
        "{told}"
    );
    assert!(told["total_duration"].as_u64() > Some(0), "{told}");
    for (one, text) in told["embeddings"].as_array().unwrap().iter().zip(texts) {
        assert!(near(&vector(one), &expected(text, WIDTH)), "{text}: {one}");
    }
    let (status, told) = ask(&harness, "/api/embeddings", &json!({"model": MODEL, "prompt": "rain"})).await;
    assert!(status == 200 && near(&vector(&told["embedding"]), &expected("rain", WIDTH)), "{told}");
    let (_, list) = parts(harness.get("/v1/models").send().await.unwrap()).await;
    assert_eq!(list["data"][0]["capabilities"], json!(["embedding"]));
    let (_, shown) = ask(&harness, "/api/show", &json!({"model": MODEL})).await;
    assert_eq!(shown["capabilities"], json!(["embedding"]));
    let metrics = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"sluice_requests_total{model_name="scripted",outcome="stop"} 10"#), "{metrics}");
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused_by_its_name() {
    let harness = scripted(Config::local()).await;
    harness.script.allow_all();
    let long = "x".repeat(4_096);
    for (path, body, status, param) in [
        ("/v1/embeddings", json!({"model": MODEL, "input": "x", "dimensions": 9}), 400, "dimensions"),
        ("/v1/embeddings", json!({"model": MODEL, "input": "x", "dimensions": 0}), 400, "dimensions"),
        ("/v1/embeddings", json!({"model": MODEL, "input": ["x", ""]}), 400, "input"),
        ("/v1/embeddings", json!({"model": MODEL, "input": [[1], [288]]}), 400, "input"),
        ("/v1/embeddings", json!({"model": MODEL, "input": vec!["x"; 2_049]}), 400, "input"),
        ("/v1/embeddings", json!({"model": MODEL, "input": ["x", long]}), 400, "input"),
        ("/v1/embeddings", json!({"model": "other", "input": "x"}), 404, "model"),
        ("/v1/chat/completions", chat("hi"), 400, "model"),
        ("/v1/completions", json!({"model": MODEL, "prompt": "x"}), 400, "model"),
        ("/v1/messages/count_tokens", chat("hi"), 400, "model"),
    ] {
        let (found, told) = ask(&harness, path, &body).await;
        let error = &told["error"];
        let named =
            error["param"] == param || error["message"].as_str().is_some_and(|text| text.contains("embeddings"));
        assert!(found == status && named, "{path}: {found} {told}");
    }
    for (path, body, status) in [
        ("/api/embed", json!({"model": MODEL, "input": long, "truncate": false}), 400),
        ("/api/embed", json!({"model": MODEL, "input": []}), 400),
        ("/api/chat", json!({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}), 400),
    ] {
        let (found, told) = ask(&harness, path, &body).await;
        assert!(found == status && told["error"].is_string(), "{path}: {told}");
    }
    assert_eq!(harness.script.steps(), 0, "nothing was computed");
    // Ollama cuts what is too long, and the end token stays.
    for (path, member) in [("/api/embed", "input"), ("/api/embeddings", "prompt")] {
        let (status, told) = ask(&harness, path, &json!({"model": MODEL, member: long})).await;
        assert_eq!(status, 200, "{told}");
        let prompt = harness.script.prompt_tokens().pop().unwrap();
        assert_eq!((prompt.len(), prompt.last()), (4_096, Some(&256)));
    }
    let answers = Harness::open(1, 0).await;
    let (status, told) = ask(&answers, "/v1/embeddings", &json!({"model": MODEL, "input": "x"})).await;
    assert_eq!((status, &told["error"]["param"]), (400, &json!("model")), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("makes no embeddings"), "{told}");
}

/// Sixteen texts are in one step, in one slot; another request has its turn beside them.
#[tokio::test]
async fn texts_go_side_by_side_in_one_slot() {
    let harness = scripted(Config { slots: 2, queue: 0, ..Config::local() }).await;
    let texts: Vec<String> = (0..40).map(|number| format!("text {number}")).collect();
    let many = harness.start_request(request(&harness, "/v1/embeddings", &json!({"model": MODEL, "input": texts})));
    until("the first step", || harness.script.is_blocked()).await;
    assert_eq!(harness.capacity().await["free"], 1);
    let one = harness.start_request(request(&harness, "/v1/embeddings", &json!({"model": MODEL, "input": "one"})));
    harness.until_places(0, 0).await;
    harness.until_wide(16).await;
    let (status, told) = many.await.unwrap();
    assert_eq!(status, 200, "{told}");
    for (one, text) in told["data"].as_array().unwrap().iter().zip(&texts) {
        assert!(near(&vector(&one["embedding"]), &expected(text, WIDTH)), "{text}: {one}");
    }
    assert_eq!(one.await.unwrap().0, 200);
    harness.until_places(2, 0).await;
}

/// Eight texts of 512 tokens are one pass, once the model is known to be quick enough for that.
#[tokio::test]
async fn a_batch_is_one_pass() {
    let harness = scripted(Config { slots: 1, ..Config::local() }).await;
    harness.script.allow_all();
    let batch = json!({"model": MODEL, "input": vec!["x".repeat(511); 8]});
    let mut steps = Vec::new();
    for _ in 0..2 {
        let before = harness.script.steps();
        let (status, told) = ask(&harness, "/v1/embeddings", &batch).await;
        assert_eq!((status, &told["usage"]["prompt_tokens"]), (200, &json!(8 * 512)), "{told}");
        steps.push(harness.script.steps() - before);
    }
    assert_eq!(steps[1], 1, "{steps:?}");
}

/// A caller that leaves, a cancellation, a deadline and a failure end the texts that run and give the slot back; what had
/// begun was used.
#[tokio::test]
async fn whatever_ends_it_the_slot_comes_back() {
    let edge = Edge::new("k1");
    let harness = scripted(Config { slots: 1, queue: 0, access: edge.access(), ..Config::local() }).await;
    let body = json!({"model": MODEL, "input": vec!["text"; 40]});
    let bytes = body.to_string();
    let send = |grant: &str| request(&harness, "/v1/embeddings", &body).header("x-sluice-grant", grant);
    let ending = |id: &str| {
        let request = harness.client.delete(format!("{}/v1/requests/{id}", harness.url));
        harness.start_request(request.header("x-sluice-grant", edge.sign(&claims(b""))))
    };
    for leaves in [true, false] {
        let claim = claims(bytes.as_bytes());
        let running = harness.start_request(send(&edge.sign(&claim)));
        until("the first step", || harness.script.is_blocked()).await;
        if leaves {
            running.abort();
            harness.until_places(1, 0).await;
        }
        let asked = ending(&claim.jti);
        until("it is over", || {
            harness.script.allow(1);
            asked.is_finished()
        })
        .await;
        let (_, told) = asked.await.unwrap();
        assert_eq!(told["status"], "ended", "{told}");
        let used = told["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(used > 0 && used <= 16 * 5 * 2 && used.is_multiple_of(5), "{told}");
        if !leaves {
            let (status, told) = running.await.unwrap();
            assert_eq!(told["error"]["code"], "request_cancelled", "{status} {told}");
        }
        harness.until_places(1, 0).await;
        harness.script.hold();
    }
    let late =
        sluice_protocol::forward::grant::GrantClaims { exp: crate::harness::now_s() + 1, ..claims(bytes.as_bytes()) };
    let (_, told) = parts(send(&edge.sign(&late)).send().await.unwrap()).await;
    assert_eq!(told["error"]["code"], "deadline_exceeded", "{told}");
    harness.script.allow_all();
    harness.until_places(1, 0).await;
    // The place is back before the engine has made the step in which it was: that step is not to take what is said next.
    until("the step is over", || !harness.script.is_blocked() && harness.script.occupied() == 0).await;
    harness.script.say(Say::fail_after("", Fault::Row));
    let (status, told) = parts(send(&edge.sign(&claims(bytes.as_bytes()))).send().await.unwrap()).await;
    assert_eq!((status, &told["error"]["code"]), (500, &json!("internal_error")), "{told}");
    harness.until_places(1, 0).await;
    // What is granted is a ceiling for all texts together, and a whole answer tells what it used.
    for (tok, inp, code) in [(199, 0, "grant_too_small"), (0, 199, "not_allowed")] {
        let small = sluice_protocol::forward::grant::GrantClaims { tok, inp, ..claims(bytes.as_bytes()) };
        let answer = send(&edge.sign(&small)).send().await.unwrap();
        let counted = answer.headers().get("x-sluice-prompt-tokens").cloned();
        let (_, told) = parts(answer).await;
        assert_eq!(told["error"]["code"], code, "{told}");
        assert_eq!(counted.is_some(), inp == 0, "{counted:?}");
    }
    let whole = sluice_protocol::forward::grant::GrantClaims { tok: 200, inp: 200, ..claims(bytes.as_bytes()) };
    let answer = send(&edge.sign(&whole)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-sluice-usage"]), (200, &"200/0/0".parse().unwrap()));
}

/// A real network: each text alone is each text beside others, to the bit, however long they are.
#[tokio::test]
async fn a_batch_is_its_texts_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    write(&path, "pooling_mode_lasttoken");
    let choices = vec![ModelChoice::Local { name: "e".into(), path, precision: None }];
    let backends = load(Models { choices, embedding: Vec::new(), judging: Vec::new(), hub: None }, 2).unwrap();
    let origin = Origin::start(Config::local(), backends).await.unwrap();
    let ask = async |input: Value| {
        let request = crate::harness::client().post(format!("{}/v1/embeddings", origin.url()));
        let body = json!({"model": "e", "input": input, "encoding_format": "base64"}).to_string();
        let (status, told) =
            parts(request.header("content-type", "application/json").body(body).send().await.unwrap()).await;
        assert_eq!(status, 200, "{told}");
        told["data"].as_array().unwrap().clone()
    };
    let texts: Vec<String> = (1..30).map(|number| "Rain in Zürich. ".repeat(number * number % 47 + 1)).collect();
    let together = ask(json!(texts)).await;
    for (text, one) in texts.iter().zip(&together) {
        assert_eq!(ask(json!(text)).await[0]["embedding"], one["embedding"], "{}", text.len());
    }
    let numbers = vector(&together[3]["embedding"]);
    let length: f32 = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    assert!(numbers.len() == 256 && (length - 1.0).abs() < 1e-5, "{length}");
}
