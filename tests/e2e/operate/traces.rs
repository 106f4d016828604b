//! Traces: a collector on loopback reads what both gates export, the origin as protobuf and the edge as JSON, by OTLP's own
//! definitions. One request is one trace, from its caller through both gates.

use harness::caller::{hello, hello_stream};
use harness::origin::raw::{RawOrigin, Received, Reply};
use harness::secrets::PROMPT;
use harness::wait::until;
use harness::{Answer, RunningStack, Stack};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A span, and which gate told it.
struct OfGate {
    gate: String,
    span: Span,
}

/// Takes what it is sent, until it is killed: then it closes whatever is opened.
struct Collector {
    server: RawOrigin,
    is_dead: Arc<AtomicBool>,
}

const EDGE: &str = "sluice-edge";
const ORIGIN: &str = "sluice-origin";
/// The edge's span of a request; the origin's ends last of those that it tells.
const ASKED: (&str, SpanKind) = (EDGE, SpanKind::Server);
/// What there is of a request that an origin served.
const SERVED_BY_BOTH: [(&str, SpanKind); 3] = [ASKED, (EDGE, SpanKind::Client), (ORIGIN, SpanKind::Server)];
/// Who asks.
const CALLER: &str = "00f067aa0ba902b7";
/// A gate hands spans on within a few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

