//! What is refused before it costs anything, each with its code, in OpenAI's shape.

use crate::harness::{Harness, chat, chat_with, parts};
use reqwest::Method;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::server::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn bad_requests_are_refused_by_name() {
    let config = Config { slots: 1, queue: 0, max_body: 4096, ..Config::local() };
    let harness = Harness::with(config).await;
    let table: Vec<(&str, Vec<u8>, u16, &str, Value)> = vec![
        ("no JSON", b"{".to_vec(), 400, "invalid_json", Value::Null),
        ("no UTF-8", b"\"\xff\"".to_vec(), 400, "invalid_json", Value::Null),
        ("another form", b"[]".to_vec(), 400, "invalid_request", Value::Null),
        ("nothing", Vec::new(), 400, "invalid_json", Value::Null),
        ("no model", json!({"messages": []}).to_string().into(), 400, "invalid_request", "model".into()),
        ("no messages", json!({"model": "scripted"}).to_string().into(), 400, "invalid_request", "messages".into()),
        (
            "other model",
            json!({"model": "x", "messages": [{"role": "user", "content": ""}]}).to_string().into(),
            404,
            "model_not_found",
            "model".into(),
        ),
        (
            "tokens",
            chat_with("x", &json!({"max_tokens": 0})).to_string().into(),
            400,
            "invalid_request",
            "max_tokens".into(),
        ),
        ("n", chat_with("x", &json!({"n": 9})).to_string().into(), 400, "invalid_request", "n".into()),
        (
            "context",
            chat_with("x", &json!({"max_tokens": 4096})).to_string().into(),
            400,
            "context_length_exceeded",
            "messages".into(),
        ),
        ("size", vec![b' '; 5000], 413, "body_too_large", Value::Null),
    ];
    for (what, body, status, code, param) in table {
        let response = harness.post_bytes(body).send().await.unwrap();
        assert!(response.headers().contains_key("x-request-id"), "{what}");
        assert!(response.headers().contains_key("x-sluice-capacity"), "{what}");
        assert_eq!(response.headers()["x-should-retry"], "false", "{what}");
        let (got, body) = parts(response).await;
        assert_eq!((got, body["error"]["code"].as_str()), (status, Some(code)), "{what}: {body}");
        assert_eq!(body["error"]["param"], param, "{what}: {body}");
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string(), "{what}");
    }
    // None of them kept a place.
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.steps(), 0);
}

#[tokio::test]
async fn a_streamed_body_is_bounded_too() {
    let harness = Harness::with(Config { max_body: 4096, ..Config::local() }).await;
    let chunks = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1000])));
    let request = harness.post_bytes(Vec::new()).body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(parts(request.send().await.unwrap()).await.0, 413);
}

#[tokio::test]
async fn other_types_and_methods_are_refused() {
    let harness = Harness::open(1, 0).await;
    let url = format!("{}/v1/chat/completions", harness.url);
    for kind in ["text/plain", "application/jsonp", ""] {
        let response = harness.client.post(&url).header("content-type", kind).body(chat("x").to_string()).send().await;
        assert_eq!(response.unwrap().status(), 415, "{kind}");
    }
    harness.script.allow_all();
    let kind = "Application/JSON; charset=utf-8";
    let response = harness.client.post(&url).header("content-type", kind).body(chat("x").to_string()).send().await;
    assert_eq!(response.unwrap().status(), 200);
    for (method, path, allow) in [
        (Method::GET, "/v1/chat/completions", "POST"),
        (Method::POST, "/v1/models", "GET, HEAD"),
        (Method::DELETE, "/metrics", "GET, HEAD"),
    ] {
        let response = harness.client.request(method, format!("{}{path}", harness.url)).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], allow, "{path}");
        assert_eq!(parts(response).await.1["error"]["code"], "method_not_allowed");
    }
    for (path, told) in [
        ("/v1/nothing", "GET /v1/models are served"),
        ("/chat/completions", "Did you mean /v1/chat/completions?"),
        ("/v1/v1/completions", "Did you mean /v1/completions?"),
        ("/messages", "Did you mean /v1/messages?"),
        ("/v1/metrics", "Did you mean /metrics?"),
    ] {
        let (status, body) = parts(harness.get(path).send().await.unwrap()).await;
        assert_eq!((status, body["error"]["code"].as_str()), (404, Some("not_found")), "{path}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains(told)), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_loaded_is_waited_for_elsewhere() {
    let origin = Origin::bind(Config::local()).await.unwrap();
    let client = crate::harness::client();
    for path in ["/ready", "/v1/models", "/v1/models/x"] {
        let (status, body) = parts(client.get(format!("{}{path}", origin.url())).send().await.unwrap()).await;
        assert_eq!((status, body["error"]["code"].as_str()), (503, Some("model_loading")), "{path}");
    }
    for path in ["/health", "/capacity", "/metrics"] {
        assert_eq!(client.get(format!("{}{path}", origin.url())).send().await.unwrap().status(), 200, "{path}");
    }
    let script = sluice_origin::models::scripted::Script::new(1);
    origin.serve(script.backend()).unwrap();
    assert_eq!(client.get(format!("{}/ready", origin.url())).send().await.unwrap().status(), 200);
    assert!(origin.serve(script.backend()).is_err());
}

#[tokio::test]
async fn a_body_that_does_not_come_gives_its_place_back() {
    let config = Config { slots: 1, queue: 0, body_timeout: std::time::Duration::from_millis(100), ..Config::local() };
    let harness = Harness::with(config).await;
    let mut stream = tokio::net::TcpStream::connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 400");
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let harness = Harness::open(1, 0).await;
    let running = harness.start(&chat("hi"));
    harness.until_places(0, 0).await;
    // A client that writes all of its body before it reads: a connection that closed on it would lose the answer.
    let body = vec![b' '; 1_000_000];
    let length = body.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    for _ in 0..5 {
        let mut stream = tokio::net::TcpStream::connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for part in body.chunks(10_000) {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 503");
    }
    harness.script.allow_all();
    assert_eq!(running.await.unwrap().0, 200);
}
