//! Chat requests: any body is refused with a reason that can be told, or is a request within its bounds.

use super::Input;
use sluice_protocol::request::bodies::chat::{
    Arguments, ChatBounds, ChatRequest, JsonText, MAX_BIASES, MAX_FUNCTION_NAME, MAX_MESSAGES, MAX_REPETITION_PENALTY,
    MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_TOOLS, MIN_REPETITION_PENALTY, ResponseFormat, Speaker, ToolChoice,
    usage_of,
};

/// Bounds, then a body.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let [default, most] = input.array().map(|byte: u8| u32::from(byte) + 1);
    let bounds = ChatBounds { default_max_tokens: default.min(most), max_max_tokens: most };
    let _ = usage_of(input.0);
    match ChatRequest::parse(input.0, bounds) {
        Ok(request) => {
            assert!(!request.model.is_empty() && !request.messages.is_empty());
            assert!((1..=most).contains(&request.max_tokens));
            assert!(request.max_tokens_given || request.max_tokens == bounds.default_max_tokens);
            let sampling = &request.sampling;
            assert!((0.0..=2.0).contains(&sampling.temperature) && sampling.top_p > 0.0 && sampling.top_p <= 1.0);
            assert!((0.0..=1.0).contains(&sampling.min_p) && sampling.top_k != Some(0));
            assert!((MIN_REPETITION_PENALTY..=MAX_REPETITION_PENALTY).contains(&sampling.repetition_penalty));
            assert!([sampling.presence_penalty, sampling.frequency_penalty].iter().all(|penalty| penalty.abs() <= 2.0));
            assert!(
                sampling.logit_bias.len() <= MAX_BIASES && sampling.logit_bias.values().all(|bias| bias.abs() <= 100.0)
            );
            assert!(request.logprobs.is_none_or(|top| top <= 20));
            assert!(request.stop.len() <= 4 && request.stop.iter().all(|stop| !stop.is_empty()));
            assert!(request.guess_prompt_tokens() > 0);
            assert_eq!(request.enable_thinking.is_some(), !request.thinking_param.is_empty());
            assert!(request.messages.len() <= MAX_MESSAGES && request.template_arguments.len() <= 64);
            check_tools(&request);
            if let ResponseFormat::JsonSchema(schema) = &request.format {
                assert!((1..=64).contains(&schema.name.len()) && schema.schema.len() <= MAX_SCHEMA_BYTES);
                // What serde_json cannot hold (a number that is too large) is found where the schema is compiled.
                if let Ok(value) = serde_json::from_str::<serde_json::Value>(&schema.schema) {
                    assert!(value.is_object() && depth(&value) <= MAX_SCHEMA_DEPTH);
                }
            }
        }
        Err(refusal) => {
            let _ = (refusal.body(), refusal.headers());
        }
    }
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Tools have names of their own; what is kept as JSON is JSON, as serde_json's own value has it too.
fn check_tools(request: &ChatRequest) {
    let sound = |json: &JsonText| {
        let value: serde_json::Value = serde_json::from_str(json.as_str()).expect("what is kept is JSON");
        assert!(JsonText::parse(&value.to_string()).is_ok());
        value
    };
    assert!(request.tools.len() <= MAX_TOOLS);
    for (index, tool) in request.tools.iter().enumerate() {
        assert!((1..=MAX_FUNCTION_NAME).contains(&tool.name().len()) && tool.name().is_ascii());
        assert_eq!(sound(tool.json())["function"]["name"], tool.name());
        assert!(request.tools[..index].iter().all(|other| other.name() != tool.name()));
        assert!(!tool.is_strict() || tool.parameters().is_none_or(|schema| schema.len() <= MAX_SCHEMA_BYTES));
    }
    match &request.tool_choice {
        ToolChoice::Auto => {}
        ToolChoice::Required => assert!(!request.tools.is_empty()),
        ToolChoice::Function(name) => assert!(request.tools.iter().any(|tool| tool.name() == name)),
    }
    for message in &request.messages {
        if let Speaker::Assistant { tool_calls, .. } = &message.speaker {
            for call in tool_calls {
                match &call.arguments {
                    Arguments::Json(json) => drop(sound(json)),
                    Arguments::Text(text) => assert!(JsonText::parse(text).is_err()),
                }
            }
        }
    }
}

/// A request with every member that is served, one with every member that is not, one with tools, and an answer.
pub fn seeds() -> Vec<Vec<u8>> {
    let bodies = [
        r#"{"model":"m","messages":[{"role":"developer","content":"be"},{"role":"user","content":[{"type":"text","text":"hi"}]}],
            "max_tokens":5,"max_completion_tokens":6,"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,
            "top_p":0.9,"seed":-1,"stop":["a","b"],"n":1,"chat_template_kwargs":{"enable_thinking":false},"user":"u"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[],"functions":[1],"logprobs":true,"top_logprobs":5,
            "top_k":40,"min_p":0.1,"repetition_penalty":1.1,"logit_bias":{"5":-100,"6":1.5},"presence_penalty":0,
            "frequency_penalty":1e-3,"response_format":{"type":"text"},"stop":"x"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"reasoning_content":"r",
            "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\": [1e16, -0.0, \"\\u00e9\"]}"}},
            {"id":"d","function":{"name":"f","arguments":{"b":18446744073709551616}}}]},
            {"role":"tool","tool_call_id":"c","content":"y"}],"tools":[{"type":"function","function":{"name":"f","description":"d",
            "parameters":{"type":"object","properties":{"a":{"type":"array"}}},"strict":false}},
            {"type":"function","function":{"name":"g"}}],"tool_choice":"auto","parallel_tool_calls":false}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f",
            "parameters":{"type":"object"},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{
            "name":"a-1","description":"what","strict":true,"schema":{"type":"object","properties":{"a\"]}":{"enum":[[],{"b":[1]}]}}}}}}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y","refusal":"","images":[]}],
            "reasoning_effort":"none","reasoning":{"effort":"high","enabled":true},"think":"medium","enable_thinking":null,
            "chat_template_kwargs":{"a":1},"safety_identifier":"s","stream_options":{"include_obfuscation":false},
            "best_of":1,"modalities":["text"],"verbosity":"medium","mirostat":0,"guided_json":null,"store":false}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}"#,
    ];
    bodies.map(|body| [&[15, 99], body.as_bytes()].concat()).into()
}
