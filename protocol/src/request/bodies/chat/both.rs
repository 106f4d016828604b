//! Members that both doors read in one way.

use super::ChatBounds;
use crate::refusal::Refusal;
use crate::request::member::{Body, invalid, raw};

/// The most answers that one request may want. They come one after another in the one slot that the request has, before
/// its one deadline.
pub const MAX_ANSWERS: u32 = 8;
/// Our bound on the name of a model.
const MAX_NAME_BYTES: usize = 256;
/// OpenAI's bound on stop strings.
const MAX_STOPS: usize = 4;
/// Our bound on the length of one.
const MAX_STOP_BYTES: usize = 256;

/// The model's name, not empty and not too long.
pub(crate) fn model(body: &Body<'_>) -> Result<String, Refusal> {
    match body.text("model")? {
        Some(name) if name.len() > MAX_NAME_BYTES => {
            Err(invalid("model", format!("`model` is at most {MAX_NAME_BYTES} bytes long.")))
        }
        Some(name) if !name.is_empty() => Ok(name.into_owned()),
        _ => Err(invalid("model", "Name a `model`; GET /v1/models lists them.")),
    }
}

/// What a request may generate, where it says so: a whole number from 1 to the bound.
pub(crate) fn max_tokens(body: &Body<'_>, bounds: ChatBounds) -> Result<Option<u32>, Refusal> {
    let must = format!("a whole number from 1 to {}", bounds.max_max_tokens);
    let read = |name| match body.get(name) {
        None => Ok(None),
        Some(given) => {
            match u32::try_from(given.whole(&must)?).ok().filter(|n| (1..=bounds.max_max_tokens).contains(n)) {
                None => Err(given.must(&must)),
                count => Ok(count),
            }
        }
    };
    let (later, older) = (read("max_completion_tokens")?, read("max_tokens")?);
    Ok(later.or(older))
}

/// How many answers a request asks for.
pub(crate) fn answers(body: &Body<'_>) -> Result<u32, Refusal> {
    let Some(given) = body.get("n") else { return Ok(1) };
    let must = format!("a whole number from 1 to {MAX_ANSWERS}");
    let answers = u32::try_from(given.whole(&must)?).ok().filter(|n| (1..=MAX_ANSWERS).contains(n));
    answers.ok_or_else(|| given.must(&must))
}

/// Whether to stream, and whether a stream ends with an event of its own for usage.
pub(crate) fn stream(body: &Body<'_>) -> Result<(bool, bool), Refusal> {
    let stream = body.boolean("stream")?.unwrap_or(false);
    let Some(options) = body.get("stream_options") else { return Ok((stream, false)) };
    let [usage, obfuscation, continuous] =
        options.object(&["include_usage", "include_obfuscation", "continuous_usage_stats"])?;
    for unserved in [obfuscation, continuous].into_iter().flatten() {
        if unserved.boolean()? {
            return Err(unserved.unserved("is not served. Leave it out."));
        }
    }
    Ok((stream, usage.map_or(Ok(false), |usage| usage.boolean())?))
}

/// At most four strings, none empty.
pub(crate) fn stop(body: &Body<'_>) -> Result<Vec<String>, Refusal> {
    const MUST: &str = "a text or a list of at most 4, of 1 to 256 bytes each";
    let Some(given) = body.get("stop") else { return Ok(Vec::new()) };
    let mut stops = Vec::new();
    let mut add = |json| match raw::text(json).filter(|text| (1..=MAX_STOP_BYTES).contains(&text.len())) {
        Some(text) if stops.len() < MAX_STOPS => {
            stops.push(text.into_owned());
            Ok(())
        }
        _ => Err(given.must(MUST)),
    };
    match given.json.starts_with('[') {
        true => given.items(MUST, add)?,
        false => add(given.json)?,
    }
    Ok(stops)
}

/// The end user that the caller names: OpenAI's `user`, or `safety_identifier`, which replaces it.
pub(crate) fn end_user(body: &Body<'_>) -> Result<Option<String>, Refusal> {
    let named = |name| body.text(name).map(|text| text.filter(|text| !text.is_empty()));
    let (user, identifier) = (named("user")?, named("safety_identifier")?);
    Ok(user.or(identifier).map(std::borrow::Cow::into_owned))
}
