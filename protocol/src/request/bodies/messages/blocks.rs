//! Blocks of content: text, calls, their results and thoughts. What else Anthropic has is refused by its name.

use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::{Arguments, JsonText, ToolCall, cause};
use crate::request::door::Door;
use crate::request::member::invalid;
use crate::request::member::raw::{self, Stopped};
use std::borrow::Cow;

/// A block of a message.
pub(super) enum Block {
    /// What is said.
    Text(String),
    /// What the model called.
    ToolUse(ToolCall),
    /// What a call gave.
    ToolResult {
        /// The call's id.
        call: String,
        /// Its text; where the call failed, that is said first.
        content: String,
    },
    /// What the model thought.
    Thinking(String),
    /// What another model thought, which nobody can read.
    Redacted,
}

/// Where in a request something stands, for refusals.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In `system`.
    System,
    /// A message.
    Message(usize),
    /// A block of a place's content. Only a message's or `system`'s own are counted.
    Block(Option<usize>, usize),
}

impl Place {
    /// One of its blocks.
    const fn block(self, at: usize) -> Self {
        match self {
            Self::System => Self::Block(None, at),
            Self::Message(index) => Self::Block(Some(index), at),
            Self::Block(..) => self,
        }
    }

    const fn param(self) -> &'static str {
        match self {
            Self::System | Self::Block(None, _) => "system",
            Self::Message(_) | Self::Block(Some(_), _) => "messages",
        }
    }

    fn name(self) -> String {
        match self {
            Self::System => "`system`".to_owned(),
            Self::Message(index) => format!("messages[{index}]"),
            Self::Block(None, at) => format!("system[{at}]"),
            Self::Block(Some(index), at) => format!("messages[{index}].content[{at}]"),
        }
    }

    /// Something there is wrong.
    pub(super) fn wrong(self, why: &str) -> Refusal {
        invalid(self.param(), format!("{}: {why}.", self.name()))
    }

    /// Something there is not served.
    pub(super) fn unserved(self, why: &str) -> Refusal {
        Refusal::new(Reason::UnsupportedParameter, format!("{}: {why}.", self.name())).with_param(self.param())
    }

    /// What stands there has OpenAI's form.
    pub(super) fn openais(self) -> Refusal {
        self.wrong(&format!("this is OpenAI's form, which {} takes", Door::Chat.path()))
    }
}

/// What a content has to be.
const MUST: &str = "content must be a text or a list of blocks";

/// Hands each block of a content to `take`; a text is one block.
pub(super) fn each(
    place: Place,
    json: &str,
    mut take: impl FnMut(Place, Block) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if json.starts_with('"') {
        let text = raw::text(json).ok_or_else(|| place.wrong(MUST))?;
        return take(place, Block::Text(text.into_owned()));
    }
    let mut at = 0;
    let walked = raw::items(json, |json| {
        let place = place.block(at);
        at += 1;
        take(place, block(place, json)?)
    });
    walked.map_err(|stopped| not_walked(place, stopped))
}

/// Blocks that Anthropic has and that are not served, as far as their names may be told again.
const UNSERVED: [&str; 16] = [
    "bash_code_execution_tool_result",
    "code_execution_tool_result",
    "compaction",
    "container_upload",
    "document",
    "image",
    "mcp_tool_result",
    "mcp_tool_use",
    "mid_conv_system",
    "search_result",
    "server_tool_use",
    "text_editor_code_execution_tool_result",
    "tool_reference",
    "tool_search_tool_result",
    "web_fetch_tool_result",
    "web_search_tool_result",
];

/// Blocks of OpenAI's.
const OPENAIS: [&str; 5] = ["image_url", "input_audio", "input_text", "output_text", "refusal"];

/// What is served.
const SERVED: [&str; 5] = ["text", "tool_use", "tool_result", "thinking", "redacted_thinking"];

