//! What the model may call: `tools` and `tool_choice`. A template is shown each tool in the form that it knows, OpenAI's.

use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::{
    JsonText, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_TOOLS, Tool, ToolChoice, cause, is_within_bounds,
};
use crate::request::door::Door;
use crate::request::member::{Body, Given, invalid, raw};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Anthropic's bound on a tool's name, in bytes.
const MAX_NAME: usize = 128;

/// What the model may call.
pub(super) struct Offer {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: ToolChoice,
    pub(super) parallel: bool,
}

pub(super) fn read(body: &Body<'_>) -> Result<Offer, Refusal> {
    let (mut tools, mut names) = (Vec::new(), BTreeSet::new());
    if let Some(given) = body.get("tools") {
        given.items("a list of tools", |json| {
            let index = tools.len();
            if index == MAX_TOOLS {
                return Err(invalid("tools", format!("`tools` takes at most {MAX_TOOLS}.")));
            }
            let tool = tool(index, json)?;
            if !names.insert(tool.name().to_owned()) {
                return Err(wrong(index, "there is another tool of this name"));
            }
            tools.push(tool);
            Ok(())
        })?;
    }
    match body.get("tool_choice") {
        None => Ok(Offer { tools, choice: ToolChoice::Auto, parallel: true }),
        Some(given) => choice(given, tools),
    }
}

fn wrong(index: usize, why: &str) -> Refusal {
    invalid("tools", format!("tools[{index}]: {why}."))
}

fn unserved(index: usize, why: &str) -> Refusal {
    Refusal::new(Reason::UnsupportedParameter, format!("tools[{index}]: {why}.")).with_param("tools")
}

/// Tools that Anthropic's servers run or know, each by how its type begins.
const SERVERS: [&str; 11] = [
    "advisor",
    "bash",
    "browser",
    "code_execution",
    "computer",
    "mcp_toolset",
    "memory",
    "text_editor",
    "tool_search",
    "web_fetch",
    "web_search",
];

