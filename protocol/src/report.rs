//! What an origin tells of one request: the answer to `DELETE /v1/requests/{id}`.

use crate::chat::Usage;
use crate::id::RequestId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A request that was cancelled, or was over already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReport {
    /// The request's id (`req_...`).
    pub id: String,
    /// Always `request`.
    pub object: Cow<'static, str>,
    /// Whether it is over.
    pub status: RequestStatus,
    /// What it has used. Final once it is over; all zero if the model never began with it.
    pub usage: Usage,
}

/// Whether a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It is over, and its usage is final.
    Ended,
    /// It is to end and had not within the time for an answer: the engine is in a long step.
    Ending,
}

impl RequestReport {
    /// Of this request.
    pub fn new(id: RequestId, status: RequestStatus, usage: Usage) -> Self {
        Self { id: id.to_string(), object: "request".into(), status, usage }
    }

    /// What is to be settled, if that is certain.
    pub fn final_usage(&self) -> Option<Usage> {
        (self.status == RequestStatus::Ended).then_some(self.usage)
    }
}
