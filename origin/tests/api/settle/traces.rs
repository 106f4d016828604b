//! Traces: each request that came to a door is told once to the collector, however it ended, and as what it was; and no
//! collector is waited for.

mod collector;
mod endings;
mod hostile;

use crate::harness::{Edge, Harness, chat, chat_with, claims, parts};
use collector::{FakeCollector, Manner, attribute, fraction, list, number, text};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use sluice_origin::config::{Collector, Config};
use sluice_origin::models::scripted::{MODEL, Say, Script};
use std::time::{SystemTime, UNIX_EPOCH};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Tells the collector all that begins here.
fn collected(collector: &FakeCollector) -> Config {
    sampled(collector, 1.0)
}

fn sampled(collector: &FakeCollector, share: f64) -> Config {
    let headers = "authorization=Bearer%20collectors-secret,x-scope=a%3Db".parse().unwrap();
    let collector = Collector::new(&collector.url, &headers, share).unwrap();
    Config { collector: Some(collector), ..Config::local() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one span of this name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let (first, more) = (found.next(), found.next());
    assert!(more.is_none(), "{name} is there twice: {spans:#?}");
    first.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[tokio::test]
async fn a_request_is_told_as_what_it_was() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with(collected(&collector)).await;
    harness.script.say(Say::text("one two three"));
    harness.script.allow_all();
    let began = now_ns();
    let body = chat_with("hi", &json!({"max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 11}));
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let answer = parts(harness.post(&body).header("traceparent", parent).send().await.unwrap()).await;
    assert_eq!(answer.0, 200);
    let ended = now_ns();
    let spans = collector.of_requests(1).await;
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    let chat_name = format!("chat {MODEL}");
    assert_eq!(names, ["POST /v1/chat/completions", &chat_name, "generate", "prefill", "queue"]);

    // One trace, the caller's; each span below the one that it is a part of, and within its time.
    let (server, model) = (named(&spans, "POST /v1/chat/completions"), named(&spans, &chat_name));
    assert_eq!((hex(&server.parent_span_id), server.kind()), (CALLER.to_owned(), SpanKind::Server));
    assert_eq!((&model.parent_span_id, model.kind()), (&server.span_id, SpanKind::Internal));
    assert!(server.start_time_unix_nano >= began && server.end_time_unix_nano <= ended);
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:#?}");
        assert!(span.status.as_ref().is_none_or(|status| status.code == 0), "{span:#?}");
        assert_eq!(text(span, "error.type"), None);
        assert!(server.start_time_unix_nano <= span.start_time_unix_nano, "{span:#?}");
        assert!(span.end_time_unix_nano <= server.end_time_unix_nano, "{span:#?}");
    }
    let steps = ["queue", "prefill", "generate"].map(|name| named(&spans, name));
    for pair in steps.windows(2) {
        assert!(pair[0].end_time_unix_nano <= pair[1].start_time_unix_nano, "{pair:#?}");
    }
    for step in steps {
        assert_eq!((&step.parent_span_id, step.kind()), (&model.span_id, SpanKind::Internal));
        assert!(model.start_time_unix_nano <= step.start_time_unix_nano);
        assert!(step.end_time_unix_nano <= model.end_time_unix_nano, "{step:#?} {model:#?}");
    }

    let told = [("http.request.method", "POST"), ("http.route", "/v1/chat/completions")];
    assert!(told.iter().all(|(name, value)| text(server, name) == Some(*value)), "{server:#?}");
    assert_eq!(number(server, "http.response.status_code"), Some(200));
    let id = answer.1["id"].as_str().unwrap().strip_prefix("chatcmpl-").unwrap();
    assert!(text(server, "sluice.request.id").unwrap().contains(id));
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "sluice"),
        ("gen_ai.request.model", MODEL),
        ("gen_ai.response.model", MODEL),
    ] {
        assert_eq!(text(model, name), Some(value));
    }
    let usage = &answer.1["usage"];
    for (name, value) in [
        ("gen_ai.request.max_tokens", Some(50)),
        ("gen_ai.request.top_k", Some(7)),
        ("gen_ai.request.seed", Some(11)),
        ("gen_ai.request.choice.count", None),
        ("gen_ai.usage.input_tokens", usage["prompt_tokens"].as_i64()),
        ("gen_ai.usage.output_tokens", usage["completion_tokens"].as_i64()),
        ("gen_ai.usage.cache_read.input_tokens", usage["prompt_tokens_details"]["cached_tokens"].as_i64()),
    ] {
        assert_eq!(number(model, name), value, "{name}");
    }
    let sampling = ["gen_ai.request.temperature", "gen_ai.request.top_p"].map(|name| fraction(model, name));
    assert_eq!(sampling, [Some(0.5), Some(0.9)]);
    assert_eq!(attribute(model, "gen_ai.request.stream"), Some(&Told::BoolValue(false)));
    assert_eq!(list(model, "gen_ai.response.finish_reasons"), Some(vec!["stop".to_owned()]));
    let first = fraction(model, "gen_ai.response.time_to_first_chunk").unwrap();
    assert!(first > 0.0 && first <= (ended - began) as f64 / 1e9, "{first}");
}

#[tokio::test]
async fn the_process_says_who_it_is_and_the_collector_is_shown_its_headers() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with(collected(&collector)).await;
    harness.script.allow_all();
    harness.post(&chat("hi")).send().await.unwrap();
    collector.of_requests(1).await;
    let processes = collector.processes();
    let value = |name: &str| {
        let found = processes[0].iter().find(|attribute| attribute.key == name);
        match &found.unwrap().value.as_ref().unwrap().value {
            Some(Told::StringValue(text)) => text.clone(),
            other => panic!("{name} is {other:?}"),
        }
    };
    assert_eq!((value("service.name"), value("service.version")), ("sluice-origin".into(), "0.1.0".into()));
    assert_eq!(value("service.instance.id").len(), 36);
    let head = &collector.heads()[0];
    for line in [
        "POST /v1/traces HTTP/1.1",
        "authorization: Bearer collectors-secret",
        "x-scope: a=b",
        "content-type: application/x-protobuf",
    ] {
        assert!(head.lines().any(|other| other == line), "{line}: {head}");
    }
}

