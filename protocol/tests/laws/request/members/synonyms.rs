//! What can be said by several members: which of them goes first.

use super::{BOUNDS, DOORS, body, parse};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::ChatRequest;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;

/// Which of the switches for thinking goes first, and which efforts there are.
#[test]
fn thinking_is_said_in_many_ways() {
    for (members, expected, by) in [
        (r#""stream":false"#, None, ""),
        (r#""reasoning_effort":"none""#, Some(false), "reasoning_effort"),
        (r#""reasoning_effort":"medium""#, Some(true), "reasoning_effort"),
        (r#""reasoning_effort":"high""#, Some(true), "reasoning_effort"),
        (r#""reasoning_effort":"""#, None, ""),
        (r#""reasoning":{"effort":"none"}"#, Some(false), "reasoning"),
        (r#""reasoning":{"enabled":true}"#, Some(true), "reasoning"),
        (r#""reasoning":{"effort":null,"exclude":false,"unheard_of":1}"#, None, ""),
        (r#""think":false"#, Some(false), "think"),
        (r#""think":"high""#, Some(true), "think"),
        (r#""enable_thinking":true,"reasoning_effort":"none""#, Some(true), "enable_thinking"),
        (r#""enable_thinking":null,"reasoning_effort":"none""#, Some(false), "reasoning_effort"),
        (r#""chat_template_kwargs":{"enable_thinking":true},"think":false"#, Some(true), "chat_template_kwargs"),
        (r#""reasoning":{"effort":"high"},"reasoning_effort":"none""#, Some(true), "reasoning"),
    ] {
        let text = body(Door::Chat, "unheard_of", &format!("1,{members}"));
        let request = ChatRequest::parse(text.as_bytes(), BOUNDS).unwrap();
        assert_eq!((request.enable_thinking, request.thinking_param), (expected, by), "{members}");
        assert_eq!(request.thinks(), expected != Some(false));
    }
    for (member, value, reason) in [
        ("reasoning_effort", r#""minimal""#, UnsupportedParameter),
        ("reasoning_effort", r#""low""#, UnsupportedParameter),
        ("reasoning_effort", r#""xhigh""#, UnsupportedParameter),
        ("reasoning_effort", r#""extreme""#, InvalidRequest),
        ("reasoning_effort", "0.5", InvalidRequest),
        ("reasoning", r#"{"effort":"low"}"#, UnsupportedParameter),
        ("reasoning", r#"{"exclude":true}"#, UnsupportedParameter),
        ("reasoning", r#"{"max_tokens":5}"#, UnsupportedParameter),
        ("reasoning", r#"{"summary":"auto"}"#, UnsupportedParameter),
        ("think", r#""low""#, UnsupportedParameter),
        ("stream_options", r#"{"include_obfuscation":true}"#, UnsupportedParameter),
        ("stream_options", r#"{"continuous_usage_stats":true}"#, UnsupportedParameter),
    ] {
        // Also where another switch goes first.
        for more in ["", r#","enable_thinking":false"#] {
            let refusal = parse(Door::Chat, &body(Door::Chat, member, &format!("{value}{more}"))).unwrap_err();
            assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(member)), "{value}");
        }
    }
    let told = body(Door::Chat, "chat_template_kwargs", r#"{"a":1,"b":null,"enable_thinking":true}"#);
    let request = ChatRequest::parse(told.as_bytes(), BOUNDS).unwrap();
    assert_eq!((request.template_arguments, request.enable_thinking), (vec!["a".to_owned()], Some(true)));
}

/// `user` goes before what replaces it; an empty one says nothing.
#[test]
fn the_end_user_has_two_names() {
    for door in DOORS {
        for (members, expected) in [
            (r#""user":"u","safety_identifier":"s""#, Some("u")),
            (r#""user":"","safety_identifier":"s""#, Some("s")),
            (r#""safety_identifier":"s""#, Some("s")),
            (r#""prompt_cache_key":"k""#, None),
        ] {
            let user = match parse(door, &body(door, "unheard_of", &format!("1,{members}"))).unwrap() {
                Question::Chat(request) => request.user,
                Question::Text(request) => request.user,
                other => unreachable!("{other:?}"),
            };
            assert_eq!(user.as_deref(), expected, "{members}");
        }
    }
}
