//! What the model may call: `tools` and `tool_choice`. A template is shown each tool in the form that it knows, that of
//! chats.

use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::{
    JsonText, MAX_FUNCTION_NAME, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_TOOLS, Tool, ToolChoice, cause,
    is_within_bounds,
};
use crate::request::door::Door;
use crate::request::member::raw::{self, Stopped};
use crate::request::member::{Body, Given, invalid};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What the model may call.
pub(super) struct Offer {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: ToolChoice,
    pub(super) parallel: bool,
}

pub(super) fn read(body: &Body<'_>) -> Result<Offer, Refusal> {
    let parallel = body.boolean("parallel_tool_calls")?.unwrap_or(true);
    let (mut tools, mut names) = (Vec::new(), BTreeSet::new());
    if let Some(given) = body.get("tools") {
        given.items("a list of functions", |json| {
            let index = tools.len();
            if index == MAX_TOOLS {
                return Err(invalid("tools", format!("`tools` takes at most {MAX_TOOLS}.")));
            }
            let tool = tool(index, json)?;
            if !names.insert(tool.name().to_owned()) {
                return Err(wrong(index, "there is another function of this name"));
            }
            tools.push(tool);
            Ok(())
        })?;
    }
    let (tools, choice) = match body.get("tool_choice") {
        None => (tools, ToolChoice::Auto),
        Some(given) => choice(given, tools)?,
    };
    Ok(Offer { tools, choice, parallel })
}

fn wrong(index: usize, why: &str) -> Refusal {
    invalid("tools", format!("tools[{index}]: {why}."))
}

fn unserved(param: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::UnsupportedParameter, message).with_param(param)
}

/// Tools that OpenAI's servers run, or that are none of functions, each by how its type begins.
const HOSTED: [&str; 13] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "custom",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
];

fn hosted(kind: &str) -> Option<&'static str> {
    HOSTED.into_iter().find(|known| kind.starts_with(known))
}

