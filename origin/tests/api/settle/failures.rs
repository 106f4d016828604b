//! Models that fail or hang, and deadlines: the request fails, the server lives.

use crate::harness::{
    Edge, Harness, chat, chat_with, claims, json_of, now_s, parts, payloads, text_of, text_of_stream, until,
};
use serde_json::json;
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{Fault, Place, Say};
use std::time::Duration;

#[tokio::test]
async fn a_failing_model_fails_its_request_alone() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for fault in [Fault::NaN, Fault::Row, Fault::Step, Fault::Panic] {
        harness.script.say(Say::fail_after("", fault));
        let (status, body) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
        assert_eq!((status, body["error"]["code"].as_str()), (500, Some("internal_error")), "{fault:?}");

        // Who waits for the beginning of a stream is told by the status, and may ask elsewhere.
        harness.script.say(Say::fail_after("", fault));
        let stream = harness.post(&chat_with("hi", &json!({"stream": true}))).header("x-sluice-head", "first-token");
        let stream = stream.send().await.unwrap();
        let (status, body) = parts(stream).await;
        assert_eq!((status, body["error"]["code"].as_str()), (500, Some("internal_error")), "{fault:?}");

        harness.script.say(Say::fail_after("ab", fault));
        let all = payloads(harness.post(&chat_with("hi", &json!({"stream": true}))).send().await.unwrap()).await;
        assert_eq!(text_of_stream(&all), "ab", "{fault:?}");
        assert_eq!(json_of(all.last().unwrap())["error"]["code"], "internal_error", "{fault:?}");
        assert!(!all.contains(&"[DONE]".to_owned()), "{fault:?}");

        let (status, body) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
        assert_eq!((status, text_of(&body)), (200, "ok"), "{fault:?}");
    }
    assert_eq!(harness.status("/ready").await, 200);
}

/// The engine itself breaks: its requests fail, and it is there again for the next. Other models go on meanwhile.
#[tokio::test]
async fn an_engine_that_breaks_starts_again() {
    let harness = Harness::open(1, 4).await;
    harness.script.allow_all();
    for place in [Place::Begin, Place::Release, Place::Between] {
        harness.script.panic_in(place);
        let (status, body) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
        let expected = if place == Place::Release { (200, None) } else { (500, Some("internal_error")) };
        assert_eq!((status, body["error"]["code"].as_str()), expected, "{place:?}");
        harness.until_status("/ready", 200).await;
        let (status, body) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
        assert_eq!((status, text_of(&body)), (200, "ok"), "{place:?}");
    }
    // It breaks again so soon that it waits: that is told, and requests are refused instead of failing.
    harness.script.panic_in(Place::Between);
    assert_eq!(parts(harness.post(&chat("hi")).send().await.unwrap()).await.0, 500);
    harness.until_status("/ready", 503).await;
    let (status, body) = parts(harness.post(&chat("hi")).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("model_loading")));
    assert_eq!(harness.status("/health").await, 200);
    harness.until_status("/ready", 200).await;
    assert_eq!(parts(harness.post(&chat("hi")).send().await.unwrap()).await.0, 200);
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn a_failing_row_leaves_its_neighbour_alone() {
    let harness = Harness::open(2, 0).await;
    let fine = "fine, thank you ".repeat(100);
    harness.script.say(Say::fail_after(&"x".repeat(300), Fault::NaN));
    harness.script.say(Say::text(&fine));
    let members = json!({"max_tokens": 3000});
    let first = harness.start(&chat_with("first", &members));
    until("the first step began", || harness.script.is_blocked()).await;
    let second = harness.start(&chat_with("second", &members));
    harness.until_wide(2).await;
    assert_eq!(first.await.unwrap().0, 500);
    assert_eq!(text_of(&second.await.unwrap().1), fine);
}

#[tokio::test]
async fn a_hung_engine_is_not_ready() {
    let config = Config { slots: 1, heartbeat_timeout: Duration::from_millis(300), ..Config::local() };
    let harness = Harness::with(config).await;
    harness.until_status("/ready", 200).await;
    let hung = harness.start(&chat("hi"));
    harness.until_status("/ready", 504).await;
    for path in ["/health", "/capacity", "/metrics", "/v1/models"] {
        assert_eq!(harness.status(path).await, 200, "{path}");
    }
    harness.script.allow_all();
    assert_eq!(hung.await.unwrap().0, 200);
    harness.until_status("/ready", 200).await;
}

#[tokio::test]
async fn a_deadline_ends_a_stream_without_done() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { slots: 2, access: edge.access(), ..Config::local() }).await;
    // Once with an engine that works, once with one that hangs.
    for hangs in [false, true] {
        harness.script.say(Say::endless("x"));
        harness.script.hold();
        let body = chat_with("hi", &json!({"stream": true, "max_tokens": 4000})).to_string().into_bytes();
        let claims = sluice_protocol::forward::grant::GrantClaims { exp: now_s() + 2, ..claims(&body) };
        let request = harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims));
        let stream = tokio::spawn(async move { payloads(request.send().await.unwrap()).await });
        let script = harness.script.clone();
        let stepping = tokio::spawn(async move {
            let steps = if hangs { 0 } else { u64::MAX };
            for _ in 0..steps {
                script.allow(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let all = stream.await.unwrap();
        assert_eq!(json_of(all.last().unwrap())["error"]["code"], "deadline_exceeded");
        assert!(all.iter().all(|payload| payload != "[DONE]"));
        assert_eq!(text_of_stream(&all).is_empty(), hangs);
        stepping.abort();
        harness.until_places(2, 0).await;
    }
    harness.script.allow_all();
}

#[tokio::test]
async fn a_deadline_ends_a_whole_answer_with_504() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { slots: 1, access: edge.access(), ..Config::local() }).await;
    let start = || {
        let body = chat("hi").to_string().into_bytes();
        let claims = sluice_protocol::forward::grant::GrantClaims { exp: now_s() + 2, ..claims(&body) };
        harness.start_request(harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims)))
    };
    let running = start();
    harness.until_places(0, 0).await;
    let waiting = start();
    for late in [running, waiting] {
        let (status, body) = late.await.unwrap();
        assert_eq!((status, body["error"]["code"].as_str()), (504, Some("deadline_exceeded")));
    }
    harness.until_places(1, 0).await;
}
