//! Whether the model thinks: the ways in which people say so, and which of them goes first.

use crate::refusal::Refusal;
use crate::request::member::{Body, Given, invalid, raw};

/// Our bound on what `chat_template_kwargs` names, and on the bytes of a name.
const MAX_ARGUMENTS: usize = 64;

/// What is said about thinking and to the template.
#[derive(Default)]
pub(super) struct Thinking {
    /// Whether it thinks, where that is said.
    pub(super) enable: Option<bool>,
    /// The member that says so.
    pub(super) by: &'static str,
    /// What else the template is told, by name.
    pub(super) arguments: Vec<String>,
}

impl Thinking {
    /// `enable_thinking` goes first, then that of `chat_template_kwargs`; then `reasoning`, as SGLang and Ollama have
    /// it, before `reasoning_effort`; then Ollama's `think`. All of them have to be what they should be.
    pub(super) fn read(body: &Body<'_>) -> Result<Self, Refusal> {
        let (told, arguments) = arguments(body)?;
        let ways = [
            ("enable_thinking", body.boolean("enable_thinking")?),
            ("chat_template_kwargs", told),
            ("reasoning", body.get("reasoning").map_or(Ok(None), reasoning)?),
            ("reasoning_effort", body.get("reasoning_effort").map_or(Ok(None), effort)?),
            ("think", body.get("think").map_or(Ok(None), think)?),
        ];
        let first = ways.into_iter().find_map(|(by, enable)| enable.map(|enable| (by, enable)));
        Ok(Self { enable: first.map(|(_, enable)| enable), by: first.map_or("", |(by, _)| by), arguments })
    }
}

/// Templates of the models that are served think or do not. Which effort is which of the two: to spare a part of the
/// thinking, or to do more of it, nobody could keep.
pub(crate) fn effort(given: Given<'_>) -> Result<Option<bool>, Refusal> {
    match &*given.text()? {
        "" => Ok(None),
        "none" => Ok(Some(false)),
        "medium" | "high" => Ok(Some(true)),
        "minimal" | "low" | "xhigh" | "max" | "ultra" => {
            Err(given.unserved("is served as `none`, `medium` or `high`: the model thinks, or it does not."))
        }
        _ => Err(given.must("`none`, `medium` or `high`")),
    }
}

fn think(given: Given<'_>) -> Result<Option<bool>, Refusal> {
    match raw::boolean(given.json) {
        Some(enable) => Ok(Some(enable)),
        None if given.json.starts_with('"') => effort(given),
        None => Err(given.must("true, false, `none`, `medium` or `high`")),
    }
}

fn reasoning(given: Given<'_>) -> Result<Option<bool>, Refusal> {
    let names =
        ["effort", "reasoning_effort", "enabled", "enable", "exclude", "max_tokens", "summary", "generate_summary"];
    let [one, other, enabled, enable, exclude, unserved @ ..] = given.object(&names)?;
    if let Some(unserved) = unserved.into_iter().flatten().next() {
        return Err(unserved.unserved("is not served. Leave it out."));
    }
    if exclude.is_some_and(|exclude| exclude.json != "false") {
        // Also what is no truth value: it asks for the same.
        exclude.map_or(Ok(false), Given::boolean)?;
        return Err(given.unserved("cannot exclude what the model thinks. Leave `exclude` out."));
    }
    let efforts = [one.map_or(Ok(None), effort)?, other.map_or(Ok(None), effort)?];
    let switches = [enabled.map(Given::boolean).transpose()?, enable.map(Given::boolean).transpose()?];
    Ok(efforts.into_iter().chain(switches).flatten().next())
}

/// `enable_thinking` of `chat_template_kwargs`, and the names of what else it tells the template.
fn arguments(body: &Body<'_>) -> Result<(Option<bool>, Vec<String>), Refusal> {
    const PARAM: &str = "chat_template_kwargs";
    let Some(given) = body.get(PARAM) else { return Ok((None, Vec::new())) };
    let [enable] = given.object(&["enable_thinking"])?;
    let mut names = Vec::new();
    given.entries("an object", |name, json| {
        if json == "null" || name == "enable_thinking" {
            return Ok(());
        }
        if names.len() == MAX_ARGUMENTS || name.len() > MAX_ARGUMENTS {
            let most = format!("`{PARAM}` takes at most {MAX_ARGUMENTS} members, with names of at most as many bytes.");
            return Err(invalid(PARAM, most));
        }
        names.push(name.into_owned());
        Ok(())
    })?;
    Ok((enable.map(Given::boolean).transpose()?, names))
}