fn tool(index: usize, json: &str) -> Result<Tool, Refusal> {
    let names = [
        "type",
        "name",
        "description",
        "parameters",
        "strict",
        "async",
        "defer_loading",
        "allowed_callers",
        "function",
        "input_schema",
    ];
    let [kind, name, description, parameters, strict, background, deferred, callers, function, schema] =
        raw::members(json, &names).map_err(|twice| match twice {
            Some(name) => wrong(index, &format!("`{name}` is there twice")),
            None => wrong(index, "it must be an object"),
        })?;
    let of_door = |door: Door| wrong(index, &format!("this is a form that {} takes, and not this door", door.path()));
    if function.is_some() {
        return Err(of_door(Door::Chat));
    }
    if schema.is_some() {
        return Err(of_door(Door::Messages));
    }
    match kind.map(raw::text) {
        None => return Err(wrong(index, "`type` is missing")),
        Some(None) => return Err(wrong(index, "`type` must be a text")),
        Some(Some(kind)) if kind == "function" => {}
        Some(Some(kind)) => {
            let why = match hosted(&kind) {
                Some(known) => format!("`{known}` is none of the caller's functions, and nothing here runs it"),
                None => "only tools of type `function` are served".to_owned(),
            };
            return Err(unserved("tools", format!("tools[{index}]: {why}.")));
        }
    }
    let flag = |json: Option<&str>, name: &str| {
        let flag = json.map_or(Some(false), raw::boolean);
        flag.ok_or_else(|| wrong(index, &format!("`{name}` must be true or false")))
    };
    for (json, name) in [(background, "async"), (deferred, "defer_loading")] {
        if flag(json, name)? {
            return Err(unserved("tools", format!("tools[{index}]: `{name}` is not served. Leave it out.")));
        }
    }
    if callers.is_some_and(|callers| !is_direct(callers)) {
        let why = format!("tools[{index}]: `allowed_callers` is served as `[\"direct\"]` alone.");
        return Err(unserved("tools", why));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = |name: &Cow<'_, str>| (1..=MAX_FUNCTION_NAME).contains(&name.len()) && name.bytes().all(letter);
    let name = name.ok_or_else(|| wrong(index, "`name` is missing"))?;
    let Some(name) = raw::text(name).filter(is_name) else {
        let must = format!("1 to {MAX_FUNCTION_NAME} of the characters A-Z, a-z, 0-9, `_` and `-`");
        return Err(wrong(index, &format!("`name` must be {must}")));
    };
    if description.is_some_and(|text| !text.starts_with('"')) {
        return Err(wrong(index, "`description` must be a text"));
    }
    if parameters.is_some_and(|parameters| !parameters.starts_with('{')) {
        return Err(wrong(index, "`parameters` must be an object"));
    }
    let strict = flag(strict, "strict")?;
    if strict && parameters.is_some_and(|parameters| !is_within_bounds(parameters)) {
        let most = format!("{MAX_SCHEMA_BYTES} bytes long and {MAX_SCHEMA_DEPTH} objects and arrays deep");
        return Err(wrong(index, &format!("where `strict` is true, `parameters` are at most {most}")));
    }
    let shown = shown(&name, description, parameters, strict);
    let json = JsonText::parse(&shown).map_err(|error| wrong(index, &cause(&error)))?;
    Ok(Tool::new(name.into_owned(), json, parameters.map(Box::from), strict))
}

/// A tool as templates know it.
fn shown(name: &str, description: Option<&str>, parameters: Option<&str>, strict: bool) -> String {
    let description = description.map_or(String::new(), |text| format!(r#","description":{text}"#));
    let parameters = parameters.map_or(String::new(), |json| format!(r#","parameters":{json}"#));
    let strict = if strict { r#","strict":true"# } else { "" };
    // A name holds nothing that JSON escapes.
    format!(r#"{{"type":"function","function":{{"name":"{name}"{description}{parameters}{strict}}}}}"#)
}

fn is_direct(callers: &str) -> bool {
    let mut all = true;
    let walked = raw::items(callers, |json| {
        all &= raw::text(json).as_deref() == Some("direct");
        Ok::<(), ()>(())
    });
    walked.is_ok() && all
}

const PARAM: &str = "tool_choice";

/// The tools that the model is told of then, and whether it has to call them.
fn choice(given: Given<'_>, tools: Vec<Tool>) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    const MUST: &str = "`auto`, `none`, `required`, a function's `type` and `name`, or `allowed_tools`";
    if let Some(word) = raw::text(given.json) {
        return match &*word {
            "auto" => Ok((tools, ToolChoice::Auto)),
            "none" => Ok((Vec::new(), ToolChoice::Auto)),
            "required" => required(tools),
            _ => Err(given.must(MUST)),
        };
    }
    let names = ["type", "name", "mode", "tools", "function"];
    let [kind, name, mode, allowed, function] = raw::members(given.json, &names).map_err(|_| given.must(MUST))?;
    match kind.and_then(raw::text).as_deref() {
        Some("function") if function.is_some() => {
            let door = Door::Chat.path();
            Err(invalid(PARAM, format!("`tool_choice` with a `function` in it is a form that {door} takes.")))
        }
        Some("function") => {
            let name = name.and_then(raw::text).ok_or_else(|| given.must(MUST))?;
            let name = offered(&name, &tools)?;
            Ok((tools, ToolChoice::Function(name)))
        }
        Some("allowed_tools") => {
            let names = allowed_names(given, allowed, &tools)?;
            let tools = tools.into_iter().filter(|tool| names.contains(tool.name())).collect();
            match mode.and_then(raw::text).as_deref() {
                Some("auto") => Ok((tools, ToolChoice::Auto)),
                Some("required") => required(tools),
                _ => Err(invalid(PARAM, "`tool_choice.mode` must be `auto` or `required`.")),
            }
        }
        Some("any" | "tool" | "auto" | "none") => {
            let door = Door::Messages.path();
            Err(invalid(PARAM, format!("An object of this type as `tool_choice` is a form that {door} takes.")))
        }
        Some(kind) => Err(match hosted(kind) {
            Some(known) => unserved(PARAM, format!("`tool_choice` of the type `{known}` is not served.")),
            None => unserved(PARAM, "`tool_choice` is served with the types `function` and `allowed_tools` alone."),
        }),
        None => Err(given.must(MUST)),
    }
}

fn required(tools: Vec<Tool>) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    match tools.is_empty() {
        true => Err(invalid(PARAM, "`tool_choice` asks for a call, and there are no `tools`.")),
        false => Ok((tools, ToolChoice::Required)),
    }
}

fn offered(name: &str, tools: &[Tool]) -> Result<String, Refusal> {
    match tools.iter().any(|tool| tool.name() == name) {
        true => Ok(name.to_owned()),
        false => Err(invalid(PARAM, "`tool_choice` names a function that is not among `tools`.")),
    }
}

fn allowed_names(given: Given<'_>, allowed: Option<&str>, tools: &[Tool]) -> Result<BTreeSet<String>, Refusal> {
    let must = || invalid(PARAM, "`tool_choice.tools` must be a list of functions, each with its `type` and `name`.");
    let mut names = BTreeSet::new();
    let walked = raw::items(allowed.ok_or_else(must)?, |json| {
        let [kind, name] = raw::members(json, &["type", "name"]).map_err(|_| must())?;
        match (kind.and_then(raw::text).as_deref(), name.and_then(raw::text)) {
            (Some("function"), Some(name)) => names.insert(offered(&name, tools)?),
            (Some(_), _) if kind.and_then(raw::text).is_some_and(|kind| hosted(&kind).is_some()) => {
                return Err(given.unserved("allows hosted tools, which are not served."));
            }
            _ => return Err(must()),
        };
        Ok(())
    });
    match walked {
        Ok(()) => Ok(names),
        Err(Stopped::By(refusal)) => Err(refusal),
        Err(Stopped::Json(_)) => Err(must()),
    }
}
