//! The door: what is a chat request and what is not, as a table.

use proptest::prelude::*;
use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::chat::{Arguments, ChatBounds, ChatRequest, MAX_BIASES, Sampling, Speaker, usage_of};

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

/// A body whose conversation is one question and these messages.
fn conversation(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}},{messages}]}}"#)
}

const CALL: &str = r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#;

/// What a message may be, and what is refused with its place: the second of the conversation, counted from 0.
#[test]
fn messages_are_held_to_their_forms() {
    let call = |call: &str| format!(r#"{{"role":"assistant","content":null,"tool_calls":[{CALL},{call}]}}"#);
    let good = [
        r#"{"role":"developer","content":"x","name":"n"}"#.to_owned(),
        r#"{"role":"tool","tool_call_id":"c","content":"x"}"#.to_owned(),
        r#"{"role":"tool","tool_call_id":"","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#
            .to_owned(),
        r#"{"role":"assistant","reasoning_content":"x"}"#.to_owned(),
        r#"{"role":"assistant","content":"","refusal":null,"tool_calls":[],"function_call":null,"tool_call_id":null}"#
            .to_owned(),
        call(r#"{"id":"","function":{"name":"any name","arguments":"{\"a\": "},"index":0}"#),
        call(r#"{"id":"d","function":{"name":"f","arguments":{"a":[]}}}"#),
        call(r#"{"id":"d","function":{"name":"f"}}"#),
    ];
    for message in good {
        check(conversation(&message).as_bytes(), Ok(()));
    }
    let bad: [(&str, &str); 24] = [
        ("5", "it must be an object"),
        ("{}", "`role` is missing"),
        (r#"{"role":"user","role":"user","content":"x"}"#, "`role` is there twice"),
        (r#"{"role":5,"content":"x"}"#, "`role` must be a text"),
        (r#"{"role":"assistant","tool_calls":{}}"#, "`tool_calls` must be a list"),
        (r#"{"role":"function","content":"x"}"#, "`role` must be"),
        (r#"{"role":"user","content":null}"#, "`content` is missing"),
        (r#"{"role":"user","content":5}"#, "text or a list of parts"),
        (r#"{"role":"user","content":[{"type":"text"}]}"#, "a part of type `text` has a `text`"),
        (r#"{"role":"assistant"}"#, "`content` is missing"),
        (r#"{"role":"assistant","tool_calls":[]}"#, "`content` is missing"),
        (r#"{"role":"tool","content":"x"}"#, "`tool_call_id` is missing"),
        (r#"{"role":"tool","tool_call_id":"c"}"#, "`content` is missing"),
        (r#"{"role":"user","content":"x","tool_call_id":"c"}"#, "role `tool`"),
        (r#"{"role":"user","content":"x","reasoning":"y"}"#, "role `assistant`"),
        (&format!(r#"{{"role":"user","content":"x","tool_calls":[{CALL}]}}"#), "role `assistant`"),
        (r#"{"role":"user","content":"x","name":5}"#, "`name` must be a text"),
        (&call("{}"), "`id` is missing"),
        (&call(r#"{"id":"d"}"#), "`tool_calls[1]`: `function` is missing"),
        (&call(r#"{"id":"d","type":"custom","function":{"name":"f"}}"#), "`tool_calls[1]`: only calls of type"),
        (&call(r#"{"id":"d","function":{"arguments":"{}"}}"#), "`function.name` is missing"),
        (&call(r#"{"id":"d","function":{"name":"f","arguments":5}}"#), "must be a string or an object"),
        (&call(r#"{"id":"d","function":{"name":"f","arguments":{"a":1e999}}}"#), "number out of range"),
        (&call(r#"{"id":"d","function":{"name":"f","arguments":"\ud83d"}}"#), "`tool_calls[1]`"),
    ];
    for (message, why) in bad {
        let refusal = ChatRequest::parse(conversation(message).as_bytes(), BOUNDS).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some("messages")), "{message}");
        let told = &refusal.message;
        assert!(
            told.starts_with("messages[1]: ") && told.contains(why) && !told.contains(" line "),
            "{message}: {told}"
        );
    }
    // What asks for something that is not served.
    for message in [
        r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}"#,
        r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#,
        r#"{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}"#,
        r#"{"role":"assistant","content":"x","audio":{"id":"a"}}"#,
        r#"{"role":"assistant","content":"","refusal":"no"}"#,
        r#"{"role":"assistant","content":"x","prefix":true}"#,
        r#"{"role":"assistant","content":"x","partial":true}"#,
        r#"{"role":"user","content":"x","images":["aGk="]}"#,
        r#"{"role":"system","content":"x","tools":[{}]}"#,
    ] {
        check(conversation(message).as_bytes(), Err((UnsupportedParameter, Some("messages"))));
    }
    // And what does not, as answers have it that are sent back.
    let back = r#"{"role":"assistant","content":"x","refusal":"","audio":null,"annotations":[],"prefix":false,"images":[],"tools":[],
        "cache_control":{"type":"ephemeral"},"thinking":"t"}"#;
    let request = ChatRequest::parse(conversation(back).as_bytes(), BOUNDS).unwrap();
    let thought = Speaker::Assistant { reasoning: Some("t".into()), tool_calls: Vec::new() };
    assert_eq!(request.messages[1].speaker, thought);
}

fn function(function: &str) -> String {
    format!(r#"{{"type":"function","function":{function}}}"#)
}

#[test]
fn calls_and_their_results_are_read_whole() {
    let calls = [
        r#"{"id":"a","type":"function","function":{"name":"f","arguments":" {\"b\": 1e16, \"a\": 18446744073709551616}\n"}}"#,
        r#"{"id":"b","function":{"name":"g","arguments":""}}"#,
        r#"{"id":"c","function":{"name":"h","arguments":"{\"b\": NaN}"}}"#,
        r#"{"id":"d","function":{"name":"i","arguments":{"z" : -0.0}}}"#,
    ];
    let messages = format!(
        r#"{{"role":"assistant","reasoning":"why","tool_calls":[{}]}},{{"role":"tool","tool_call_id":"a","content":"r","name":"f"}}"#,
        calls.join(",")
    );
    let request = ChatRequest::parse(conversation(&messages).as_bytes(), BOUNDS).unwrap();
    let [_, called, result] = request.messages.as_slice() else { panic!("{:?}", request.messages) };
    let Speaker::Assistant { reasoning, tool_calls } = &called.speaker else { panic!("{called:?}") };
    assert_eq!((reasoning.as_deref(), called.content.as_str()), (Some("why"), ""));
    let arguments: Vec<(bool, &str)> =
        tool_calls.iter().map(|call| (matches!(call.arguments, Arguments::Json(_)), call.arguments.as_str())).collect();
    let expected = [
        (true, "{\"b\": 1e16, \"a\": 18446744073709551616}"),
        (true, "{}"),
        (false, "{\"b\": NaN}"),
        (true, "{\"z\" : -0.0}"),
    ];
    assert_eq!(arguments, expected);
    assert_eq!(
        tool_calls.iter().map(|call| (&*call.id, &*call.name)).collect::<Vec<_>>(),
        [("a", "f"), ("b", "g"), ("c", "h"), ("d", "i")]
    );
    assert_eq!((&result.speaker, result.name.as_deref()), (&Speaker::Tool { call: "a".into() }, Some("f")));
}

/// All that a template writes counts: each of these members makes the guess larger by a quarter of its bytes or more.
#[test]
fn the_guess_counts_whatever_is_rendered() {
    let guess = |body: String| ChatRequest::parse(body.as_bytes(), BOUNDS).unwrap().guess_prompt_tokens();
    let long = "x".repeat(4_000);
    let call = |name: &str, arguments: &str| {
        let function = format!(r#"{{"name":"{name}","arguments":"{arguments}"}}"#);
        conversation(&format!(r#"{{"role":"assistant","tool_calls":[{{"id":"c","function":{function}}}]}}"#))
    };
    let pairs = [
        (call("f", "{}"), call("f", &long)),
        (call("f", "{}"), call(&long, "{}")),
        (
            conversation(r#"{"role":"assistant","content":"","reasoning":""}"#),
            conversation(&format!(r#"{{"role":"assistant","content":"","reasoning":"{long}"}}"#)),
        ),
        (
            with(&format!(r#""tools":[{}]"#, function(r#"{"name":"f","description":""}"#))),
            with(&format!(r#""tools":[{}]"#, function(&format!(r#"{{"name":"f","description":"{long}"}}"#)))),
        ),
    ];
    for (short, long) in pairs {
        assert!(guess(long) >= guess(short) + 999);
    }
    // What is said about tools is longer than what is said without.
    assert!(guess(with(&format!(r#""tools":[{}]"#, function(r#"{"name":"f"}"#)))) > guess(with(r#""tools":[]"#)) + 100);
}
