//! What `response_format` cannot be: refused before anything runs, or the end of one answer, and never of the origin.

use crate::harness::{Harness, chat_with, json_of, parts, payloads, text_of};
use serde_json::{Map, Value, json};
use sluice_origin::config::Config;
use sluice_origin::scripted::{Fault, Say};

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
        (json!({"type": "string", "format": "postcode"}), "postcode"),
        (json!({"type": "strin"}), "strin"),
        (json!({"$ref": "#/$defs/none"}), "not found"),
        (json!({"$ref": "https://example.com/schema"}), "example.com"),
        (json!({"$ref": 5}), "$ref"),
        (json!({"type": "string", "pattern": "(?=a)b"}), "look-around"),
        (json!({"type": "string", "pattern": "("}), "unclosed"),
        (json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), "anyOf"),
        (json!({"type": "object", "x-guidance": {"lenient": true}, "not": {}}), "x-guidance"),
        // Contradictions.
        (json!({"type": "integer", "minimum": 5, "maximum": 4}), "minimum"),
        (json!({"type": "string", "minLength": 5, "maxLength": 4}), "minLength"),
        (json!({"type": "array", "minItems": 5, "maxItems": 4}), "minItems"),
        (object(json!({"a": false})), "unsatisfiable"),
        (json!({"enum": []}), "empty"),
        (json!({"allOf": [{"type": "string"}, {"type": "number"}]}), "incompatible"),
        (json!({"$ref": "#"}), "nothing fits"),
        (json!({"type": "string", "maxLength": -1}), "maxLength"),
        (json!({"minimum": ["aééééééééééééééééééééééééééééééééééééééééééééééééééééé"]}), "not a schema"),
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
