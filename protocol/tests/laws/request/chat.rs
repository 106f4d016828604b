//! The door: what is a chat request and what is not, as a table.

mod messages;

use proptest::prelude::*;
use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, MAX_BIASES, Sampling, Speaker, usage_of};

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
    check(br#"{"model":"m","messages":[{"role":"king","content":"x"}]}"#, Err((InvalidRequest, Some("messages"))));
    check(
        br#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
        Err((UnsupportedParameter, Some("messages"))),
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
        (r#""n":0"#, "n"),
        (r#""n":9"#, "n"),
        (r#""n":-1"#, "n"),
        (r#""n":1.5"#, "n"),
        (r#""n":"2""#, "n"),
        (r#""stop":["a","b","c","d","e"]"#, "stop"),
        (r#""stop":"""#, "stop"),
    ] {
        check(with(member).as_bytes(), Err((InvalidRequest, Some(param))));
    }
    let stops = with(&format!(r#""stop":[{}]"#, vec![r#""a""#; 10_000].join(",")));
    check(stops.as_bytes(), Err((InvalidRequest, Some("stop"))));
}

#[test]
fn what_is_not_served_is_refused_and_never_ignored() {
    for (member, param) in
        [(r#""functions":[{"name":"f"}]"#, "functions"), (r#""function_call":{"name":"f"}"#, "function_call")]
    {
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
    assert_eq!(request.messages[0].speaker, Speaker::System);
    assert_eq!(request.messages[1].content, "ab");
    assert_eq!((request.max_tokens, request.max_tokens_given), (7, true));
    assert!(request.stream && request.include_usage);
    assert_eq!((request.sampling.temperature, request.sampling.seed), (0.0, Some(u64::MAX)));
    assert_eq!((request.stop.as_slice(), request.enable_thinking), (["x".to_owned()].as_slice(), Some(false)));
    let plain = ChatRequest::parse(with(r#""stream":false"#).as_bytes(), BOUNDS).unwrap();
    assert_eq!((plain.max_tokens, plain.max_tokens_given, plain.sampling), (16, false, Sampling::default()));
}

/// Only who switches thinking off is not reserved for as if it thought.
#[test]
fn a_request_thinks_unless_it_says_otherwise() {
    for (member, thinks) in [
        (r#""stream":false"#, true),
        (r#""enable_thinking":null"#, true),
        (r#""enable_thinking":true"#, true),
        (r#""enable_thinking":false"#, false),
        (r#""chat_template_kwargs":{"enable_thinking":false}"#, false),
        (r#""chat_template_kwargs":{"enable_thinking":false},"enable_thinking":true"#, true),
    ] {
        assert_eq!(ChatRequest::parse(with(member).as_bytes(), BOUNDS).unwrap().thinks(), thinks, "{member}");
    }
}

/// What is reserved for answers: all of them, where the caller says how long they may be, and where there are several.
#[test]
fn several_answers_are_reserved_together() {
    for (members, answers, most) in [
        (r#""n":null"#, 1, None),
        (r#""n":1,"max_tokens":3"#, 1, Some(3)),
        (r#""n":8,"max_tokens":3"#, 8, Some(24)),
        (r#""n":2"#, 2, Some(32)),
    ] {
        let request = ChatRequest::parse(with(members).as_bytes(), BOUNDS).unwrap();
        assert_eq!((request.answers, request.most_tokens()), (answers, most), "{members}");
    }
    let bounds = ChatBounds { default_max_tokens: 16, max_max_tokens: u32::MAX };
    let request = ChatRequest::parse(with(r#""n":2,"max_tokens":4294967295"#).as_bytes(), bounds).unwrap();
    assert_eq!(request.most_tokens(), Some(u32::MAX));
}

/// What the members of sampling may be, and what is refused by name: too small, too large, of another type, too many.
#[test]
fn sampling_is_held_to_its_bounds() {
    let many = |count: usize| {
        let entries: Vec<String> = (0..count).map(|id| format!(r#""{id}":1"#)).collect();
        format!("{{{}}}", entries.join(","))
    };
    let table: [(&str, &[&str], &[&str]); 9] = [
        ("temperature", &["0", "2", "5e-324", "null"], &["-0.1", "2.1", "true", r#""1""#, "[1]"]),
        ("top_p", &["1", "5e-324"], &["0", "-1", "1.1", r#""x""#]),
        ("top_k", &["-1", "0", "1", "4294967295"], &["-2", "4294967296", "1.5", "1e300", r#""5""#, "{}"]),
        ("min_p", &["0", "1"], &["-0.1", "1.1", "[]"]),
        ("repetition_penalty", &["0.1", "1", "10"], &["0", "-1", "0.09", "10.1", "5e-324", r#""1""#]),
        ("presence_penalty", &["-2", "2"], &["-2.1", "2.1", "false"]),
        ("frequency_penalty", &["-2", "2"], &["-2.1", "2.1", "{}"]),
        (
            "logit_bias",
            &["{}", "null", r#"{"0":-100,"4294967295":100}"#, &many(MAX_BIASES)],
            &[
                r#"{"1":100.1}"#,
                r#"{"1":-101}"#,
                r#"{"1":"5"}"#,
                r#"{"1":null}"#,
                r#"{"-1":1}"#,
                r#"{"01":1}"#,
                r#"{"+1":1}"#,
                r#"{"a":1}"#,
                r#"{"4294967296":1}"#,
                r#"{"1":1,"1":1}"#,
                r#"{"1":1e999}"#,
                "[1]",
                "5",
                &many(MAX_BIASES + 1),
            ],
        ),
        ("seed", &["-9223372036854775808", "9223372036854775807"], &["1.5", "9223372036854775808", r#""1""#]),
    ];
    for (param, good, bad) in table {
        for value in good {
            check(with(&format!(r#""{param}":{value}"#)).as_bytes(), Ok(()));
        }
        for value in bad {
            check(with(&format!(r#""{param}":{value}"#)).as_bytes(), Err((InvalidRequest, Some(param))));
        }
        // No JSON says so; and no float holds every number that JSON can say.
        for value in ["NaN", "Infinity"] {
            check(with(&format!(r#""{param}":{value}"#)).as_bytes(), Err((InvalidJson, None)));
        }
        check(with(&format!(r#""{param}":1e999"#)).as_bytes(), Err((InvalidRequest, Some(param))));
    }
}

#[test]
fn log_probabilities_are_asked_for_within_bounds() {
    for (members, expected) in [
        (r#""logprobs":true"#, Some(0)),
        (r#""logprobs":true,"top_logprobs":20"#, Some(20)),
        (r#""logprobs":false"#, None),
        (r#""top_logprobs":0"#, None),
        (r#""logprobs":null,"top_logprobs":null"#, None),
    ] {
        assert_eq!(ChatRequest::parse(with(members).as_bytes(), BOUNDS).unwrap().logprobs, expected, "{members}");
    }
    for (members, param) in [
        (r#""logprobs":1"#, "logprobs"),
        (r#""logprobs":true,"top_logprobs":21"#, "top_logprobs"),
        (r#""logprobs":true,"top_logprobs":-1"#, "top_logprobs"),
        (r#""logprobs":true,"top_logprobs":"3""#, "top_logprobs"),
        (r#""logprobs":true,"top_logprobs":1.5"#, "top_logprobs"),
        (r#""top_logprobs":3"#, "top_logprobs"),
    ] {
        check(with(members).as_bytes(), Err((InvalidRequest, Some(param))));
    }
}

#[test]
fn sampling_is_read_as_it_is_written() {
    let members = r#""temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"presence_penalty":-0.5,
        "frequency_penalty":1.5,"logit_bias":{"50256":-100,"7":2.5},"seed":7"#;
    let expected = Sampling {
        temperature: 0.5,
        top_p: 0.9,
        top_k: Some(40),
        min_p: 0.05,
        repetition_penalty: 1.1,
        presence_penalty: -0.5,
        frequency_penalty: 1.5,
        logit_bias: [(7, 2.5), (50_256, -100.0)].into(),
        seed: Some(7),
    };
    assert_eq!(ChatRequest::parse(with(members).as_bytes(), BOUNDS).unwrap().sampling, expected);
    for all in ["0", "-1"] {
        let request = ChatRequest::parse(with(&format!(r#""top_k":{all}"#)).as_bytes(), BOUNDS).unwrap();
        assert_eq!(request.sampling.top_k, None);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ChatRequest::parse(&bytes, BOUNDS);
        let _ = usage_of(&bytes);
    }
}
