//! What the edge writes down: one line of JSON for each event, and no other line. Nothing here holds a prompt or a secret.

mod decided;
mod request;
pub mod trace;

pub use decided::{Counted, Decided};
pub use request::{LINE_VERSION, RequestEnd, RequestLine, RequestLog, RequestOutcome};

use crate::id::RequestId;
use serde::Serialize;

/// One event. Its members are what the line has, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// A request was refused for a reason that is not its caller's.
    Refused {
        /// Which.
        request: String,
        /// The refusal's code.
        code: &'static str,
        /// What only the log may know.
        detail: String,
    },
    /// A request is over, whatever became of it.
    Request(Box<RequestLine>),
    /// A limit that is only watched would have refused a request.
    Watched {
        /// Which.
        request: String,
        /// By which plan it was decided.
        plan: String,
        /// The limit's name.
        would_have_refused: String,
    },
    /// An admin has asked for something.
    Admin {
        /// In which request.
        request: String,
        /// Who: `token:<name>` or `access:<name>`.
        admin: String,
        /// The method.
        method: String,
        /// The path, without what nobody should have written into it.
        path: String,
    },
    /// An entry was added to the audit log: a witness outside of its storage.
    Audit {
        /// Its number.
        audit: u64,
        /// Its hash, in hexadecimal.
        hash: String,
    },
    /// Something went wrong that no caller is told of, or not in these words.
    Trouble {
        /// In which request, if it was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        /// What.
        trouble: String,
        /// Why, as far as anybody knows.
        detail: String,
        /// Whether nothing will mend it by itself.
        #[serde(skip)]
        is_final: bool,
    },
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is as it should be.
    Info,
    /// Somebody may want to look.
    Warning,
    /// Somebody has to.
    Error,
}

impl Line {
    /// Something went wrong, and may go right the next time.
    pub fn trouble(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Trouble { request: None, trouble: what.into(), detail: why.into(), is_final: false }
    }

    /// [`Self::trouble`] of one request.
    pub fn trouble_of(request: RequestId, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Trouble { request: Some(request.to_string()), trouble: what.into(), detail: why.into(), is_final: false }
    }

    /// Something went wrong, and was given up.
    pub fn given_up(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Trouble { request: None, trouble: what.into(), detail: why.into(), is_final: true }
    }

    /// How loud it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Request(_) | Self::Watched { .. } | Self::Admin { .. } | Self::Audit { .. } => Severity::Info,
            Self::Refused { .. } | Self::Trouble { is_final: false, .. } => Severity::Warning,
            Self::Trouble { is_final: true, .. } => Severity::Error,
        }
    }

    /// The line, without its end.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("our own types have string keys and no failing serialisers")
    }
}
