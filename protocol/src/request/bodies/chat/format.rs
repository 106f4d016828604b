//! What form an answer must have: `response_format`, parsed at the door and bounded, so that what is compiled behind it
//! is small.
//!
//! Nothing is compiled here: whether a schema can be followed at all, the origin finds out before the request waits.

use crate::refusal::Refusal;
use crate::request::member::{Body, invalid, raw};

/// What form an answer must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// One JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema(JsonSchema),
}

/// A schema for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSchema {
    /// The caller's name for it: 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// A JSON object as it was sent, its members in their order, which is the order that the answer's members have. At most
    /// [`MAX_SCHEMA_BYTES`] long and [`MAX_SCHEMA_DEPTH`] deep. Whether it is a schema is not looked at.
    pub schema: Box<str>,
    /// OpenAI's: whether the answer has to follow the schema. Ours always does.
    pub strict: bool,
}

/// Our bound on the length of a schema.
pub const MAX_SCHEMA_BYTES: usize = 65_536;
/// Our bound on the objects and arrays that lie in one another, the schema itself included.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// OpenAI's bound on a schema's name.
const MAX_NAME_BYTES: usize = 64;

const PARAM: &str = "response_format";

/// Refuses what is none of OpenAI's three forms; each refusal names `response_format`.
pub(super) fn read(body: &Body<'_>) -> Result<ResponseFormat, Refusal> {
    const MUST: &str = "`response_format` must be an object whose `type` is `text`, `json_object` or `json_schema`.";
    let Some(given) = body.get(PARAM) else { return Ok(ResponseFormat::Text) };
    // `schema` is where some other servers take it.
    let [kind, wrapped, schema] =
        raw::members(given.json, &["type", "json_schema", "schema"]).map_err(|_| invalid(PARAM, MUST))?;
    match (kind.and_then(raw::text).as_deref(), wrapped) {
        (Some("json_schema"), Some(wrapped)) => json_schema(wrapped).map(ResponseFormat::JsonSchema),
        (Some("json_schema"), None) => {
            Err(invalid(PARAM, "`response_format` of type `json_schema` needs a member `json_schema`."))
        }
        // A schema that nobody looks at is a caller who believes that its answers follow it.
        (Some("text" | "json_object"), _) if wrapped.or(schema).is_some() => {
            Err(invalid(PARAM, "Only a `response_format` of type `json_schema` takes a schema."))
        }
        (Some("text"), _) => Ok(ResponseFormat::Text),
        (Some("json_object"), _) => Ok(ResponseFormat::JsonObject),
        _ => Err(invalid(PARAM, MUST)),
    }
}

fn json_schema(wrapped: &str) -> Result<JsonSchema, Refusal> {
    let [name, description, schema, strict] = raw::members(wrapped, &["name", "description", "schema", "strict"])
        .map_err(|_| {
            invalid(PARAM, "`response_format.json_schema` must be an object with a `name` and a `schema`, each once.")
        })?;
    let Some(name) = name.and_then(raw::text).filter(|name| is_name(name)) else {
        let must = "must be 1 to 64 letters from a to z, digits, `_` and `-`";
        return Err(invalid(PARAM, format!("`response_format.json_schema.name` {must}.")));
    };
    let Some(strict) = strict.map_or(Some(false), raw::boolean) else {
        return Err(invalid(PARAM, "`response_format.json_schema.strict` must be true or false."));
    };
    if description.is_some_and(|text| !text.starts_with('"')) {
        return Err(invalid(PARAM, "`response_format.json_schema.description` must be a text."));
    }
    let schema = schema.unwrap_or("");
    if !schema.starts_with('{') {
        return Err(invalid(PARAM, "`response_format.json_schema.schema` must be an object."));
    }
    JsonSchema::new(PARAM, &name, schema, strict)
}

impl JsonSchema {
    /// Of a text that is known to be an object, in the member of this name. Refuses what is too long or too deep.
    pub(crate) fn new(param: &'static str, name: &str, schema: &str, strict: bool) -> Result<Self, Refusal> {
        if schema.len() > MAX_SCHEMA_BYTES {
            return Err(invalid(param, format!("A schema in `{param}` is at most {MAX_SCHEMA_BYTES} bytes long.")));
        }
        if depth(schema) > MAX_SCHEMA_DEPTH {
            let most = format!("A schema in `{param}` is at most {MAX_SCHEMA_DEPTH} objects and arrays deep.");
            return Err(invalid(param, most));
        }
        Ok(Self { name: name.into(), schema: schema.into(), strict })
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether a text that is known to be JSON is short and flat enough to be followed as a schema.
pub(crate) fn is_within_bounds(schema: &str) -> bool {
    schema.len() <= MAX_SCHEMA_BYTES && depth(schema) <= MAX_SCHEMA_DEPTH
}

/// How many objects and arrays lie in one another, in a text that is known to be JSON: without recursion, so that no depth
/// is too much for it.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
