//! What `response_format` cannot be: refused before anything runs, or the end of one answer, and never of the origin.

use crate::harness::{Harness, chat_with, json_of, parts, payloads, text_of};
use serde_json::{Map, Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{Fault, Say};

fn following(schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "form", "schema": schema}})
}

/// As many definitions, each of which refers to the next through this many arrays.
fn chain(definitions: usize, arrays: usize) -> Value {
    let mut schema = Map::new();
    for index in 0..definitions {
        let reference = json!({"$ref": format!("#/{}", index + 1)});
        schema.insert(index.to_string(), (0..arrays).fold(reference, |inner, _| json!({"items": inner})));
    }
    schema.insert(definitions.to_string(), json!(5));
    schema.insert("$ref".into(), "#/0".into());
    schema.into()
}

#[tokio::test]
async fn schemas_that_cannot_be_followed_are_refused_before_they_wait() {
    let harness = Harness::open(1, 0).await;
    // What is not refused is answered, and seen to be.
    harness.script.allow_all();
    let object = |properties: Value| json!({"type": "object", "properties": properties, "required": ["a"]});
    // Sixteen choices of two, all at once: as many as 65,536 objects.
    let choice = |number: u32| {
        let option =
            |name: &str| json!({"type": "object", "properties": {format!("{name}{number}"): {"type": "null"}}});
        json!({"anyOf": [option("a"), option("b")]})
    };
    let table = [
        (json!({"not": {"type": "string"}}), "not"),
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (object(json!({"a": {"if": {}, "then": {}}})), "if"),
        (json!({"type": "strin"}), "strin"),
        (json!({"$ref": "#/$defs/none"}), "not found"),
        (json!({"$ref": "https://example.com/schema"}), "example.com"),
        (json!({"$ref": 5}), "$ref"),
        (json!({"type": "string", "pattern": "(?=a)b"}), "look-around"),
        (json!({"type": "string", "pattern": "("}), "unclosed"),
        (json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), "anyOf"),
        (json!({"type": "object", "x-guidance": {"lenient": true}, "not": {}}), "x-guidance"),
        // Contradictions.
        (json!({"type": "integer", "minimum": 5, "maximum": 4}), "nothing fits"),
        (json!({"type": "string", "minLength": 5, "maxLength": 4}), "nothing fits"),
        (json!({"type": "array", "minItems": 5, "maxItems": 4}), "nothing fits"),
        (object(json!({"a": false})), "nothing fits"),
        (json!({"enum": []}), "empty"),
        (json!({"allOf": [{"type": "string"}, {"type": "number"}]}), "nothing fits"),
        (json!({"$ref": "#"}), "nothing fits"),
        (json!({"type": "string", "maxLength": -1}), "maxLength"),
        (json!({"minimum": ["aééééééééééééééééééééééééééééééééééééééééééééééééééééé"]}), "must be a number"),
        // Too much of it.
        (json!({"allOf": (0..16).map(choice).collect::<Vec<_>>()}), "too large"),
        // These end a compiler that stands on an ordinary stack.
        (chain(2_500, 0), "object or boolean"),
        (chain(100, 60), "object or boolean"),
    ];
    let mut wrong = Vec::new();
    for (schema, told) in table {
        let (status, body) =
            parts(harness.post(&chat_with("x", &json!({"response_format": following(&schema)}))).send().await.unwrap())
                .await;
        let what: String = schema.to_string().chars().take(200).collect();
        let found = (status, body["error"]["code"].as_str(), body["error"]["param"].as_str());
        let message = body["error"]["message"].as_str().unwrap_or_default();
        let refused = found == (400, Some("invalid_request"), Some("response_format"));
        if !refused || !message.contains(told) || message.len() > 800 {
            wrong.push(format!("{what}: {found:?} {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Written as no `Value` can be: a number that is too large.
    let body = chat_with("x", &json!({"response_format": following(&json!({"maximum": 77_777}))})).to_string();
    let (status, body) = parts(harness.post_bytes(body.replace("77777", "1e999").into()).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("response_format")), "{body}");
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.steps(), 0);
}

/// Numbers beyond 64 bits and automata of a million states, in forms and in calls that must be made: followed in all of
/// their digits, or refused by member and place. The process is this one.
#[tokio::test]
async fn no_number_ends_the_origin_or_holds_it() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for (value, answer) in [
        (r#""const":-9223372036854775808"#, Some("-9223372036854775808")),
        (r#""enum":[-10000000000000000000]"#, Some("-10000000000000000000")),
        (r#""minimum":-9223372036854775808,"maximum":-9223372036854775808"#, Some("-9223372036854775808")),
        (r#""const":10000000000000000000000000"#, Some("10000000000000000000000000")),
        (r#""minimum":10000000000000000000,"maximum":10000000000000000000"#, Some("10000000000000000000")),
        (r#""const":9007199254740993"#, Some("9007199254740993")),
        (r#""multipleOf":641.741"#, None),
        (r#""multipleOf":999983"#, None),
        (r#""multipleOf":99999.999"#, None),
        (r#""minimum":1e999"#, None),
    ] {
        let v = format!(r#"{{"type":"integer",{value}}}"#);
        let schema =
            format!(r#"{{"type":"object","properties":{{"v":{v}}},"required":["v"],"additionalProperties":false}}"#);
        let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"x": 77_777}}});
        let function = json!({"name": "f", "parameters": {"x": 77_777}, "strict": true});
        let tools = json!({"tools": [{"type": "function", "function": function}], "tool_choice": "required"});
        for (members, param) in [(json!({"response_format": format}), "response_format"), (tools, "tools")] {
            let mut asked = chat_with("x", &members);
            asked["enable_thinking"] = false.into();
            let body = asked.to_string().replace(r#"{"x":77777}"#, &schema);
            let (status, body) = parts(harness.post_bytes(body.into()).send().await.unwrap()).await;
            let error = &body["error"];
            match answer {
                None => {
                    assert_eq!((status, &error["param"]), (400, &json!(param)), "{value}: {body}");
                    // A number that no double holds is found by whoever reads the JSON, before it has a place.
                    let message = error["message"].as_str().unwrap();
                    assert!(message.contains("/properties/v") || value.contains("1e999"), "{body}");
                }
                Some(digits) => {
                    assert_eq!(status, 200, "{value}: {body}");
                    let message = &body["choices"][0]["message"];
                    let text =
                        message["content"].as_str().or(message["tool_calls"][0]["function"]["arguments"].as_str());
                    assert!(text.is_some_and(|text| text.contains(digits)), "{value}: {body}");
                }
            }
        }
    }
    harness.until_places(1, 0).await;
}

/// A pattern that takes more states than an answer may have, found in the middle: this answer ends, and the next one is fine.
#[tokio::test]
async fn a_form_that_becomes_too_complex_ends_its_answer_alone() {
    let harness = Harness::open(2, 0).await;
    harness.script.allow_all();
    let form = following(&json!({"type": "string", "pattern": "^(.{0,1000}x){0,1000}$"}));
    let asked = json!({"response_format": form, "temperature": 0, "enable_thinking": false, "max_tokens": 3000});
    let say = || Say::text(&format!("\"{}", "xyz".repeat(900)));
    harness.script.say(say());
    let (status, body) = parts(harness.post(&chat_with("x", &asked)).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("response_format")), "{body}");
    harness.script.say(say());
    let mut streamed = asked;
    streamed["stream"] = true.into();
    let events = payloads(harness.post(&chat_with("x", &streamed)).send().await.unwrap()).await;
    let last = json_of(events.last().unwrap());
    assert_eq!(last["error"]["param"], "response_format", "{last}");
    assert!(events.len() > 10, "it began: {}", events.len());
    harness.until_places(2, 0).await;
    harness.script.say(Say::text("ok"));
    let (status, body) = parts(harness.post(&chat_with("x", &json!({}))).send().await.unwrap()).await;
    assert_eq!((status, text_of(&body)), (200, "ok"));
    let metrics = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"outcome="dead_end"} 2"#), "{metrics}");
}

#[tokio::test]
async fn logits_that_are_no_numbers_end_their_answer_alone() {
    let harness = Harness::with(Config { slots: 1, queue: 0, ..Config::local() }).await;
    harness.script.allow_all();
    let asked = json!({"response_format": {"type": "json_object"}, "temperature": 0, "enable_thinking": false});
    harness.script.say(Say::fail_after("{", Fault::NaN));
    let (status, body) = parts(harness.post(&chat_with("x", &asked)).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["code"]), (500, &json!("internal_error")), "{body}");
    harness.script.say(Say::text("{}"));
    let (status, body) = parts(harness.post(&chat_with("x", &asked)).send().await.unwrap()).await;
    assert_eq!((status, text_of(&body)), (200, "{}"));
}
