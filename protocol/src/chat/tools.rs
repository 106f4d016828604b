//! What the model may call: `tools`, `tool_choice` and `parallel_tool_calls`.

use super::format::{MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, is_within_bounds};
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
    parameters: Option<Box<str>>,
    strict: bool,
}

/// Whether an answer calls functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// It calls at least one of the tools, and says nothing else.
    Required,
    /// It calls this one, once; it is one of the tools.
    Function(String),
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

    /// What its arguments look like, as the caller wrote it: a JSON object that is meant to be a schema, of any size;
    /// `None`: it takes no arguments.
    pub fn parameters(&self) -> Option<&str> {
        self.parameters.as_deref()
    }

    /// Whether arguments must follow the parameters, which then are at most [`MAX_SCHEMA_BYTES`] long and
    /// [`MAX_SCHEMA_DEPTH`] deep.
    pub const fn is_strict(&self) -> bool {
        self.strict
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
struct RawNamed {
    #[serde(rename = "type")]
    kind: String,
    function: Option<RawName>,
}

#[derive(Deserialize)]
struct RawName {
    name: String,
}

impl Raw<'_> {
    /// The tools that the model is told of, whether it has to call them, and whether it may call several at once.
    pub(super) fn check(self) -> Result<(Vec<Tool>, ToolChoice, bool), Refusal> {
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
        match self.tool_choice.map_or(Ok(Some(ToolChoice::Auto)), |choice| tool_choice(choice.get(), &tools))? {
            Some(choice) => Ok((tools, choice, parallel)),
            None => Ok((Vec::new(), ToolChoice::Auto, parallel)),
        }
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
    let parameters = function.parameters.map(RawValue::get);
    let strict = function.strict == Some(true);
    if strict && parameters.is_some_and(|parameters| !is_within_bounds(parameters)) {
        let most = format!("{MAX_SCHEMA_BYTES} bytes long and {MAX_SCHEMA_DEPTH} objects and arrays deep");
        return Err(wrong(&format!("where `function.strict` is true, `function.parameters` are at most {most}")));
    }
    let json = JsonText::parse(text).map_err(|error| wrong(&cause(&error)))?;
    Ok(Tool { name: function.name, json, parameters: parameters.map(Box::from), strict })
}

/// Whether the model has to call; `None` where it is told of no tool.
fn tool_choice(choice: &str, tools: &[Tool]) -> Result<Option<ToolChoice>, Refusal> {
    const PARAM: &str = "tool_choice";
    const MUST: &str = "`tool_choice` must be `auto`, `none`, `required` or \
                        `{\"type\": \"function\", \"function\": {\"name\": ...}}`.";
    if let Ok(word) = serde_json::from_str::<String>(choice) {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(None),
            "required" if tools.is_empty() => {
                Err(invalid(PARAM, "`tool_choice` asks for a call, and there are no `tools`."))
            }
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(invalid(PARAM, MUST)),
        };
    }
    // A struct can be read from an array too.
    let named = choice.starts_with('{').then(|| serde_json::from_str::<RawNamed>(choice).ok()).flatten();
    match named.map(|named| (named.kind, named.function)) {
        Some((kind, _)) if kind != "function" => {
            let message = "An object as `tool_choice` is served with the `type` `function` only.";
            Err(unsupported_because(PARAM, message))
        }
        Some((_, Some(RawName { name }))) if tools.iter().any(|tool| tool.name == name) => {
            Ok(Some(ToolChoice::Function(name)))
        }
        Some((_, Some(_))) => Err(invalid(PARAM, "`tool_choice` names a function that is not among `tools`.")),
        _ => Err(invalid(PARAM, MUST)),
    }
}
