//! What a message of a conversation may be.

use super::{BOUNDS, check, with};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::{Arguments, ChatRequest, Speaker};

/// A body whose conversation is one question and these messages.
fn conversation(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}},{messages}]}}"#)
}

pub(super) const CALL: &str = r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#;

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
