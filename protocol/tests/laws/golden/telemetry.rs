//! The lines of the log.

use super::golden;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::telemetry::{Line, RequestEnd, RequestLine, Who};

/// Whoever collects the edge's log reads these.
#[test]
fn lines_of_the_log() {
    let (id, at) = (RequestId([7; 16]), 1_790_000_000_000);
    let request = || id.to_string();
    let used = Used { usage: Usage::new(12, 34), reasoning_tokens: Some(5), cached_tokens: 0 };
    let of = |end| {
        let who = Who::new("acct:0707070707070707", "0707.1".into(), &"m".repeat(100));
        Line::Request(Box::new(RequestLine::new(id, "/v1/chat/completions", Some(who), end, at, at + 420)))
    };
    let lines = [
        Line::Refused { request: request(), code: "origin_failed", detail: "the origin said \"no\"".into() },
        of(RequestEnd::Answered { is_whole: true, used: Some(used) }),
        of(RequestEnd::Answered { is_whole: false, used: None }),
        of(RequestEnd::Refused { reason: Reason::RateLimited, used: None }),
        of(RequestEnd::Refused { reason: Reason::OriginFailed, used: Some(used) }),
        of(RequestEnd::Left),
        Line::Request(Box::new(RequestLine::new(
            id,
            &"/long".repeat(100),
            None,
            RequestEnd::Refused { reason: Reason::InvalidKey, used: None },
            at,
            at,
        ))),
        Line::Watched { request: request(), plan: "team".into(), would_have_refused: "minute".into() },
        Line::Admin {
            request: request(),
            admin: "token:ops".into(),
            method: "POST".into(),
            path: "/admin/v1/keys".into(),
        },
        Line::Audit { audit: 12, hash: "ab".repeat(32) },
        Line::trouble("the plans cannot be asked for", "the registry is busy"),
        Line::trouble_of(RequestId([7; 16]), "it is not settled", "its Gate is busy"),
        Line::given_up("a command for acct:0707070707070707 is given up", "its Gate fails over it"),
    ];
    let text: String = lines.iter().map(|line| format!("{:?} {}\n", line.severity(), line.to_json())).collect();
    golden("telemetry.txt", &text);
}
