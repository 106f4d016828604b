//! Items of `input`: messages, calls, what they gave and what was thought. What else OpenAI has is refused by its name.

use super::answer::unsealed;
use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::{Arguments, Speaker, ToolCall};
use crate::request::door::Door;
use crate::request::member::invalid;
use crate::request::member::raw::{self, Stopped};
use std::borrow::Cow;

/// An item of a conversation.
pub(super) enum Item {
    /// What somebody else than the assistant says.
    Said(Speaker, String),
    /// What the assistant said.
    Answered(String),
    /// What it thought; empty where nobody here can read it.
    Thought(String),
    /// What it called.
    Called(ToolCall),
    /// What a call gave.
    Gave {
        /// The call's id.
        call: String,
        /// Its text.
        output: String,
    },
}

/// Where in `input` something stands, for refusals.
#[derive(Clone, Copy)]
pub(super) struct Place(pub(super) usize);

impl Place {
    /// Something there is wrong.
    pub(super) fn wrong(self, why: &str) -> Refusal {
        invalid("input", format!("input[{}]: {why}.", self.0))
    }

    /// Something there is not served.
    fn unserved(self, why: &str) -> Refusal {
        Refusal::new(Reason::UnsupportedParameter, format!("input[{}]: {why}.", self.0)).with_param("input")
    }

    /// What stands there has the form of another door.
    fn of_door(self, door: Door) -> Refusal {
        self.wrong(&format!("this is a form that {} takes, and not this door", door.path()))
    }
}

