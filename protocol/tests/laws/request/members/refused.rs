//! What is wrong in a request is refused by the name of its member, in words about the request.

use super::{DOORS, VALUES, body, each, fate, least, parse};
use sluice_protocol::refusal::Reason::{InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Table};

/// Words of a machine about itself.
pub(super) const MACHINE: [&str; 9] =
    ["struct", "enum", "untagged", "Raw", "expected", "invalid type", "missing field", " line ", "deserial"];

/// Whatever a member that is served holds, it is taken or the refusal names it, in words about the request.
#[test]
fn a_member_of_the_wrong_type_is_refused_by_its_name() {
    let mut taken = 0;
    for (member, door) in each().filter(|(member, door)| fate(member, *door) == Fate::Served) {
        let name = member.name;
        for value in VALUES {
            let Err(refusal) = parse(door, &body(door, name, value)) else {
                taken += 1;
                continue;
            };
            assert_eq!(refusal.param.as_deref(), Some(name), "{door:?}: {value}: {}", refusal.message);
            assert!(matches!(refusal.reason, InvalidRequest | UnsupportedParameter), "{name}: {value}");
            let told = &refusal.message;
            let named = [format!("`{name}"), format!("{name}[")].iter().any(|name| told.contains(name));
            assert!(named && told.len() < 300, "{name}: {value}: {told}");
            // A member's own name is none of its words.
            let words = told.replace(name, "");
            assert!(MACHINE.iter().all(|word| !words.contains(word)), "{name}: {value}: {told}");
        }
    }
    assert!(taken > 100, "{taken}");
    // None of these is what it should be, at either door that serves it.
    let wrong: [(&str, &[&str]); 23] = [
        ("model", &["5", "true", "[]", "{}"]),
        ("messages", &[r#""hi""#, "5", "true", "{}", "[5]", r#"["hi"]"#]),
        ("prompt", &["5", "true", "{}", "[{}]", r#"[1,"x"]"#, "[[1],2]", "[1,[2]]", r#"[["x"]]"#, "[1.5]"]),
        ("max_tokens", &[r#""16""#, "[1]", "{}", "true", "1.5"]),
        ("max_completion_tokens", &[r#""16""#, "[1]", "{}", "true"]),
        ("stream", &[r#""true""#, "1", "[]", "{}"]),
        ("stream_options", &["5", "true", r#""x""#, "[]", r#"{"include_usage":"yes"}"#, r#"{"include_usage":1}"#]),
        ("stop", &["5", "true", "{}", "[5]", "[[]]", r#"["a",null]"#]),
        ("user", &["5", "true", "[]", "{}"]),
        ("safety_identifier", &["5", "[]"]),
        ("n", &[r#""1""#, "true", "[]", "1.0"]),
        ("seed", &[r#""1""#, "true", "[]", "1.5"]),
        ("temperature", &[r#""1""#, "true", "[]", "{}"]),
        ("top_k", &[r#""1""#, "true", "[]", "1.5"]),
        ("logit_bias", &["5", "true", "[]", r#""x""#, "[[5,1]]", r#"{"5":false}"#]),
        ("echo", &["1", r#""true""#, "[]"]),
        ("tools", &["5", "true", "{}", r#""x""#, "[5]"]),
        ("tool_choice", &["5", "true", "[]", "{}"]),
        ("parallel_tool_calls", &["1", r#""true""#, "[]"]),
        ("response_format", &["5", "true", "[]", r#""json_object""#]),
        ("enable_thinking", &[r#""false""#, "0", "[]", "{}"]),
        (
            "chat_template_kwargs",
            &["[]", "5", "true", r#""x""#, r#"{"enable_thinking":"false"}"#, r#"{"enable_thinking":0}"#],
        ),
        ("reasoning", &["[]", "5", "true", r#""none""#, r#"{"effort":5}"#, r#"{"enabled":"no"}"#, r#"{"exclude":1}"#]),
    ];
    for (name, values) in wrong {
        for (member, door) in each().filter(|(member, door)| member.name == name && fate(member, *door) == Fate::Served)
        {
            for value in values {
                let refusal = parse(door, &body(door, name, value)).expect_err(value);
                let found = (refusal.reason, refusal.param.as_deref());
                assert_eq!(found, (InvalidRequest, Some(member.name)), "{door:?}: {value}: {}", refusal.message);
            }
        }
    }
}

#[test]
fn a_body_that_is_no_object_is_refused_as_such() {
    for door in DOORS {
        for text in ["[]", "null", r#""x""#, "5", "true", r#"[{"model":"m"}]"#, " [1]\n"] {
            let refusal = parse(door, text).unwrap_err();
            assert_eq!((refusal.reason, refusal.param), (InvalidRequest, None), "{text}");
            assert!(refusal.message.contains("JSON object"), "{}", refusal.message);
        }
        for text in ["", " ", "{", "{]", "{}{}", "{} x", "nul", "{\"a\"}", "{a:1}", "\u{feff}{}"] {
            let refusal = parse(door, text).unwrap_err();
            assert_eq!((refusal.reason, refusal.param), (InvalidJson, None), "{text}");
        }
    }
}

/// Both gates read a body with this parser; so that nothing before or behind them could read another member than they
/// do, a member that is there twice is refused, null or not, and however its name is written.
#[test]
fn a_member_that_is_there_twice_is_refused() {
    for (member, door) in each() {
        let name = member.name;
        let within = Table::of(door).within;
        let (outer, inner) = name.split_once('.').filter(|(outer, _)| within == Some(outer)).unwrap_or(("", name));
        let escaped = format!("\\u{:04x}{}", inner.as_bytes()[0], &inner[1..]);
        // What has members of its own is an object.
        let one = if within == Some(name) { "{}" } else { "1" };
        for [one, other] in [["null", "null"], ["null", one], [one, one]] {
            let twice = format!(r#"{{"{inner}":{one},"{escaped}":{other}}}"#);
            let text = if outer.is_empty() { twice } else { format!(r#"{{"{outer}":{twice}}}"#) };
            let refusal = parse(door, &text).unwrap_err();
            assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)), "{text}");
            assert!(refusal.message.contains("twice"), "{}", refusal.message);
        }
        let unknown = body(door, "unheard_of", r#"1,"unheard_of":[2],"":3"#);
        assert_eq!(parse(door, &unknown).unwrap(), least(door));
    }
    for (member, value) in [
        ("stream_options", r#"{"include_usage":true,"include_usage":false}"#),
        ("chat_template_kwargs", r#"{"enable_thinking":true,"enable_thinking":false}"#),
        ("reasoning", r#"{"effort":"none","effort":"high"}"#),
        ("response_format", r#"{"type":"text","type":"json_object"}"#),
        ("messages", r#"[{"role":"user","content":"x","content":"y"}]"#),
        ("tools", r#"[{"type":"function","function":{"name":"f","name":"g"}}]"#),
    ] {
        let refusal = parse(Door::Chat, &body(Door::Chat, member, value)).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(member)), "{value}");
    }
}
