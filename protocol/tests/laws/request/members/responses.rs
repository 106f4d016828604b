//! What the members of the door of OpenAI's responses may be, and which door takes a body of another one.

use super::{body, least, parse};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::{ResponseFormat, ToolChoice};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;

const DOOR: Door = Door::Responses;
const F: &str = r#"[{"type":"function","name":"f"},{"type":"function","name":"g"}]"#;

/// What each member may be besides, and what is told where it is not.
#[test]
fn members_are_held_to_what_they_may_be() {
    let (wrong, unserved) = (InvalidRequest, UnsupportedParameter);
    let deep = format!(
        r#"{{"format":{{"type":"json_schema","name":"n","schema":{{"a":{}{}}}}}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let long = format!(r#"[{{"type":"function","name":"{}"}}]"#, "x".repeat(65));
    let labels = format!(r#"{{"a":"{}"}}"#, "x".repeat(2_049));
    for (name, value, reason, told) in [
        ("max_output_tokens", "0", wrong, "from 1 to 100"),
        ("max_output_tokens", "101", wrong, "from 1 to 100"),
        ("metadata", r#"{"a":5}"#, wrong, "an object of texts"),
        ("metadata", &labels, wrong, "at most 16 labels"),
        ("reasoning", r#"{"effort":"low"}"#, unserved, "`reasoning.effort` is served as `none`, `medium` or `high`"),
        ("reasoning", r#"{"effort":"extreme"}"#, wrong, "`reasoning.effort` must be"),
        ("reasoning", r#"{"summary":"concise"}"#, unserved, "`reasoning.summary` is served as `auto` or `detailed`"),
        ("reasoning", r#"{"generate_summary":"concise"}"#, unserved, "`reasoning.generate_summary`"),
        ("reasoning", r#"{"summary":"short"}"#, wrong, "`reasoning.summary` must be"),
        ("reasoning", r#"{"context":"all_turns"}"#, unserved, "`reasoning.context` is served as `auto`"),
        ("reasoning", r#"{"mode":"pro"}"#, unserved, "`reasoning.mode` is served as `standard`"),
        ("reasoning", r#"{"exclude":true}"#, unserved, "`reasoning.exclude` is not served"),
        ("reasoning", r#"{"max_tokens":5}"#, unserved, "`reasoning.max_tokens` is not served"),
        ("include", r#"["x"]"#, unserved, "names something"),
        ("include", "[1]", wrong, "a list of texts"),
        ("top_logprobs", "21", wrong, "from 0 to 20"),
        ("stream_options", r#"{"include_obfuscation":true}"#, unserved, "Leave it out"),
        ("text", r#"{"verbosity":"low"}"#, unserved, "`text.verbosity` is served as `medium`"),
        ("text", r#"{"format":{"type":"x"}}"#, wrong, "`text.format` must be an object whose `type`"),
        ("text", r#"{"format":{"type":"text","schema":{}}}"#, wrong, "Only a `text.format` of type `json_schema`"),
        ("text", r#"{"format":{"type":"json_schema","schema":{}}}"#, wrong, "`text.format.name` must be"),
        ("text", r#"{"format":{"type":"json_schema","name":"n"}}"#, wrong, "`text.format.schema` must be an object"),
        ("text", r#"{"format":{"type":"json_schema","name":"n","schema":{},"strict":1}}"#, wrong, "true or false"),
        ("text", &deep, wrong, "64 objects and arrays deep"),
        ("tools", r#"[{"name":"f"}]"#, wrong, "tools[0]: `type` is missing"),
        ("tools", r#"[{"type":"function"}]"#, wrong, "tools[0]: `name` is missing"),
        ("tools", r#"[{"type":"function","name":"a b"}]"#, wrong, "tools[0]: `name` must be 1 to 64"),
        ("tools", &long, wrong, "tools[0]: `name` must be 1 to 64"),
        ("tools", r#"[{"type":"function","name":"f","parameters":true}]"#, wrong, "`parameters` must be an object"),
        ("tools", r#"[{"type":"function","name":"f","description":5}]"#, wrong, "`description` must be a text"),
        ("tools", r#"[{"type":"function","name":"f","strict":"yes"}]"#, wrong, "`strict` must be true or false"),
        ("tools", r#"[{"type":"function","name":"f","async":true}]"#, unserved, "`async` is not served"),
        ("tools", r#"[{"type":"function","name":"f","defer_loading":true}]"#, unserved, "`defer_loading`"),
        ("tools", r#"[{"type":"function","name":"f","allowed_callers":["programmatic"]}]"#, unserved, "`[\"direct\"]`"),
        (
            "tools",
            r#"[{"type":"function","name":"f"},{"type":"function","name":"f"}]"#,
            wrong,
            "tools[1]: there is another",
        ),
        ("tools", r#"[{"type":"web_search_preview"}]"#, unserved, "tools[0]: `web_search` is none of the caller's"),
        ("tools", r#"[{"type":"custom","name":"f"}]"#, unserved, "tools[0]: `custom` is none"),
        ("tools", r#"[{"type":"my secret"}]"#, unserved, "only tools of type `function`"),
        ("tool_choice", r#""any""#, wrong, "must be `auto`, `none`, `required`"),
        ("tool_choice", r#""required""#, wrong, "there are no `tools`"),
        ("tool_choice", r#"{"type":"function"}"#, wrong, "must be `auto`"),
        ("tool_choice", r#"{"type":"function","name":"f"}"#, wrong, "not among `tools`"),
        ("tool_choice", r#"{"type":"file_search"}"#, unserved, "of the type `file_search`"),
        ("tool_choice", r#"{"type":"allowed_tools","mode":"auto"}"#, wrong, "must be a list of functions"),
        ("tool_choice", r#"{"type":"allowed_tools","mode":"x","tools":[]}"#, wrong, "`auto` or `required`"),
        ("tool_choice", r#"{"type":"allowed_tools","mode":"required","tools":[]}"#, wrong, "there are no `tools`"),
        (
            "tool_choice",
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"web_search"}]}"#,
            unserved,
            "allows hosted tools",
        ),
        ("previous_response_id", "5", wrong, "must be a text"),
        ("conversation", r#""conv_1""#, unserved, "Use `input`"),
        ("background", "true", unserved, "/v1/responses"),
        ("store", r#""yes""#, wrong, "true or false"),
        ("prompt", r#"{"id":"pmpt_1"}"#, unserved, "Use `input`"),
    ] {
        let refusal = parse(DOOR, &body(DOOR, name, value)).expect_err(value);
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(name)), "{value}: {}", refusal.message);
        assert!(refusal.message.contains(told) && !refusal.message.contains("secret"), "{value}: {}", refusal.message);
    }
    for (name, value) in [
        ("reasoning", r#"{"effort":null,"summary":"auto","context":"auto","mode":"standard","unheard_of":1}"#),
        ("text", r#"{"format":{"type":"text"},"verbosity":"medium"}"#),
        ("text", "{}"),
        ("include", r#"["reasoning.encrypted_content","code_interpreter_call.outputs"]"#),
        ("metadata", r#"{"a":"b"}"#),
        ("store", "false"),
        ("store", "true"),
        ("previous_response_id", r#""resp_1""#),
        ("truncation", r#""disabled""#),
        ("stream_options", r#"{"include_obfuscation":false}"#),
        ("tool_choice", r#""auto""#),
        ("top_logprobs", "0"),
    ] {
        assert_eq!(parse(DOOR, &body(DOOR, name, value)).unwrap(), least(DOOR), "{name}: {value}");
    }
}

fn asked(members: &str) -> sluice_protocol::request::bodies::chat::ChatRequest {
    match parse(DOOR, &body(DOOR, "unheard_of", &format!("1,{members}"))) {
        Ok(Question::Chat(request)) => *request,
        other => panic!("{other:?}"),
    }
}

/// Which tools the model is told of, and whether it has to call them.
#[test]
fn a_choice_leaves_tools_out_or_binds() {
    for (choice, tools, bound) in [
        (r#""none""#, 0, ToolChoice::Auto),
        (r#""required""#, 2, ToolChoice::Required),
        (r#"{"type":"function","name":"g"}"#, 2, ToolChoice::Function("g".into())),
        (r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]}"#, 1, ToolChoice::Auto),
        (
            r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}"#,
            1,
            ToolChoice::Required,
        ),
    ] {
        let request = asked(&format!(r#""tools":{F},"tool_choice":{choice}"#));
        assert_eq!((request.tools.len(), request.tool_choice), (tools, bound), "{choice}");
    }
}

/// Log probabilities are asked for by either member.
#[test]
fn likelihoods_are_asked_for_in_two_ways() {
    for (members, expected) in [
        (r#""include":["message.output_text.logprobs"]"#, Some(0)),
        (r#""top_logprobs":3"#, Some(3)),
        (r#""include":["message.output_text.logprobs"],"top_logprobs":2"#, Some(2)),
        (r#""include":[]"#, None),
    ] {
        assert_eq!(asked(members).logprobs, expected, "{members}");
    }
    let format = asked(r#""text":{"format":{"type":"json_schema","name":"n","schema":{"a":1},"strict":true}}"#).format;
    let ResponseFormat::JsonSchema(schema) = format else { panic!("{format:?}") };
    assert_eq!((schema.name.as_str(), &*schema.schema, schema.strict), ("n", r#"{"a":1}"#, true));
}

/// A body that is another door's is told which door takes it, and so is one of this door's elsewhere.
#[test]
fn a_body_of_another_door_is_told_which() {
    let [chat, messages] = [Door::Chat, Door::Messages];
    for (door, name, value, told) in [
        (DOOR, "messages", r#"[{"role":"user","content":"x"}]"#, chat),
        (DOOR, "max_tokens", "5", chat),
        (DOOR, "max_completion_tokens", "5", chat),
        (DOOR, "response_format", r#"{"type":"json_object"}"#, chat),
        (DOOR, "reasoning_effort", r#""high""#, chat),
        (DOOR, "enable_thinking", "true", chat),
        (DOOR, "logprobs", "true", chat),
        (DOOR, "tools", r#"[{"type":"function","function":{"name":"f"}}]"#, chat),
        (DOOR, "tool_choice", r#"{"type":"function","function":{"name":"f"}}"#, chat),
        (DOOR, "tools", r#"[{"name":"f","input_schema":{}}]"#, messages),
        (DOOR, "tool_choice", r#"{"type":"tool","name":"f"}"#, messages),
        (DOOR, "system", r#""be""#, messages),
        (DOOR, "thinking", r#"{"type":"enabled"}"#, messages),
        (DOOR, "stop_sequences", r#"["x"]"#, messages),
        (chat, "input", r#""x""#, DOOR),
        (chat, "instructions", r#""be""#, DOOR),
        (chat, "max_output_tokens", "5", DOOR),
        (chat, "text", "{}", DOOR),
        (chat, "tools", r#"[{"type":"function","name":"f"}]"#, DOOR),
        (chat, "messages", r#"[{"role":"user","content":[{"type":"input_text","text":"x"}]}]"#, DOOR),
        (messages, "input", r#""x""#, DOOR),
    ] {
        let refusal = parse(door, &body(door, name, value)).expect_err(value);
        assert_eq!(refusal.param.as_deref(), Some(name), "{value}: {}", refusal.message);
        assert!(refusal.message.contains(told.path()), "{door:?}: {name}: {}", refusal.message);
    }
}
