//! What a request says of its answer: how long it may be, what ends it, whether the model thinks, what form it has.

use crate::refusal::Refusal;
use crate::request::bodies::chat::{
    ChatBounds, JsonSchema, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, ResponseFormat, is_within_bounds,
};
use crate::request::member::raw::{self};
use crate::request::member::{Body, Given, invalid};
use std::borrow::Cow;

/// Our bound on stop strings at this door. Anthropic names none.
pub const MAX_STOP_SEQUENCES: usize = 16;
/// Our bound on the length of one.
const MAX_STOP_BYTES: usize = 256;

/// What an answer may take at most. Every request has to say so, and clients that want no bound write a large number: what
/// is more than this gate's bound is that bound, and at the origin what is more than the context's rest is that.
pub(super) fn max_tokens(body: &Body<'_>, bounds: ChatBounds) -> Result<u32, Refusal> {
    const MUST: &str = "a whole number from 1";
    let Some(given) = body.get("max_tokens") else {
        return Err(invalid("max_tokens", "`max_tokens` is missing: how long an answer may be, in tokens."));
    };
    match given.whole(MUST)? {
        ..=0 => Err(given.must(MUST)),
        count => Ok(u32::try_from(count).unwrap_or(u32::MAX).min(bounds.max_max_tokens)),
    }
}

/// Strings that end an answer: few, none empty.
pub(super) fn stop_sequences(body: &Body<'_>) -> Result<Vec<String>, Refusal> {
    const MUST: &str = "a list of at most 16 texts, of 1 to 256 bytes each";
    let mut stops = Vec::new();
    let Some(given) = body.get("stop_sequences") else { return Ok(stops) };
    given.items(MUST, |json| match raw::text(json).filter(|text| (1..=MAX_STOP_BYTES).contains(&text.len())) {
        Some(text) if stops.len() < MAX_STOP_SEQUENCES => {
            stops.push(text.into_owned());
            Ok(())
        }
        _ => Err(given.must(MUST)),
    })?;
    Ok(stops)
}

/// `metadata.user_id`, the end user.
pub(super) fn end_user(body: &Body<'_>) -> Result<Option<String>, Refusal> {
    let Some(given) = body.get("metadata") else { return Ok(None) };
    let [user] = given.object(&["user_id"])?;
    let user = user.map(Given::text).transpose()?;
    Ok(user.filter(|user| !user.is_empty()).map(Cow::into_owned))
}

/// Whether the model thinks, and the member that says so.
///
/// Where nothing is said, Anthropic's models do not think, and callers read the first block as text: so does a model here,
/// if its template leaves the choice. Nobody is refused for it, so no member is named. `adaptive` leaves it to the model.
/// How long it thinks, nobody could keep: `max_tokens` bounds thoughts and answer together.
pub(super) fn thinking(body: &Body<'_>) -> Result<(Option<bool>, &'static str), Refusal> {
    const PARAM: &str = "thinking";
    const MUST: &str = "an object whose `type` is `enabled`, `adaptive` or `disabled`";
    const BUDGET: &str = "a whole number from 1";
    let Some(given) = body.get(PARAM) else { return Ok((Some(false), "")) };
    let [kind, budget, display] = given.object(&["type", "budget_tokens", "display"])?;
    let budget = match budget {
        Some(budget) if budget.whole(BUDGET)? < 1 => return Err(budget.must(BUDGET)),
        budget => budget.is_some(),
    };
    if let Some(display) = display {
        match &*display.text()? {
            "summarized" => {}
            "omitted" => return Err(display.unserved("cannot be `omitted`: what the model thinks is told.")),
            _ => return Err(display.must("`summarized`")),
        }
    }
    match &*kind.ok_or_else(|| given.must(MUST))?.text()? {
        "enabled" if !budget => Err(invalid(PARAM, "`thinking` of type `enabled` needs `budget_tokens`.")),
        "enabled" => Ok((Some(true), PARAM)),
        "disabled" => Ok((Some(false), PARAM)),
        "adaptive" => Ok((None, PARAM)),
        "between_tools" => Err(given.unserved("of type `between_tools` is not served. Use `enabled` or `disabled`.")),
        _ => Err(given.must(MUST)),
    }
}

/// What form an answer has: `output_config.format`, or `output_format`, as it was called before. And how much effort is
/// asked for: more or less of it than the model makes, nobody could keep.
pub(super) fn format(body: &Body<'_>) -> Result<ResponseFormat, Refusal> {
    let [effort, format, budget] = match body.get("output_config") {
        Some(given) => given.object(&["effort", "format", "task_budget"])?,
        None => [None; 3],
    };
    if let Some(budget) = budget {
        return Err(budget.unserved("is not served. Leave it out."));
    }
    if let Some(effort) = effort {
        match &*effort.text()? {
            "medium" | "high" => {}
            "low" | "xhigh" | "max" => {
                return Err(effort.unserved("is served as `medium` or `high`: the model has one effort."));
            }
            _ => return Err(effort.must("`medium` or `high`")),
        }
    }
    let older = body.get("output_format").map(json_schema).transpose()?;
    let newer = format.map(json_schema).transpose()?;
    Ok(newer.or(older).map_or(ResponseFormat::Text, ResponseFormat::JsonSchema))
}

fn json_schema(given: Given<'_>) -> Result<JsonSchema, Refusal> {
    const MUST: &str = "an object with the `type` `json_schema` and a `schema`, which is an object";
    let [kind, schema] = raw::members(given.json, &["type", "schema"]).map_err(|_| given.must(MUST))?;
    if kind.and_then(raw::text).as_deref() != Some("json_schema") {
        return Err(given.must(MUST));
    }
    let schema = schema.filter(|schema| schema.starts_with('{')).ok_or_else(|| given.must(MUST))?;
    if !is_within_bounds(schema) {
        let most = format!("{MAX_SCHEMA_BYTES} bytes long and {MAX_SCHEMA_DEPTH} objects and arrays deep");
        return Err(given.must(&format!("a schema that is at most {most}")));
    }
    Ok(JsonSchema { name: "output".to_owned(), schema: schema.into(), strict: true })
}

/// What of an earlier conversation a prompt leaves out. A model's template decides what it shows of earlier thoughts; a
/// caller that keeps its conversation short does so by itself.
pub(super) fn context_management(body: &Body<'_>) -> Result<(), Refusal> {
    const MUST: &str = "an object with a list of `edits`";
    let Some(given) = body.get("context_management") else { return Ok(()) };
    let [edits] = given.object(&["edits"])?;
    let Some(edits) = edits else { return Ok(()) };
    edits.items(MUST, |json| {
        let [kind] = raw::members(json, &["type"]).map_err(|_| given.must(MUST))?;
        let kind = kind.and_then(raw::text).ok_or_else(|| given.must(MUST))?;
        match kind.starts_with("clear_thinking_") {
            true => Ok(()),
            false => Err(given.unserved("serves `clear_thinking` alone: nothing else is left out of a prompt here.")),
        }
    })
}
