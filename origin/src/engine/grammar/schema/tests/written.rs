//! Schemas as libraries write them: all are taken, and what is drawn from them is judged.

use super::{about, compiled, drawn, judge};
use serde_json::{Value, json};

/// Whether each of some answers drawn from a schema has it; how many came to their end.
pub(super) fn judged(schema: &Value, answers: u64) -> Result<u32, String> {
    let matcher = compiled(&schema.to_string())?;
    let mut whole = 0;
    for seed in 0..answers {
        if let Some(text) = drawn(&matcher, seed)? {
            judge(schema, &text).map_err(|why| format!("{text}: {why}"))?;
            whole += 1;
        }
    }
    Ok(whole)
}

fn written() -> Vec<Value> {
    let draft = "https://json-schema.org/draft/2020-12/schema";
    let mut all: Vec<Value> = [
        // Pydantic: SecretStr, bytes, Path, Decimal, datetime and others, constr, conlist, Literal, Optional, Dict.
        json!({"type": "string", "format": "password", "writeOnly": true}),
        json!({"type": "string", "format": "binary"}),
        json!({"type": "string", "format": "path"}),
        json!({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}]}),
        json!({"anyOf": [{"type": "number"}, {"type": "string"}], "title": "Price"}),
        json!({"type": "string", "format": "date-time", "title": "At"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "time"}),
        json!({"type": "string", "format": "duration"}),
        json!({"type": "string", "format": "uuid4"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "format": "email"}),
        json!({"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083}),
        json!({"type": "string", "format": "ipv4"}),
        json!({"type": "string", "format": "ipvanyaddress"}),
        json!({"type": "string", "maxLength": 10, "minLength": 2, "pattern": "^[A-Z]+$"}),
        json!({"type": "array", "items": {"type": "integer"}, "maxItems": 4, "minItems": 1}),
        json!({"const": "cat", "default": "cat", "title": "Kind", "type": "string"}),
        json!({"enum": ["red", "green"], "title": "Colour", "type": "string"}),
        json!({"enum": [1, 2, 3], "type": "integer"}),
        json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "additionalProperties": true}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}, "propertyNames": {"enum": ["a", "b"]}}),
        json!({"maxItems": 2, "minItems": 2, "prefixItems": [{"type": "integer"}, {"type": "string"}], "type": "array"}),
        json!({"exclusiveMinimum": 0, "type": "number"}),
        json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 100, "multipleOf": 5}),
        json!({}),
        // Zod 4: formats of its own, records, tuples, literals, safe integers.
        json!({"type": "string", "format": "cuid2", "pattern": "^[0-9a-z]+$"}),
        json!({"type": "string", "format": "jwt"}),
        json!({"type": "string", "format": "uuid",
            "pattern": "^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000)$"}),
        json!({"type": "string", "format": "base64", "contentEncoding": "base64"}),
        json!({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "boolean"}}),
        json!({"type": "object", "propertyNames": {"type": "string", "enum": ["a", "b"]}, "additionalProperties": {"type": "number"},
            "required": ["a", "b"]}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}),
        json!({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}}),
        json!({"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64}),
        json!({"anyOf": [{"type": "string", "const": "a"}, {"type": "number", "const": 5}]}),
        json!({"type": "object", "properties": {"x": {"default": 5, "type": "number"}}, "required": ["x"], "additionalProperties": {}}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "number"}}, "required": ["b"]}]}),
        json!({"not": false}),
        json!({"type": "object", "properties": {"a": {"not": {}}, "b": {"type": "null"}}}),
        json!({"type": "string", "pattern": "^(?=.*[A-Z])(?=.*\\d).{4,}$"}),
        // OpenAPI 3.0, of Java and .NET, and what is left of it in tools.
        json!({"type": "integer", "format": "int64", "minimum": -9_223_372_036_854_775_808_i64, "maximum": 9_223_372_036_854_775_807_i64}),
        json!({"type": "integer", "format": "int32"}),
        json!({"type": "integer", "minimum": 1_000_000_000_000_000_000_i64}),
        json!({"type": "number", "format": "double", "minimum": -1.797_693_134_862_315_7e308, "maximum": 1.797_693_134_862_315_7e308}),
        json!({"type": "number", "format": "decimal", "multipleOf": 0.01}),
        json!({"type": "string", "nullable": true, "example": "x", "readOnly": true, "xml": {"name": "n"}}),
        json!({"type": "string", "format": "byte", "externalDocs": {"url": "https://example.com"}}),
        json!({"type": "object", "discriminator": {"propertyName": "kind"}, "oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"type": "object", "properties": {"kind": {"const": "b"}, "size": {"type": "integer"}}, "required": ["kind"]}]}),
        json!({"type": ["string", "null"], "format": "date-time"}),
        json!({"type": "array", "items": {"type": "string"}, "uniqueItems": false}),
        json!({"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false}),
        json!({"type": "object", "patternProperties": {"^.*$": {"type": "number"}}}),
        json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "null"}}),
        // TypeBox and Go.
        json!({"type": "object", "required": ["a"], "properties": {"a": {"anyOf": [{"const": "x", "type": "string"}, {"const": "y", "type": "string"}]},
            "b": {"type": "string", "contentMediaType": "text/plain"}}}),
        json!({"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}},
            "additionalProperties": false, "required": ["at"]}),
    ]
    .iter()
    .map(about)
    .collect();
    // Not about one value: models in models, with definitions.
    all.extend([
        json!({"$schema": draft, "type": "object", "properties": {"a": {"$ref": "#/$defs/__schema0"}}, "required": ["a"],
            "$defs": {"__schema0": {"type": "object", "properties": {"v": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/__schema0"},
            {"type": "null"}]}}, "required": ["v", "next"], "additionalProperties": false}}}),
        json!({"$defs": {"Cat": {"properties": {"pet_type": {"const": "cat", "title": "Pet Type", "type": "string"},
            "meows": {"title": "Meows", "type": "integer"}}, "required": ["pet_type", "meows"], "title": "Cat", "type": "object"},
            "Dog": {"properties": {"pet_type": {"const": "dog", "title": "Pet Type", "type": "string"}, "barks": {"type": "number"}},
            "required": ["pet_type", "barks"], "title": "Dog", "type": "object"}},
            "properties": {"pet": {"discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}, "propertyName": "pet_type"},
            "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "title": "Pet"}}, "required": ["pet"], "type": "object"}),
        json!({"$defs": {"Node": {"properties": {"value": {"type": "integer"}, "children": {"items": {"$ref": "#/$defs/Node"},
            "type": "array", "default": []}}, "required": ["value"], "type": "object"}}, "$ref": "#/$defs/Node"}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"A": {"type": "object", "properties": {"x": {"type": "array",
            "items": [{"type": "string"}, {"type": "number"}], "additionalItems": false}}, "required": ["x"]}}, "$ref": "#/definitions/A"}),
        json!({"definitions": {"E": {"enum": ["a", "b"], "title": "E"}}, "properties": {"e": {"allOf": [{"$ref": "#/definitions/E"}],
            "default": "a", "description": "An enum"}}, "type": "object"}),
        json!({"$id": "https://example.com/s", "$ref": "https://example.com/s#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "boolean"}}}),
        json!({"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "null"}}}),
    ]);
    all
}

#[test]
fn schemas_as_libraries_write_them_are_taken() {
    let mut wrong = Vec::new();
    for schema in written() {
        match judged(&schema, 12) {
            Ok(whole) if whole > 3 => {}
            outcome => wrong.push(format!("{schema}: {outcome:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
