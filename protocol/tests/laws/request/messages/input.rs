//! The input of a call that was cut off is the part of it that is whole.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use sluice_protocol::request::bodies::messages::AnswerBlock;

fn input(arguments: &str) -> Value {
    let block = AnswerBlock::call("toolu_1".into(), "f".into(), arguments);
    serde_json::to_value(block).unwrap()["input"].clone()
}

#[test]
fn what_is_whole_is_kept() {
    for (written, expected) in [
        ("", json!({})),
        ("{", json!({})),
        (r#"{"a"#, json!({})),
        (r#"{"a": "#, json!({})),
        (r#"{"a": "x"#, json!({})),
        (r#"{"a": "x\"#, json!({})),
        (r#"{"a": "x\""#, json!({})),
        (r#"{"a": "x\"""#, json!({"a": "x\""})),
        (r#"{"a": 1"#, json!({})),
        (r#"{"a": 1,"#, json!({"a": 1})),
        (r#"{"a": tru"#, json!({})),
        (r#"{"a": true "#, json!({"a": true})),
        (r#"{"a": {"b": ["#, json!({"a": {"b": []}})),
        (r#"{"a": {"b": ["x", {"#, json!({"a": {"b": ["x", {}]}})),
        (r#"{"a": {}, "b"#, json!({"a": {}})),
        (r#"{"a": [{}], "{": ["}", "]"#, json!({"a": [{}], "{": ["}"]})),
        (r#"{"a": [1, 2"#, json!({"a": [1]})),
        (r#"{"a": 1.50}"#, json!({"a": 1.50})),
    ] {
        assert_eq!(input(written), expected, "{written}");
    }
}

/// Objects whose leaves say by themselves which they are.
fn object() -> impl Strategy<Value = Value> {
    let names = proptest::sample::select(vec!["a", "b", "\"", "\\", "{", "é", "", "]"]);
    let leaf = prop_oneof![
        4 => any::<u32>().prop_map(|number| json!(format!("#{number}\"\\#"))),
        1 => any::<i32>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let names = names.clone();
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<String, Value>>())
            }),
        ]
    });
    value.prop_map(|value| json!({"all": value, "last": "x"}))
}

/// Whether one value is how the other begins.
fn begins(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Array(part), Value::Array(whole)) => {
            part.len() <= whole.len() && part.iter().zip(whole).all(|(part, whole)| begins(part, whole))
        }
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| begins(part, whole)))
        }
        _ => part == whole,
    }
}

fn texts(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(members) => members.values().map(texts).sum(),
        _ => 0,
    }
}

proptest! {
    /// Nothing is made up, and no text that is whole is left out.
    #[test]
    fn wherever_it_is_cut(whole in object(), cut in any::<Index>(), pretty in any::<bool>()) {
        let spell = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let written = spell(&whole).unwrap();
        let ends: Vec<usize> = written.char_indices().map(|(at, _)| at).chain([written.len()]).collect();
        let begun = &written[..ends[cut.index(ends.len())]];
        let found = input(begun);
        prop_assert!(begins(&found, &whole), "{begun}\n{found}");
        // Each of them ends with this, and no name does.
        let came = begun.matches(r#"\"\\#""#).count() + usize::from(begun.contains(r#""x""#));
        prop_assert_eq!(texts(&found), came, "{}\n{}", begun, found);
    }
}
