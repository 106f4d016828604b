//! Whatever stands where a member is: bodies made to be large, and any JSON.

use super::{body, least, parse};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::InvalidRequest;
use sluice_protocol::request::bodies::chat::{MAX_CALLS, MAX_MESSAGES};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{TABLES, Table};

/// What is far too much is refused when the bound is passed, and not when all of it has been read.
#[test]
fn bodies_made_to_be_large_are_refused_early() {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let biases: Vec<String> = (0..100_000).map(|id| format!("\"{id}\":1")).collect();
    let calls = list(r#"{"id":"","function":{"name":""}}"#, MAX_CALLS + 1);
    let tools: Vec<String> =
        (0..20_000).map(|number| format!(r#"{{"type":"function","function":{{"name":"f{number}"}}}}"#)).collect();
    for (door, name, value) in [
        (Door::Chat, "messages", list(r#"{"role":"user","content":""}"#, MAX_MESSAGES + 1)),
        (Door::Chat, "messages", format!(r#"[{{"role":"assistant","tool_calls":{calls}}}]"#)),
        (Door::Chat, "tools", format!("[{}]", tools.join(","))),
        (Door::Chat, "stop", list(r#""a""#, 10_000)),
        (Door::Chat, "logit_bias", format!("{{{}}}", biases.join(","))),
        (Door::Chat, "logit_bias", format!("{{{}}}", vec![r#""5":1"#; 100_000].join(","))),
        (Door::Completions, "prompt", list("[0]", 200_000)),
        (Door::Completions, "prompt", list(r#""x""#, 200_000)),
        (Door::Embeddings, "input", list(r#""x""#, 100_000)),
        (Door::Embeddings, "input", list("[0]", 100_000)),
        (Door::OllamaEmbed, "input", list(r#""x""#, 100_000)),
        (Door::Rerank, "documents", list(r#""x""#, 100_000)),
        (Door::Rerank, "documents", list(r#"{"text":"x"}"#, 100_000)),
        (Door::Detokenize, "tokens", list("0", 1_000_000)),
    ] {
        let refusal = parse(door, &body(door, name, &value)).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)));
        assert!(refusal.message.len() < 300, "{}", refusal.message);
    }
    // A million members that nobody knows cost nothing; one that is known and comes again ends it.
    let unknown = format!("1{}", r#","unheard_of":1"#.repeat(1_000_000));
    assert_eq!(parse(Door::Chat, &body(Door::Chat, "unheard_of", &unknown)).unwrap(), least(Door::Chat));
    let again = format!("true{}", r#","stream":true"#.repeat(1_000_000));
    assert_eq!(parse(Door::Chat, &body(Door::Chat, "stream", &again)).unwrap_err().param.unwrap(), "stream");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for name in ["unheard_of", "metadata"] {
        assert_eq!(parse(Door::Chat, &body(Door::Chat, name, &deep)).unwrap(), least(Door::Chat));
    }
    for name in ["messages", "tools", "stop", "user", "guided_json", "tool_choice", "response_format"] {
        assert_eq!(parse(Door::Chat, &body(Door::Chat, name, &deep)).unwrap_err().param.unwrap(), name);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,8}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Any member with any value, at both doors: a request, or a refusal that names this member.
    #[test]
    fn any_value_is_taken_or_refused_by_name(at in any::<prop::sample::Index>(), value in value()) {
        for door in Door::ALL.iter().copied() {
            let member = at.get(Table::of(door).members);
            if let Err(refusal) = parse(door, &body(door, member.name, &value.to_string())) {
                // Or what is within it.
                let param = refusal.param.unwrap_or_default();
                prop_assert!(param == member.name || param.starts_with(&format!("{}.", member.name)), "{}", param);
                prop_assert!(refusal.message.len() < 400);
            }
        }
    }

    /// What nobody knows changes nothing.
    #[test]
    fn what_nobody_knows_passes(name in "[A-Za-z\\.\\u{e9} -]{0,12}", value in value()) {
        let all = || TABLES.iter().flat_map(|table| table.members);
        prop_assume!(all().all(|member| member.name != name && !member.name.ends_with(&format!(".{name}"))));
        for door in Door::ALL.iter().copied() {
            prop_assert_eq!(parse(door, &body(door, &name, &value.to_string())).unwrap(), least(door));
        }
    }
}
