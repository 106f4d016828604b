//! What can be looked at: models by their names, `HEAD` wherever there is `GET`, and bodies that are packed.

use crate::harness::{Harness, chat, parts};
use reqwest::Method;
use sluice_origin::config::Config;
use sluice_origin::models::Backend;
use sluice_origin::models::scripted::Script;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn named(name: &str) -> Harness {
    let script = Script::new(1);
    let backend = Backend { name: name.into(), ..script.backend() };
    Harness::with_backend(Config { open_metrics: true, ..Config::local() }, script, backend).await
}

/// What is answered to bytes on a connection that is closed behind the answer: the head's lines and the rest.
async fn answered(harness: &Harness, method: &str, path: &str) -> (Vec<String>, Vec<u8>) {
    let address = harness.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).await.unwrap();
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(received[..end].to_vec()).unwrap().to_ascii_lowercase();
    let changes = |line: &&str| !line.starts_with("x-request-id") && !line.starts_with("date");
    let mut lines: Vec<_> = head.lines().filter(changes).map(str::to_owned).collect();
    lines.sort();
    (lines, received[end + 4..].to_vec())
}

#[tokio::test]
async fn one_model_is_its_entry_of_the_list() {
    let harness = named("Owner/Name").await;
    let (_, list) = parts(harness.get("/v1/models").send().await.unwrap()).await;
    for path in ["Owner/Name", "Owner%2FName", "Owner%2fName", "%4fwner/Name", "Owner/Name?x=y"] {
        let (status, entry) = parts(harness.get(&format!("/v1/models/{path}")).send().await.unwrap()).await;
        assert_eq!((status, &entry), (200, &list["data"][0]), "{path}");
    }
    let long = "x".repeat(10_000);
    for path in [
        "Owner",
        "Name",
        "owner/name",
        "Owner//Name",
        "Owner/Name/",
        "Owner%252FName",
        "Owner%2F%2FName",
        "%2e%2e%2fadmin",
        "%00",
        "Owner/Name%00",
        "%",
        "%zz",
        "%ff",
        "Ow%6Eer%2FN%C3%A4me",
        &long,
    ] {
        let (lines, body) = answered(&harness, "GET", &format!("/v1/models/{path}")).await;
        assert!(lines.contains(&"http/1.1 404 not found".to_owned()), "{path}: {lines:?}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["error"]["code"], &body["error"]["param"]),
            (&"model_not_found".into(), &"model".into()),
            "{path}"
        );
    }
    let (status, body) = parts(harness.get("/v1/models/").send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (404, Some("not_found")));
    let url = format!("{}/v1/models/Owner/Name", harness.url);
    let refused = harness.client.request(Method::DELETE, url).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let harness = named("one").await;
    for path in [
        "/v1/models",
        "/v1/models/one",
        "/v1/models/two",
        "/health",
        "/ready",
        "/capacity",
        "/metrics",
        "/none",
        "/v1/chat/completions",
    ] {
        let (get, body) = answered(&harness, "GET", path).await;
        let (head, none) = answered(&harness, "HEAD", path).await;
        assert!(!body.is_empty() && none.is_empty(), "{path}: {}", String::from_utf8_lossy(&none));
        assert_eq!(head, get, "{path}");
    }
}

#[tokio::test]
async fn a_packed_body_is_refused_by_the_name_of_its_header() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let body = chat("x").to_string().into_bytes();
    for encodings in
        [&["gzip"][..], &["GZIP"], &["deflate"], &["br"], &["gzip, gzip"], &["identity", "gzip"], &["x\u{e9}"]]
    {
        let request = harness.post_bytes(body.clone());
        let request = encodings.iter().fold(request, |request, one| request.header("content-encoding", one.as_bytes()));
        let refused = request.send().await.unwrap();
        assert_eq!(refused.headers()["accept-encoding"], "identity", "{encodings:?}");
        let (status, told) = parts(refused).await;
        assert_eq!((status, told["error"]["code"].as_str()), (415, Some("unsupported_media_type")), "{encodings:?}");
        assert!(told["error"]["message"].as_str().unwrap().contains("content-encoding"), "{told}");
    }
    assert_eq!(harness.script.steps(), 0);
    for encoding in ["identity", "Identity", ""] {
        let request = harness.post_bytes(body.clone()).header("content-encoding", encoding);
        assert_eq!(request.send().await.unwrap().status(), 200, "{encoding}");
    }
}
