//! Who runs, who waits, who is refused.

use crate::harness::{Edge, Harness, chat, chat_with, claims, json_of, parts, payloads, until};
use serde_json::json;
use sluice_origin::config::Config;
use sluice_origin::models::scripted::Say;
use std::time::Duration;

#[tokio::test]
async fn a_full_origin_says_when_to_come_back_once_it_knows() {
    let harness = Harness::open(1, 1).await;
    let first = harness.start(&chat("first"));
    harness.until_places(0, 0).await;
    let second = harness.start(&chat("second"));
    harness.until_places(0, 1).await;
    let response = harness.post(&chat("third")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-should-retry"], "true");
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(response.headers()["x-sluice-capacity"], "slots=1, free=0, queued=1, queue=1");
    assert_eq!(parts(response).await.1["error"]["code"], "server_is_overloaded");

    // "ok" and the end: three steps.
    harness.script.allow(3);
    assert_eq!(first.await.unwrap().0, 200);
    harness.until_places(0, 0).await;
    let third = harness.start(&chat("third"));
    harness.until_places(0, 1).await;
    let response = harness.post(&chat("fourth")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    let wait_ms: u64 = response.headers()["retry-after-ms"].to_str().unwrap().parse().unwrap();
    let wait_s: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&wait_ms) && wait_s == wait_ms.div_ceil(1000), "{wait_ms} ms, {wait_s} s");
    assert!(harness.capacity().await["est-ms"].is_u64());

    harness.script.allow_all();
    assert_eq!(second.await.unwrap().0, 200);
    assert_eq!(third.await.unwrap().0, 200);
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.widest_step(), 1);
}

#[tokio::test]
async fn slots_run_side_by_side() {
    let harness = Harness::open(3, 0).await;
    let said = "word ".repeat(100);
    for _ in 0..3 {
        harness.script.say(Say::text(&said));
    }
    let all: Vec<_> = (0..3).map(|n| harness.start(&chat(&n.to_string()))).collect();
    harness.until_wide(3).await;
    for one in all {
        assert_eq!(crate::harness::text_of(&one.await.unwrap().1), said);
    }
}

#[tokio::test]
async fn priorities_first_and_accounts_take_turns() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { slots: 1, queue: 8, access: edge.access(), ..Config::local() }).await;
    let start = |name: &str, account: &str, pri: u8| {
        let body = chat(name).to_string().into_bytes();
        let mut claims = claims(&body);
        (claims.acc, claims.pri) = (account.into(), pri);
        harness.start_request(harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims)))
    };
    let mut all = vec![start("<first>", "z", 0)];
    harness.until_places(0, 0).await;
    let names = [("<a1>", "a", 1), ("<a2>", "a", 1), ("<b1>", "b", 1), ("<c1>", "c", 0), ("<d1>", "d", 7)];
    for (queued, (name, account, pri)) in (1..).zip(names) {
        all.push(start(name, account, pri));
        harness.until_places(0, queued).await;
    }
    harness.script.allow_all();
    for one in all {
        assert_eq!(one.await.unwrap().0, 200);
    }
    let order: Vec<_> = harness.script.prompts();
    let order: Vec<&str> =
        order.iter().map(|prompt| &prompt[prompt.find('<').unwrap()..=prompt.find('>').unwrap()]).collect();
    assert_eq!(order, ["<first>", "<d1>", "<a1>", "<b1>", "<a2>", "<c1>"]);
}

#[tokio::test]
async fn patience_ends() {
    let harness =
        Harness::with(Config { slots: 1, queue: 1, queue_timeout: Duration::from_millis(50), ..Config::local() }).await;
    let first = harness.start(&chat("first"));
    harness.until_places(0, 0).await;
    let (status, body) = parts(harness.post(&chat("second")).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("queue_timeout")));
    harness.until_places(0, 0).await;
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
    assert_eq!(harness.script.prompts().len(), 1);
}

