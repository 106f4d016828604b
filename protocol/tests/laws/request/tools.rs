//! The door of tools: what may be called, and what is said about calling it.

use sluice_protocol::refusal::Reason::{self, InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::{
    ChatBounds, ChatRequest, MAX_FUNCTION_NAME, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_TOOLS, ToolChoice,
};

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };

fn with(member: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{member}}}"#)
}

fn check(body: &[u8], expected: Result<(), (Reason, Option<&str>)>) {
    let found = ChatRequest::parse(body, BOUNDS).map(drop).map_err(|refusal| (refusal.reason, refusal.param));
    let expected = expected.map_err(|(reason, param)| (reason, param.map(|param| param.to_owned().into())));
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
}

fn function(function: &str) -> String {
    format!(r#"{{"type":"function","function":{function}}}"#)
}

/// What `tools` may hold; the last one is what is wrong.
#[test]
fn tools_are_held_to_their_form() {
    let named = |name: &str| function(&format!(r#"{{"name":"{name}"}}"#));
    let nested = |levels: usize| {
        let parameters = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        function(&format!(r#"{{"name":"f","parameters":{parameters}}}"#))
    };
    let deep = |levels: usize, strict: bool| {
        let parameters = format!("{}{}", "{\"a\":".repeat(levels - 1) + "{", "}".repeat(levels));
        function(&format!(r#"{{"name":"f","strict":{strict},"parameters":{parameters}}}"#))
    };
    let long = |bytes: usize, strict: bool| {
        let parameters = format!(r#"{{"title":"{}"}}"#, "x".repeat(bytes - r#"{"title":""}"#.len()));
        function(&format!(r#"{{"name":"f","strict":{strict},"parameters":{parameters}}}"#))
    };
    let good = [
        named("f"),
        function(r#"{"name":"f","strict":true}"#),
        deep(MAX_SCHEMA_DEPTH, true),
        deep(MAX_SCHEMA_DEPTH + 1, false),
        long(MAX_SCHEMA_BYTES, true),
        long(MAX_SCHEMA_BYTES + 1, false),
        named(&"a".repeat(MAX_FUNCTION_NAME)),
        named("get_Weather-2"),
        function(r#"{"name":"f","description":null,"parameters":null,"strict":false}"#),
        function(r#"{"name":"f","description":"d","parameters":{"type":"object","properties":{}},"more":[1]}"#),
        nested(124),
    ];
    for tool in good {
        let tools = format!(r#""tools":[{},{tool}]"#, named("other"));
        let request = ChatRequest::parse(with(&tools).as_bytes(), BOUNDS).unwrap();
        assert_eq!(request.tools[1].json().as_str(), tool);
        assert!(tool.contains(&format!(r#""name":"{}""#, request.tools[1].name())));
        assert_eq!(request.tools[1].is_strict(), tool.contains(r#""strict":true"#));
        let parameters = request.tools[1].parameters();
        assert_eq!(parameters.is_some(), tool.contains(r#""parameters":{"#), "{tool}");
        assert!(parameters.is_none_or(|parameters| tool.contains(&format!(r#""parameters":{parameters}"#))));
    }
    let bad = [
        ("5".to_owned(), InvalidRequest, "it must be an object"),
        ("{}".to_owned(), InvalidRequest, "`type` is missing"),
        (r#"{"type":"function"}"#.to_owned(), InvalidRequest, "`function` is missing"),
        (r#"{"type":"web_search"}"#.to_owned(), UnsupportedParameter, "of type `function`"),
        (function("{}"), InvalidRequest, "`function.name` is missing"),
        (named(""), InvalidRequest, "`function.name` must be"),
        (named(&"a".repeat(MAX_FUNCTION_NAME + 1)), InvalidRequest, "`function.name` must be"),
        (named("a b"), InvalidRequest, "`function.name` must be"),
        (named("\u{e9}"), InvalidRequest, "`function.name` must be"),
        (named("other"), InvalidRequest, "another function of this name"),
        (function(r#"{"name":"f","description":5}"#), InvalidRequest, "`function.description` must be a text"),
        (function(r#"{"name":"f","parameters":[]}"#), InvalidRequest, "must be an object"),
        (function(r#"{"name":"f","parameters":"{}"}"#), InvalidRequest, "must be an object"),
        (deep(MAX_SCHEMA_DEPTH + 1, true), InvalidRequest, "where `function.strict` is true"),
        (long(MAX_SCHEMA_BYTES + 1, true), InvalidRequest, "where `function.strict` is true"),
        (function(r#"{"name":"f","parameters":{"a":1e999}}"#), InvalidRequest, "number out of range"),
        (function(r#"{"name":"f","parameters":{"a":"\ud83d"}}"#), InvalidRequest, "hex escape"),
        (nested(125), InvalidRequest, "recursion limit"),
    ];
    for (tool, reason, why) in bad {
        let tools = format!(r#""tools":[{},{tool}]"#, named("other"));
        let refusal = ChatRequest::parse(with(&tools).as_bytes(), BOUNDS).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some("tools")), "{tool}");
        assert!(
            refusal.message.starts_with("tools[1]: ") && refusal.message.contains(why),
            "{tool}: {}",
            refusal.message
        );
    }
    let many = |count: usize| {
        let tools: Vec<String> = (0..count).map(|number| named(&format!("f{number}"))).collect();
        with(&format!(r#""tools":[{}]"#, tools.join(",")))
    };
    check(many(MAX_TOOLS).as_bytes(), Ok(()));
    check(many(MAX_TOOLS + 1).as_bytes(), Err((InvalidRequest, Some("tools"))));
}

#[test]
fn what_is_said_about_tools_is_kept_or_refused() {
    let tools = format!(r#""tools":[{}]"#, function(r#"{"name":"f"}"#));
    let named = |name: &str| format!(r#""tool_choice":{{"type":"function","function":{{"name":"{name}"}}}}"#);
    for (members, told, choice, parallel) in [
        (r#""tool_choice":"auto""#, 1, ToolChoice::Auto, true),
        (r#""tool_choice":null"#, 1, ToolChoice::Auto, true),
        (r#""tool_choice":"none""#, 0, ToolChoice::Auto, true),
        (r#""tool_choice":"required""#, 1, ToolChoice::Required, true),
        (&named("f"), 1, ToolChoice::Function("f".into()), true),
        (r#""parallel_tool_calls":true"#, 1, ToolChoice::Auto, true),
        (r#""parallel_tool_calls":false"#, 1, ToolChoice::Auto, false),
        (r#""parallel_tool_calls":null"#, 1, ToolChoice::Auto, true),
    ] {
        let request = ChatRequest::parse(with(&format!("{tools},{members}")).as_bytes(), BOUNDS).unwrap();
        let found = (request.tools.len(), request.tool_choice, request.parallel_tool_calls);
        assert_eq!(found, (told, choice, parallel), "{members}");
    }
    for (member, reason, param) in [
        (named("g").as_str(), InvalidRequest, "tool_choice"),
        (r#""tool_choice":{"type":"allowed_tools","allowed_tools":{}}"#, UnsupportedParameter, "tool_choice"),
        (r#""tool_choice":{"type":"function","name":"f"}"#, InvalidRequest, "tool_choice"),
        (r#""tool_choice":{"function":{"name":"f"}}"#, InvalidRequest, "tool_choice"),
        (r#""tool_choice":["function",["f"]]"#, InvalidRequest, "tool_choice"),
        (r#""tool_choice":"all""#, InvalidRequest, "tool_choice"),
        (r#""tool_choice":5"#, InvalidRequest, "tool_choice"),
        (r#""tool_choice":["auto"]"#, InvalidRequest, "tool_choice"),
        (r#""parallel_tool_calls":1"#, InvalidRequest, "parallel_tool_calls"),
    ] {
        check(with(&format!("{tools},{member}")).as_bytes(), Err((reason, Some(param))));
    }
    // Nothing can be called where there is nothing; not to call it is no feat.
    for (members, outcome) in [
        (r#""tools":[],"tool_choice":"required""#.to_owned(), Err((InvalidRequest, Some("tool_choice")))),
        (named("f"), Err((InvalidRequest, Some("tool_choice")))),
        (r#""tool_choice":"none""#.to_owned(), Ok(())),
        (r#""tool_choice":"auto""#.to_owned(), Ok(())),
    ] {
        check(with(&members).as_bytes(), outcome);
    }
}
