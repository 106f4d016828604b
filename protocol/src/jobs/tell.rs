//! Files, batches and results in OpenAI's words.

use super::batch::{Batch, Status};
use super::call::Listed;
use super::file::StoredFile;
use super::line::LineError;
use super::work::Outcome;
use crate::time::Millis;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A file.
pub fn file(file: &StoredFile) -> Value {
    json!({
        "id": file.id.to_string(),
        "object": "file",
        "bytes": file.bytes,
        "created_at": seconds(file.created_at),
        "expires_at": seconds(file.expires_at),
        "filename": file.name,
        "purpose": file.purpose.name(),
        "status": "processed",
        "status_details": null,
    })
}

/// A file that is gone.
pub fn deleted(id: &str) -> Value {
    json!({"id": id, "object": "file", "deleted": true})
}

/// A batch.
pub fn batch(batch: &Batch) -> Value {
    let at = |status: Status| (batch.status == status).then(|| batch.ended_at.map(seconds)).flatten();
    let name = |file: super::name::FileId, is_there: bool| is_there.then(|| file.to_string());
    let (asked, counts, written) = (&batch.asked, batch.counts, batch.written);
    let is_written = batch.is_over();
    json!({
        "id": asked.id.to_string(),
        "object": "batch",
        "endpoint": asked.door.door().path(),
        "errors": (!batch.errors.is_empty()).then(|| errors(&batch.errors)),
        "input_file_id": asked.input.to_string(),
        "completion_window": WINDOW,
        "status": batch.status.name(),
        "output_file_id": name(asked.id.output(), is_written && written.output.parts > 0),
        "error_file_id": name(asked.id.errors(), is_written && written.errors.parts > 0),
        "created_at": seconds(batch.created_at),
        "in_progress_at": batch.in_progress_at.map(seconds),
        "expires_at": seconds(batch.expires_at),
        "finalizing_at": batch.finalizing_at.map(seconds),
        "completed_at": at(Status::Completed),
        "failed_at": at(Status::Failed),
        "expired_at": at(Status::Expired),
        "cancelling_at": batch.cancelling_at.map(seconds),
        "cancelled_at": at(Status::Cancelled),
        "request_counts": {"total": counts.total, "completed": counts.completed, "failed": counts.failed},
        "metadata": asked.metadata,
    })
}

/// A list of what was told before.
pub fn list<T>(listed: &Listed<T>, tell: impl Fn(&T) -> Value) -> Value {
    let data: Vec<Value> = listed.data.iter().map(tell).collect();
    let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
    json!({
        "object": "list",
        "first_id": id(data.first()),
        "last_id": id(data.last()),
        "has_more": listed.has_more,
        "data": data,
    })
}

/// A line of a batch's results, with its end. `request`: the name of what was asked last, or of the line.
pub fn result(batch: &str, number: u32, custom_id: &str, outcome: &Outcome) -> String {
    let id = format!("{}_{number}", batch.replacen("batch_", "batch_req_", 1));
    let (response, error) = match outcome {
        Outcome::Answered { request, body } => (Some((200, request, body)), None),
        Outcome::Refused { request, status, body } => (Some((*status, request, body)), None),
        Outcome::Unanswered(why) => (None, Some(Told { code: why.code(), message: why.message() })),
    };
    let response = response.map(|(status_code, request, body)| Response {
        status_code,
        request_id: request.to_string(),
        // What is not JSON is told as text.
        body: RawValue::from_string(body.clone()).unwrap_or_else(|_| text(body)),
    });
    let line = Line { id, custom_id, response, error };
    crate::wire::lines::line(&serde_json::to_string(&line).expect("text and JSON are JSON"))
}

/// The setting that batches have of how long they may take.
pub const WINDOW: &str = "24h";

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response>,
    error: Option<Told>,
}

#[derive(Serialize)]
struct Response {
    status_code: u16,
    request_id: String,
    body: Box<RawValue>,
}

#[derive(Serialize)]
struct Told {
    code: &'static str,
    message: &'static str,
}

fn text(body: &str) -> Box<RawValue> {
    let quoted = serde_json::to_string(body).expect("text is JSON");
    RawValue::from_string(quoted).expect("what was written as JSON is JSON")
}

fn errors(errors: &[LineError]) -> Value {
    let one = |error: &LineError| json!({"code": error.code, "message": error.message, "param": error.param, "line": error.line});
    json!({"object": "list", "data": errors.iter().map(one).collect::<Vec<_>>()})
}

const fn seconds(at: Millis) -> u64 {
    at / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;
    use crate::jobs::work::Why;

    #[test]
    fn a_result_is_one_line_whatever_is_in_it() {
        let request = RequestId([1; 16]);
        let bodies = ["{\"a\": \"x\\n\",\n \"b\": \"\u{2028}\"}", "<html>\n"];
        let outcomes = bodies.iter().flat_map(|body| {
            [
                Outcome::Answered { request, body: (*body).to_owned() },
                Outcome::Refused { request, status: 1, body: (*body).to_owned() },
            ]
        });
        let why = [Why::Expired, Why::Lost].into_iter().map(Outcome::Unanswered);
        for outcome in outcomes.chain(why) {
            let line = result("batch_x", 7, "a\nb\u{2028}", &outcome);
            assert_eq!(line.lines().count(), 1, "{line}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&value["custom_id"], &value["id"]), (&json!("a\nb\u{2028}"), &json!("batch_req_x_7")));
            assert!(value["response"].is_null() != value["error"].is_null(), "{line}");
        }
    }
}
