//! Whatever ends a request, its spans end once, with what ended it; and nothing that a caller wrote or read is in them.

use super::collector::{FakeCollector, Manner, fraction, list, number, text};
use super::{CALLER, TRACE, collected, hex, named};
use crate::harness::{Edge, Harness, chat_with, claims, now_s, until, until_then};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{Fault, MODEL, Say, Script};
use sluice_protocol::forward::grant::GrantClaims;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// What a caller writes, and what a model says.
const ASKED: &str = "xyzzy-asked";
const SAID: &str = "plugh-said";

/// What a test does while the request runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// It ends by itself.
    Nothing,
    /// Its deadline comes while steps go on.
    Wait,
    /// It is cancelled by its id.
    Cancel,
    /// The origin stops.
    Drain,
    /// The caller's connection is closed.
    Leave,
}

struct Case {
    name: &'static str,
    say: Say,
    members: Value,
    act: Act,
    /// What its spans say of how it ended.
    error: Option<&'static str>,
    /// Whether that was ours to prevent.
    ours: bool,
}

fn cases() -> Vec<Case> {
    let case =
        |name, say, act, error: Option<&'static str>, ours| Case { name, say, members: json!({}), act, error, ours };
    let endless = || Say::endless(SAID);
    let failing = |fault| Say::fail_after(SAID, fault);
    let mut stopped = case("a stop string", Say::text(&format!("{SAID} two three")), Act::Nothing, None, false);
    stopped.members = json!({"stop": "two"});
    let mut longest = case("as long as it may be", endless(), Act::Nothing, None, false);
    longest.members = json!({"max_tokens": 9});
    vec![
        case("the model ends", Say::text(SAID), Act::Nothing, None, false),
        stopped,
        longest,
        case("a step that fails", failing(Fault::Step), Act::Nothing, Some("internal_error"), true),
        case("a row that fails", failing(Fault::Row), Act::Nothing, Some("internal_error"), true),
        case("a panic", failing(Fault::Panic), Act::Nothing, Some("internal_error"), true),
        case("a deadline", endless(), Act::Wait, Some("deadline_exceeded"), true),
        case("a cancel", endless(), Act::Cancel, Some("request_cancelled"), false),
        case("a drain", endless(), Act::Drain, Some("draining"), true),
        case("its caller leaves", endless(), Act::Leave, Some("left"), false),
    ]
}

#[tokio::test]
async fn every_ending_is_told_once_and_as_what_it_was() {
    for stream in [false, true] {
        for case in cases() {
            check(&case, stream).await;
        }
    }
}

async fn check(case: &Case, stream: bool) {
    let what = format!("{}, stream: {stream}", case.name);
    let (collector, edge) = (FakeCollector::start(Manner::Takes), Edge::new("k1"));
    let drain_timeout = Duration::from_millis(50);
    let config = Config { slots: 1, queue: 0, access: edge.access(), drain_timeout, ..collected(&collector) };
    let mut harness = Harness::with(config).await;
    harness.script.say(case.say.clone());
    let mut members = case.members.clone();
    members["stream"] = stream.into();
    members["user"] = ASKED.into();
    if members.get("max_tokens").is_none() {
        members["max_tokens"] = 3_000.into();
    }
    let body = chat_with(ASKED, &members).to_string().into_bytes();
    let exp = now_s() + if case.act == Act::Wait { 2 } else { 60 };
    let claims = GrantClaims { exp, ..claims(&body) };
    let grant = edge.sign(&claims);
    let request = harness.post_bytes(body).header("x-sluice-grant", &grant);
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let running = tokio::spawn(async move {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        // A stream that breaks off has an end of its own.
        let _ = response.bytes().await;
        status
    });
    act(case.act, &what, &mut harness, (&edge, &claims), &running).await;
    let status = if case.act == Act::Leave { None } else { Some(running.await.unwrap()) };
    if let Some(origin) = harness.origin.take() {
        origin.drain().await;
    }
    let spans = collector.of_requests(1).await;
    let (server, model) = (named(&spans, "POST /v1/chat/completions"), named(&spans, &format!("chat {MODEL}")));
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE) && spans.len() == 5, "{what}: {spans:#?}");
    assert_eq!((&*what, hex(&server.parent_span_id)), (&*what, CALLER.to_owned()));
    let told = number(server, "http.response.status_code");
    match status {
        Some(status) => assert_eq!(told, Some(i64::from(status)), "{what}"),
        // Who left a stream had been told its status.
        None => assert_eq!(told, stream.then_some(200), "{what}"),
    }
    let is_error = |span: &Span| span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
    for span in [server, model, named(&spans, "generate")] {
        assert_eq!((text(span, "error.type"), is_error(span)), (case.error, case.ours), "{what}: {span:#?}");
    }
    for span in [named(&spans, "queue"), named(&spans, "prefill")] {
        assert_eq!((text(span, "error.type"), is_error(span)), (None, false), "{what}: {span:#?}");
    }
    assert_eq!(list(model, "gen_ai.response.finish_reasons").is_some(), case.error.is_none(), "{what}");
    assert!(fraction(model, "gen_ai.response.time_to_first_chunk").is_some(), "{what}");
    let used = ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"].map(|name| number(model, name));
    assert!(used.iter().all(|tokens| tokens.is_some_and(|tokens| tokens > 0)), "{what}: {used:?}");
    for secret in [ASKED, SAID, "collectors-secret", &grant, "key_1", "acct"] {
        let bytes = collector.bytes();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{what}: {secret}");
    }
}