/// Items that OpenAI has and that are not served, as far as their names may be told again.
const UNSERVED: [&str; 25] = [
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

const NAMES: [&str; 13] = [
    "type",
    "role",
    "content",
    "call_id",
    "name",
    "arguments",
    "output",
    "summary",
    "encrypted_content",
    "id",
    "tool_calls",
    "tool_call_id",
    "reasoning_content",
];

pub(super) fn read(place: Place, json: &str) -> Result<Item, Refusal> {
    let [kind, role, content, call, name, arguments, output, summary, sealed, id, calls, answers, thoughts] =
        raw::members(json, &NAMES).map_err(|twice| no_object(place, twice))?;
    let kind = kind.map(|kind| raw::text(kind).ok_or_else(|| place.wrong("`type` must be a text"))).transpose()?;
    if calls.or(answers).or(thoughts).is_some() {
        return Err(place.of_door(Door::Chat));
    }
    match kind.as_deref() {
        None if role.is_none() && id.is_some() => Err(reference(place)),
        None | Some("message") => message(place, role, content),
        Some("function_call") => Ok(Item::Called(ToolCall {
            id: text(place, call, "call_id")?.into_owned(),
            name: text(place, name, "name")?.into_owned(),
            arguments: Arguments::read(text(place, arguments, "arguments")?.into_owned()),
        })),
        Some("function_call_output") => {
            let output = output.ok_or_else(|| place.wrong("`output` is missing"))?;
            let call = text(place, call, "call_id")?.into_owned();
            Ok(Item::Gave { call, output: said(place, output, "output")? })
        }
        Some("reasoning") => thought(place, content, summary, sealed).map(Item::Thought),
        Some("item_reference") => Err(reference(place)),
        Some("tool_use" | "tool_result") => Err(place.of_door(Door::Messages)),
        Some(kind) => Err(match UNSERVED.iter().find(|known| **known == kind) {
            Some(known) => place.unserved(&format!("items of type `{known}` are not served. Leave it out")),
            None => place.unserved(
                "items of another type than `message`, `function_call`, `function_call_output` and `reasoning` are not \
                 served",
            ),
        }),
    }
}

fn message(place: Place, role: Option<&str>, content: Option<&str>) -> Result<Item, Refusal> {
    let role = text(place, role, "role")?;
    let content = || said(place, content.ok_or_else(|| place.wrong("`content` is missing"))?, "content");
    match &*role {
        "user" => content().map(|text| Item::Said(Speaker::User, text)),
        "system" | "developer" => content().map(|text| Item::Said(Speaker::System, text)),
        "assistant" => content().map(Item::Answered),
        "tool" | "function" => Err(place.of_door(Door::Chat)),
        _ => Err(place.wrong("`role` must be user, assistant, system or developer")),
    }
}

/// A text, or parts of text that are joined.
fn said(place: Place, json: &str, name: &str) -> Result<String, Refusal> {
    let must = || place.wrong(&format!("`{name}` must be a text or a list of parts of text"));
    if json.starts_with('"') {
        return raw::text(json).map(Cow::into_owned).ok_or_else(must);
    }
    let mut joined = String::new();
    let walked = raw::items(json, |part| {
        let [kind, said] = raw::members(part, &["type", "text"]).map_err(|twice| match twice {
            Some(name) => place.wrong(&format!("`{name}` is there twice in a part")),
            None => must(),
        })?;
        match &*text(place, kind, "type")? {
            "input_text" | "output_text" => joined.push_str(&text(place, said, "text")?),
            "text" | "image_url" => return Err(place.of_door(Door::Chat)),
            "tool_use" | "tool_result" | "thinking" | "redacted_thinking" | "image" => {
                return Err(place.of_door(Door::Messages));
            }
            known @ ("input_image" | "input_file" | "input_audio" | "refusal") => {
                return Err(place.unserved(&format!("parts of type `{known}` are not served. Leave it out")));
            }
            _ => return Err(place.unserved("parts of another type than `input_text` and `output_text` are not served")),
        }
        Ok(())
    });
    walked.map(|()| joined).map_err(|stopped| match stopped {
        Stopped::By(refusal) => refusal,
        Stopped::Json(_) => must(),
    })
}

/// What was thought: its own text; or what an answer of ours sealed of it; or its summary. What another server sealed,
/// nobody here can read.
fn thought(
    place: Place,
    content: Option<&str>,
    summary: Option<&str>,
    sealed: Option<&str>,
) -> Result<String, Refusal> {
    let own = content.map_or(Ok(String::new()), |json| texts(place, json, "content", "reasoning_text"))?;
    let summary = summary.map_or(Ok(String::new()), |json| texts(place, json, "summary", "summary_text"))?;
    let sealed = sealed.map(|json| text(place, Some(json), "encrypted_content")).transpose()?;
    let sealed = sealed.and_then(|sealed| unsealed(&sealed)).unwrap_or_default();
    Ok([own, sealed, summary].into_iter().find(|text| !text.is_empty()).unwrap_or_default())
}

/// Texts of parts that all have this type, joined.
fn texts(place: Place, json: &str, name: &str, only: &str) -> Result<String, Refusal> {
    let must = || place.wrong(&format!("`{name}` must be a list of parts of the type `{only}`"));
    let mut joined = String::new();
    let walked = raw::items(json, |part| {
        let [kind, said] = raw::members(part, &["type", "text"]).map_err(|_| must())?;
        match (kind.and_then(raw::text).as_deref(), said.and_then(raw::text)) {
            (Some(kind), Some(said)) if kind == only => joined.push_str(&said),
            _ => return Err(must()),
        }
        Ok(())
    });
    walked.map(|()| joined).map_err(|stopped| match stopped {
        Stopped::By(refusal) => refusal,
        Stopped::Json(_) => must(),
    })
}

fn text<'a>(place: Place, json: Option<&'a str>, name: &str) -> Result<Cow<'a, str>, Refusal> {
    let json = json.ok_or_else(|| place.wrong(&format!("`{name}` is missing")))?;
    raw::text(json).ok_or_else(|| place.wrong(&format!("`{name}` must be a text")))
}

/// A client that believes its answers are kept names their items instead of sending them. Where they are, its edge has put
/// them there by now.
fn reference(place: Place) -> Refusal {
    place.unserved(
        "an item can be named only where answers are kept, and with the type `item_reference`. Send the item itself; \
         clients do with `store: false`",
    )
}

fn no_object(place: Place, twice: Option<&str>) -> Refusal {
    match twice {
        Some(name) => place.wrong(&format!("`{name}` is there twice")),
        None => place.wrong("it must be an object"),
    }
}