#[tokio::test]
async fn draining_finishes_what_runs_and_waits() {
    let mut harness = Harness::open(1, 1).await;
    let running = harness.start(&chat("running"));
    harness.until_places(0, 0).await;
    let waiting = harness.start(&chat("waiting"));
    harness.until_places(0, 1).await;
    let drained = tokio::spawn(harness.origin.take().unwrap().drain());
    harness.until_status("/ready", 503).await;
    let (status, body) = parts(harness.post(&chat("late")).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("draining")));
    assert_eq!(harness.status("/health").await, 200);
    harness.script.allow_all();
    assert_eq!(running.await.unwrap().0, 200);
    assert_eq!(waiting.await.unwrap().0, 200);
    drained.await.unwrap();
    assert!(harness.get("/health").send().await.is_err(), "a drained origin does not listen");
}

#[tokio::test]
async fn draining_ends_the_rest_with_an_error() {
    let config = Config { slots: 2, queue: 1, drain_timeout: Duration::from_millis(100), ..Config::local() };
    let mut harness = Harness::with(config).await;
    harness.script.say(Say::endless("x"));
    harness.script.say(Say::endless("y"));
    let stream = harness.post(&chat_with("stream", &json!({"stream": true, "max_tokens": 4000})));
    let stream = tokio::spawn(async move { payloads(stream.send().await.unwrap()).await });
    let whole = harness.start(&chat_with("whole", &json!({"max_tokens": 4000})));
    harness.until_places(0, 0).await;
    let waiting = harness.start(&chat("waiting"));
    harness.until_places(0, 1).await;
    // Steps one by one, so that neither answer is over before the time to drain is.
    let script = harness.script.clone();
    let stepping = tokio::spawn(async move {
        loop {
            script.allow(1);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    until("both answer", || harness.script.generated() >= 2).await;
    harness.origin.take().unwrap().drain().await;
    let all = stream.await.unwrap();
    assert!(all.iter().all(|payload| payload != "[DONE]"));
    assert_eq!(json_of(all.last().unwrap())["error"]["code"], "draining");
    for refused in [whole, waiting] {
        let (status, body) = refused.await.unwrap();
        assert_eq!((status, body["error"]["code"].as_str()), (503, Some("draining")));
    }
    stepping.abort();
}

/// Who waits for longer than a moment learns how many are ahead, and then has its answer or is told why not.
#[tokio::test]
async fn a_stream_that_waits_is_told_how_many_are_ahead() {
    let harness = Harness::open(1, 2).await;
    let first = harness.start(&chat("first"));
    harness.until_places(0, 0).await;
    let second = harness.start(&chat("second"));
    harness.until_places(0, 1).await;
    for several in [1, 2] {
        let waiting = harness.post(&chat_with("third", &json!({"stream": true, "n": several}))).send();
        // Its headers come after a moment, long before its turn.
        let mut waiting = waiting.await.unwrap();
        assert_eq!(waiting.status(), 200);
        let mut seen = String::new();
        while seen.matches(": queued, 1 ahead\n\n").count() < 2 {
            seen += std::str::from_utf8(&waiting.chunk().await.unwrap().unwrap()).unwrap();
        }
        assert!(!seen.contains("data:"), "{seen}");
        if several == 1 {
            // Leaving gives the place back.
            drop(waiting);
            harness.until_places(0, 1).await;
            continue;
        }
        harness.script.allow_all();
        let rest = String::from_utf8(waiting.bytes().await.unwrap().to_vec()).unwrap();
        assert!(rest.contains("\"index\":1") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    }
    assert_eq!((first.await.unwrap().0, second.await.unwrap().0), (200, 200));
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn a_stream_whose_patience_ends_is_told_in_the_stream() {
    let patience = Duration::from_millis(2_500);
    let harness = Harness::with(Config { slots: 1, queue: 1, queue_timeout: patience, ..Config::local() }).await;
    let first = harness.start(&chat("first"));
    harness.until_places(0, 0).await;
    let waiting = harness.post(&chat_with("second", &json!({"stream": true}))).send().await.unwrap();
    assert_eq!(waiting.status(), 200);
    let payloads = payloads(waiting).await;
    assert_eq!(payloads.len(), 1, "{payloads:?}");
    assert_eq!(json_of(&payloads[0])["error"]["code"], "queue_timeout");
    harness.until_places(0, 0).await;
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
}
