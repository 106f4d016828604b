//! `text`: what form an answer has, and how wordy it is.

use crate::refusal::Refusal;
use crate::request::bodies::chat::{JsonSchema, ResponseFormat, format};
use crate::request::member::{Body, Given, invalid, raw};

const PARAM: &str = "text";

pub(super) fn read(body: &Body<'_>) -> Result<ResponseFormat, Refusal> {
    let Some(given) = body.get(PARAM) else { return Ok(ResponseFormat::Text) };
    let [format, verbosity] = given.object(&["format", "verbosity"])?;
    if let Some(verbosity) = verbosity {
        match &*verbosity.text()? {
            "medium" => {}
            "low" | "high" => return Err(verbosity.unserved("is served as `medium` alone: say it in a message.")),
            _ => return Err(verbosity.must("`medium`")),
        }
    }
    format.map_or(Ok(ResponseFormat::Text), form)
}

fn form(given: Given<'_>) -> Result<ResponseFormat, Refusal> {
    const MUST: &str = "an object whose `type` is `text`, `json_object` or `json_schema`";
    let names = ["type", "name", "schema", "strict", "description", "json_schema"];
    let [kind, name, schema, strict, description, wrapped] =
        raw::members(given.json, &names).map_err(|_| given.must(MUST))?;
    if wrapped.is_some() {
        return Err(invalid(
            PARAM,
            "`text.format` has the schema's `name` and `schema` in itself; a `json_schema` around them is the form of \
             chats.",
        ));
    }
    match kind.and_then(raw::text).as_deref() {
        Some("json_schema") => {}
        // A schema that nobody looks at is a caller who believes that its answers follow it.
        Some("text" | "json_object") if schema.is_some() => {
            return Err(invalid(PARAM, "Only a `text.format` of type `json_schema` takes a schema."));
        }
        Some("text") => return Ok(ResponseFormat::Text),
        Some("json_object") => return Ok(ResponseFormat::JsonObject),
        _ => return Err(given.must(MUST)),
    }
    let Some(name) = name.and_then(raw::text).filter(|name| format::is_name(name)) else {
        return Err(invalid(PARAM, "`text.format.name` must be 1 to 64 letters from a to z, digits, `_` and `-`."));
    };
    let Some(strict) = strict.map_or(Some(false), raw::boolean) else {
        return Err(invalid(PARAM, "`text.format.strict` must be true or false."));
    };
    if description.is_some_and(|text| !text.starts_with('"')) {
        return Err(invalid(PARAM, "`text.format.description` must be a text."));
    }
    let Some(schema) = schema.filter(|schema| schema.starts_with('{')) else {
        return Err(invalid(PARAM, "`text.format.schema` must be an object."));
    };
    JsonSchema::new(PARAM, &name, schema, strict).map(ResponseFormat::JsonSchema)
}
