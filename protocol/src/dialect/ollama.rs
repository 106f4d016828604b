//! Ollama's: `{"error": "text"}`, and in a stream a line of it. Its clients show the text to people, so it is a text; the
//! `code` beside it is for programs that know Sluice.

use super::Dialect;
use crate::forward::report::UsageMark;
use crate::refusal::Refusal;
use crate::wire::header;
use crate::wire::lines;
use serde::Serialize;

pub(super) const DIALECT: Dialect = Dialect {
    paths: &["/api/"],
    stream: header::NDJSON,
    body: |refusal, _| error(refusal, None),
    headers: |told, _| told,
    broken: |refusal, broken| lines::line(&error(refusal, broken.mark)),
};

#[derive(Serialize)]
struct Error<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<String>,
}

fn error(refusal: &Refusal, mark: Option<UsageMark>) -> String {
    let used = mark.map(|mark| mark.to_string());
    let error = Error { error: &refusal.message, code: refusal.reason.row().code, used };
    serde_json::to_string(&error).expect("our own types have string keys and no failing parts")
}
