//! What an admin sees of an account's jobs, and which batch is to end. Times are milliseconds since the epoch.

use crate::jobs::batch::Batch;
use crate::jobs::call::Overview;
use crate::jobs::name::BatchId;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::wire::json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /admin/v1/jobs/{account}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsView {
    /// The account, by its name.
    pub account: String,
    /// How many files are kept.
    pub files: u64,
    /// How many bytes files have, and lines and responses that wait.
    pub bytes: u64,
    /// How many responses in the background are not over.
    pub responses: u64,
    /// The latest batches, the newest first.
    pub batches: Vec<BatchView>,
}

/// One batch: what it is, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchView {
    /// Its id.
    pub id: String,
    /// The key that made it, or the account of those who have none.
    pub made_by: String,
    /// Where its lines go.
    pub endpoint: String,
    /// How far it is, as its maker is told.
    pub status: String,
    /// How many lines it has; 0 until its file is understood.
    pub total: u32,
    /// How many have an answer.
    pub completed: u32,
    /// How many are over without one.
    pub failed: u32,
    /// What is wrong with it, first of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it runs out of time.
    pub expires_at: Millis,
    /// When somebody wanted it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling_at: Option<Millis>,
    /// When it was over, however.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
}

impl JobsView {
    /// What there is of this account.
    pub fn new(account: &str, overview: &Overview) -> Self {
        let room = overview.room;
        Self {
            account: account.to_owned(),
            files: room.files,
            bytes: room.bytes,
            responses: room.responses,
            batches: overview.batches.iter().map(BatchView::new).collect(),
        }
    }
}

impl BatchView {
    /// What there is of one.
    pub fn new(batch: &Batch) -> Self {
        let (asked, counts) = (&batch.asked, batch.counts);
        Self {
            id: asked.id.to_string(),
            made_by: asked.owner.subject.clone(),
            endpoint: asked.door.door().path().to_owned(),
            status: batch.status.name().to_owned(),
            total: counts.total,
            completed: counts.completed,
            failed: counts.failed,
            error: batch.errors.first().map(|error| error.message.clone()),
            created_at: batch.created_at,
            expires_at: batch.expires_at,
            cancelling_at: batch.cancelling_at,
            ended_at: batch.ended_at,
        }
    }
}

/// Reads the body of `POST /admin/v1/jobs/{account}/cancel`: which batch is to end. Refuses any other member by name.
pub fn batch_to_end(body: &[u8]) -> Result<BatchId, Refusal> {
    let object = json::object(body).ok_or_else(|| {
        Refusal::new(Reason::InvalidJson, "The body must be a JSON object without a member that is there twice.")
    })?;
    if let Some(name) = object.keys().find(|name| *name != "batch") {
        let message = format!("`{name}` is not known here. Leave it out.");
        return Err(Refusal::new(Reason::InvalidRequest, message).with_param(name.clone()));
    }
    let batch = object.get("batch").and_then(Value::as_str).and_then(BatchId::parse);
    batch.ok_or_else(|| Refusal::new(Reason::InvalidRequest, "`batch` must be the id of a batch.").with_param("batch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_and_nothing_else() {
        let batch = BatchId([7; 16]);
        assert_eq!(batch_to_end(format!("{{\"batch\": \"{batch}\"}}").as_bytes()), Ok(batch));
        for (body, param) in [
            ("", None),
            ("[]", None),
            ("{}", Some("batch")),
            (r#"{"batch": 7}"#, Some("batch")),
            (r#"{"batch": "batch_x"}"#, Some("batch")),
            (r#"{"batch": "x", "force": true}"#, Some("force")),
        ] {
            let refusal = batch_to_end(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.param.as_deref(), param, "{body}");
        }
    }
}
