//! That of OpenAI's responses: refusals as at OpenAI's other doors; in a stream an event of the name `error`, numbered
//! like those before it. What is wrong stands in it twice: OpenAI's clients for Python and Node raise what is in `error`,
//! and its types have the same beside it.

use super::{BrokenOff, Dialect, openai};
use crate::refusal::{ErrorDetail, Refusal};
use crate::wire::header;
use crate::wire::sse;
use serde::Serialize;

pub(super) const DIALECT: Dialect = Dialect {
    paths: &["/v1/responses"],
    stream: header::EVENT_STREAM,
    body: openai::body,
    headers: |told, _| told,
    broken,
};

#[derive(Serialize)]
struct Event {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    code: Option<String>,
    message: String,
    param: Option<String>,
    error: ErrorDetail,
}

fn broken(refusal: &Refusal, BrokenOff { events, mark, .. }: BrokenOff) -> String {
    let error = refusal.body().error;
    let event = Event {
        kind: "error",
        sequence_number: events,
        code: error.code.clone(),
        message: error.message.clone(),
        param: error.param.clone(),
        error,
    };
    let id = mark.map(|mark| mark.to_string());
    sse::named_event("error", id.as_deref(), &openai::to_json(&event))
}
