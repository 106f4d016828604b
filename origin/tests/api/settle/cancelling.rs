//! A request is ended by its id, at every stage, and tells what it used: then and for a while afterwards.

use crate::harness::{Edge, Harness, chat, chat_with, claims, json_of, parts, payloads, until};
use reqwest::Method;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::Say;
use sluice_protocol::request::bodies::chat::Usage;

async fn cancel(harness: &Harness, id: &str, grant: Option<String>) -> (u16, Value) {
    let mut request = harness.client.delete(format!("{}/v1/requests/{id}", harness.url));
    if let Some(grant) = grant {
        request = request.header("x-sluice-grant", grant);
    }
    parts(request.send().await.unwrap()).await
}

fn usage(report: &Value) -> Usage {
    serde_json::from_value(report["usage"].clone()).unwrap()
}

#[tokio::test]
async fn a_stream_ends_with_an_error_and_tells_what_it_used() {
    let harness = Harness::open(1, 0).await;
    harness.script.say(Say::endless("x"));
    let response = harness.post(&chat_with("hi", &json!({"stream": true}))).send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    harness.script.allow(3);
    until("the fourth token is due", || harness.script.generated() == 3 && harness.script.is_blocked()).await;
    let asked = tokio::spawn({
        let (client, url) = (harness.client.clone(), format!("{}/v1/requests/{id}", harness.url));
        async move { parts(client.delete(url).send().await.unwrap()).await }
    });
    // It waits for the step that is under way, and there is no other.
    until("it is over", || {
        harness.script.allow(1);
        asked.is_finished()
    })
    .await;
    let report = asked.await.unwrap();
    assert_eq!((report.0, &report.1["status"]), (200, &json!("ended")));
    assert_eq!(report.1["id"], id.as_str());
    assert_eq!(usage(&report.1), Usage::new(harness.script.prompted() as u64, harness.script.generated() as u64));
    let payloads = payloads(response).await;
    assert_eq!(json_of(payloads.last().unwrap())["error"]["code"], "request_cancelled");
    harness.until_places(1, 0).await;
    // It is remembered, and what came later changes nothing.
    assert_eq!(cancel(&harness, &id, None).await, report);
}

#[tokio::test]
async fn who_has_left_is_settled_with_what_was_computed() {
    for stream in [false, true] {
        let edge = Edge::new("k1");
        let harness = Harness::with(Config { slots: 1, queue: 0, access: edge.access(), ..Config::local() }).await;
        harness.script.say(Say::endless("x"));
        let body = chat_with("hi", &json!({"stream": stream})).to_string().into_bytes();
        let claims = claims(&body);
        let leaver = harness.start_request(harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims)));
        harness.script.allow(5);
        until("the sixth token is due", || harness.script.generated() == 5 && harness.script.is_blocked()).await;
        leaver.abort();
        harness.until_places(1, 0).await;
        let asked = cancel(&harness, &claims.jti, Some(edge.sign(&crate::harness::claims(b""))));
        let (report, ()) = tokio::join!(asked, async { harness.script.allow(1) });
        assert_eq!((report.0, &report.1["status"]), (200, &json!("ended")), "stream: {stream}");
        assert_eq!(usage(&report.1).completion_tokens, 6, "the step under way counts; stream: {stream}");
    }
}

#[tokio::test]
async fn one_that_waits_leaves_the_queue_and_has_used_nothing() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { slots: 1, queue: 1, access: edge.access(), ..Config::local() }).await;
    let send = |content: &str| {
        let body = chat(content).to_string().into_bytes();
        let claims = claims(&body);
        (harness.start_request(harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims))), claims.jti)
    };
    let (first, _) = send("first");
    harness.until_places(0, 0).await;
    let (waiting, id) = send("waiting");
    harness.until_places(0, 1).await;
    let report = cancel(&harness, &id, Some(edge.sign(&claims(b"")))).await;
    assert_eq!((report.0, usage(&report.1)), (200, Usage::new(0, 0)));
    let (status, body) = waiting.await.unwrap();
    assert_eq!((status, &body["error"]["code"]), (409, &json!("request_cancelled")));
    harness.until_places(0, 0).await;
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
    assert_eq!(harness.script.prompts().len(), 1, "who was cancelled was not served");
}

#[tokio::test]
async fn nobody_else_ends_it() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { slots: 1, queue: 0, access: edge.access(), ..Config::local() }).await;
    let body = chat("hi").to_string().into_bytes();
    let owner = claims(&body);
    let running = harness.start_request(harness.post_bytes(body).header("x-sluice-grant", edge.sign(&owner)));
    until("it runs", || harness.script.is_blocked()).await;
    let mut stranger = claims(b"");
    stranger.acc = "other".into();
    let (used, other_body) = (claims(b""), claims(b"x"));
    let (status, report) = cancel(&harness, &claims(b"").jti, Some(edge.sign(&used))).await;
    assert_eq!((status, &report["status"]), (200, &json!("unseen")), "an id that has not come");
    let table = [
        ("no grant", None, owner.jti.as_str(), 401),
        ("another account", Some(stranger), &owner.jti, 404),
        ("not an id", Some(claims(b"")), "x", 404),
        ("a grant that was used", Some(used), &owner.jti, 401),
        ("a grant for another body", Some(other_body), &owner.jti, 401),
    ];
    for (what, grant, id, expected) in table {
        let (status, _) = cancel(&harness, id, grant.map(|grant| edge.sign(&grant))).await;
        assert_eq!(status, expected, "{what}");
    }
    let posted = harness.client.request(Method::POST, format!("{}/v1/requests/{}", harness.url, owner.jti));
    assert_eq!(posted.send().await.unwrap().status(), 405);
    harness.script.allow_all();
    assert_eq!(running.await.unwrap().0, 200);
}