#[tokio::test]
async fn a_trace_is_its_callers_if_it_is_named_well_and_by_who_may() {
    let collector = FakeCollector::start(Manner::Takes);
    // What begins here is not told, so whatever is was asked for.
    let edge = Edge::new("k1");
    let config = Config { access: edge.access(), ..sampled(&collector, 0.0) };
    let harness = Harness::with(config).await;
    harness.script.allow_all();
    let body = chat("hi").to_string().into_bytes();
    let send = async |parents: &[&str], granted: bool| {
        let mut request = harness.post_bytes(body.clone());
        for parent in parents {
            request = request.header("traceparent", *parent);
        }
        if granted {
            request = request.header("x-sluice-grant", edge.sign(&claims(&body)));
        }
        request.send().await.unwrap().status().as_u16()
    };
    let good = format!("00-{TRACE}-{CALLER}-01");
    let bad = [
        format!("00-{TRACE}-{CALLER}-00"),
        format!("ff-{TRACE}-{CALLER}-01"),
        format!("00-{}-{CALLER}-01", "0".repeat(32)),
        format!("00-{TRACE}-{CALLER}-01-more"),
        format!("00-{}-{CALLER}-01", TRACE.to_uppercase()),
        "00-1-1-01".to_owned(),
    ];
    for parent in &bad {
        assert_eq!(send(&[parent], true).await, 200);
    }
    assert_eq!(send(&[], true).await, 200);
    assert_eq!(send(&[&good, &good], true).await, 200);
    assert_eq!(send(&[&good], false).await, 401);
    for path in ["/health", "/ready", "/metrics", "/capacity", "/v1/models", "/nowhere"] {
        harness.get(path).header("traceparent", &good).send().await.unwrap();
    }
    assert_eq!(send(&[&good], true).await, 200);
    let spans = collector.of_requests(1).await;
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE) && spans.len() == 5, "{spans:#?}");
    let stopping = harness.origin.unwrap();
    stopping.drain().await;
    assert_eq!(collector.spans().len(), 5, "nothing else is told when it stops");
}

