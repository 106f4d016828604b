//! The lines of the log.

use super::golden;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask, Bending, Caller, Forbidden};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused};
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::telemetry::{Decided, Line, RequestEnd, RequestLine};

const AT: u64 = 1_790_000_000_000;
const ID: RequestId = RequestId([7; 16]);
const USED: Used =
    Used { usage: Usage::new(12, 34), reasoning_tokens: Some(5), cached_tokens: 4, drawn: Drawn::NOTHING };

/// One that most requests are like.
fn plain() -> Ask {
    Ask {
        model: "m".repeat(100),
        body_bytes: 900,
        prompt_tokens: 17,
        prompt_is_counted: false,
        max_tokens: Some(64),
        ..Ask::smallest(Caller::Short { key: [7; 4], mark: [9; 8] })
    }
}

/// One of which all is said.
fn full() -> Ask {
    Ask {
        caller: Caller::Known { subject: Mark::of("ann"), plan: "team".into() },
        endpoint: Endpoint::Completions,
        batch: true,
        session: Some(Mark::of("one")),
        user: Some(Mark::of("two")),
        max_tokens: None,
        thinking: true,
        pressure: 40,
        bending: Bending { may: true, ..Bending::default() },
        ..plain()
    }
}

fn admitted(now: u64, degraded: Option<Degraded>) -> Answer {
    Answer::Admitted(Box::new(Admission {
        plan: "team".into(),
        priority: 1,
        deadline: now + 600_000,
        tokens: 81,
        max_tokens: 64,
        max_prompt_tokens: 0,
        standings: Vec::new(),
        shadowed: Vec::new(),
        bounds: None,
        models: Vec::new(),
        now,
        is_to_be_listed: true,
        degraded: degraded.map(Box::new),
    }))
}

fn limited(now: u64) -> Answer {
    let kind = Parallel { limit: 2 }.into();
    let (amount, used, passes, blanket) = (1, 2, Passes::LessFull, Blanket::No);
    let refused = Refused { limit: "parallel".into(), kind, amount, used, passes, blanket };
    Answer::Limited { plan: "team".into(), refused: vec![refused], standings: Vec::new(), now }
}

fn line(answers: &[(&Ask, Answer)], outcome: Option<Outcome>, end: RequestEnd) -> Line {
    let mut decided = Decided::of("acct:0707070707070707", "key_070707070707070707070707".into(), answers[0].0);
    answers.iter().for_each(|(ask, answer)| decided.answered(ask, answer));
    outcome.into_iter().for_each(|outcome| decided.ended(outcome));
    Line::Request(Box::new(RequestLine::new(ID, "/v1/chat/completions", Some(decided.into()), end, AT, AT + 420)))
}

/// Whoever collects the edge's log reads these, and so does `cargo xtask replay`.
#[test]
fn lines_of_the_log() {
    let request = || ID.to_string();
    let (plain, full) = (plain(), full());
    let counted = Ask { prompt_tokens: 29, prompt_is_counted: true, ..full.clone() };
    let drawing = Drawing { n: 2, steps: 8, pixels: 1_048_576 };
    let pictures = Ask { endpoint: Endpoint::Images, drawing, max_tokens: Some(0), ..plain.clone() };
    let drawn = Used::of_pictures(17, Drawn { images: 1, steps: 3, pixel_steps: 3_145_728 });
    let degraded = Degraded { no_thinking: true, max_tokens: Some(256), ..Degraded::default() };
    let forbidden = Answer::NotAllowed { plan: "team".into(), forbidden: Forbidden::Model };
    let served = RequestEnd::Answered { is_whole: true, used: Some(USED) };
    let refused = |reason| RequestEnd::Refused { reason, used: None };
    let lines = [
        Line::Refused { request: request(), code: "origin_failed", detail: "the origin said \"no\"".into() },
        line(&[(&plain, admitted(AT + 3, None))], Some(Outcome::Served(Some(USED))), served),
        line(
            &[(&full, admitted(AT + 3, Some(degraded))), (&counted, admitted(AT + 40, None))],
            Some(Outcome::Served(None)),
            RequestEnd::Answered { is_whole: false, used: None },
        ),
        line(
            &[(&pictures, admitted(AT + 3, None))],
            Some(Outcome::Served(Some(drawn))),
            RequestEnd::Answered { is_whole: false, used: Some(drawn) },
        ),
        line(&[(&plain, limited(AT + 3))], None, refused(Reason::RateLimited)),
        line(&[(&full, admitted(AT + 3, None)), (&counted, limited(AT + 40))], None, refused(Reason::RateLimited)),
        line(&[(&plain, forbidden)], None, refused(Reason::NotAllowed)),
        line(
            &[(&plain, admitted(AT + 3, None))],
            Some(Outcome::Served(Some(USED))),
            RequestEnd::Refused { reason: Reason::OriginFailed, used: Some(USED) },
        ),
        line(&[(&plain, admitted(AT + 3, None))], Some(Outcome::NotServed), RequestEnd::Left),
        line(&[(&plain, Answer::Disabled)], None, refused(Reason::Disabled)),
        Line::Request(Box::new(RequestLine::new(ID, &"/long".repeat(100), None, refused(Reason::InvalidKey), AT, AT))),
        Line::Watched { request: request(), plan: "team".into(), would_have_refused: "minute".into() },
        Line::Admin {
            request: request(),
            admin: "token:ops".into(),
            method: "POST".into(),
            path: "/admin/v1/keys".into(),
        },
        Line::Audit { audit: 12, hash: "ab".repeat(32) },
        Line::trouble("the plans cannot be asked for", "the registry is busy"),
        Line::trouble_of(ID, "it is not settled", "its Gate is busy"),
        Line::given_up("a command for acct:0707070707070707 is given up", "its Gate fails over it"),
    ];
    let text: String = lines.iter().map(|line| format!("{:?} {}\n", line.severity(), line.to_json())).collect();
    golden("telemetry.txt", &text);
}
