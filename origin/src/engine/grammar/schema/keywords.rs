//! Which keywords a schema may have. A keyword that binds and is not followed is refused. One that excludes nothing is
//! ignored, and so is one that no draft of JSON Schema knows.

use super::document::{Document, Id, Json};

/// Refuses a part of a schema for what it has and we do not follow.
pub(super) fn check(document: &Document, schema: Id) -> Result<(), String> {
    let members = match document.get(schema) {
        Json::Bool(_) => return Ok(()),
        Json::Object(members) => members,
        _ => return Err(at(document, schema, "a schema must be an object or boolean")),
    };
    for (name, value) in members {
        let refuse = |why: &str| Err(at(document, schema, &format!("`{name}` {why}")));
        let is_followed = match name.as_str() {
            "not" => matches!(document.get(*value), Json::Bool(false)) || binds_nothing(document, *value),
            "if" => !["then", "else"].iter().any(|name| document.member(schema, name).is_some()),
            "contains" => {
                let is_zero = |id| matches!(document.get(id), Json::Number(least) if least.is_zero());
                document.member(schema, "minContains").is_some_and(is_zero)
                    && document.member(schema, "maxContains").is_none()
            }
            "uniqueItems" => match document.get(*value) {
                Json::Bool(unique) => !unique || at_most_one(document, schema),
                _ => return refuse("must be true or false"),
            },
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                matches!(document.get(*value), Json::Object(members) if members.is_empty())
            }
            "unevaluatedProperties" | "unevaluatedItems" => binds_nothing(document, *value),
            "$dynamicRef" | "$recursiveRef" => false,
            "prefixItems" => !is_old(document),
            _ => true,
        };
        if !is_followed {
            return refuse("is not served");
        }
        let must = match (name.as_str(), document.get(*value)) {
            ("minimum" | "maximum" | "multipleOf", Json::Number(_)) => continue,
            ("minimum" | "maximum" | "multipleOf", _) => "must be a number",
            ("exclusiveMinimum" | "exclusiveMaximum", Json::Number(_) | Json::Bool(_)) => continue,
            ("exclusiveMinimum" | "exclusiveMaximum", _) => "must be a number",
            ("pattern" | "format" | "$ref", Json::Text(_)) => continue,
            ("pattern" | "format" | "$ref", _) => "must be a text",
            ("properties" | "patternProperties", Json::Object(_)) => continue,
            ("properties" | "patternProperties", _) => "must be an object",
            ("anyOf" | "oneOf" | "allOf", Json::Array(of)) if !of.is_empty() => continue,
            ("anyOf" | "oneOf" | "allOf", _) => "must be a list of schemas that is not empty",
            ("enum", Json::Array(of)) if !of.is_empty() => continue,
            ("enum", _) => "must be a list that is not empty",
            ("prefixItems", Json::Array(_)) => continue,
            ("prefixItems", _) => "must be a list of schemas",
            ("required", Json::Array(names)) => match names.iter().all(|name| text(document, *name).is_some()) {
                true => continue,
                false => "must be a list of names",
            },
            ("required", _) => "must be a list of names",
            (
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties",
                Json::Number(_),
            ) if count(document, schema, name).is_some() => continue,
            ("minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties", _) => {
                "must be an integer that is not negative"
            }
            ("type", _) => match types(document, schema) {
                Ok(_) => continue,
                Err(wrong) => return refuse(&wrong),
            },
            _ => continue,
        };
        return refuse(must);
    }
    Ok(())
}

/// A sentence about a part of a schema, which says where it stands.
pub(super) fn at(document: &Document, schema: Id, what: &str) -> String {
    match document.place(schema) {
        place if place.is_empty() => what.to_owned(),
        place => format!("at {}, {what}", place.chars().take(120).collect::<String>()),
    }
}

/// What JSON Schema calls types.
pub(super) const TYPES: [&str; 7] = ["null", "boolean", "number", "string", "array", "object", "integer"];

/// The types that a schema names; `None`: all.
pub(super) fn types(document: &Document, schema: Id) -> Result<Option<Vec<&str>>, String> {
    let Some(types) = document.member(schema, "type") else { return Ok(None) };
    let names: Vec<Id> = match document.get(types) {
        Json::Array(names) => names.clone(),
        _ => vec![types],
    };
    let mut named = Vec::new();
    for name in names {
        match text(document, name) {
            Some(name) if TYPES.contains(&name) => named.push(name),
            Some(name) => return Err(format!("knows no `{}`", name.chars().take(40).collect::<String>())),
            None => return Err("must be a text or a list of texts".into()),
        }
    }
    Ok(Some(named))
}

/// A member that is a text.
pub(super) fn text_of<'a>(document: &'a Document, schema: Id, name: &str) -> Option<&'a str> {
    document.member(schema, name).and_then(|id| text(document, id))
}

fn text(document: &Document, id: Id) -> Option<&str> {
    match document.get(id) {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

/// A member that is a count. Larger numbers than `u64` holds become its maximum.
pub(super) fn count(document: &Document, schema: Id, name: &str) -> Option<u64> {
    match document.get(document.member(schema, name)?) {
        Json::Number(number) if number.is_integer() && !number.is_negative() => {
            Some(number.integer().and_then(|count| u64::try_from(count).ok()).unwrap_or(u64::MAX))
        }
        _ => None,
    }
}

/// Whether a schema excludes nothing, as far as that can be seen.
pub(super) fn binds_nothing(document: &Document, schema: Id) -> bool {
    match document.get(schema) {
        Json::Bool(any) => *any,
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn at_most_one(document: &Document, schema: Id) -> bool {
    count(document, schema, "maxItems").is_some_and(|most| most <= 1)
}

/// Whether the schema says that it is of a draft before 2020-12.
pub(super) fn is_old(document: &Document) -> bool {
    let draft = text_of(document, Document::ROOT, "$schema").unwrap_or_default();
    ["draft-03", "draft-04", "draft-06", "draft-07", "2019-09"].iter().any(|old| draft.contains(old))
}
