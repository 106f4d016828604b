//! Answers: a translation into the platform's types, with no choices in it.

use crate::platform::{self, Fault, Response};
use serde::Serialize;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::wire::header;

/// The headers of an answer or of a request to the origin.
#[derive(Default)]
pub struct HeaderList(serde_json::Map<String, serde_json::Value>);

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

    /// Sets one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into().into());
    }

    /// All of them as one string: `Headers` would need a call of the platform's for each.
    pub fn to_json(&self) -> String {
        to_json(&self.0)
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

/// An answer with a whole body.
pub fn respond(status: u16, headers: &HeaderList, body: &str) -> Result<Response, Fault> {
    Response::of_text(status, &headers.to_json(), body)
}

/// JSON's content type.
pub const JSON: &str = "application/json";

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and no failing serialisers")
}
