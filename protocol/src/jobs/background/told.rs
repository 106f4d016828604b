//! What is told of one: to whoever asks for it, in a refusal, and as the end that it has.

use super::End;
use crate::id::ResponseId;
use crate::jobs::work::Why;
use crate::refusal::{Reason, Refusal};
use crate::request::bodies::responses::{Answer, Status, repeated};
use crate::request::member::raw;
use crate::request::rewrite::with_members;
use crate::time::Millis;

/// What its caller is told of one that begins to wait. Refuses what [`repeated`] refuses.
pub fn queued(id: ResponseId, now: Millis, model: &str, body: &[u8]) -> Result<String, Refusal> {
    let repeated = repeated(body)?;
    let answer = Answer {
        id: id.to_string(),
        object: "response",
        created_at: now / 1000,
        status: Status::Queued,
        background: true,
        error: None,
        incomplete_details: None,
        max_tool_calls: None,
        model,
        output: &[],
        service_tier: "default",
        truncation: "disabled",
        usage: None,
        repeated: &repeated.members,
    };
    Ok(serde_json::to_string(&answer).expect("texts, numbers and JSON are JSON"))
}

/// A body that asks for an answer in the background, as it is sent on: who answers it knows nothing of that. As it was,
/// if it is none.
pub fn foreground(body: &[u8]) -> Vec<u8> {
    with_members(body, &[("background", "false")]).unwrap_or_else(|| body.to_vec())
}

/// Refuses an answer in the background that is not to be kept.
pub fn check_store(store: bool) -> Result<(), Refusal> {
    let message = "`background` needs `store: true`: its answer is asked for later.";
    let refusal = || Refusal::new(Reason::InvalidRequest, message).with_param("background");
    store.then_some(()).ok_or_else(refusal)
}

/// Refuses a stream that nobody reads.
pub fn check_stream(stream: bool) -> Result<(), Refusal> {
    let message = "`stream` is not served with `background`. Leave it out, and ask for the response by its id.";
    let refusal = || Refusal::new(Reason::UnsupportedParameter, message).with_param("stream");
    if stream { Err(refusal()) } else { Ok(()) }
}

/// What a caller is told who goes on from one that has no answer.
pub fn no_answer_yet(status: Status) -> Refusal {
    let what_now = match status {
        Status::Failed | Status::Cancelled => "it has no answer to go on from",
        _ => "wait until it is `completed`",
    };
    let message = format!("The response to go on from is `{}`: {what_now}.", status.name());
    Refusal::new(Reason::InvalidRequest, message).with_param("previous_response_id")
}

/// What a caller is told who cancels a response that was not asked for in the background.
pub fn not_in_background() -> Refusal {
    Refusal::new(Reason::InvalidRequest, "Only a response that was asked for with `background: true` can be cancelled.")
}

/// An answer with these members in place of its own; as it was, if it is none.
pub(super) fn changed(answer: &str, members: &[(&str, &str)]) -> String {
    let changed = with_members(answer.as_bytes(), members).and_then(|bytes| String::from_utf8(bytes).ok());
    changed.unwrap_or_else(|| answer.to_owned())
}

/// How one ends that was refused with this body.
pub(super) fn refused(body: &str) -> End {
    let error = raw::members(body, &["error"]).ok().and_then(|[error]| error);
    let [code, message] = error.and_then(|error| raw::members(error, &["code", "message"]).ok()).unwrap_or_default();
    let text = |json: Option<&str>| json.and_then(raw::text).map(Into::into);
    End::Failed {
        code: text(code).unwrap_or_else(|| Reason::Internal.row().code.to_owned()),
        message: text(message).unwrap_or_else(|| "This request was refused.".to_owned()),
    }
}

/// How one ends whose answer cannot be kept anywhere.
pub fn lost() -> End {
    failed(Why::Lost)
}

/// How one ends without an answer, for this reason.
pub(super) fn failed(why: Why) -> End {
    End::Failed { code: why.code().to_owned(), message: why.of_response().to_owned() }
}

/// How one ends that ran out of time.
pub(super) fn expired() -> End {
    let message = "This request could not be answered within a day.";
    End::Failed { code: "response_expired".to_owned(), message: message.to_owned() }
}