fn block(place: Place, json: &str) -> Result<Block, Refusal> {
    let names = ["type", "text", "id", "name", "input", "tool_use_id", "content", "is_error", "thinking"];
    let [kind, said, id, name, input, call, content, is_error, thought] =
        raw::members(json, &names).map_err(|twice| no_object(place, twice))?;
    let owned = |json, name| text(place, json, name).map(Cow::into_owned);
    match &*text(place, kind, "type")? {
        "text" => owned(said, "text").map(Block::Text),
        "thinking" => owned(thought, "thinking").map(Block::Thinking),
        "redacted_thinking" => Ok(Block::Redacted),
        "tool_use" => {
            let input = input.filter(|input| input.starts_with('{'));
            let input = input.ok_or_else(|| place.wrong("`input` must be an object"))?;
            let input = JsonText::parse(input).map_err(|error| place.wrong(&format!("`input`: {}", cause(&error))))?;
            let arguments = Arguments::Json(input);
            Ok(Block::ToolUse(ToolCall { id: owned(id, "id")?, name: owned(name, "name")?, arguments }))
        }
        "tool_result" => {
            Ok(Block::ToolResult { call: owned(call, "tool_use_id")?, content: result(place, content, is_error)? })
        }
        kind => Err(unserved(place, kind, "`text`, `tool_use`, `tool_result` and `thinking`")),
    }
}

/// What a call gave: nothing, a text, or blocks of text that are joined. A model is shown no more than that, so a failure
/// is told in words.
fn result(place: Place, content: Option<&str>, is_error: Option<&str>) -> Result<String, Refusal> {
    let failed = is_error.map_or(Some(false), raw::boolean);
    let failed = failed.ok_or_else(|| place.wrong("`is_error` must be true or false"))?;
    let mut joined = if failed { FAILED.to_owned() } else { String::new() };
    if let Some(content) = content {
        texts(place, content, |text| joined.push_str(text))?;
    }
    Ok(joined)
}

/// How the result of a call that failed begins.
const FAILED: &str = "Error: ";

/// Hands each text of a content to `take` that may hold nothing else.
pub(super) fn texts(place: Place, json: &str, mut take: impl FnMut(&str)) -> Result<(), Refusal> {
    if json.starts_with('"') {
        take(&raw::text(json).ok_or_else(|| place.wrong(MUST))?);
        return Ok(());
    }
    let mut at = 0;
    let walked = raw::items(json, |json| {
        let place = place.block(at);
        at += 1;
        let [kind, said] = raw::members(json, &["type", "text"]).map_err(|twice| no_object(place, twice))?;
        match &*text(place, kind, "type")? {
            "text" => take(&text(place, said, "text")?),
            kind => return Err(unserved(place, kind, "`text`")),
        }
        Ok(())
    });
    walked.map_err(|stopped| not_walked(place, stopped))
}

fn text<'a>(place: Place, json: Option<&'a str>, name: &str) -> Result<Cow<'a, str>, Refusal> {
    let json = json.ok_or_else(|| place.wrong(&format!("`{name}` is missing")))?;
    raw::text(json).ok_or_else(|| place.wrong(&format!("`{name}` must be a text")))
}

/// The refusal of a block of this kind, where `served` are served. What it is called is told again if it is a name that we
/// know: anything else may be the caller's text.
fn unserved(place: Place, kind: &str, served: &str) -> Refusal {
    match UNSERVED.iter().chain(&SERVED).find(|known| **known == kind) {
        Some(known) => place.unserved(&format!("blocks of type `{known}` are not served here. Leave it out")),
        None if OPENAIS.contains(&kind) => place.openais(),
        None => place.unserved(&format!("blocks of another type than {served} are not served")),
    }
}

fn no_object(place: Place, twice: Option<&str>) -> Refusal {
    match twice {
        Some(name) => place.wrong(&format!("`{name}` is there twice")),
        None => place.wrong("a block must be an object"),
    }
}

fn not_walked(place: Place, stopped: Stopped<Refusal>) -> Refusal {
    match stopped {
        Stopped::By(refusal) => refusal,
        Stopped::Json(_) => place.wrong(MUST),
    }
}