impl Collector {
    fn start() -> Self {
        let is_dead = Arc::new(AtomicBool::new(false));
        let dead = Arc::clone(&is_dead);
        let reply: Reply = Arc::new(move |_, socket| {
            if !dead.load(Ordering::SeqCst) {
                // Whoever asked may be gone.
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { server: RawOrigin::start(reply), is_dead }
    }

    /// Both gates, which tell this collector.
    fn watches(&self, stack: Stack) -> RunningStack {
        stack.collected_at(self.server.address()).start()
    }

    /// All spans of this trace so far.
    fn spans(&self, trace: &str) -> Vec<OfGate> {
        let all = self.server.received();
        all.iter().flat_map(told).filter(|told| hex(&told.span.trace_id) == trace).collect()
    }

    /// Waits until these gates have told of a request of this trace, each as what it was to it.
    fn until_told(&self, trace: &str, parts: &[(&str, SpanKind)]) -> Vec<OfGate> {
        let has = |spans: &[OfGate], (gate, kind): (&str, SpanKind)| {
            spans.iter().any(|told| told.gate == gate && told.span.kind() == kind)
        };
        let all = |spans: &Vec<OfGate>| parts.iter().all(|part| has(spans, *part));
        until(&format!("{parts:?} of {trace}"), PATIENCE, || Some(self.spans(trace)).filter(all)).0
    }
}

/// What one message holds.
fn told(message: &Received) -> Vec<OfGate> {
    assert_eq!(message.line, "POST /v1/traces HTTP/1.1");
    let request = match message.header("content-type") {
        Some("application/x-protobuf") => ExportTraceServiceRequest::decode(&message.body[..]).expect("protobuf"),
        Some("application/json") => serde_json::from_slice(&message.body).expect("OTLP's JSON"),
        other => panic!("no encoding of OTLP's: {other:?}"),
    };
    let mut found = Vec::new();
    for process in request.resource_spans {
        let gate = text(&process.resource.expect("who tells").attributes, "service.name").expect("its name").to_owned();
        for scope in process.scope_spans {
            assert_eq!(scope.scope.expect("a scope").name, "sluice");
            found.extend(scope.spans.into_iter().map(|span| OfGate { gate: gate.clone(), span }));
        }
    }
    found
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Told> {
    attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match attribute(attributes, name)? {
        Told::StringValue(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

fn number(span: &Span, name: &str) -> Option<u64> {
    match attribute(&span.attributes, name)? {
        Told::IntValue(number) => Some(u64::try_from(*number).expect("a count")),
        other => panic!("{name} is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one span of this gate and kind whose name begins like this.
#[track_caller]
fn one<'a>(spans: &'a [OfGate], gate: &str, kind: SpanKind, name: &str) -> &'a Span {
    let is_it = |told: &&OfGate| told.gate == gate && told.span.kind() == kind && told.span.name.starts_with(name);
    let mut found = spans.iter().filter(is_it);
    let (first, more) = (found.next(), found.next());
    assert!(more.is_none(), "{gate} told twice of {name}");
    &first.unwrap_or_else(|| panic!("{gate} told nothing of {name}")).span
}

/// A chat in this trace.
fn chat(stack: &RunningStack, key: &str, trace: &str, body: &Value) -> Answer {
    let (authorization, parent) = (format!("Bearer {key}"), format!("00-{trace}-{CALLER}-01"));
    stack.edge.chat_as(&[("authorization", &authorization), ("traceparent", &parent)], body)
}

#[test]
fn one_request_is_one_trace_from_its_caller_through_both_gates() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let collector = Collector::start();
    let stack = collector.watches(Stack::new());
    stack.script().say(Say::text("well said"));
    stack.script().allow_all();
    let key = stack.key();
    let mut body = hello_stream(64);
    body["stream_options"] = json!({"include_usage": true});
    let stream = chat(&stack, &key.key, TRACE, &body).ok().stream().whole();
    let usage = stream.chunks.last().and_then(|chunk| chunk.usage).expect("it was asked for");
    let spans = collector.until_told(TRACE, &SERVED_BY_BOTH);

    let asked = one(&spans, EDGE, SpanKind::Server, "POST /v1/chat/completions");
    let forwarded = one(&spans, EDGE, SpanKind::Client, "POST");
    let served = one(&spans, ORIGIN, SpanKind::Server, "POST /v1/chat/completions");
    let model = one(&spans, ORIGIN, SpanKind::Internal, "chat ");
    assert_eq!(hex(&asked.parent_span_id), CALLER);
    assert_eq!(forwarded.parent_span_id, asked.span_id);
    assert_eq!(served.parent_span_id, forwarded.span_id);
    assert_eq!(model.parent_span_id, served.span_id);
    for step in ["queue", "prefill", "generate"] {
        assert_eq!(one(&spans, ORIGIN, SpanKind::Internal, step).parent_span_id, model.span_id, "{step}");
    }
    // Each is within the one that it is a part of. Both gates are on one machine, and the edge's clock has milliseconds.
    const TICK: u64 = 1_000_000;
    for (outer, inner) in [(asked, forwarded), (forwarded, served), (served, model)] {
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano + TICK, "{outer:#?} {inner:#?}");
    }
    for span in [asked, model] {
        for (name, value) in [
            ("gen_ai.usage.input_tokens", usage.usage.prompt_tokens),
            ("gen_ai.usage.output_tokens", usage.usage.completion_tokens),
        ] {
            assert_eq!(number(span, name), Some(value), "{name}: {span:#?}");
        }
        assert_eq!(text(&span.attributes, "gen_ai.operation.name"), Some("chat"));
    }
    for span in [asked, served] {
        assert_eq!(number(span, "http.response.status_code"), Some(200));
        assert_eq!(text(&span.attributes, "http.route"), Some("/v1/chat/completions"));
    }
    let id = |span: &Span| text(&span.attributes, "sluice.request.id").expect("both name the request").to_owned();
    assert_eq!(id(asked), id(served));
    // Nothing that was asked or answered, and no key.
    for message in collector.server.received() {
        for secret in [PROMPT, "well said", &key.key] {
            let found = message.body.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{}", String::from_utf8_lossy(&message.body));
        }
    }
}

#[test]
fn what_a_limit_refuses_is_told_by_the_edge_alone() {
    const SERVED: &str = "0af7651916cd43dd8448eb211c80319c";
    const REFUSED: &str = "1af7651916cd43dd8448eb211c80319c";
    let collector = Collector::start();
    let mut stack = collector.watches(Stack::new().limit("1 per 1h"));
    stack.script().allow_all();
    let key = stack.key();
    chat(&stack, &key.key, SERVED, &hello(8)).ok();
    chat(&stack, &key.key, REFUSED, &hello(8)).refused(Reason::RateLimited);
    let spans = collector.until_told(REFUSED, &[ASKED]);
    let asked = one(&spans, EDGE, SpanKind::Server, "POST /v1/chat/completions");
    assert_eq!(hex(&asked.parent_span_id), CALLER);
    let row = Reason::RateLimited.row();
    assert_eq!(number(asked, "http.response.status_code"), Some(row.status.into()));
    assert_eq!(text(&asked.attributes, "error.type"), Some(row.code));
    // An origin that has stopped has told all that it had to tell.
    stack.drain_origin().join().expect("it stops");
    collector.until_told(SERVED, &SERVED_BY_BOTH);
    assert!(collector.spans(REFUSED).iter().all(|told| told.gate == EDGE));
}

#[test]
fn a_collector_that_is_gone_changes_no_answer() {
    const BEFORE: &str = "2af7651916cd43dd8448eb211c80319c";
    const AFTER: &str = "3af7651916cd43dd8448eb211c80319c";
    let collector = Collector::start();
    let stack = collector.watches(Stack::new().limit("3 per 1h"));
    stack.script().allow_all();
    let key = stack.key();
    let answer = |trace: &str| {
        let whole = chat(&stack, &key.key, trace, &hello(8)).ok().completion();
        (whole.choices[0].message.content.clone(), whole.usage.usage)
    };
    let before = answer(BEFORE);
    collector.until_told(BEFORE, &SERVED_BY_BOTH);
    collector.is_dead.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    assert_eq!(answer(AFTER), before);
    let messages = collector.server.received().len();
    until("both have tried in vain", PATIENCE, || {
        let more = collector.server.received().into_iter().skip(messages).flat_map(|message| told(&message));
        let gates: Vec<_> = more.map(|told| told.gate).collect();
        (gates.iter().any(|gate| gate == EDGE) && gates.iter().any(|gate| gate == ORIGIN)).then_some(())
    });
    assert_eq!(answer(AFTER), before);
    chat(&stack, &key.key, AFTER, &hello(8)).refused(Reason::RateLimited);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}