#[tokio::test]
async fn what_begins_here_is_told_by_chance() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with(sampled(&collector, 0.5)).await;
    harness.script.allow_all();
    const REQUESTS: usize = 80;
    for _ in 0..REQUESTS {
        // A bad name is as none: not its trace, and not its wish.
        let request = harness.post(&chat("hi")).header("traceparent", format!("00-{TRACE}-{CALLER}-1"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    harness.origin.unwrap().drain().await;
    let spans = collector.spans();
    let told: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Server).collect();
    // By chance it is less or more once in a million million.
    assert!((8..=REQUESTS - 8).contains(&told.len()), "{} of {REQUESTS}", told.len());
    assert!(told.iter().all(|span| span.parent_span_id.is_empty() && hex(&span.trace_id) != TRACE));
    let mut traces: Vec<_> = told.iter().map(|span| span.trace_id.clone()).collect();
    traces.sort();
    traces.dedup();
    assert_eq!((traces.len(), spans.len()), (told.len(), 5 * told.len()), "each has all of its spans, or none");
}

#[tokio::test]
async fn doors_tell_what_the_model_did_there() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with_script(collected(&collector), Script::embedding(4, 8)).await;
    harness.script.allow_all();
    let ask = async |path: &str, body: Value| {
        let request = harness.client.post(format!("{}{path}", harness.url)).header("content-type", "application/json");
        parts(request.body(body.to_string()).send().await.unwrap()).await
    };
    let embedded = ask("/v1/embeddings", json!({"model": MODEL, "input": ["some rain", "snow"]})).await;
    let ranked = ask("/v1/rerank", json!({"model": MODEL, "query": "rain", "documents": ["rain", "sun"]})).await;
    assert_eq!((embedded.0, ranked.0), (200, 200), "{ranked:?}");
    // They are told one after the other.
    let spans = collector.of_requests(2).await;
    let model = named(&spans, &format!("embeddings {MODEL}"));
    assert_eq!(text(model, "gen_ai.operation.name"), Some("embeddings"));
    assert_eq!(number(model, "gen_ai.usage.input_tokens"), embedded.1["usage"]["prompt_tokens"].as_i64());
    assert_eq!(number(model, "gen_ai.usage.output_tokens"), Some(0));
    assert_eq!(number(model, "gen_ai.request.max_tokens"), None);
    let below = |parent: &Span| {
        let mut names: Vec<_> =
            spans.iter().filter(|span| span.parent_span_id == parent.span_id).map(|span| span.name.clone()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(below(model), ["prefill", "queue"], "nothing is generated");
    let ranking = named(&spans, &format!("rerank {MODEL}"));
    assert_eq!(below(named(&spans, "POST /v1/rerank")), [ranking.name.as_str()]);
    assert_eq!(number(ranking, "gen_ai.usage.input_tokens"), ranked.1["usage"]["total_tokens"].as_i64());
}

#[tokio::test]
async fn several_answers_are_one_request() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with(collected(&collector)).await;
    harness.script.say(Say::text("first"));
    harness.script.allow_all();
    let (status, answer) = parts(harness.post(&chat_with("hi", &json!({"n": 3}))).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let spans = collector.of_requests(1).await;
    let model = named(&spans, &format!("chat {MODEL}"));
    assert_eq!(spans.len(), 5, "{spans:#?}");
    assert_eq!(number(model, "gen_ai.request.choice.count"), Some(3));
    assert_eq!(list(model, "gen_ai.response.finish_reasons").map(|reasons| reasons.len()), Some(3));
    let usage = &answer["usage"];
    assert_eq!(number(model, "gen_ai.usage.input_tokens"), usage["prompt_tokens"].as_i64());
    assert_eq!(number(model, "gen_ai.usage.output_tokens"), usage["completion_tokens"].as_i64());
}
