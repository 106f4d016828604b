//! What is no log of ours is said by line, and nothing else is.

use crate::{example, read, replayed};
use sluice_replay::example::Example;

const PLANS: &str =
    r#"{"plans": {"a": {"limits": [{"name": "minute", "kind": "window", "limit": 5, "window": "1m"}]}}}"#;

fn good() -> Vec<String> {
    let text = example(Example { requests: 8, accounts: 2, every_ms: 900, seed: 5 }, PLANS);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_line_that_is_not_whole_is_named() {
    type Change = fn(&str) -> String;
    let cases: [(&str, Change, &str); 18] = [
        ("half", |line| line[..line.len() / 2].to_owned(), "the line breaks off"),
        ("all but its end", |line| line[..line.len() - 1].to_owned(), "the line breaks off"),
        (
            "its beginning is gone",
            |line| line[line.len() / 3..].replace("{\"", ""),
            "the beginning of the line is missing",
        ),
        ("two in one", |line| format!("{line}{line}"), "trailing characters"),
        ("another version", |line| line.replace("\"version\":2", "\"version\":3"), "version 3; this reads version 2"),
        (
            "a version beyond",
            |line| line.replace("\"version\":2", "\"version\":300"),
            "version 300; this reads version 2",
        ),
        ("no version", |line| line.replace(",\"version\":2", ""), "without `version`: it was written before version 2"),
        ("no id", |line| line.replace("\"request\":\"req_", "\"request\":\"rec_"), "`request` is not a request's id"),
        ("another member", |line| line.replace("\"ms\":", "\"more\":1,\"ms\":"), "unknown field `more`"),
        ("a member twice", |line| line.replace("\"ms\":", "\"ms\":1,\"ms\":"), "duplicate field `ms`"),
        ("no time", |line| line.replace("\"at\":", "\"at\":-"), "invalid value: integer `-1"),
        ("a fraction", |line| line.replace("\"ms\":", "\"ms\":0."), "damaged"),
        ("an outcome of its own", |line| line.replace("\"outcome\":\"", "\"outcome\":\"not_"), "unknown variant `not_"),
        ("no size", |line| line.replace("\"body_bytes\"", "\"max_tokens\""), "duplicate field `max_tokens`"),
        ("no model", |line| line.replace("\"model\":", "\"by\":"), "`model` is missing"),
        ("a long time", |line| line.replace("\"ms\":", "\"ms\":9999999999999"), "after the year 9000"),
        (
            "a number for a mark",
            |line| line.replace("\"plan\":", "\"session\":\"xyz\",\"plan\":"),
            "`session` is not a mark",
        ),
        (
            "limits without a time",
            |line| line.replace("\"decided_at\":", "\"limits\":[\"x\"],\"pressure\":0,\"was\":"),
            "unknown field `was`",
        ),
    ];
    for (what, change, told) in cases {
        let mut lines = good();
        lines[4] = change(&without_marks(&lines[4]));
        let read = read(&lines.join("\n"));
        let error = read.map_or_else(|error| format!("{error:#}"), |_| "it is read".to_owned());
        assert!(error.starts_with("line 5: ") && error.contains(told), "{what}: {error}");
    }
}

/// Members that only some requests have are taken out, so that changes add them.
fn without_marks(line: &str) -> String {
    let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    for member in ["session", "user", "limits", "code"] {
        line.remove(member);
    }
    line.insert("max_tokens".into(), 5.into());
    // Texts of maps are sorted; the members stay whole.
    serde_json::to_string(&line).unwrap()
}

#[test]
fn bytes_that_are_no_text_are_named_and_so_is_a_line_without_end() {
    let mut bytes = good().join("\n").into_bytes();
    let third = good()[..2].iter().map(|line| line.len() + 1).sum::<usize>();
    bytes[third + 5] = 0xff;
    let error = |bytes: &[u8]| format!("{:#}", sluice_replay::log::read(bytes, |_| {}).unwrap_err());
    assert!(error(&bytes).starts_with("line 3: it is not UTF-8"));
    let endless = [good().join("\n").into_bytes(), vec![b'\n'], vec![b'x'; 2 << 20]].concat();
    assert_eq!(error(&endless), "line 9: it is longer than 1048576 bytes");
}

#[test]
fn a_request_counts_once_and_a_plan_is_there() {
    let mut lines = good();
    lines.push(lines[2].clone());
    let error = |lines: &[String], plans: &str| format!("{:#}", replayed(&lines.join("\n"), plans, None).unwrap_err());
    assert_eq!(error(&lines, PLANS), "line 9: the request of line 3 again: is this file in it twice?");
    let other = PLANS.replace("\"a\"", "\"b\"");
    let told = error(&good(), &other);
    assert_eq!(told, "line 1: candidate has no plan `a`; a replay needs each that the log names");
    let told = format!("{:#}", replayed(&good().join("\n"), PLANS, Some(&other)).unwrap_err());
    assert_eq!(told, "line 1: current has no plan `a`; a replay needs each that the log names");
    for nothing in ["", "\n\n", "[wrangler:info] Ready on http://localhost:8787\n{\"audit\":12,\"hash\":\"ab\"}\n"] {
        let told = error(&[nothing.to_owned()], PLANS);
        assert_eq!(told, "no line of the log tells of a request that a plan decided: is REQUEST_LOG set?");
    }
}

/// A log has much in it that is not ours to judge.
#[test]
fn other_lines_are_counted_and_passed_over() {
    let mut lines: Vec<String> = good().iter().map(|line| format!("[wrangler:info] {line}\r")).collect();
    for other in [
        "",
        "\u{26c5} wrangler 4.0",
        "[wrangler:info] GET /v1/models 200 OK (3ms)",
        r#"env.PLANS ("{"plans":{"team":{"lim...")      Environment Variable      local"#,
        r#"{"request":"req_0DG9mkOv2l6AkSp3WsPxY7","plan":"team","would_have_refused":"minute"}"#,
        r#"{"trouble":"it said \"outcome\": no","detail":"{\"request\":\"x\""}"#,
    ] {
        lines.insert(3, other.to_owned());
    }
    let told = replayed(&lines.join("\n"), PLANS, None).unwrap();
    assert_eq!((told.seen.lines, told.seen.others, told.part.candidate.all.asked), (14, 6, 8));
}

/// The lines that the protocol's own tests hold to are read, each of them.
#[test]
fn every_line_that_the_edge_writes_is_read() {
    let text = include_str!("../../../../protocol/tests/golden/telemetry.txt");
    let once: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            line.replace("req_0DG9mkOv2l6AkSp3WsPxY7", &format!("req_0DG9mkOv2l6AkSp3WsPx{:02}", number + 10))
        })
        .collect();
    let log = read(&once.join("\n")).unwrap();
    let seen = log.seen;
    assert_eq!((log.requests.len(), seen.undecided, seen.without_gate, seen.others), (8, 2, 0, 7));
    let counted = &log.requests[1];
    assert_eq!((counted.prompt_counted, counted.counted_at, counted.max_tokens), (29, 1_790_000_000_040, None));
}
