//! `response_format`: which forms are taken, and that each mistake is told with its name.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::InvalidRequest;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{
    ChatBounds, ChatRequest, JsonSchema, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, ResponseFormat,
};

fn parse(format: &str) -> Result<ResponseFormat, Refusal> {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"response_format":{format}}}"#);
    let bounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };
    ChatRequest::parse(body.as_bytes(), bounds).map(|request| request.format)
}

fn with_schema(schema: &str) -> Result<ResponseFormat, Refusal> {
    parse(&format!(r#"{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#))
}

#[test]
fn the_three_forms_are_taken() {
    let schema = |name: &str, schema: &str, strict| {
        ResponseFormat::JsonSchema(JsonSchema { name: name.into(), schema: schema.into(), strict })
    };
    let long = "n".repeat(64);
    for (format, expected) in [
        ("null", ResponseFormat::Text),
        (r#"{"type":"text"}"#, ResponseFormat::Text),
        (r#" {"type" : "json_object", "json_schema": null, "later": [1]} "#, ResponseFormat::JsonObject),
        (r#"{"type":"json_schema","json_schema":{"name":"a_B-9","schema":{}}}"#, schema("a_B-9", "{}", false)),
        (
            // As it was sent: the order of members, numbers and spaces.
            r#"{"json_schema":{"schema": {"z": 1.0, "a":[ ]} ,"description":"d","strict":true,"name":"\u0061"},"type":"json_schema"}"#,
            schema("a", r#"{"z": 1.0, "a":[ ]}"#, true),
        ),
        (
            &format!(r#"{{"type":"json_schema","json_schema":{{"name":"{long}","schema":{{}},"strict":null}}}}"#),
            schema(&long, "{}", false),
        ),
    ] {
        assert_eq!(parse(format).unwrap(), expected, "{format}");
    }
}

#[test]
fn every_mistake_names_the_member_and_what_is_wrong() {
    let named = |name: Value| json!({"type": "json_schema", "json_schema": {"name": name, "schema": {}}}).to_string();
    let member = |member: &str, value: Value| {
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}, member: value}}).to_string()
    };
    let (which, object) = ("`text`, `json_object` or `json_schema`", "must be an object with a `name` and a `schema`");
    let table: [(&[String], &str); 8] = [
        (
            &["1", "true", "[]", r#""json_object""#, r#"["json_object"]"#, "{}", r#"{"type":null}"#, r#"{"type":5}"#]
                .map(str::to_owned),
            which,
        ),
        (
            &[r#"{"type":"JSON"}"#, r#"{"type":"grammar"}"#, r#"{"type":"text","type":"text"}"#].map(str::to_owned),
            which,
        ),
        (
            &[r#"{"type":"json_schema"}"#, r#"{"type":"json_schema","json_schema":null,"schema":{}}"#]
                .map(str::to_owned),
            "needs a member `json_schema`",
        ),
        (
            &[
                r#"{"type":"json_schema","json_schema":[]}"#,
                r#"{"type":"json_schema","json_schema":["n",null,{},null]}"#,
            ]
            .map(str::to_owned),
            object,
        ),
        (
            &[named(json!(null)), named(json!("")), named(json!("a b")), named(json!("é")), named(json!(5))]
                .into_iter()
                .chain([named(json!("n".repeat(65))), r#"{"type":"json_schema","json_schema":{}}"#.into()])
                .collect::<Vec<_>>(),
            "json_schema.name",
        ),
        (
            &["null", "true", "[]", r#""{}""#, "1"].map(|schema| member("schema", schema.parse().unwrap())),
            "json_schema.schema",
        ),
        (
            &[
                member("strict", json!("yes")),
                member("strict", json!(1)),
                member("description", json!(1)),
                member("description", json!({})),
            ],
            "json_schema.",
        ),
        (
            &[
                r#"{"type":"json_object","schema":{}}"#,
                r#"{"type":"json_object","json_schema":{"name":"n","schema":{}}}"#,
                r#"{"type":"text","json_schema":{}}"#,
            ]
            .map(str::to_owned),
            "takes a schema",
        ),
    ];
    for (formats, told) in table {
        for format in formats {
            let refusal = parse(format).expect_err(format);
            assert_eq!(
                (refusal.reason, refusal.param.as_deref()),
                (InvalidRequest, Some("response_format")),
                "{format}"
            );
            assert!(refusal.message.contains(told), "{format}: {}", refusal.message);
        }
    }
}

#[test]
fn a_schema_is_bounded_in_length_and_depth() {
    let long = |length: usize| format!(r#"{{"description":"{}"}}"#, "x".repeat(length - 18));
    assert_eq!(long(MAX_SCHEMA_BYTES).len(), MAX_SCHEMA_BYTES);
    with_schema(&long(MAX_SCHEMA_BYTES)).unwrap();
    assert!(with_schema(&long(MAX_SCHEMA_BYTES + 1)).unwrap_err().message.contains("65536 bytes"));
    // The object itself is one; what lies in a text does not count.
    let deep =
        |depth: usize| format!(r#"{{"a\"[[{{":"[[[\\","b":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    with_schema(&deep(MAX_SCHEMA_DEPTH)).unwrap();
    assert!(with_schema(&deep(MAX_SCHEMA_DEPTH + 1)).unwrap_err().message.contains("64 objects and arrays deep"));
    // Deeper than a recursive reader could go, and told as any other.
    assert!(with_schema(&deep(30_000)).unwrap_err().message.contains("deep"));
    // Side by side is not deep.
    with_schema(&format!(r#"{{"enum":[{}]}}"#, vec!["[]"; 10_000].join(","))).unwrap();
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        r#"[\[\]{}"\\ a\u{e9}]{0,6}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(r#"[\[{"\\a]{0,4}"#, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    /// Against counting in the parsed value: whatever lies in texts and names.
    #[test]
    fn depth_is_counted_as_the_parsed_value_has_it(value in value(), more in 40usize..62) {
        let nested = (0..more).fold(value, |inner, _| json!([inner]));
        let schema = json!({"enum": nested});
        prop_assert_eq!(with_schema(&schema.to_string()).is_ok(), depth(&schema) <= MAX_SCHEMA_DEPTH);
    }

    #[test]
    fn any_format_is_taken_or_refused_by_name(value in value()) {
        match parse(&value.to_string()) {
            Ok(format) => prop_assert!(format == ResponseFormat::Text && value.is_null()),
            Err(refusal) => prop_assert_eq!(refusal.param.as_deref(), Some("response_format")),
        }
    }
}
