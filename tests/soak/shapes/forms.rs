//! Schemas that are made to be slow, to run away, or to end a compiler.

use super::Shape;
use super::bodies::ask;
use crate::gates::Gates;
use crate::wire::post;
use harness::caller::hello;
use serde_json::{Value, json};

pub(super) fn shapes(gates: &Gates) -> Vec<Shape> {
    let edge = gates.edge;
    let [form, tool] = [(); 2].map(|()| gates.caller.issue_key("hostile").key);
    vec![
        Shape::new("schemas made to be slow", 1_500, move |tally, time| {
            let mut body = hello(40);
            body["response_format"] =
                json!({"type": "json_schema", "json_schema": {"name": "a", "schema": object(&schema(time))}});
            ask(edge, &post("/v1/chat/completions", &form, &[], body.to_string().as_bytes()), tally);
        }),
        Shape::new("tools made to be slow", 2_500, move |tally, time| {
            let mut body = hello(40);
            body["tools"] =
                json!([{"type": "function", "function": {"name": "f", "parameters": object(&schema(time))}}]);
            body["tool_choice"] = "required".into();
            ask(edge, &post("/v1/chat/completions", &tool, &[], body.to_string().as_bytes()), tally);
        }),
    ]
}

fn object(value: &Value) -> Value {
    json!({"type": "object", "properties": {"v": value}, "required": ["v"], "additionalProperties": false})
}

fn schema(time: u64) -> Value {
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("a schema of ours is JSON");
    match time % 12 {
        0 => number(r#"{"type":"integer","const":-9223372036854775808}"#),
        1 => number(r#"{"type":"integer","minimum":10000000000000000000,"maximum":10000000000000000000}"#),
        2 => number(r#"{"enum":[-10000000000000000000]}"#),
        3 => json!({"type": "integer", "multipleOf": 641.741}),
        4 => json!({"type": "integer", "multipleOf": 999_983}),
        5 => json!({"type": "number", "multipleOf": 99_999.999}),
        6 => json!({"type": "string", "pattern": "^((a|aa|aaa|aaaa){1,40}){1,40}b$"}),
        7 => json!({"type": "string", "pattern": "^(a|b|ab|ba|aba){50,500}$", "minLength": 200}),
        8 => {
            json!({"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 500}, "minItems": 500})
        }
        9 => json!({"allOf": (0..40).map(|at| json!({"pattern": format!("^.*{at}.*$")})).collect::<Vec<_>>()}),
        10 => json!({"anyOf": (0..400).map(|at| json!({"const": "x".repeat(at)})).collect::<Vec<_>>()}),
        _ => json!({"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 1_000_000_007 + time}),
    }
}
