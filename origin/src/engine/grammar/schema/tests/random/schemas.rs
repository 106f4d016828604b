//! Schemas by chance, over every keyword, format and way to refer.

use super::super::draw::Chance;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A schema by chance.
pub(in crate::engine::grammar::schema::tests) fn schema(seed: u64) -> Value {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9) ^ 77);
    chance.below(2);
    let definitions = chance.below(3);
    let mut schema = part(&mut chance, 4);
    if let Value::Object(members) = &mut schema
        && definitions > 0
    {
        let odd = *chance.one_of(&["a/b", "a~b", "a%b", "", "a~1b"]);
        let mut defs = Map::new();
        for name in ["node", "leaf", odd] {
            defs.insert(name.into(), part(&mut chance, 3));
        }
        defs.insert(
            "list".into(),
            json!({"type": "object", "properties": {"value": part(&mut chance, 1), "next": {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]}},
                "required": ["value"], "additionalProperties": chance.below(2) == 0}),
        );
        let mut anchored = part(&mut chance, 2);
        if let Value::Object(members) = &mut anchored {
            members.insert("$anchor".into(), "here".into());
        }
        defs.insert("anchored".into(), anchored);
        members.insert("$defs".into(), defs.into());
        let escaped = odd.replace('~', "~0").replace('/', "~1").replace('%', "%25");
        references(&mut schema, &mut chance, Some(&escaped));
    } else {
        references(&mut schema, &mut chance, None);
    }
    schema
}

/// Makes the places of references references.
fn references(schema: &mut Value, chance: &mut Chance, odd: Option<&str>) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("$ref") && members["$ref"] == "?" {
                let to = match (chance.below(7), odd) {
                    (0, Some(_)) => "#/$defs/node".to_owned(),
                    (1, Some(_)) => "#/$defs/leaf".into(),
                    (2, Some(_)) => "#/$defs/list".into(),
                    (3, Some(odd)) => format!("#/$defs/{odd}"),
                    (4, Some(_)) => "#here".into(),
                    (5, Some(_)) => "#/$defs/list/properties/value".into(),
                    _ => "#".into(),
                };
                members.insert("$ref".into(), to.into());
            }
            members.values_mut().for_each(|member| references(member, chance, odd));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| references(item, chance, odd)),
        _ => {}
    }
}

fn part(chance: &mut Chance, depth: usize) -> Value {
    match chance.below(if depth == 0 { 9 } else { 20 }) {
        0 | 1 => number(chance),
        2..=4 => string(chance),
        5 => literal(chance),
        6 => json!({"type": chance.one_of(&["null", "boolean", "integer", "number", "string"])}),
        7 => json!({"$ref": "?"}),
        8 => [json!({}), json!(true), json!({"type": ["string", "null", "integer"]}), json!({"description": "any"})]
            [chance.below(4)]
        .clone(),
        9..=11 => array(chance, depth),
        12..=15 => object(chance, depth),
        16 | 17 => {
            let options: Vec<Value> = (0..1 + chance.below(3)).map(|_| part(chance, depth.saturating_sub(1))).collect();
            let name = *chance.one_of(&["anyOf", "anyOf", "oneOf", "allOf"]);
            beside(chance, json!({name: options}), depth)
        }
        18 => {
            let all =
                json!({"allOf": [object(chance, depth.saturating_sub(1)), object(chance, depth.saturating_sub(1))]});
            beside(chance, all, depth)
        }
        _ => {
            let mut both = part(chance, depth.saturating_sub(1));
            if let (Value::Object(into), Value::Object(from)) = (&mut both, part(chance, depth.saturating_sub(1))) {
                into.extend(from);
            }
            both
        }
    }
}

/// Keywords beside others, which hold too.
fn beside(chance: &mut Chance, mut schema: Value, depth: usize) -> Value {
    if chance.below(3) == 0
        && let (Value::Object(into), Value::Object(from)) = (&mut schema, part(chance, depth.saturating_sub(1)))
    {
        from.into_iter().for_each(|(name, value)| _ = into.entry(name).or_insert(value));
    }
    schema
}

fn number(chance: &mut Chance) -> Value {
    let mut schema = json!({"type": chance.one_of(&["integer", "number", "number"])});
    let bounds = [
        "0",
        "1",
        "-1",
        "5",
        "10",
        "99",
        "100",
        "-100",
        "0.5",
        "-0.5",
        "1.25",
        "0.1",
        "1e3",
        "12.75",
        "-7.125",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "1e25",
        "0.001",
        "1.7976931348623157e308",
    ];
    for name in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        if chance.below(3) == 0 {
            schema[name] = serde_json::from_str(chance.one_of::<&str>(&bounds)).unwrap();
        }
    }
    if chance.below(5) == 0 {
        schema["multipleOf"] = chance
            .one_of(&[
                json!(1),
                json!(2),
                json!(3),
                json!(7),
                json!(10),
                json!(100),
                json!(0.5),
                json!(0.25),
                json!(0.01),
                json!(0.1),
                json!(1.5),
                json!(64),
                json!(2.5),
            ])
            .clone();
    }
    schema
}

