//! Spans as OTLP has them in JSON.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: names in camel case, ids in hexadecimal, kinds
//! and codes as numbers, and whole numbers of 64 bits as texts.

use super::span::{Attribute, Span, Value};
use crate::time::Millis;

/// Who exports.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// An `ExportTraceServiceRequest` with these spans.
pub fn export(service: Service, spans: &[Span]) -> String {
    let mut json = String::with_capacity(EXPECTED * (spans.len() + 1));
    json += "{\"resourceSpans\":[{\"resource\":{\"attributes\":[";
    one(&mut json, "service.name", service.name);
    json.push(',');
    one(&mut json, "service.version", service.version);
    json += "]},\"scopeSpans\":[{\"scope\":{\"name\":\"sluice\"},\"spans\":[";
    for (index, each) in spans.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        span(&mut json, each);
    }
    json += "]}]}]}";
    json
}

fn span(json: &mut String, span: &Span) {
    let Span { trace, id, parent, state, kind, name, start, end, attributes, has_failed } = span;
    *json += &format!("{{\"traceId\":\"{trace}\",\"spanId\":\"{id}\"");
    if let Some(parent) = parent {
        *json += &format!(",\"parentSpanId\":\"{parent}\"");
    }
    if let Some(state) = state {
        *json += ",\"traceState\":";
        text(json, state);
    }
    *json += ",\"name\":";
    text(json, name);
    // A clock that was set back meanwhile makes no span that ends before it began.
    let (start, end) = (nanos(*start), nanos(*end.max(start)));
    // Its flags are those of W3C: it is sampled, or it would not be here.
    *json += &format!(
        ",\"flags\":1,\"kind\":{},\"startTimeUnixNano\":\"{start}\",\"endTimeUnixNano\":\"{end}\",\"attributes\":[",
        *kind as u8
    );
    for (index, Attribute { key, value }) in attributes.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        attribute(json, key, value);
    }
    json.push(']');
    if *has_failed {
        *json += ",\"status\":{\"code\":2}";
    }
    json.push('}');
}

fn attribute(json: &mut String, key: &str, value: &Value) {
    match value {
        Value::Text(text) => one(json, key, text),
        Value::Number(number) => *json += &format!("{{\"key\":\"{key}\",\"value\":{{\"intValue\":\"{number}\"}}}}"),
        Value::Seconds(ms) => {
            let (whole, rest) = (ms / 1_000, ms % 1_000);
            *json += &format!("{{\"key\":\"{key}\",\"value\":{{\"doubleValue\":{whole}.{rest:03}}}}}");
        }
        Value::Texts(texts) => {
            *json += &format!("{{\"key\":\"{key}\",\"value\":{{\"arrayValue\":{{\"values\":[");
            for (index, each) in texts.iter().enumerate() {
                *json += if index > 0 { ",{\"stringValue\":" } else { "{\"stringValue\":" };
                text(json, each);
                json.push('}');
            }
            *json += "]}}}";
        }
    }
}

/// Keys are ours, and need no escapes.
fn one(json: &mut String, key: &str, value: &str) {
    *json += &format!("{{\"key\":\"{key}\",\"value\":{{\"stringValue\":");
    text(json, value);
    *json += "}}";
}

fn text(json: &mut String, text: &str) {
    *json += &serde_json::to_string(text).expect("a text is JSON");
}

/// Milliseconds since 1970 in nanoseconds, up to the year 2554.
const fn nanos(ms: Millis) -> u64 {
    ms.saturating_mul(1_000_000)
}

/// About how long a span is, in bytes.
const EXPECTED: usize = 1 << 10;
