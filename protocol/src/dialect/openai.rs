//! OpenAI's: `{"error": {"message", "type", "param", "code"}}`, and in a stream an event of it, without `[DONE]`.

use super::Dialect;
use crate::forward::report::StreamError;
use crate::header;
use crate::sse;
use serde::Serialize;

pub(super) const DIALECT: Dialect = Dialect {
    paths: &[],
    stream: header::EVENT_STREAM,
    body: |refusal, _| to_json(&refusal.body()),
    headers: |told, _| told,
    broken: |refusal, mark| {
        let used = mark.filter(|mark| mark.is_final).map(|mark| mark.used);
        sse::event(&to_json(&StreamError::new(refusal, used)))
    },
};

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and no failing parts")
}
