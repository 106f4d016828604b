//! Files of lines, and the bodies and queries of jobs.

use proptest::prelude::*;
use sluice_protocol::jobs::ask::{CreateBatch, ListQuery};
use sluice_protocol::jobs::file::upload::Upload;
use sluice_protocol::jobs::line::{BatchDoor, Line, LineError};
use sluice_protocol::jobs::name::FileId;
use sluice_protocol::jobs::validate::{MAX_LINES, Validator};
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::ChatBounds;
use std::convert::Infallible;

pub(super) const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

/// What is read of a file that comes in parts of these sizes.
fn read(file: &[u8], sizes: &[usize]) -> (Vec<(u32, Line)>, Vec<LineError>) {
    let mut lines = Vec::new();
    let mut each = |number, line| {
        lines.push((number, line));
        Ok::<(), Infallible>(())
    };
    let mut reader = Validator::new(BatchDoor::Chat, BOUNDS, 1_000);
    let (mut rest, mut sizes) = (file, sizes.iter().copied().cycle());
    while !rest.is_empty() {
        let (part, next) = rest.split_at(sizes.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        let Ok(()) = reader.push(part, &mut each);
        rest = next;
    }
    let Ok(errors) = reader.end(&mut each);
    (lines, errors)
}

fn line(name: &str) -> String {
    format!(
        r#"{{"custom_id":"{name}","method":"POST","url":"/v1/chat/completions","body":{{"model":"m","messages":[{{"role":"user","content":"x"}}]}}}}"#
    )
}

proptest! {
    /// Wherever its parts end, a file is read the same.
    #[test]
    fn parts_end_anywhere(
        kinds in proptest::collection::vec(0usize..8, 0..12), sizes in proptest::collection::vec(1usize..200, 1..6)
    ) {
        let kind = |(place, kind): (usize, &usize)| match kind {
            0 => "{".to_owned(),
            1 => line("same"),
            2 => String::new(),
            3 => "x".repeat(1_200),
            _ => line(&place.to_string()),
        };
        let text = kinds.iter().enumerate().map(kind).collect::<Vec<_>>().join("\r\n");
        let whole = read(text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&read(text.as_bytes(), &sizes), &whole);
        let (lines, errors) = whole;
        if errors.is_empty() {
            prop_assert!(!lines.is_empty());
            prop_assert!(lines.iter().zip(0..).all(|((number, _), place)| *number == place));
        }
    }

    /// Whatever comes, nothing panics, and a form's content is a part of its body.
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
        let _ = read(&bytes, &[7]);
        let _ = CreateBatch::parse(&bytes);
        let _ = ListQuery::parse(&text, FileId::parse);
        let form = [b"--b\r\nContent-Disposition: form-data; ".as_slice(), text.as_bytes(), b"\r\n\r\n", &bytes, b"\r\n--b--"].concat();
        if let Ok(Upload { content, .. }) = Upload::parse("multipart/form-data; boundary=b", &form) {
            prop_assert!(content.end <= form.len());
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let bad = |change: &dyn Fn(String) -> String| change(line("b"));
    let cases: Vec<(String, &str, Option<&str>)> = vec![
        ("7".into(), "invalid_json_line", None),
        ("[1]".into(), "invalid_json_line", None),
        (bad(&|line| line.replacen('{', r#"{"url":"x","#, 1)), "duplicate_member", Some("url")),
        (bad(&|line| line.replace(r#""b""#, "7")), "missing_required_parameter", Some("custom_id")),
        (bad(&|line| line.replace(r#""b""#, r#""""#)), "missing_required_parameter", Some("custom_id")),
        (
            bad(&|line| line.replace(r#""b""#, &format!("{:?}", "x".repeat(513)))),
            "missing_required_parameter",
            Some("custom_id"),
        ),
        (bad(&|line| line.replace("POST", "post")), "invalid_method", Some("method")),
        (bad(&|line| line.replace("/v1/chat/completions", "/v1/responses")), "mismatched_url", Some("url")),
        (
            bad(&|line| line.replace("/v1/chat/completions", "https://a/v1/chat/completions")),
            "mismatched_url",
            Some("url"),
        ),
        (bad(&|line| line.replace(r#""model":"m","#, "")), "invalid_request", Some("body.model")),
        (
            bad(&|line| line.replace(r#""model":"m""#, r#""model":"m","stream":true"#)),
            "unsupported_parameter",
            Some("body.stream"),
        ),
        (
            bad(&|line| line.replace(r#""model":"m""#, r#""model":"m","max_tokens":1001"#)),
            "invalid_request",
            Some("body.max_tokens"),
        ),
        (bad(&|line| line.replace(r#""x""#, &format!("{:?}", "x".repeat(1_000)))), "line_too_long", None),
        (line("a"), "duplicate_custom_id", Some("custom_id")),
    ];
    for (bad, code, param) in cases {
        let file = format!("\u{feff}{}\n\n{bad}\n{}", line("a"), line("c"));
        let (lines, errors) = read(file.as_bytes(), &[usize::MAX]);
        assert_eq!(lines.len(), 1, "{bad}: nothing is wanted of what fails");
        let told: Vec<_> = errors.iter().map(|error| (&*error.code, error.param.as_deref(), error.line)).collect();
        assert_eq!(told, [(code, param, Some(3))], "{bad}");
    }
    let (_, errors) = read(b"\xff\n", &[1]);
    assert_eq!((&*errors[0].code, errors[0].line), ("invalid_json_line", Some(1)));
    for empty in ["", "\n", " \r\n\n"] {
        assert_eq!(read(empty.as_bytes(), &[1]).1[0].code, "empty_file", "{empty:?}");
    }
    let (_, errors) = read("{\n".repeat(5_000).as_bytes(), &[usize::MAX]);
    assert_eq!(errors.len(), 100, "enough is told");
}

#[test]
fn a_file_has_so_many_lines_and_no_more() {
    let text = |count: u32| (0..count).map(|place| line(&place.to_string()) + "\n").collect::<String>();
    let (lines, errors) = read(text(MAX_LINES).as_bytes(), &[1 << 16]);
    assert_eq!((lines.len(), errors.len()), (MAX_LINES as usize, 0));
    let (_, errors) = read(text(MAX_LINES + 1).as_bytes(), &[1 << 16]);
    assert_eq!((&*errors[0].code, errors[0].line), ("too_many_lines", Some(MAX_LINES + 1)));
}

#[test]
fn lines_of_every_door_are_read_by_it_and_keep_nothing() {
    let cases = [
        (BatchDoor::Completions, r#"{"model":"m","prompt":"x"}"#, None),
        (BatchDoor::Embeddings, r#"{"model":"m","input":"x"}"#, None),
        (BatchDoor::Responses, r#"{"model":"m","input":"x"}"#, None),
        (BatchDoor::Responses, r#"{"model":"m","input":"x","store":true}"#, Some("body.store")),
        (
            BatchDoor::Responses,
            r#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#,
            Some("body.previous_response_id"),
        ),
        (BatchDoor::Responses, r#"{"model":"m","input":"x","background":true}"#, Some("body.background")),
        (BatchDoor::Embeddings, r#"{"model":"m","messages":[]}"#, Some("body.input")),
    ];
    for (door, body, param) in cases {
        let text = format!(r#"{{"custom_id":"a","method":"POST","url":"{}","body":{body}}}"#, door.door().path());
        let read = Line::parse(&text, 1, door, BOUNDS);
        assert_eq!(read.as_ref().err().map(|error| error.param.as_deref()), param.map(Some), "{body}: {read:?}");
        assert!(read.is_err() || read.is_ok_and(|line| line.body == body));
    }
}

#[test]
fn what_makes_a_batch_is_read_or_refused_by_name() {
    let file = FileId([7; 16]);
    let body = |more: &str| {
        format!(r#"{{"input_file_id":"{file}","endpoint":"/v1/embeddings","completion_window":"24h"{more}}}"#)
    };
    let made = CreateBatch::parse(body(r#","metadata":{"a":"b"}"#).as_bytes()).unwrap();
    assert_eq!((made.input, made.door, made.metadata["a"].as_str()), (file, BatchDoor::Embeddings, "b"));
    let long = format!(r#","metadata":{{"a":{:?}}}"#, "x".repeat(513));
    for (wrong, reason, param) in [
        ("[]".to_owned(), Reason::InvalidJson, None),
        (body(r#","endpoint":"x""#), Reason::InvalidJson, None),
        (body(r#","output_expires_after":{}"#), Reason::UnsupportedParameter, Some("output_expires_after")),
        (body("").replace("24h", "48h"), Reason::InvalidRequest, Some("completion_window")),
        (body("").replace("/v1/embeddings", "/v1/moderations"), Reason::InvalidRequest, Some("endpoint")),
        (body("").replace("file-", "file_"), Reason::FileNotFound, Some("input_file_id")),
        (body("").replace("input_file_id", "metadata"), Reason::InvalidRequest, Some("input_file_id")),
        (body(&long), Reason::InvalidRequest, Some("metadata")),
        (body(r#","metadata":{"a":7}"#), Reason::InvalidRequest, Some("metadata")),
    ] {
        let refusal = CreateBatch::parse(wrong.as_bytes()).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, param), "{wrong}");
    }
}
