//! What the members of Anthropic's doors may be, and which door takes a body of another protocol.

use super::{body, least, parse};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::ResponseFormat;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;

const DOORS: [Door; 2] = [Door::Messages, Door::CountTokens];

/// What each member may be besides, and what is told where it is not.
#[test]
fn members_are_held_to_what_they_may_be() {
    let (wrong, unserved) = (InvalidRequest, UnsupportedParameter);
    let sequences = format!("[{}]", vec![r#""a""#; 17].join(","));
    let deep = format!(r#"{{"type":"json_schema","schema":{{"a":{}{}}}}}"#, "[".repeat(64), "]".repeat(64));
    for (name, value, reason, told) in [
        ("max_tokens", "0", wrong, "from 1"),
        ("max_tokens", "1.5", wrong, "from 1"),
        ("max_tokens", r#""5""#, wrong, "from 1"),
        ("stop_sequences", r#""x""#, wrong, "a list of at most 16"),
        ("stop_sequences", r#"[""]"#, wrong, "1 to 256 bytes"),
        ("stop_sequences", &sequences, wrong, "a list of at most 16"),
        ("temperature", "2.1", wrong, "from 0 to 2"),
        ("metadata", r#"{"user_id":5}"#, wrong, "`metadata.user_id` must be a text"),
        ("thinking", r#"{"type":"enabled"}"#, wrong, "needs `budget_tokens`"),
        ("thinking", r#"{"type":"enabled","budget_tokens":0}"#, wrong, "from 1"),
        ("thinking", r#"{"type":"between_tools"}"#, unserved, "`enabled` or `disabled`"),
        ("thinking", r#"{"type":"adaptive","display":"omitted"}"#, unserved, "`thinking.display` cannot be `omitted`"),
        ("thinking", r#"{"type":"adaptive","display":"shown"}"#, wrong, "`summarized`"),
        ("thinking", r#"{"budget_tokens":5}"#, wrong, "whose `type`"),
        ("output_config", r#"{"effort":"max"}"#, unserved, "`output_config.effort` is served as `medium` or `high`"),
        ("output_config", r#"{"effort":"most"}"#, wrong, "`medium` or `high`"),
        ("output_config", r#"{"task_budget":{}}"#, unserved, "`output_config.task_budget` is not served"),
        ("output_config", r#"{"format":{"type":"text"}}"#, wrong, "`output_config.format` must be"),
        ("output_config", r#"{"format":{"type":"json_schema","schema":[]}}"#, wrong, "a `schema`, which is an object"),
        ("output_format", &deep, wrong, "64 objects and arrays deep"),
        (
            "context_management",
            r#"{"edits":[{"type":"clear_tool_uses_20250919"}]}"#,
            unserved,
            "`clear_thinking` alone",
        ),
        ("context_management", r#"{"edits":[{}]}"#, wrong, "a list of `edits`"),
        ("system", r#"[{"type":"image"}]"#, unserved, "system[0]: blocks of type `image`"),
        ("system", r#"["x"]"#, wrong, "system[0]: a block must be an object"),
        ("tool_choice", r#"{"type":"any"}"#, wrong, "there are no `tools`"),
        ("tool_choice", r#"{"type":"tool"}"#, wrong, "needs a `name`"),
        ("tool_choice", r#"{"type":"tool","name":"f"}"#, wrong, "not among `tools`"),
        ("tool_choice", r#"{"type":"auto","disable_parallel_tool_use":1}"#, wrong, "true or false"),
    ] {
        let refusal = parse(Door::Messages, &body(Door::Messages, name, value)).expect_err(value);
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(name)), "{value}: {}", refusal.message);
        assert!(refusal.message.contains(told), "{value}: {}", refusal.message);
    }
    for (name, value) in [
        ("thinking", r#"{"type":"adaptive","display":"summarized","budget_tokens":null}"#),
        ("output_config", r#"{"effort":"high"}"#),
        ("context_management", r#"{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}"#),
        ("system", "[]"),
        ("cache_control", r#"{"type":"ephemeral","ttl":"1h"}"#),
    ] {
        for door in DOORS {
            assert!(parse(door, &body(door, name, value)).is_ok(), "{name}: {value}");
        }
    }
    let formed = |format: &str| match parse(Door::Messages, &body(Door::Messages, "unheard_of", &format!("1,{format}")))
    {
        Ok(Question::Chat(request)) => match request.format {
            ResponseFormat::JsonSchema(schema) => schema.schema.into_string(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let [one, other] = ["1", "2"].map(|number| format!(r#"{{"type":"json_schema","schema":{{"a":{number}}}}}"#));
    assert_eq!(formed(&format!(r#""output_format":{one}"#)), r#"{"a":1}"#);
    assert_eq!(formed(&format!(r#""output_config":{{"format":{other}}},"output_format":{one}"#)), r#"{"a":2}"#);
}

/// A model that is told of no tool is asked the same as without tools.
#[test]
fn a_choice_of_no_tool_is_none() {
    let tools = r#"1,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"none"}"#;
    assert_eq!(parse(Door::Messages, &body(Door::Messages, "unheard_of", tools)).unwrap(), least(Door::Messages));
}

/// What is more than a gate's bound is that bound: every request has to name a number.
#[test]
fn max_tokens_has_no_upper_end() {
    for (value, most) in [("1", 1), ("100", 100), ("101", 100), ("64000", 100), ("9223372036854775807", 100)] {
        let Ok(Question::Chat(request)) = parse(Door::Messages, &body(Door::Messages, "max_tokens", value)) else {
            panic!("{value}");
        };
        assert_eq!((request.max_tokens, request.max_tokens_given), (most, true));
    }
}

/// A body that is one protocol's is told which door takes it.
#[test]
fn a_body_of_another_protocol_is_told_its_door() {
    let [chat, messages] = [Door::Chat, Door::Messages].map(|door| (door, door.path()));
    for ((door, _), name, value, (_, told)) in [
        (messages, "messages", r#"[{"role":"tool","tool_call_id":"c","content":"x"}]"#, chat),
        (messages, "messages", r#"[{"role":"developer","content":"x"}]"#, chat),
        (messages, "messages", r#"[{"role":"assistant","content":null,"tool_calls":[]}]"#, chat),
        (messages, "messages", r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]"#, chat),
        (messages, "tools", r#"[{"type":"function","function":{"name":"f"}}]"#, chat),
        (messages, "tool_choice", r#""auto""#, chat),
        (messages, "tool_choice", r#"{"type":"function","function":{"name":"f"}}"#, chat),
        (messages, "response_format", r#"{"type":"json_object"}"#, chat),
        (messages, "n", "2", chat),
        (messages, "seed", "1", chat),
        (messages, "stop", r#""x""#, chat),
        (messages, "max_completion_tokens", "5", chat),
        (chat, "stop_sequences", r#"["x"]"#, messages),
        (chat, "output_config", r#"{"effort":"high"}"#, messages),
        (chat, "system", r#""be""#, messages),
        (chat, "thinking", r#"{"type":"enabled","budget_tokens":1024}"#, messages),
        (chat, "tools", r#"[{"name":"f","input_schema":{}}]"#, messages),
        (chat, "tool_choice", r#"{"type":"any"}"#, messages),
        (
            chat,
            "messages",
            r#"[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]}]"#,
            messages,
        ),
        (chat, "messages", r#"[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]"#, messages),
        (chat, "messages", r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"x"}]}]"#, messages),
    ] {
        let refusal = parse(door, &body(door, name, value)).expect_err(value);
        assert_eq!(refusal.param.as_deref(), Some(name), "{value}: {}", refusal.message);
        assert!(refusal.message.contains(told), "{door:?}: {name}: {}", refusal.message);
    }
}
