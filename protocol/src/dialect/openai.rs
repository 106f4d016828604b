//! OpenAI's: `{"error": {"message", "type", "param", "code"}}`, and in a stream an event of it, without `[DONE]`.

use super::Dialect;
use crate::forward::report::StreamError;
use crate::id::RequestId;
use crate::refusal::Refusal;
use crate::wire::header;
use crate::wire::sse;
use serde::Serialize;

pub(super) const DIALECT: Dialect = Dialect {
    paths: &[],
    stream: header::EVENT_STREAM,
    body,
    headers: |told, _| told,
    broken: |refusal, broken| {
        let used = broken.mark.filter(|mark| mark.is_final).map(|mark| mark.used);
        sse::event(&to_json(&StreamError::new(refusal, used)))
    },
};

pub(super) fn body(refusal: &Refusal, _: Option<RequestId>) -> String {
    to_json(&refusal.body())
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and no failing parts")
}
