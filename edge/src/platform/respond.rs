//! Answers: a translation into the platform's types, with no choices in it.

use crate::platform::{self, Fault, Response};
use serde::Serialize;
use sluice_protocol::admin::usage::UsageView;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::usage::report::UsageQuery;
use sluice_protocol::wire::header;

/// The headers of an answer or of a request to the origin, as the JSON object that goes to the platform. `Headers` would
/// need a call of the platform's for each.
#[derive(Default)]
pub struct HeaderList {
    /// The members, with a comma after each.
    members: String,
}

impl HeaderList {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers that every answer to a caller has.
    pub fn answer(request: RequestId, content_type: &str) -> Self {
        let mut headers = Self::new();
        headers.set(header::CONTENT_TYPE, content_type);
        headers.set(header::REQUEST_ID, request.to_string());
        headers
    }

    /// Sets one, whatever it was before: of members of one name the last one counts.
    pub fn set(&mut self, name: &str, value: impl AsRef<str>) {
        for text in [name, value.as_ref()] {
            match text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
                true => self.members.extend(["\"", text, "\""]),
                false => self.members += &to_json(&text),
            }
            self.members.push(':');
        }
        // Behind the value.
        self.members.pop();
        self.members.push(',');
    }

    /// All of them as one string.
    pub fn to_json(&self) -> String {
        format!("{{{}}}", self.members.strip_suffix(',').unwrap_or_default())
    }
}

/// A refusal as an answer, in what is spoken where it goes.
pub fn refuse(refusal: &Refusal, dialect: &Dialect, request: RequestId) -> Result<Response, Fault> {
    let mut headers = HeaderList::answer(request, JSON);
    for (name, value) in dialect.refusal_headers(refusal, platform::now()) {
        headers.set(name, value);
    }
    respond(refusal.status(), &headers, &dialect.body(refusal, Some(request)))
}

/// A value as JSON.
pub fn json(status: u16, value: &impl Serialize, request: RequestId) -> Result<Response, Fault> {
    respond(status, &HeaderList::answer(request, JSON), &to_json(value))
}

/// A value of this version as JSON: the version goes as `etag`.
pub fn json_of_version(value: &impl Serialize, version: u32, request: RequestId) -> Result<Response, Fault> {
    let mut headers = HeaderList::answer(request, JSON);
    headers.set(header::ETAG, format!("\"{version}\""));
    respond(200, &headers, &to_json(value))
}

/// What was used, as JSON or as CSV. Of CSV the place to go on from is a header.
pub fn usage(view: &UsageView, query: &UsageQuery, is_csv: bool, request: RequestId) -> Result<Response, Fault> {
    if !is_csv {
        return json(200, view, request);
    }
    let mut headers = HeaderList::answer(request, "text/csv; charset=utf-8");
    if let Some(next) = &view.next {
        headers.set(header::NEXT, next);
    }
    respond(200, &headers, &view.to_csv(query))
}

/// An answer with a whole body.
pub fn respond(status: u16, headers: &HeaderList, body: &str) -> Result<Response, Fault> {
    Response::of_text(status, &headers.to_json(), body)
}

/// JSON's content type.
pub const JSON: &str = "application/json";

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and no failing serialisers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn headers_are_json_whatever_they_hold() {
        let mut headers = HeaderList::new();
        assert_eq!(headers.to_json(), "{}");
        let values = ["", "a b", "\"quoted\"", "back\\slash", "\u{7f}\u{1}\t", "你好", "last"];
        for (place, value) in values.iter().enumerate() {
            headers.set(&format!("x-{place}"), value);
        }
        headers.set("x-0", "again");
        let read: Value = serde_json::from_str(&headers.to_json()).expect("it is JSON");
        let mut expected: serde_json::Map<String, Value> =
            values.iter().enumerate().map(|(place, value)| (format!("x-{place}"), json!(value))).collect();
        expected.insert("x-0".to_owned(), json!("again"));
        assert_eq!(read, Value::Object(expected));
    }
}
