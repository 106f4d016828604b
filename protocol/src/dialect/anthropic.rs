//! Anthropic's: `{"type": "error", "error": {"type", "message"}, "request_id"}`, and in a stream an event of the name
//! `error`. Its classes of errors go by the status; our own `code` stands beside them.

use super::{BrokenOff, Dialect, Header};
use crate::id::RequestId;
use crate::limit::standing::ratelimit::read_go_duration;
use crate::refusal::{Class, Reason, Refusal};
use crate::time::{Millis, rfc3339};
use crate::wire::header;
use crate::wire::sse;
use serde::Serialize;

pub(super) const DIALECT: Dialect =
    Dialect { paths: &["/v1/messages"], stream: header::EVENT_STREAM, body, headers, broken };

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorDetail<'a>,
    request_id: Option<String>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    code: &'static str,
}

fn body(refusal: &Refusal, request: Option<RequestId>) -> String {
    let error = ErrorDetail { kind: class(refusal.reason), message: &refusal.message, code: refusal.reason.row().code };
    let body = ErrorBody { kind: "error", error, request_id: request.map(|request| request.to_string()) };
    serde_json::to_string(&body).expect("our own types have string keys and no failing parts")
}

fn broken(refusal: &Refusal, BrokenOff { request, mark, .. }: BrokenOff) -> String {
    sse::named_event("error", mark.map(|mark| mark.to_string()).as_deref(), &body(refusal, Some(request)))
}

/// Anthropic's class of an error.
const fn class(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Request => "invalid_request_error",
        Class::Credentials => "authentication_error",
        Class::Permission => "permission_error",
        Class::Payment => "billing_error",
        Class::Missing => "not_found_error",
        Class::Size => "request_too_large",
        Class::Limit => "rate_limit_error",
        Class::Failure => "api_error",
        Class::NoRoom => "overloaded_error",
        Class::Silence => "timeout_error",
    }
}

/// OpenAI's names and Anthropic's, for the same.
const NAMES: [(&str, &str); 6] = [
    (header::LIMIT_REQUESTS, header::ANTHROPIC_LIMIT_REQUESTS),
    (header::REMAINING_REQUESTS, header::ANTHROPIC_REMAINING_REQUESTS),
    (header::RESET_REQUESTS, header::ANTHROPIC_RESET_REQUESTS),
    (header::LIMIT_TOKENS, header::ANTHROPIC_LIMIT_TOKENS),
    (header::REMAINING_TOKENS, header::ANTHROPIC_REMAINING_TOKENS),
    (header::RESET_TOKENS, header::ANTHROPIC_RESET_TOKENS),
];

fn headers(told: Vec<Header>, now: Millis) -> Vec<Header> {
    let renamed = |(name, value): Header| {
        let Some((_, own)) = NAMES.iter().find(|(openais, _)| *openais == name) else { return (name, value) };
        let is_time = matches!(name, header::RESET_REQUESTS | header::RESET_TOKENS);
        // A time that cannot be read is none that we wrote.
        let time = is_time.then(|| read_go_duration(&value)).flatten().map(|wait| rfc3339(now.saturating_add(wait)));
        (*own, time.unwrap_or(value))
    };
    told.into_iter().map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::kind::Unit;
    use crate::limit::kind::window::WindowStanding;
    use crate::limit::plan::Per;
    use crate::limit::standing::{Standing, ratelimit};

    /// The same standing in OpenAI's words and in Anthropic's; what neither has a name for stays.
    #[test]
    fn limits_are_told_by_their_names() {
        let standing = |limit: &str, unit, quota, used, whole_at| Standing {
            limit: limit.into(),
            kind: WindowStanding { window_ms: 60_000 }.into(),
            unit,
            per: Per::Account,
            quota,
            used,
            more_at: Some(1_795_946_591_500),
            whole_at: Some(whole_at),
            shadowed: None,
        };
        let now = 1_795_946_591_000;
        let standings = [
            standing("minute", Unit::Requests, 60, 58, now + 48_200),
            standing("tokens", Unit::Tokens, 900, 400, now + 3_600_000),
        ];
        let told = ratelimit::headers(&standings, now);
        let found = DIALECT.headers(told.clone(), now);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(found[..2], [("ratelimit-policy", told[0].1.as_str()), ("ratelimit", told[1].1.as_str())]);
        assert_eq!(
            found[2..],
            [
                ("anthropic-ratelimit-requests-limit", "60"),
                ("anthropic-ratelimit-requests-remaining", "2"),
                ("anthropic-ratelimit-requests-reset", "2026-11-29T10:03:59.200Z"),
                ("anthropic-ratelimit-tokens-limit", "900"),
                ("anthropic-ratelimit-tokens-remaining", "500"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-29T11:03:11.000Z"),
            ]
        );
        let limited = Refusal::new(Reason::RateLimited, "x").with_retry_after_ms(1_500).with_headers(told);
        let found = DIALECT.refusal_headers(&limited, now);
        assert!(found.contains(&(header::RETRY_AFTER, "2".to_owned())), "{found:?}");
        assert!(found.iter().any(|(name, _)| *name == header::ANTHROPIC_RESET_TOKENS), "{found:?}");
        assert!(found.iter().all(|(name, _)| !name.starts_with("x-ratelimit")), "{found:?}");
    }
}
