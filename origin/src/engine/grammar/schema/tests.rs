//! What schemas become, judged by what is drawn from them.

mod draw;
mod hostile;
mod random;
mod written;

use draw::{compiled, drawn, judge, next};
use serde_json::{Value, json};
use std::time::Duration;

/// A schema for `v`, as the cases have it.
fn about(v: &Value) -> Value {
    json!({"type": "object", "properties": {"v": v}, "required": ["v"], "additionalProperties": false})
}

/// Whether a schema lets an answer through, byte by byte and to its end.
fn lets(schema: &str, answer: &str) -> bool {
    let mut matcher = compiled(schema).unwrap_or_else(|why| panic!("{schema}: {why}"));
    for byte in answer.bytes() {
        if !next(&mut matcher).is_ok_and(|(bytes, _)| bytes.contains(&byte)) {
            return false;
        }
        matcher.consume_token(byte.into()).unwrap();
    }
    next(&mut matcher).is_ok_and(|(_, may_end)| may_end)
}

/// Numbers of any length are followed in all of their digits, or refused; a stack never runs over.
#[test]
fn numbers_that_no_float_holds() {
    let raw = |kind: &str, members: &str| format!(r#"{{"type":"{kind}",{members}}}"#);
    for (schema, yes, no) in [
        (r#"{"const":10000000000000000000000000}"#.into(), "10000000000000000000000000", "9223372036854775807"),
        (raw("integer", r#""const":-9223372036854775808"#), "-9223372036854775808", "-9223372036854775807"),
        (raw("integer", r#""const":9007199254740993"#), "9007199254740993", "9007199254740992"),
        (raw("integer", r#""enum":[-10000000000000000000]"#), "-10000000000000000000", "-1"),
        (
            raw("integer", r#""minimum":10000000000000000000,"maximum":10000000000000000000"#),
            "10000000000000000000",
            "1",
        ),
        (
            raw("integer", r#""minimum":-9223372036854775808,"maximum":-9223372036854775808"#),
            "-9223372036854775808",
            "0",
        ),
        (raw("integer", r#""minimum":-9223372036854775808"#), "-9223372036854775808", "-9223372036854775809"),
        (raw("integer", r#""maximum":9223372036854775807"#), "9223372036854775807", "9223372036854775808"),
        (raw("integer", r#""maximum":18446744073709551615"#), "18446744073709551615", "18446744073709551616"),
        (raw("integer", r#""minimum":1000000000000000000"#), "1000000000000000000", "999999999999999999"),
        (raw("integer", r#""exclusiveMinimum":9007199254740993"#), "9007199254740994", "9007199254740993"),
        (raw("integer", r#""minimum":1e30"#), "1000000000000000000000000000000", "999999999999999999999999999999"),
        (raw("integer", r#""minimum":2.5,"maximum":3.5"#), "3", "2"),
        (raw("integer", r#""minimum":-1.7976931348623157e308,"maximum":1.7976931348623157e308"#), "5", "5.5"),
        (raw("number", r#""minimum":-1.7976931348623157e308,"maximum":1.7976931348623157e308"#), "5.5", "x"),
        (raw("number", r#""minimum":0.1,"maximum":0.3"#), "0.30", "0.31"),
        (raw("number", r#""exclusiveMinimum":0,"maximum":1"#), "0.001", "0.0"),
        (raw("number", r#""minimum":-1.5,"exclusiveMaximum":2.25"#), "-1.5", "2.25"),
        (raw("number", r#""minimum":5e-324"#), "0.5", "0"),
        (raw("number", r#""maximum":9223372036854775807"#), "9223372036854775807", "9223372036854775807.0"),
        (raw("number", r#""minimum":-9007199254740993"#), "-123456789012345.5", "-9007199254740993.0"),
        (raw("number", r#""minimum":9007199254740993.5"#), "9007199254740994", "9007199254740993.5"),
        (raw("number", r#""multipleOf":0.01"#), "-12.34", "-12.345"),
        (raw("number", r#""multipleOf":0.5,"minimum":-1"#), "1.5", "1.7"),
        (raw("integer", r#""multipleOf":100,"minimum":5"#), "700", "750"),
        (raw("integer", r#""multipleOf":7,"minimum":-100,"maximum":100"#), "-98", "50"),
        (raw("number", r#""multipleOf":2.5e1"#), "75", "80"),
    ] {
        assert!(lets(&schema, yes), "{schema}: {yes}");
        assert!(!lets(&schema, no), "{schema}: {no}");
    }
    for wrong in [
        raw("integer", r#""minimum":1e300"#),
        raw("integer", r#""minimum":1e999"#),
        raw("integer", r#""multipleOf":641.741"#),
        raw("integer", r#""multipleOf":999983"#),
        raw("number", r#""multipleOf":99999.999"#),
        raw("number", r#""multipleOf":1e-300"#),
        raw("number", r#""multipleOf":0"#),
        raw("number", r#""multipleOf":-1"#),
        raw("integer", r#""minimum":4,"maximum":3"#),
        raw("integer", r#""minimum":3.2,"maximum":3.8"#),
        raw("integer", r#""multipleOf":7,"minimum":1,"maximum":6"#),
        raw("number", r#""minimum":0.1,"exclusiveMaximum":0.1"#),
        raw("number", r#""minimum":9007199254740993.5,"maximum":9007199254740993.5"#),
    ] {
        assert!(compiled(&wrong).is_err(), "{wrong}");
    }
}

/// What this thread has computed, where the system tells: the clock would tell what others did.
fn computed() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Whatever a schema asks for, it is compiled or refused in steps that are counted, and these take no longer than a
/// moment.
#[test]
fn schemas_that_cost_are_bounded() {
    let long = "a".repeat(60_000);
    let deep = |depth: usize, of: &str| {
        format!(r#"{}{{"type":"null"}}{}"#, format!(r#"{{"{of}":["#).repeat(depth), "]}".repeat(depth))
    };
    let chain = |count: usize| {
        let mut definitions: Vec<String> =
            (0..count).map(|number| format!(r##""{number}":{{"items":{{"$ref":"#/{}"}}}}"##, number + 1)).collect();
        definitions.push(format!(r##""{count}":true,"$ref":"#/0""##));
        format!("{{{}}}", definitions.join(","))
    };
    let optional = |count: usize, more: &str| {
        let members: Vec<String> = (0..count).map(|number| format!(r#""p{number}":{{"type":"integer"}}"#)).collect();
        format!(r#"{{"type":"object","properties":{{{}}}{more}}}"#, members.join(","))
    };
    let choices = |count: usize| {
        let choice =
            |number: usize| format!(r#"{{"anyOf":[{{"required":["a{number}"]}},{{"required":["b{number}"]}}]}}"#);
        format!(r#"{{"allOf":[{}]}}"#, (0..count).map(choice).collect::<Vec<_>>().join(","))
    };
    let members = |count: usize| {
        let option = |number: usize| {
            format!(r#"{{"type":"object","properties":{{"kind":{{"const":"k{number}"}}}},"required":["kind"]}}"#)
        };
        format!(r#"{{"oneOf":[{}]}}"#, (0..count).map(option).collect::<Vec<_>>().join(","))
    };
    let listed = |count: usize| {
        format!(r#"{{"enum":[{}]}}"#, (0..count).map(|number| format!("\"v{number}\"")).collect::<Vec<_>>().join(","))
    };
    let cases = [
        (r#"{"type":"string","maxLength":1000000000}"#.to_owned(), true),
        (r#"{"type":"string","minLength":1000000}"#.into(), true),
        (r#"{"type":"string","minLength":100000,"pattern":"^a{1,50000}$"}"#.into(), false),
        (r#"{"type":"array","minItems":1000000,"items":{"type":"null"}}"#.into(), true),
        (r#"{"type":"array","maxItems":1000000000,"items":{"type":"null"}}"#.into(), true),
        (r#"{"type":"array","minItems":10000000000}"#.into(), false),
        (r#"{"type":"object","maxProperties":1000000000}"#.into(), true),
        (r#"{"type":"object","minProperties":1000000}"#.into(), false),
        (r#"{"type":"string","pattern":"((a{1,1000}){1,1000}){1,1000}"}"#.into(), true),
        (r#"{"type":"string","pattern":"^(a|b)*a(a|b){200}$","minLength":5}"#.into(), true),
        (r#"{"allOf":[{"type":"string","pattern":"^(a|b)*a(a|b){60}$"},{"pattern":"^(a|b)*b(a|b){61}$"},{"pattern":"^(a|b)*b(a|b){62}c?$"}]}"#.into(), false),
        (format!(r#"{{"type":"string","pattern":"{long}"}}"#), false),
        (format!(r#"{{"type":"string","pattern":"{}"}}"#, r"\\p{L}".repeat(600)), false),
        (format!(r#"{{"type":"string","pattern":"{}"}}"#, "(".repeat(2000)), false),
        (format!(r#"{{"type":"string","pattern":"{}"}}"#, "[^a]{2,90}".repeat(400)), true), // not a status: times
        (format!(r#"{{"type":"string","pattern":"{}"}}"#, "(?i)[^k]".repeat(400)), true), // not a status: times
        (format!(r#"{{"type":"string","const":"{long}"}}"#), true),
        (deep(30, "anyOf"), true),
        (deep(30, "allOf"), true),
        (deep(30, "oneOf"), true),
        (chain(1500), true),
        (chain(2200), false),
        (optional(1000, ""), true),
        (optional(1000, r#","additionalProperties":false,"minProperties":900"#), false),
        (optional(40, r#","additionalProperties":false,"minProperties":20,"maxProperties":30"#), true),
        (choices(8), true),
        (choices(16), false),
        (members(60), true),
        (members(600), false),
        (listed(6000), true),
        (r##"{"$ref":"#"}"##.into(), false),
        (r##"{"anyOf":[{"type":"null"},{"$ref":"#"}]}"##.into(), false),
        (r##"{"type":"array","items":{"$ref":"#"}}"##.into(), true),
        (r##"{"type":"array","minItems":1,"items":{"$ref":"#"}}"##.into(), false),
        (
            r##"{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"type":"object","properties":{"c":{"$ref":"#/$defs/a"}}},
                "b":{"type":"object","properties":{"c":{"$ref":"#/$defs/b"}}}}}"##
                .into(),
            true,
        ),
    ];
    let mut wrong = Vec::new();
    for (schema, taken) in cases {
        let (outcome, took) = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(128 * 1024 * 1024);
            thread.spawn_scoped(scope, || (compiled(&schema).map(drop), computed())).unwrap().join().unwrap()
        });
        let short: String = schema.chars().take(100).collect();
        println!("{took:?} {outcome:?} {short}");
        if outcome.is_ok() != taken || took > Duration::from_secs(4) {
            wrong.push(format!("{short}: {outcome:?} after {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A model that wants nothing but blanks and digits comes to the end of a form all the same.
#[test]
fn forms_end() {
    let person = json!({"properties": {"name": {"title": "Name", "type": "string"}, "age": {"title": "Age", "type": "integer"},
        "height": {"title": "Height", "type": "number"}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}},
        "required": ["name", "age", "height", "tags"], "title": "Person", "type": "object"});
    let zod = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"ok": {"type": "boolean"}, "score": {"type": "number", "minimum": 0, "maximum": 1},
        "at": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0, "maximum": 9_007_199_254_740_991_i64}, {"type": "null"}]}},
        "required": ["ok", "score", "at"], "additionalProperties": false});
    for schema in
        [person, zod, json!({"type": "number"}), json!({"type": "integer"}), json!({"type": "object"}), json!({})]
    {
        for likes in [" \n\t0123456789", "0123456789.eE+-", "\n", "\t\n ", "1 "] {
            let mut matcher = compiled(&schema.to_string()).unwrap();
            let (mut answer, mut in_text) = (Vec::new(), false);
            let mut beside = 0;
            loop {
                let (bytes, may_end) = next(&mut matcher).unwrap();
                if may_end && bytes.iter().all(|byte| !likes.as_bytes().contains(byte)) {
                    break;
                }
                // What it likes, or what closes, or whatever there is.
                let wanted = likes.bytes().find(|byte| !in_text && bytes.contains(byte));
                let closes = b"\"}]".iter().copied().find(|byte| bytes.contains(byte));
                let byte = wanted.or(closes).or_else(|| bytes.iter().copied().find(|byte| *byte > b' ')).unwrap();
                in_text ^= byte == b'"';
                beside += 1;
                answer.push(byte);
                matcher.consume_token(byte.into()).unwrap();
                assert!(beside < 800, "{schema}: {}", String::from_utf8_lossy(&answer));
            }
            let text = String::from_utf8(answer).unwrap();
            judge(&schema, &text).unwrap_or_else(|why| panic!("{schema}: {text}: {why}"));
            assert!(!text.trim().contains("\n\n"), "{text}");
        }
    }
}

/// What models and libraries write unforced stays possible.
#[test]
fn json_is_written_as_it_always_was() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}},
        "b": {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]}}, "required": ["a", "b"]});
    let schema = schema.to_string();
    for text in [
        r#"{"a":[1,2.5],"b":{"c":"x"}}"#,
        r#"{"a": [1, 2.5], "b": {"c": "x"}}"#,
        r#"{ "a": [ 1, 2.5 ], "b": { "c": "x" } }"#,
        "{\n  \"a\": [\n    1,\n    -2.5e-05\n  ],\n  \"b\": {\n    \"c\": \"x\"\n  }\n}",
        "{\n    \"a\": [1, 2],\n    \"b\": {\n        \"c\": \"x\"\n    }\n}",
        "{\n\t\"a\": [],\n\t\"b\": {\n\t\t\"c\": \"x\"\n\t}\n}",
        "{\n  \"a\" : [ 1, 2 ],\n  \"b\" : {\n    \"c\" : \"x\"\n  }\n}",
        "\n\n{\"a\": [], \"b\": {\"c\": \"\\u00e9 é \\ud83d\\ude42 \\/ \\n\"}}",
    ] {
        assert!(lets(&schema, text), "{text}");
    }
    for text in [
        "{\n\n  \"a\": []",
        "{  \"a\"",
        r#"{"a":[1,  2"#,
        r#"{"a":[00"#,
        r#"{"a":[-0"#,
        "\n\n\n{",
        r#"{"a":[],"b":{"c":"\ud83d""#,
    ] {
        assert!(!lets(&schema, text), "{text}");
    }
    for number in ["0", "-1", "12345678901234567890", "0.1", "1e10", "1.5E+300", "3.141592653589793", "1e-07"] {
        assert!(lets(r#"{"type":"number"}"#, number), "{number}");
    }
}

/// Answers that a pattern or a format lets through by another reading than JSON Schema's.
#[test]
fn patterns_are_read_as_ecmascript_has_them() {
    for (pattern, yes, no) in [
        (r"^a|b$", "xxb", "xab_"),
        (r"^(a|b)$", "a", "ab"),
        (r"^\d+$", "12", "\u{661}"),
        (r"^\w$", "_", "é"),
        (r"^[\w-]+$", "a-b", "a.b"),
        (r"^[a[]$", "[", "b"),
        (r"^[a&&b]$", "&", "c"),
        (r"^\/x$", "/x", "x"),
        (r"^.$", "é", "\r"),
        (r"^\u0041$", "A", "B"),
        (r"^[^a]$", "b", "a"),
        (r"^a{2}$", "aa", "a"),
        (r"a{", "a{", "a"),
        (r"^\s$", "\u{a0}", "x"),
        (r"^(?:x|)$", "", "y"),
        (r"^(?i)abc$", "aBc", "abd"),
        (r"^(?!a)[a-c]+$", "ba", "ab"),
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", "-1.5", "-."),
        (r"^(?=.*\d)(?=.*[a-z])\w{3,}$", "ab1", "abc"),
        (r#"^"\\$"#, "\"\\", "\\\""),
    ] {
        let schema = json!({"type": "string", "pattern": pattern});
        let spelled = |text: &str| Value::from(text).to_string();
        assert!(lets(&schema.to_string(), &spelled(yes)), "{pattern}: {yes:?}");
        assert!(!lets(&schema.to_string(), &spelled(no)), "{pattern}: {no:?}");
    }
    for pattern in
        [r"b(?=a)", r"(?!a)b", r"\bx", r"(a)\1", r"a^b", r"[]", r"(", r"(?<!a)b", r"\q", r"[z-a]", r"a\", "(?s)."]
    {
        assert!(compiled(&json!({"type": "string", "pattern": pattern}).to_string()).is_err(), "{pattern}");
    }
}

/// What cannot be followed is refused by name and place.
#[test]
fn what_is_not_followed_is_refused() {
    for (schema, told) in [
        (json!({"not": {"type": "string"}}), "`not`"),
        (about(&json!({"type": "array", "uniqueItems": true})), "/properties/v"),
        (json!({"type": "array", "contains": {}}), "`contains`"),
        (json!({"if": {}, "then": {}}), "`if`"),
        (json!({"type": "strin"}), "strin"),
        (json!({"type": 5}), "`type`"),
        (json!({"$ref": "#/$defs/none"}), "not found"),
        (json!({"$ref": "https://example.com/schema"}), "example.com"),
        (json!({"$ref": 5}), "$ref"),
        (json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), "anyOf"),
        (json!({"enum": []}), "empty"),
        (json!({"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 2}), "minProperties"),
        (json!({"type": "object", "unevaluatedProperties": false}), "unevaluatedProperties"),
        (json!({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{}]}), "prefixItems"),
        (json!({"properties": {"a": 5}, "required": ["a"]}), "/properties/a"),
        (json!({"allOf": [{"type": "string"}, {"type": "number"}]}), "nothing fits"),
        (json!({"type": "string", "minLength": 5, "maxLength": 4}), "nothing fits"),
        (json!({"properties": {"a": false}, "type": "object", "required": ["a"]}), "nothing fits"),
        (json!({"enum": ["a", 5], "type": "boolean"}), "nothing fits"),
    ] {
        let why = compiled(&schema.to_string()).err();
        assert!(why.as_ref().is_some_and(|why| why.contains(told)), "{schema}: {why:?}");
    }
    assert!(compiled(r#"{"type":"string","type":"number"}"#).is_err_and(|why| why.contains("twice")));
}
