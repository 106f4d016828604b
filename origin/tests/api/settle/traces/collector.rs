//! A collector on loopback: takes spans as OTLP's definitions have them, or behaves as badly as one can.

use crate::harness::until;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of a message.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// It is taken.
    Takes,
    /// This status, with these headers.
    Says(u16, String),
    /// The connection ends after the message.
    Cuts,
    /// Nothing, for ever.
    Hangs,
    /// An answer without an end.
    Babbles,
}

/// A collector. It ends with the test's process.
pub(crate) struct FakeCollector {
    pub(crate) url: String,
    got: Arc<Mutex<Got>>,
}

/// What came.
#[derive(Default)]
struct Got {
    requests: Vec<ExportTraceServiceRequest>,
    /// First lines and headers.
    heads: Vec<String>,
    bytes: Vec<u8>,
}

impl FakeCollector {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Got::default()));
        let all = Arc::clone(&got);
        std::thread::spawn(move || {
            // Connections that hang stay open.
            let mut open = Vec::new();
            for connection in listener.incoming() {
                open.extend(serve(connection.unwrap(), &manner, &all));
            }
        });
        Self { url, got }
    }

    /// How many messages came.
    pub(crate) fn messages(&self) -> usize {
        self.got.lock().unwrap().heads.len()
    }

    /// The first line and the headers of each message.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.got.lock().unwrap().heads.clone()
    }

    /// All bytes of all messages.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.got.lock().unwrap().bytes.clone()
    }

    /// Attributes of the processes that told something.
    pub(crate) fn processes(&self) -> Vec<Vec<KeyValue>> {
        let got = self.got.lock().unwrap();
        let all = got.requests.iter().flat_map(|request| &request.resource_spans);
        all.map(|spans| spans.resource.as_ref().unwrap().attributes.clone()).collect()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        let scopes = got.requests.iter().flat_map(|request| &request.resource_spans).flat_map(|all| &all.scope_spans);
        let of_ours = |name: &str| assert_eq!(name, "sluice");
        scopes.inspect(|all| of_ours(&all.scope.as_ref().unwrap().name)).flat_map(|all| all.spans.clone()).collect()
    }

    /// The spans, once there are requests' of this many.
    pub(crate) async fn of_requests(&self, count: usize) -> Vec<Span> {
        let servers = || self.spans().iter().filter(|span| span.kind() == SpanKind::Server).count();
        until(&format!("{count} requests are told"), || servers() >= count).await;
        assert_eq!(servers(), count);
        self.spans()
    }
}

/// One message on one connection. Gives the connection back if it is to stay open.
fn serve(connection: TcpStream, manner: &Manner, got: &Mutex<Got>) -> Option<TcpStream> {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut all = got.lock().unwrap();
    all.heads.push(head);
    all.bytes.extend(&body);
    all.requests.push(ExportTraceServiceRequest::decode(&body[..]).unwrap());
    drop(all);
    answer(connection, manner)
}

fn answer(mut connection: TcpStream, manner: &Manner) -> Option<TcpStream> {
    let mut say = |text: &str| connection.write_all(text.as_bytes());
    match manner {
        Manner::Takes => say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").ok()?,
        Manner::Says(status, headers) => {
            say(&format!("HTTP/1.1 {status} Told\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n")).ok()?;
        }
        Manner::Cuts => {}
        Manner::Hangs => return Some(connection),
        Manner::Babbles => {
            say("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").ok()?;
            while say(&"x".repeat(1 << 16)).is_ok() {}
        }
    }
    None
}

/// An attribute of a span.
pub(crate) fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a Value> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key == name);
    let (first, more) = (found.next(), found.next());
    assert!(more.is_none(), "{name} is there twice");
    first?.value.as_ref()?.value.as_ref()
}

/// A text among the attributes.
pub(crate) fn text<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    match attribute(span, name)? {
        Value::StringValue(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

/// A whole number among them.
pub(crate) fn number(span: &Span, name: &str) -> Option<i64> {
    match attribute(span, name)? {
        Value::IntValue(number) => Some(*number),
        other => panic!("{name} is {other:?}"),
    }
}

/// A fraction among them.
pub(crate) fn fraction(span: &Span, name: &str) -> Option<f64> {
    match attribute(span, name)? {
        Value::DoubleValue(number) => Some(*number),
        other => panic!("{name} is {other:?}"),
    }
}

/// A list of texts among them.
pub(crate) fn list(span: &Span, name: &str) -> Option<Vec<String>> {
    let Value::ArrayValue(all) = attribute(span, name)? else { panic!("{name} is no list") };
    let text = |value: &AnyValue| match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{name} has {other:?}"),
    };
    Some(all.values.iter().map(text).collect())
}
