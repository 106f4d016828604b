//! What a request says of its answer: how long it may be, whether the model thinks and how that is told, what is told
//! besides.

use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatBounds, logprobs, thinking};
use crate::request::member::raw;
use crate::request::member::{Body, Given, invalid};
use std::borrow::Cow;

/// OpenAI's bound on labels.
const MAX_LABELS: usize = 16;
/// OpenAI's bound on the name of one, in characters; ours, in bytes.
const MAX_LABEL_NAME: usize = 256;
/// OpenAI's bound on a label, in characters; ours, in bytes.
const MAX_LABEL: usize = 2_048;

/// What an answer may take, where that is said: a whole number from 1 to the bound.
pub(super) fn max_output_tokens(body: &Body<'_>, bounds: ChatBounds) -> Result<Option<u32>, Refusal> {
    let Some(given) = body.get("max_output_tokens") else { return Ok(None) };
    let must = format!("a whole number from 1 to {}", bounds.max_max_tokens);
    match u32::try_from(given.whole(&must)?).ok().filter(|count| (1..=bounds.max_max_tokens).contains(count)) {
        None => Err(given.must(&must)),
        count => Ok(count),
    }
}

/// The member that says whether the model thinks.
pub(super) const REASONING: &str = "reasoning";

/// What is said about thinking.
#[derive(Default)]
pub(super) struct Reasoning {
    /// Whether the model thinks, where that is said.
    pub(super) enable: Option<bool>,
    /// The effort, as it was written.
    pub(super) effort: Option<String>,
    /// The summary that is asked for. It is all that was thought, and stands in the place of the thoughts.
    pub(super) summary: Option<String>,
}

pub(super) fn reasoning(body: &Body<'_>) -> Result<Reasoning, Refusal> {
    let Some(given) = body.get(REASONING) else { return Ok(Reasoning::default()) };
    let names =
        ["effort", "summary", "generate_summary", "context", "mode", "enabled", "enable", "exclude", "max_tokens"];
    let [effort, summary, older, context, mode, enabled, enable, exclude, most] = given.object(&names)?;
    // What other hosts have beside OpenAI's is read as in a chat.
    let switches = [enabled, enable].map(|given| given.map(Given::boolean).transpose());
    let [enabled, enable] = switches;
    let switch = enabled?.or(enable?);
    if let Some(exclude) = exclude
        && exclude.boolean()?
    {
        return Err(exclude.unserved("is not served: what the model thinks is told."));
    }
    if let Some(most) = most {
        return Err(most.unserved("is not served. Leave it out."));
    }
    for (given, nothing) in [(context, "auto"), (mode, "standard")] {
        if let Some(given) = given.filter(|given| raw::text(given.json).as_deref() != Some(nothing)) {
            given.text()?;
            return Err(given.unserved(&format!("is served as `{nothing}` alone. Leave it out.")));
        }
    }
    let [summary, older] = [summary, older].map(|given| given.map(told_as).transpose());
    Ok(Reasoning {
        enable: effort.map_or(Ok(None), thinking::effort)?.or(switch),
        effort: effort.map(Given::text).transpose()?.filter(|text| !text.is_empty()).map(Cow::into_owned),
        summary: summary?.or(older?),
    })
}

/// Nobody shortens what was thought: a summary is all of it.
fn told_as(given: Given<'_>) -> Result<String, Refusal> {
    match &*given.text()? {
        kind @ ("auto" | "detailed") => Ok(kind.to_owned()),
        "concise" => Err(given.unserved("is served as `auto` or `detailed`: all that was thought.")),
        _ => Err(given.must("`auto` or `detailed`")),
    }
}

/// What is to be told besides, of what there is.
#[derive(Clone, Copy, Default)]
pub(super) struct Include {
    pub(super) logprobs: bool,
    pub(super) sealed: bool,
}

/// What tells of hosted tools and of media has nothing to tell: they are refused.
const EMPTY: [&str; 6] = [
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "web_search_call.action.sources",
    "web_search_call.results",
];

pub(super) fn include(body: &Body<'_>) -> Result<Include, Refusal> {
    const MUST: &str = "a list of texts";
    let mut include = Include::default();
    let Some(given) = body.get("include") else { return Ok(include) };
    given.items(MUST, |json| {
        match &*raw::text(json).ok_or_else(|| given.must(MUST))? {
            "message.output_text.logprobs" => include.logprobs = true,
            "reasoning.encrypted_content" => include.sealed = true,
            name if EMPTY.contains(&name) => {}
            _ => return Err(given.unserved("names something that is not served here.")),
        }
        Ok(())
    })?;
    Ok(include)
}

/// Whether tokens are told with their log probabilities, and with those of how many of the likeliest: asked for by either
/// member.
pub(super) fn logprobs(body: &Body<'_>) -> Result<Option<u32>, Refusal> {
    let count = logprobs::count(body, "top_logprobs")?.unwrap_or(0);
    Ok((include(body)?.logprobs || count > 0).then_some(count))
}

/// Labels, which the answer repeats.
pub(super) fn metadata(body: &Body<'_>) -> Result<(), Refusal> {
    const MUST: &str = "an object of texts";
    let Some(given) = body.get("metadata") else { return Ok(()) };
    let mut count = 0;
    given.entries(MUST, |name, json| {
        count += 1;
        let label = raw::text(json).ok_or_else(|| given.must(MUST))?;
        if count > MAX_LABELS || name.len() > MAX_LABEL_NAME || label.len() > MAX_LABEL {
            let most = format!(
                "`metadata` takes at most {MAX_LABELS} labels of {MAX_LABEL} bytes, with names of {MAX_LABEL_NAME}."
            );
            return Err(invalid("metadata", most));
        }
        Ok(())
    })
}

pub(super) fn stream_options(body: &Body<'_>) -> Result<(), Refusal> {
    let Some(given) = body.get("stream_options") else { return Ok(()) };
    let [usage, obfuscation, continuous] =
        given.object(&["include_usage", "include_obfuscation", "continuous_usage_stats"])?;
    // The last event tells the usage, whatever is asked.
    usage.map(Given::boolean).transpose()?;
    for unserved in [obfuscation, continuous].into_iter().flatten() {
        if unserved.boolean()? {
            return Err(unserved.unserved("is not served. Leave it out."));
        }
    }
    Ok(())
}

/// What is said of answers that are kept has the types that it must have.
pub(super) fn kept(body: &Body<'_>) -> Result<(), Refusal> {
    body.boolean("store")?;
    body.text("previous_response_id").map(drop)
}
