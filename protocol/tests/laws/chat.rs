//! The door: what is a chat request and what is not, as a table.

use proptest::prelude::*;
use sluice_protocol::chat::{ChatBounds, ChatRequest, Role, usage_of};
use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };

fn with(member: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{member}}}"#)
}

fn check(body: &[u8], expected: Result<(), (Reason, Option<&str>)>) {
    let found = ChatRequest::parse(body, BOUNDS).map(drop).map_err(|refusal| (refusal.reason, refusal.param));
    let expected = expected.map_err(|(reason, param)| (reason, param.map(|param| param.to_owned().into())));
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
}

#[test]
fn bodies_that_are_not_requests_are_refused_by_name() {
    check(b"", Err((InvalidJson, None)));
    check(b"{", Err((InvalidJson, None)));
    check(b"\xff\xfe", Err((InvalidJson, None)));
    check(b"[]", Err((InvalidRequest, None)));
    check(b"{\"model\":\"m\xc3\x28\"}", Err((InvalidJson, None)));
    check(br#"{"messages":[{"role":"user","content":"x"}]}"#, Err((InvalidRequest, Some("model"))));
    check(br#"{"model":"","messages":[{"role":"user","content":"x"}]}"#, Err((InvalidRequest, Some("model"))));
    check(br#"{"model":"m"}"#, Err((InvalidRequest, Some("messages"))));
    check(br#"{"model":"m","messages":[]}"#, Err((InvalidRequest, Some("messages"))));
    check(br#"{"model":"m","messages":[{"role":"user"}]}"#, Err((InvalidRequest, Some("messages"))));
    check(br#"{"model":"m","messages":[{"role":"king","content":"x"}]}"#, Err((InvalidRequest, None)));
    check(
        br#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
        Err((InvalidRequest, Some("messages"))),
    );
}

#[test]
fn numbers_are_held_to_their_bounds() {
    for (member, param) in [
        (r#""max_tokens":0"#, "max_tokens"),
        (r#""max_tokens":-1"#, "max_tokens"),
        (r#""max_tokens":1.5"#, "max_tokens"),
        (r#""max_tokens":101"#, "max_tokens"),
        (r#""max_tokens":99999999999999999999"#, "max_tokens"),
        (r#""max_completion_tokens":0"#, "max_completion_tokens"),
        (r#""temperature":2.1"#, "temperature"),
        (r#""temperature":-0.1"#, "temperature"),
        (r#""top_p":0"#, "top_p"),
        (r#""top_p":1.1"#, "top_p"),
        (r#""stop":["a","b","c","d","e"]"#, "stop"),
        (r#""stop":"""#, "stop"),
    ] {
        check(with(member).as_bytes(), Err((InvalidRequest, Some(param))));
    }
}

#[test]
fn what_is_not_served_is_refused_and_never_ignored() {
    for (member, param) in [
        (r#""n":2"#, "n"),
        (r#""tools":[{"type":"function"}]"#, "tools"),
        (r#""logprobs":true"#, "logprobs"),
        (r#""top_logprobs":3"#, "top_logprobs"),
        (r#""logit_bias":{"1":5}"#, "logit_bias"),
        (r#""presence_penalty":0.5"#, "presence_penalty"),
        (r#""frequency_penalty":-0.5"#, "frequency_penalty"),
        (r#""response_format":{"type":"json_object"}"#, "response_format"),
    ] {
        check(with(member).as_bytes(), Err((UnsupportedParameter, Some(param))));
    }
    for member in [
        r#""n":1"#,
        r#""tools":[]"#,
        r#""logprobs":false"#,
        r#""presence_penalty":0"#,
        r#""response_format":{"type":"text"}"#,
        r#""unheard_of":1"#,
    ] {
        check(with(member).as_bytes(), Ok(()));
    }
}

#[test]
fn a_request_is_read_whole() {
    let body = r#"{"model":"m","messages":[{"role":"developer","content":"be"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
        "max_tokens":3,"max_completion_tokens":7,"stream":true,"stream_options":{"include_usage":true},"temperature":0,"seed":-1,
        "stop":"x","chat_template_kwargs":{"enable_thinking":false},"user":"u","metadata":{"a":"b"}}"#;
    let request = ChatRequest::parse(body.as_bytes(), BOUNDS).unwrap();
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!(request.messages[1].content, "ab");
    assert_eq!((request.max_tokens, request.max_tokens_given), (7, true));
    assert!(request.stream && request.include_usage);
    assert_eq!((request.temperature, request.seed), (0.0, Some(u64::MAX)));
    assert_eq!((request.stop.as_slice(), request.enable_thinking), (["x".to_owned()].as_slice(), Some(false)));
    let plain = ChatRequest::parse(with(r#""stream":false"#).as_bytes(), BOUNDS).unwrap();
    assert_eq!((plain.max_tokens, plain.max_tokens_given, plain.temperature), (16, false, 1.0));
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ChatRequest::parse(&bytes, BOUNDS);
        let _ = usage_of(&bytes);
    }
}
