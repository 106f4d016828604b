//! Schemas by chance, of everything that is served; and a judge of answers that shares no code with what is judged.

use boon::{Compiler, Schemas};
use serde_json::{Map, Value, json};

/// Numbers that are the same on every machine.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// A schema whose parts lie at most four deep, some with a definition that refers to itself.
pub(super) fn schema(chance: &mut Chance) -> Value {
    if chance.below(6) > 0 {
        return part(chance, 4);
    }
    let leaf = leaf(chance);
    json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {
            "type": "object",
            "properties": {"value": leaf, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["value", "next"],
            "additionalProperties": false,
        }},
    })
}

fn part(chance: &mut Chance, depth: u64) -> Value {
    match chance.below(if depth == 0 { 1 } else { 5 }) {
        0 | 1 => leaf(chance),
        2 => {
            let least = chance.below(3);
            let mut array = json!({"type": "array", "items": part(chance, depth - 1), "minItems": least});
            if chance.below(2) == 0 {
                array["maxItems"] = (least + chance.below(3)).into();
            }
            if chance.below(4) == 0 {
                array["prefixItems"] = json!([part(chance, depth - 1)]);
            }
            array
        }
        3 => json!({"anyOf": [part(chance, depth - 1), part(chance, depth - 1)]}),
        _ => object(chance, depth),
    }
}

pub(super) fn object(chance: &mut Chance, depth: u64) -> Value {
    // Names that have to be escaped, and some that begin alike.
    let names = ["a", "ab", "é", "with \"quotes\"", "b\\c", "", "z z"];
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..chance.below(4) {
        let name = *chance.one_of(&names);
        if !properties.contains_key(name) && chance.below(2) == 0 {
            required.push(name);
        }
        properties.entry(name).or_insert_with(|| part(chance, depth - 1));
    }
    let additional = match chance.below(3) {
        0 => leaf(chance),
        _ => false.into(),
    };
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": additional})
}

fn leaf(chance: &mut Chance) -> Value {
    let low = chance.below(300) as i64 - 150;
    let high = low + chance.below(400) as i64;
    let leaves = [
        json!({"type": "boolean"}),
        json!({"type": "null"}),
        json!({"type": "integer", "minimum": low, "maximum": high}),
        json!({"type": "integer", "minimum": 0, "exclusiveMaximum": 1000, "multipleOf": 7}),
        json!({"type": "number", "minimum": low, "maximum": high}),
        json!({"type": "string"}),
        json!({"type": "string", "minLength": 2, "maxLength": 9}),
        json!({"type": "string", "pattern": "^[a-c]{2,4}(-[0-9]+)?$"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": ["string", "null"], "maxLength": 5}),
        json!({"enum": ["one", "\u{2}é\"", 3, 4.5, null, {"a": [true]}, []]}),
        json!({"const": {"k": "\\"}}),
        json!({"allOf": [{"type": "integer", "minimum": 10}, {"maximum": 20}]}),
        json!({"oneOf": [{"type": "boolean"}, {"const": "x"}]}),
    ];
    chance.one_of(&leaves).clone()
}

/// Whether this text is one JSON value that the schema takes.
pub(super) fn judge(schema: &Value, text: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.enable_format_assertions();
    compiler.add_resource("schema.json", schema.clone()).map_err(|error| error.to_string())?;
    let index = compiler.compile("schema.json", &mut schemas).map_err(|error| error.to_string())?;
    schemas.validate(&value, index).map_err(|error| format!("{error:#}"))
}