fn string(chance: &mut Chance) -> Value {
    let mut schema = json!({"type": "string"});
    if chance.below(3) == 0 {
        schema["minLength"] = chance.below(4).into();
    }
    if chance.below(3) == 0 {
        schema["maxLength"] = (1 + chance.below(8)).into();
    }
    if chance.below(3) == 0 {
        schema["pattern"] = (*chance.one_of(&[
            "^a|b$",
            "^[a-c]{2,4}$",
            "x",
            "^\\d{3}-\\d{2}$",
            "[^a]",
            "^.*$",
            "^\\w+@\\w+$",
            "\\s",
            "^$",
            "^(ab|cd)+$",
            "é",
            "\"",
            "\\\\",
            "^[^\\n]*$",
            "^[A-Z][a-z]*(_[0-9]+)?$",
            "a.c",
            "\\u0041",
            "[\\]\\-]",
            "^\\S+$",
            "(^a)|(^b)",
            "^\\D$",
            "^(?:a|b){0,3}$",
            "\n",
        ]))
        .into();
    }
    if chance.below(4) == 0 {
        schema["format"] = (*chance.one_of(&[
            "date",
            "time",
            "date-time",
            "duration",
            "email",
            "idn-email",
            "hostname",
            "ipv4",
            "ipv6",
            "uuid",
            "uri",
            "iri",
            "password",
        ]))
        .into();
    }
    schema
}

fn literal(chance: &mut Chance) -> Value {
    let values = [
        json!("a"),
        json!("ab"),
        json!("\u{2}é\"\\"),
        json!(3),
        json!(4.5),
        json!(-7),
        json!(null),
        json!(true),
        json!({"a": [true, 1]}),
        json!([]),
        json!({}),
        json!([1, "x", {"b": null}]),
        json!(1.0),
        json!(9_007_199_254_740_993_i64),
        json!("2024-02-29"),
        json!(1e-7),
    ];
    if chance.below(2) == 0 {
        return json!({"const": chance.one_of(&values)});
    }
    let listed: Vec<Value> = (0..1 + chance.below(5)).map(|_| chance.one_of(&values).clone()).collect();
    json!({"enum": listed})
}

fn array(chance: &mut Chance, depth: usize) -> Value {
    let mut schema = json!({"type": "array"});
    if chance.below(3) > 0 {
        schema["items"] = part(chance, depth.saturating_sub(1));
    }
    if chance.below(4) == 0 {
        schema["items"] = false.into();
    }
    if chance.below(3) == 0 {
        schema["prefixItems"] =
            (0..1 + chance.below(3)).map(|_| part(chance, depth.saturating_sub(1))).collect::<Vec<_>>().into();
    }
    if chance.below(2) == 0 {
        schema["minItems"] = chance.below(4).into();
    }
    if chance.below(2) == 0 {
        schema["maxItems"] = chance.below(6).into();
    }
    if chance.below(8) == 0 {
        schema["uniqueItems"] = (chance.below(2) == 0).into();
    }
    schema
}

fn object(chance: &mut Chance, depth: usize) -> Value {
    // Names that have to be escaped, and some that begin alike.
    let names = ["a", "ab", "é", "with \"quotes\"", "b\\c", "", "z\n", "$ref", "x-1", "properties"];
    let mut schema = json!({"type": "object"});
    if chance.below(6) > 0 {
        let mut properties = Map::new();
        for _ in 0..chance.below(5) {
            properties.insert((*chance.one_of(&names)).into(), part(chance, depth.saturating_sub(1)));
        }
        schema["properties"] = properties.into();
    }
    if chance.below(2) == 0 {
        // They need not be among the properties.
        let required: BTreeSet<&str> = (0..chance.below(4)).map(|_| *chance.one_of(&names)).collect();
        schema["required"] = required.into_iter().collect::<Vec<_>>().into();
    }
    match chance.below(5) {
        0 => schema["additionalProperties"] = part(chance, depth.saturating_sub(1)),
        1 | 2 => schema["additionalProperties"] = false.into(),
        _ => {}
    }
    if chance.below(5) == 0 {
        let mut patterns = Map::new();
        for _ in 0..1 + chance.below(2) {
            let pattern = *chance.one_of(&["^x-", "a", "^[a-z]$", "b$", "^.*$", "\"", "^\\d+$"]);
            patterns.insert(pattern.into(), part(chance, depth.saturating_sub(1)));
        }
        schema["patternProperties"] = patterns.into();
    }
    if chance.below(4) == 0 {
        schema["minProperties"] = chance.below(4).into();
    }
    if chance.below(4) == 0 {
        schema["maxProperties"] = chance.below(5).into();
    }
    if chance.below(6) == 0 {
        schema["propertyNames"] = chance
            .one_of(&[
                json!({"type": "string"}),
                json!({"pattern": "^[a-z]+$"}),
                json!({"maxLength": 3}),
                json!({"enum": ["a", "ab", "k"]}),
                json!({"minLength": 1, "maxLength": 2}),
                json!({"const": "é"}),
                json!(true),
            ])
            .clone();
    }
    schema
}
