//! Whether an answer is what its operation describes.

use harness::Answer;
use serde_json::Value;

/// Checks an answer against the schema of its operation: required members are there, no other ones, and of the types.
pub(crate) fn check(document: &Value, path: &str, method: &str, answer: &Answer) {
    let response = &document["paths"][path][method]["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{method} {path}: {} is not described: {}", answer.status, answer.text());
    let response = resolve(document, response);
    conforms(document, &response["content"]["application/json"]["schema"], &answer.json(), &format!("{method} {path}"));
}

pub(super) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("a reference that leads somewhere")
        }
        None => value,
    }
}

pub(super) fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &&Value| {
            let option = resolve(document, option);
            let mut required = option["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            is_of(option["type"].as_str(), value) && required.all(|name| value.get(name).is_some())
        };
        let option = options.iter().find(fits).unwrap_or_else(|| panic!("{at}: {value} is none of {schema}"));
        return conforms(document, option, value, at);
    }
    assert!(is_of(schema["type"].as_str(), value), "{at}: {value} is not {schema}");
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, at);
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().expect("a name")), "{at}: {name} is missing in {value}");
    }
    for (name, member) in members {
        let within = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => conforms(document, schema, member, &within),
            // A member that says nothing of what is in it.
            (None, None) if schema["properties"].is_null() => {}
            _ => panic!("{within} is not described"),
        }
    }
}

pub(super) fn is_of(kind: Option<&str>, value: &Value) -> bool {
    match kind {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    }
}
