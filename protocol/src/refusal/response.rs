//! One refusal, as its caller and the log are told of it.
//!
//! It has two messages: `message` goes to the caller, `detail` to the log. Neither ever holds a secret or prompt text. The
//! body is OpenAI's: `{"error":{"message","type","param","code"}}`.

use super::{Reason, Retry};
use crate::wire::header;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A refusal: an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What the caller is told: what was wrong and what to do next.
    pub message: Cow<'static, str>,
    /// The field of the request that was wrong, as OpenAI's `param`.
    pub param: Option<Cow<'static, str>>,
    /// What the log is told besides. Never sent.
    pub detail: Option<String>,
    /// How long to wait until this very request would pass; absent while unknown.
    pub retry_after_ms: Option<u64>,
    /// What else is told in headers: how the caller's limits stand, or which methods a path has.
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal without a wait, a parameter or a log message.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), param: None, detail: None, retry_after_ms: None, headers: Vec::new() }
    }

    /// Names the field that was wrong.
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds what only the log may know.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the exact wait in milliseconds.
    pub fn with_retry_after_ms(mut self, wait: u64) -> Self {
        self.retry_after_ms = Some(wait);
        self
    }

    /// Adds the methods that the path has.
    pub fn with_allow(mut self, allow: &'static str) -> Self {
        self.headers.push((header::ALLOW, allow.to_owned()));
        self
    }

    /// A body that was packed in a way that is not read here.
    pub fn packed() -> Self {
        let message = "The body's content-encoding is not read here. Send the body as it is, without one.";
        Self::new(Reason::UnsupportedMediaType, message)
            .with_headers(vec![(header::ACCEPT_ENCODING, "identity".into())])
    }

    /// Adds headers.
    pub fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.reason.row().status
    }

    /// The JSON body.
    pub fn body(&self) -> ErrorBody {
        let row = self.reason.row();
        ErrorBody {
            error: ErrorDetail {
                message: self.message.to_string(),
                kind: row.kind.into(),
                param: self.param.as_ref().map(ToString::to_string),
                code: Some(row.code.into()),
            },
        }
    }

    /// The headers that this refusal carries, besides `content-type` and `x-request-id`.
    ///
    /// `retry-after` is rounded up to whole seconds: a caller that waits that long is never early. A refusal that will not
    /// pass later carries no wait. One that passes only after a while names its wait and is not to be retried by a client
    /// on its own: some of OpenAI's sleep for a day inside of one call.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let row = self.reason.row();
        let mut headers = Vec::with_capacity(4);
        let passes_later = row.retry == Retry::Yes;
        let is_soon = self.retry_after_ms.is_none_or(|wait| wait <= LONGEST_SLEEP_MS);
        headers.push((header::SHOULD_RETRY, (passes_later && is_soon).to_string()));
        if let (true, Some(wait)) = (passes_later, self.retry_after_ms) {
            headers.push((header::RETRY_AFTER, wait.div_ceil(1000).to_string()));
            headers.push((header::RETRY_AFTER_MS, wait.to_string()));
        }
        if self.reason.asks_for_credentials() {
            // RFC 6750, section 3: no `error` attribute when no credentials were sent.
            let challenge = match self.reason {
                Reason::MissingKey => r#"Bearer realm="sluice""#.to_owned(),
                _ => format!(r#"Bearer realm="sluice", error="invalid_token", error_description="{}""#, row.code),
            };
            headers.push((header::WWW_AUTHENTICATE, challenge));
        }
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

/// How long a client may sleep before it sends a request again by itself, in milliseconds.
pub const LONGEST_SLEEP_MS: u64 = 60_000;

/// OpenAI's error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The only member.
    pub error: ErrorDetail,
}

/// The inside of [`ErrorBody`]. All four members are always present; `param` may be null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For a person.
    pub message: String,
    /// OpenAI's class of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request's field that was wrong.
    #[serde(default)]
    pub param: Option<String>,
    /// For a program. Stable.
    #[serde(default)]
    pub code: Option<String>,
}