async fn act(
    act: Act,
    what: &str,
    harness: &mut Harness,
    (edge, claims): (&Edge, &GrantClaims),
    running: &tokio::task::JoinHandle<u16>,
) {
    if act == Act::Nothing {
        harness.script.allow_all();
        return;
    }
    harness.script.allow(5);
    until(what, || harness.script.generated() >= 5 && harness.script.is_blocked()).await;
    let goes_on = || {
        harness.script.allow(1);
        running.is_finished()
    };
    match act {
        Act::Nothing => {}
        Act::Wait => until(what, goes_on).await,
        Act::Cancel => {
            let grant = edge.sign(&crate::harness::claims(b""));
            let url = format!("{}/v1/requests/{}", harness.url, claims.jti);
            let asked = tokio::spawn(harness.client.delete(url).header("x-sluice-grant", grant).send());
            until(what, goes_on).await;
            assert_eq!(asked.await.unwrap().unwrap().status(), 200, "{what}");
        }
        Act::Drain => {
            let origin = harness.origin.take().expect("it runs until now");
            let stopping = tokio::spawn(origin.drain());
            until(what, || {
                harness.script.allow(1);
                stopping.is_finished()
            })
            .await;
        }
        Act::Leave => {
            running.abort();
            until_then(what, async || {
                harness.script.allow(1);
                harness.capacity().await["free"] == 1
            })
            .await;
        }
    }
}

/// A request that comes to no slot: what there is of it is told, and nothing else.
#[tokio::test]
async fn what_is_refused_before_it_runs_is_told_as_far_as_it_came() {
    let collector = FakeCollector::start(Manner::Takes);
    let queue_timeout = Duration::from_millis(1);
    let harness = Harness::with(Config { slots: 1, queue: 1, queue_timeout, ..collected(&collector) }).await;
    let chat = |members: &Value| chat_with(ASKED, members);
    // Takes the slot, and is told when it is over.
    let first = harness.start(&chat(&json!({"max_tokens": 2})));
    harness.until_places(0, 0).await;
    let waited = harness.post(&chat(&json!({}))).send().await.unwrap();
    assert_eq!(waited.status(), 503);
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
    let cases = [
        (chat(&json!({"model": "xyzzy-model"})), 404, "model_not_found"),
        (chat(&json!({"max_tokens": 0})), 400, "invalid_request"),
        (json!({"xyzzy-member": 1}), 400, "invalid_request"),
    ];
    for (body, status, _) in &cases {
        assert_eq!(harness.post(body).send().await.unwrap().status(), *status, "{body}");
    }
    let spans = collector.of_requests(2 + cases.len()).await;
    let whose =
        |code: &str| -> Vec<&Span> { spans.iter().filter(|span| text(span, "error.type") == Some(code)).collect() };
    for (code, count) in [("model_not_found", 1), ("invalid_request", 2)] {
        let found = whose(code);
        assert_eq!(found.len(), count, "{code}: {spans:#?}");
        for span in found {
            assert_eq!(span.name, "POST /v1/chat/completions", "nothing was understood, so nothing is below");
            assert!(!spans.iter().any(|other| other.parent_span_id == span.span_id), "{spans:#?}");
            assert!(span.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset), "{span:#?}");
        }
    }
    let names: Vec<_> = whose("queue_timeout").iter().map(|span| span.name.clone()).collect();
    assert!(names.len() == 3 && names.contains(&"queue".to_owned()), "{names:?}");
    let bytes = collector.bytes();
    assert!(!bytes.windows(5).any(|part| part == b"xyzzy"), "no word of a caller's is told");
}

/// A stream has its status before it is refused: what its spans say comes from what broke it off.
#[tokio::test]
async fn what_breaks_a_stream_off_that_waits_is_told() {
    let collector = FakeCollector::start(Manner::Takes);
    let queue_timeout = Duration::from_millis(2_200);
    let harness = Harness::with(Config { slots: 1, queue: 1, queue_timeout, ..collected(&collector) }).await;
    let first = harness.start(&chat_with(ASKED, &json!({"max_tokens": 2})));
    harness.until_places(0, 0).await;
    let waited = harness.post(&chat_with(ASKED, &json!({"stream": true}))).send().await.unwrap();
    assert_eq!(waited.status(), 200);
    assert!(waited.text().await.unwrap().contains("queue_timeout"));
    let spans = collector.of_requests(1).await;
    assert_eq!(spans.len(), 3, "it came to no slot: {spans:#?}");
    for span in &spans {
        assert_eq!(text(span, "error.type"), Some("queue_timeout"), "{span:#?}");
    }
    assert_eq!(number(named(&spans, "POST /v1/chat/completions"), "http.response.status_code"), Some(200));
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
}

/// What broke it off is told, and not that whoever did not read is gone afterwards.
#[tokio::test]
async fn of_several_endings_the_first_is_told() {
    let collector = FakeCollector::start(Manner::Takes);
    let stall_timeout = Duration::from_millis(100);
    let config = Config { slots: 1, queue: 0, stall_timeout, ..collected(&collector) };
    let harness = Harness::with_script(config, Script::with_context(1, 1_000_000)).await;
    harness.script.say(Say::endless(SAID));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
    let body = chat_with(ASKED, &json!({"stream": true, "n": 2, "max_tokens": 30_000})).to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    deaf.write_all(request.as_bytes()).await.unwrap();
    harness.script.allow_all();
    let spans = collector.of_requests(1).await;
    assert_eq!(text(named(&spans, &format!("chat {MODEL}")), "error.type"), Some("deadline_exceeded"), "{spans:#?}");
    drop(deaf);
}
