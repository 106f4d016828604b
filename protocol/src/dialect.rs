//! How each protocol says no: a refusal's body and headers, and what ends a stream that broke off. One file for each,
//! one line in `ALL`.
//!
//! Statuses are those of [`crate::refusal`], whatever the protocol.

mod anthropic;
mod ollama;
mod openai;
mod responses;

use crate::forward::report::UsageMark;
use crate::id::RequestId;
use crate::refusal::Refusal;
use crate::time::Millis;

/// One protocol's way to say no.
pub struct Dialect {
    /// What the paths begin with on which it is spoken.
    paths: &'static [&'static str],
    /// What the bodies of its streams are.
    stream: &'static str,
    /// A refusal's body.
    body: fn(&Refusal, Option<RequestId>) -> String,
    /// The headers that tell limits and waits, in its own names.
    headers: fn(Vec<Header>, Millis) -> Vec<Header>,
    /// What ends a stream that broke off.
    broken: fn(&Refusal, BrokenOff) -> String,
}

/// A stream that broke off, and what of it is told with the refusal that ends it.
#[derive(Clone, Copy, Debug)]
pub struct BrokenOff {
    /// Whose answer it was.
    pub request: RequestId,
    /// How many events had been told.
    pub events: u64,
    /// What had been used. The origin tells it.
    pub mark: Option<UsageMark>,
}

/// A header of an answer.
pub type Header = (&'static str, String);

/// All of them. OpenAI's is spoken wherever no other is.
const ALL: &[&Dialect] = &[&anthropic::DIALECT, &ollama::DIALECT, &responses::DIALECT, &openai::DIALECT];

impl Dialect {
    /// The one that is spoken on this path.
    pub fn of(path: &str) -> &'static Self {
        let speaks = |dialect: &&&Self| dialect.paths.iter().any(|begins| path.starts_with(begins));
        ALL.iter().find(speaks).copied().unwrap_or(&openai::DIALECT)
    }

    /// The one in which the two gates speak with each other, whatever the caller speaks.
    pub const fn between_gates() -> &'static Self {
        &openai::DIALECT
    }

    /// What the bodies of its streams are, as a content type.
    pub const fn stream(&self) -> &'static str {
        self.stream
    }

    /// A refusal's body.
    pub fn body(&self, refusal: &Refusal, request: Option<RequestId>) -> String {
        (self.body)(refusal, request)
    }

    /// All headers that a refusal carries, besides `content-type` and `x-request-id`.
    pub fn refusal_headers(&self, refusal: &Refusal, now: Millis) -> Vec<Header> {
        self.headers(refusal.headers(), now)
    }

    /// The headers that tell limits and waits: `told` in OpenAI's names.
    pub fn headers(&self, told: Vec<Header>, now: Millis) -> Vec<Header> {
        (self.headers)(told, now)
    }

    /// What ends a stream that broke off.
    pub fn broken(&self, refusal: &Refusal, broken: BrokenOff) -> String {
        (self.broken)(refusal, broken)
    }
}
