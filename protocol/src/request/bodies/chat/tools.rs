//! What the model may call: `tools`, `tool_choice` and `parallel_tool_calls`.

use super::format::{MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, is_within_bounds};
use super::json::{JsonText, cause};
use crate::refusal::{Reason, Refusal};
use crate::request::door::Door;
use crate::request::member::{Body, invalid, raw};
use std::borrow::Cow;
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
    /// A tool of another door's, whose members are as these methods say.
    pub(crate) const fn new(name: String, json: JsonText, parameters: Option<Box<str>>, strict: bool) -> Self {
        Self { name, json, parameters, strict }
    }

    /// The function's name: of `A-Z`, `a-z`, `0-9`, `_` and `-`, at least one and few; no two tools of a request share one.
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

/// The tools that the model is told of, whether it has to call them, and whether it may call several at once.
pub(super) fn read(body: &Body<'_>) -> Result<(Vec<Tool>, ToolChoice, bool), Refusal> {
    let parallel = body.boolean("parallel_tool_calls")?.unwrap_or(true);
    let (mut tools, mut names) = (Vec::new(), BTreeSet::new());
    if let Some(given) = body.get("tools") {
        given.items("a list of functions", |json| {
            let index = tools.len();
            if index == MAX_TOOLS {
                return Err(invalid("tools", format!("`tools` takes at most {MAX_TOOLS}.")));
            }
            let tool = tool(index, json)?;
            if !names.insert(tool.name.clone()) {
                return Err(invalid("tools", format!("tools[{index}]: there is another function of this name.")));
            }
            tools.push(tool);
            Ok(())
        })?;
    }
    match body.get("tool_choice").map_or(Ok(Some(ToolChoice::Auto)), |choice| tool_choice(choice.json, &tools))? {
        Some(choice) => Ok((tools, choice, parallel)),
        None => Ok((Vec::new(), ToolChoice::Auto, parallel)),
    }
}

fn unserved(param: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::UnsupportedParameter, message).with_param(param)
}

fn tool(index: usize, json: &str) -> Result<Tool, Refusal> {
    let wrong = |why: &str| invalid("tools", format!("tools[{index}]: {why}."));
    let no_object = |within: &str, twice: Option<&str>| match twice {
        Some(name) => wrong(&format!("`{within}{name}` is there twice")),
        None if within.is_empty() => wrong("it must be an object"),
        None => wrong("`function` must be an object"),
    };
    let [kind, function, schema, flat] =
        raw::members(json, &["type", "function", "input_schema", "name"]).map_err(|twice| no_object("", twice))?;
    if function.is_none() && schema.is_some() {
        return Err(wrong(&format!("this is Anthropic's form, which {} takes", Door::Messages.path())));
    }
    match kind.map(raw::text) {
        None => return Err(wrong("`type` is missing")),
        Some(None) => return Err(wrong("`type` must be a text")),
        Some(Some(kind)) if kind != "function" => {
            let why = format!("tools[{index}]: only tools of type `function` are served.");
            return Err(unserved("tools", why));
        }
        Some(Some(_)) => {}
    }
    if function.is_none() && flat.is_some() {
        return Err(wrong(&format!("this is the form of responses, which {} takes", Door::Responses.path())));
    }
    let function = function.ok_or_else(|| wrong("`function` is missing"))?;
    let [name, description, parameters, strict] =
        raw::members(function, &["name", "description", "parameters", "strict"])
            .map_err(|twice| no_object("function.", twice))?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = |name: &Cow<'_, str>| (1..=MAX_FUNCTION_NAME).contains(&name.len()) && name.bytes().all(letter);
    let name = name.ok_or_else(|| wrong("`function.name` is missing"))?;
    let Some(name) = raw::text(name).filter(is_name) else {
        let must = format!("1 to {MAX_FUNCTION_NAME} of the characters A-Z, a-z, 0-9, `_` and `-`");
        return Err(wrong(&format!("`function.name` must be {must}")));
    };
    if description.is_some_and(|text| !text.starts_with('"')) {
        return Err(wrong("`function.description` must be a text"));
    }
    if parameters.is_some_and(|parameters| !parameters.starts_with('{')) {
        return Err(wrong("`function.parameters` must be an object"));
    }
    let strict = strict.map_or(Some(false), raw::boolean);
    let strict = strict.ok_or_else(|| wrong("`function.strict` must be true or false"))?;
    if strict && parameters.is_some_and(|parameters| !is_within_bounds(parameters)) {
        let most = format!("{MAX_SCHEMA_BYTES} bytes long and {MAX_SCHEMA_DEPTH} objects and arrays deep");
        return Err(wrong(&format!("where `function.strict` is true, `function.parameters` are at most {most}")));
    }
    let json = JsonText::parse(json).map_err(|error| wrong(&cause(&error)))?;
    Ok(Tool { name: name.into_owned(), json, parameters: parameters.map(Box::from), strict })
}

/// Whether the model has to call; `None` where it is told of no tool.
fn tool_choice(choice: &str, tools: &[Tool]) -> Result<Option<ToolChoice>, Refusal> {
    const PARAM: &str = "tool_choice";
    const MUST: &str = "`tool_choice` must be `auto`, `none`, `required` or \
                        `{\"type\": \"function\", \"function\": {\"name\": ...}}`.";
    if let Some(word) = raw::text(choice) {
        return match &*word {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(None),
            "required" if tools.is_empty() => {
                Err(invalid(PARAM, "`tool_choice` asks for a call, and there are no `tools`."))
            }
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(invalid(PARAM, MUST)),
        };
    }
    let [kind, function] = raw::members(choice, &["type", "function"]).map_err(|_| invalid(PARAM, MUST))?;
    match kind.and_then(raw::text).as_deref() {
        Some("function") => {}
        Some("any" | "auto" | "tool" | "none") => {
            let door = Door::Messages.path();
            return Err(invalid(
                PARAM,
                format!("An object of this type as `tool_choice` is Anthropic's form, which {door} takes."),
            ));
        }
        Some(_) => {
            return Err(unserved(PARAM, "An object as `tool_choice` is served with the `type` `function` only."));
        }
        None => return Err(invalid(PARAM, MUST)),
    }
    let name = function.and_then(|function| raw::members(function, &["name"]).ok()).and_then(|[name]| name);
    match name.and_then(raw::text) {
        Some(name) if tools.iter().any(|tool| tool.name == name) => Ok(Some(ToolChoice::Function(name.into_owned()))),
        Some(_) => Err(invalid(PARAM, "`tool_choice` names a function that is not among `tools`.")),
        None => Err(invalid(PARAM, MUST)),
    }
}