fn tool(index: usize, json: &str) -> Result<Tool, Refusal> {
    let names = [
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "defer_loading",
        "allowed_callers",
        "input_examples",
        "function",
    ];
    let [kind, name, description, schema, strict, deferred, callers, examples, function] =
        raw::members(json, &names).map_err(|twice| match twice {
            Some(name) => wrong(index, &format!("`{name}` is there twice")),
            None => wrong(index, "it must be an object"),
        })?;
    let kind = match kind.map(raw::text) {
        None => None,
        Some(Some(kind)) => Some(kind),
        Some(None) => return Err(wrong(index, "`type` must be a text")),
    };
    match kind.as_deref() {
        None | Some("custom") if function.is_none() => {}
        None | Some("custom" | "function") => {
            return Err(wrong(index, &format!("this is OpenAI's form, which {} takes", Door::Chat.path())));
        }
        Some(kind) => {
            return Err(match SERVERS.iter().find(|server| kind.starts_with(**server)) {
                Some(server) => unserved(
                    index,
                    &format!(
                        "`{server}` is a tool of Anthropic's servers and not served. Give one with an `input_schema`"
                    ),
                ),
                None => unserved(index, "only tools of the type `custom` are served"),
            });
        }
    }
    let flag = |json: Option<&str>, name: &str| {
        let flag = json.map_or(Some(false), raw::boolean);
        flag.ok_or_else(|| wrong(index, &format!("`{name}` must be true or false")))
    };
    if flag(deferred, "defer_loading")? {
        return Err(unserved(index, "`defer_loading` is not served: nothing searches for tools. Leave it out"));
    }
    if examples.is_some_and(|examples| examples != "[]") {
        return Err(unserved(index, "`input_examples` is not served. Write them into the `description`"));
    }
    if callers.is_some_and(|callers| !is_direct(callers)) {
        return Err(unserved(index, "`allowed_callers` is served as `[\"direct\"]` alone"));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = |name: &Cow<'_, str>| (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letter);
    let name = name.ok_or_else(|| wrong(index, "`name` is missing"))?;
    let Some(name) = raw::text(name).filter(is_name) else {
        let must = format!("1 to {MAX_NAME} of the characters A-Z, a-z, 0-9, `_` and `-`");
        return Err(wrong(index, &format!("`name` must be {must}")));
    };
    if description.is_some_and(|text| !text.starts_with('"')) {
        return Err(wrong(index, "`description` must be a text"));
    }
    let Some(schema) = schema.filter(|schema| schema.starts_with('{')) else {
        return Err(wrong(index, "`input_schema` must be an object"));
    };
    let strict = flag(strict, "strict")?;
    if strict && !is_within_bounds(schema) {
        let most = format!("{MAX_SCHEMA_BYTES} bytes long and {MAX_SCHEMA_DEPTH} objects and arrays deep");
        return Err(wrong(index, &format!("where `strict` is true, `input_schema` is at most {most}")));
    }
    let shown = shown(&name, description, schema, strict);
    let json = JsonText::parse(&shown).map_err(|error| wrong(index, &cause(&error)))?;
    Ok(Tool::new(name.into_owned(), json, Some(schema.into()), strict))
}

/// A tool as templates know it.
fn shown(name: &str, description: Option<&str>, schema: &str, strict: bool) -> String {
    let description = description.map_or(String::new(), |text| format!(r#""description":{text},"#));
    let strict = if strict { r#","strict":true"# } else { "" };
    // A name holds nothing that JSON escapes.
    format!(r#"{{"type":"function","function":{{"name":"{name}",{description}"parameters":{schema}{strict}}}}}"#)
}

fn is_direct(callers: &str) -> bool {
    let mut all = true;
    let walked = raw::items(callers, |json| {
        all &= raw::text(json).as_deref() == Some("direct");
        Ok::<(), ()>(())
    });
    walked.is_ok() && all
}

fn choice(given: Given<'_>, tools: Vec<Tool>) -> Result<Offer, Refusal> {
    const PARAM: &str = "tool_choice";
    const MUST: &str = "an object whose `type` is `auto`, `any`, `tool` or `none`";
    if let Some("auto" | "none" | "required") = raw::text(given.json).as_deref() {
        let door = Door::Chat.path();
        return Err(invalid(
            PARAM,
            format!("`tool_choice` must be {MUST}; a text is OpenAI's form, which {door} takes."),
        ));
    }
    let [kind, name, alone] =
        raw::members(given.json, &["type", "name", "disable_parallel_tool_use"]).map_err(|_| given.must(MUST))?;
    let alone = alone.map_or(Some(false), raw::boolean);
    let parallel =
        !alone.ok_or_else(|| invalid(PARAM, "`tool_choice.disable_parallel_tool_use` must be true or false."))?;
    let choice = match kind.and_then(raw::text).as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => return Ok(Offer { tools: Vec::new(), choice: ToolChoice::Auto, parallel }),
        Some("any") if tools.is_empty() => {
            return Err(invalid(PARAM, "`tool_choice` asks for a call, and there are no `tools`."));
        }
        Some("any") => ToolChoice::Required,
        Some("tool") => match name.and_then(raw::text) {
            Some(name) if tools.iter().any(|tool| tool.name() == name) => ToolChoice::Function(name.into_owned()),
            Some(_) => return Err(invalid(PARAM, "`tool_choice` names a tool that is not among `tools`.")),
            None => return Err(invalid(PARAM, "`tool_choice` of the type `tool` needs a `name`.")),
        },
        Some("function") => {
            let door = Door::Chat.path();
            return Err(invalid(
                PARAM,
                format!("`tool_choice` of the type `function` is OpenAI's form, which {door} takes."),
            ));
        }
        _ => return Err(given.must(MUST)),
    };
    Ok(Offer { tools, choice, parallel })
}
