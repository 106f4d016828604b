//! What came back, and what every answer of the edge must be like.

use serde_json::Value;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Retry};
use sluice_protocol::request::bodies::chat::{ChatChunk, ChatCompletion, Usage};
use sluice_protocol::wire::header;
use sluice_protocol::wire::sse::{DONE, SseParser};
use std::fmt;

/// One HTTP answer.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All headers as they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the platform adds to our headers on its own: workerd frames bodies and says when it closes the connection.
const PLATFORM: &[&str] = &["transfer-encoding", "connection"];

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The header's value; panics if it is there more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    /// Checks what holds for every answer of the edge: its headers are on the list, and one of them names the request.
    pub fn from_edge(self) -> Self {
        for (name, _) in &self.headers {
            let known = header::OUTBOUND.contains(&name.as_str()) || PLATFORM.contains(&name.as_str());
            assert!(known, "the header {name} is not on the list: {self:?}");
        }
        assert!(self.request_id().is_some(), "no {}: {self:?}", header::REQUEST_ID);
        self
    }

    /// The request's id.
    pub fn request_id(&self) -> Option<RequestId> {
        RequestId::parse(self.header(header::REQUEST_ID)?)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("a body that is not UTF-8: {error}: {self:?}"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Checks that this is that refusal, all of it: status, code, OpenAI's shape, and the headers that belong to it.
    #[track_caller]
    pub fn refused(self, reason: Reason) -> Self {
        let row = reason.row();
        assert_eq!(self.status, row.status, "{reason:?} expected: {}", self.text());
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/json"), "{self:?}");
        check_error(&self.json(), reason);
        let wait = self.retry_after_ms();
        // No client is to sleep for longer on its own.
        let retry = row.retry == Retry::Yes && wait.is_none_or(|wait| wait <= 60_000);
        assert_eq!(self.header(header::SHOULD_RETRY), Some(retry.to_string().as_str()), "{self:?}");
        assert_eq!(self.header(header::WWW_AUTHENTICATE).is_some(), row.status == 401, "{self:?}");
        let seconds = self.header(header::RETRY_AFTER).map(|text| text.parse::<u64>().expect("whole seconds"));
        assert_eq!(seconds, wait.map(|wait| wait.div_ceil(1000)), "{self:?}");
        self
    }

    /// The exact wait of a refusal, if it names one.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.header(header::RETRY_AFTER_MS).map(|text| text.parse().expect("whole milliseconds"))
    }

    /// Checks that this is a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The whole answer, not streamed.
    #[track_caller]
    pub fn completion(&self) -> ChatCompletion {
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The streamed answer.
    #[track_caller]
    pub fn stream(&self) -> Stream {
        assert_eq!(self.header(header::CONTENT_TYPE), Some("text/event-stream; charset=utf-8"), "{self:?}");
        Stream::parse(&self.body)
    }
}

/// Checks an event that ends a stream with an error; it may tell what was used.
pub fn check_stream_error(event: &Value, reason: Reason) {
    let mut body = event.clone();
    let usage = body.as_object_mut().and_then(|members| members.remove("usage"));
    assert!(usage.is_none_or(|usage| usage["total_tokens"].is_u64()), "{event}");
    check_error(&body, reason);
}

/// Checks one error body: exactly OpenAI's four members, and the reason's own values in them.
#[track_caller]
pub fn check_error(body: &Value, reason: Reason) {
    let members = |value: &Value| {
        let object = value.as_object().unwrap_or_else(|| panic!("not an object: {body}"));
        object.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(members(body), ["error"], "{body}");
    let mut names = members(&body["error"]);
    names.sort();
    assert_eq!(names, ["code", "message", "param", "type"], "{body}");
    assert_eq!(body["error"]["code"], reason.row().code, "{body}");
    assert_eq!(body["error"]["type"], reason.row().kind, "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
}

/// The events of a stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Chunks in order.
    pub chunks: Vec<ChatChunk>,
    /// Error events; at most one is right.
    pub errors: Vec<Value>,
    /// Whether the stream ended with `[DONE]`.
    pub done: bool,
}

impl Stream {
    /// Reads the events in `bytes`; an event that is not complete yet is left out.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut stream = Self::default();
        SseParser::new(1 << 20).push(bytes, |event| {
            let text = std::str::from_utf8(event).expect("an event that is not UTF-8");
            assert!(!stream.done, "after [DONE]: {text}");
            if text == DONE {
                stream.done = true;
                return;
            }
            let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            match value.get("error") {
                Some(_) => stream.errors.push(value),
                None => stream.chunks.push(serde_json::from_value(value).expect("a chunk")),
            }
        });
        stream
    }

    /// Checks that the stream is complete: no error, `[DONE]` at its end.
    #[track_caller]
    pub fn whole(self) -> Self {
        assert!(self.done && self.errors.is_empty(), "{self:?}");
        self
    }

    /// All that was said.
    pub fn text(&self) -> String {
        let deltas = self.chunks.iter().flat_map(|chunk| &chunk.choices);
        deltas.filter_map(|choice| choice.delta.content.as_deref()).collect()
    }

    /// The usage; panics if more than one event has one, or another than the last.
    #[track_caller]
    pub fn usage(&self) -> Option<Usage> {
        let before = self.chunks.iter().rev().skip(1);
        assert!(before.clone().all(|chunk| chunk.usage.is_none()), "usage comes last: {self:?}");
        self.chunks.last()?.usage.map(|report| report.usage)
    }
}
