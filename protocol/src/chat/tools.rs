//! What the model may call: `tools`, `tool_choice` and `parallel_tool_calls`.

use super::json::JsonText;
use super::sampling::Loose;
use super::{cause, invalid, unsupported_because};
use crate::refusal::Refusal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// OpenAI's bound on `tools`.
pub const MAX_TOOLS: usize = 128;
/// OpenAI's bound on a function's name, in bytes.
pub const MAX_FUNCTION_NAME: usize = 64;

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    name: String,
    json: JsonText,
}

impl Tool {
    /// The function's name: 1 to [`MAX_FUNCTION_NAME`] of `A-Z`, `a-z`, `0-9`, `_` and `-`; no two tools of a request
    /// share one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole tool as the caller wrote it: an object whose `type` is `function`. What a chat template is shown.
    pub const fn json(&self) -> &JsonText {
        &self.json
    }
}

/// The members as they came.
pub(super) struct Raw<'a> {
    pub(super) tools: Option<Vec<&'a RawValue>>,
    pub(super) tool_choice: Option<&'a RawValue>,
    pub(super) parallel_tool_calls: Option<Loose<bool>>,
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    function: Option<RawFunction<'a>>,
}

#[derive(Deserialize)]
struct RawFunction<'a> {
    name: String,
    // Checked and not kept: the tool's own text is.
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawChoice {
    Word(String),
    Named(serde::de::IgnoredAny),
}

impl Raw<'_> {
    /// The tools that the model is told of, and whether it may call several at once.
    pub(super) fn check(self) -> Result<(Vec<Tool>, bool), Refusal> {
        let parallel = Loose::read(self.parallel_tool_calls, "parallel_tool_calls", "true or false")?.unwrap_or(true);
        let sent = self.tools.unwrap_or_default();
        if sent.len() > MAX_TOOLS {
            return Err(invalid("tools", format!("`tools` takes at most {MAX_TOOLS}.")));
        }
        let mut tools = Vec::with_capacity(sent.len());
        let mut names = BTreeSet::new();
        for (index, raw) in sent.into_iter().enumerate() {
            let tool = tool(index, raw.get())?;
            if !names.insert(tool.name.clone()) {
                return Err(invalid("tools", format!("tools[{index}]: there is another function of this name.")));
            }
            tools.push(tool);
        }
        let told = match self.tool_choice {
            None => true,
            Some(choice) => told(choice.get())?,
        };
        Ok((if told { tools } else { Vec::new() }, parallel))
    }
}

fn tool(index: usize, text: &str) -> Result<Tool, Refusal> {
    let wrong = |why: &str| invalid("tools", format!("tools[{index}]: {why}."));
    let raw: RawTool<'_> = serde_json::from_str(text).map_err(|error| wrong(&cause(&error)))?;
    if raw.kind != "function" {
        let why = format!("tools[{index}]: only tools of type `function` are served.");
        return Err(unsupported_because("tools", why));
    }
    let function = raw.function.ok_or_else(|| wrong("`function` is missing"))?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !(1..=MAX_FUNCTION_NAME).contains(&function.name.len()) || !function.name.bytes().all(letter) {
        let must = format!("1 to {MAX_FUNCTION_NAME} of the characters A-Z, a-z, 0-9, `_` and `-`");
        return Err(wrong(&format!("`function.name` must be {must}")));
    }
    if function.parameters.is_some_and(|parameters| !parameters.get().starts_with('{')) {
        return Err(wrong("`function.parameters` must be an object"));
    }
    if function.strict == Some(true) {
        let why =
            format!("tools[{index}]: `function.strict` is not served: arguments are not held to their schema here.");
        return Err(unsupported_because("tools", why));
    }
    let json = JsonText::parse(text).map_err(|error| wrong(&cause(&error)))?;
    Ok(Tool { name: function.name, json })
}

/// Whether the model is told of its tools: not where `tool_choice` is `none`. A call can be offered and not enforced, so
/// `required` and a named function are refused rather than hoped for.
fn told(choice: &str) -> Result<bool, Refusal> {
    const MUST: &str = "`tool_choice` must be `auto`, `none`, `required` or a function's name in an object.";
    match serde_json::from_str(choice) {
        Ok(RawChoice::Word(word)) if word == "auto" => Ok(true),
        Ok(RawChoice::Word(word)) if word == "none" => Ok(false),
        Ok(RawChoice::Word(word)) if word != "required" => Err(invalid("tool_choice", MUST)),
        Ok(RawChoice::Named(_)) if !choice.starts_with('{') => Err(invalid("tool_choice", MUST)),
        Ok(_) => {
            let why =
                "`tool_choice` is served as `auto` and `none`: a call can be offered to the model and not enforced.";
            Err(unsupported_because("tool_choice", why))
        }
        Err(_) => Err(invalid("tool_choice", MUST)),
    }
}
