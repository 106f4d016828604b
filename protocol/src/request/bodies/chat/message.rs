//! The messages of a request: who spoke, what was said, called and answered.

use super::json::{JsonText, cause};
use crate::refusal::{Reason, Refusal};
use crate::request::door::Door;
use crate::request::member::raw::{self, Stopped};
use crate::request::member::{Body, invalid};

/// Our bound on the messages of a request.
pub const MAX_MESSAGES: usize = 16_384;
/// Our bound on the calls of one message.
pub const MAX_CALLS: usize = 1_024;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks, with what only that one can say.
    pub speaker: Speaker,
    /// What is said; text parts are joined. Empty where an assistant's message had none.
    pub content: String,
    /// What the caller calls the one who speaks.
    pub name: Option<String>,
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Instructions; `developer` is read as `system`.
    System,
    /// The caller.
    User,
    /// The model, in an earlier answer.
    Assistant {
        /// Its thoughts (`reasoning_content`, or `reasoning`), if they were sent back.
        reasoning: Option<String>,
        /// What it called.
        tool_calls: Vec<ToolCall>,
    },
    /// What a call gave.
    Tool {
        /// The call's id, as the caller says; it need not be that of a call in this conversation. Empty where the caller's
        /// protocol has none.
        call: String,
    },
}

/// A call that the model made in an earlier answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id; empty where the caller's protocol has none.
    pub id: String,
    /// The function's name: whatever the model made of it.
    pub name: String,
    /// What it was called with.
    pub arguments: Arguments,
}

/// What a function was called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// JSON, of any type; an empty string is read as `{}`.
    Json(JsonText),
    /// A string that is no JSON: a model wrote it, and its conversation goes on all the same.
    Text(String),
}

/// What a message may hold besides its role and is not served, with the values that ask for nothing: a conversation
/// that is sent back has them where nothing was said.
const UNSERVED: [(&str, &[&str]); 7] = [
    // Before there were tools.
    ("function_call", &[]),
    ("audio", &[]),
    ("refusal", &["\"\""]),
    // Ollama's, and SGLang's.
    ("images", &["[]"]),
    ("tools", &["[]"]),
    // An answer that is to be continued: Mistral's and DeepSeek's name for it, and that of Qwen's hosts.
    ("prefix", &["false"]),
    ("partial", &["false"]),
];

/// In whose manner messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Calls and results name each other.
    OpenAi,
    /// They need not: a result may say whose it is by `tool_name`. Nothing has to be said.
    Ollama,
}

/// The messages, one by one: the first that is wrong ends it. There may be none.
pub(crate) fn read(body: &Body<'_>, manner: Manner) -> Result<Vec<ChatMessage>, Refusal> {
    let mut messages = Vec::new();
    if let Some(given) = body.get("messages") {
        given.items("a list of messages", |json| {
            if messages.len() == MAX_MESSAGES {
                return Err(invalid("messages", format!("`messages` takes at most {MAX_MESSAGES}.")));
            }
            messages.push(ChatMessage::parse(messages.len(), json, manner)?);
            Ok(())
        })?;
    }
    Ok(messages)
}

impl ChatMessage {
    /// Parses the message at `index`; a refusal names it.
    fn parse(index: usize, json: &str, manner: Manner) -> Result<Self, Refusal> {
        let wrong = |why: &str| invalid("messages", format!("messages[{index}]: {why}."));
        let unserved = |why: &str| {
            Refusal::new(Reason::UnsupportedParameter, format!("messages[{index}]: {why}.")).with_param("messages")
        };
        let name = match manner {
            Manner::OpenAi => "name",
            Manner::Ollama => "tool_name",
        };
        let names =
            ["role", "content", name, "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "thinking"];
        let found = raw::members(json, &names).map_err(|twice| no_object(twice, &wrong))?;
        let text = |at: usize| match found[at].map(raw::text) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.into_owned())),
            Some(None) => Err(wrong(&format!("`{}` must be a text", names[at]))),
        };
        let asked = raw::members(json, &UNSERVED.map(|(name, _)| name)).map_err(|twice| no_object(twice, &wrong))?;
        let asked =
            UNSERVED.iter().zip(asked).find(|((_, nothing), json)| json.is_some_and(|json| !nothing.contains(&json)));
        if let Some(((name, _), _)) = asked {
            return Err(unserved(&format!("`{name}` is not served. Leave it out")));
        }
        let role = text(0)?.ok_or_else(|| wrong("`role` is missing"))?;
        let content = found[1].map(|json| content(json, &wrong, &unserved)).transpose()?;
        let (name, call) = (text(2)?, text(4)?);
        let [reasoning, other, another] = [text(5)?, text(6)?, text(7)?];
        let reasoning = reasoning.or(other).or(another);
        let calls = found[3].map_or(Ok(Vec::new()), |json| calls(json, manner, &wrong))?;
        let needless = [
            ("tool_calls", "assistant", !calls.is_empty()),
            ("reasoning_content", "assistant", reasoning.is_some()),
            ("tool_call_id", "tool", call.is_some()),
        ];
        if let Some((member, only, _)) = needless.into_iter().find(|(_, only, there)| *there && role != *only) {
            return Err(wrong(&format!("only messages of the role `{only}` have `{member}`")));
        }
        let silent = !calls.is_empty() || reasoning.is_some();
        let speaker = match role.as_str() {
            "system" | "developer" => Speaker::System,
            "user" => Speaker::User,
            "assistant" => Speaker::Assistant { reasoning, tool_calls: calls },
            "tool" => match (call, manner) {
                (Some(call), _) => Speaker::Tool { call },
                (None, Manner::Ollama) => Speaker::Tool { call: String::new() },
                (None, Manner::OpenAi) => return Err(wrong("`tool_call_id` is missing")),
            },
            _ => return Err(wrong("`role` must be system, developer, user, assistant or tool")),
        };
        let content = match content {
            Some(content) => content,
            None if silent || manner == Manner::Ollama => String::new(),
            None => return Err(wrong("`content` is missing")),
        };
        Ok(Self { speaker, content, name })
    }

    /// Its bytes: all that a template may write of it.
    pub(super) fn bytes(&self) -> usize {
        let call = |call: &ToolCall| call.name.len() + call.arguments.as_str().len();
        let more = match &self.speaker {
            Speaker::System | Speaker::User | Speaker::Tool { .. } => 0,
            Speaker::Assistant { reasoning, tool_calls } => {
                reasoning.as_ref().map_or(0, String::len) + tool_calls.iter().map(call).sum::<usize>()
            }
        };
        self.content.len() + more
    }

    /// How many calls it holds.
    pub(super) fn calls(&self) -> usize {
        match &self.speaker {
            Speaker::Assistant { tool_calls, .. } => tool_calls.len(),
            _ => 0,
        }
    }
}

fn no_object(twice: Option<&str>, wrong: &impl Fn(&str) -> Refusal) -> Refusal {
    twice.map_or_else(|| wrong("it must be an object"), |name| wrong(&format!("`{name}` is there twice")))
}

/// Text, or parts of text that are joined.
fn content(
    json: &str,
    wrong: &impl Fn(&str) -> Refusal,
    unserved: &impl Fn(&str) -> Refusal,
) -> Result<String, Refusal> {
    const MUST: &str = "`content` must be text or a list of parts of text";
    if let Some(text) = raw::text(json) {
        return Ok(text.into_owned());
    }
    let mut joined = String::new();
    let walked = raw::items(json, |part| {
        let [kind, text] = raw::members(part, &["type", "text"]).map_err(|_| wrong(MUST))?;
        match (kind.and_then(raw::text).as_deref(), text.and_then(raw::text)) {
            (Some("text"), Some(text)) => joined.push_str(&text),
            (Some("text"), None) => return Err(wrong("a part of type `text` has a `text`, which is text")),
            (Some("tool_use" | "tool_result" | "thinking" | "redacted_thinking"), _) => {
                let door = Door::Messages.path();
                return Err(unserved(&format!("this is Anthropic's form, which {door} takes")));
            }
            (Some("input_text" | "output_text"), _) => {
                let door = Door::Responses.path();
                return Err(unserved(&format!("this is the form of responses, which {door} takes")));
            }
            (Some(_), _) => return Err(unserved("only parts of type `text` are served")),
            (None, _) => return Err(wrong(MUST)),
        }
        Ok(())
    });
    match walked {
        Ok(()) => Ok(joined),
        Err(Stopped::By(refusal)) => Err(refusal),
        Err(Stopped::Json(_)) => Err(wrong(MUST)),
    }
}

fn calls(json: &str, manner: Manner, wrong: &impl Fn(&str) -> Refusal) -> Result<Vec<ToolCall>, Refusal> {
    let mut calls = Vec::new();
    let walked = raw::items(json, |json| {
        let at = calls.len();
        if at == MAX_CALLS {
            return Err(wrong(&format!("`tool_calls` takes at most {MAX_CALLS}")));
        }
        calls.push(call(json, manner).map_err(|why| wrong(&format!("`tool_calls[{at}]`: {why}")))?);
        Ok(())
    });
    match walked {
        Ok(()) => Ok(calls),
        Err(Stopped::By(refusal)) => Err(refusal),
        Err(Stopped::Json(_)) => Err(wrong("`tool_calls` must be a list")),
    }
}

fn call(json: &str, manner: Manner) -> Result<ToolCall, String> {
    let no_object = |twice: Option<&str>| match twice {
        Some(name) => format!("`{name}` is there twice"),
        None => "it must be an object".to_owned(),
    };
    let text = |json: Option<&str>, name: &str| match json.map(raw::text) {
        None => Err(format!("`{name}` is missing")),
        Some(None) => Err(format!("`{name}` must be a text")),
        Some(Some(text)) => Ok(text.into_owned()),
    };
    let [id, kind, function] = raw::members(json, &["id", "type", "function"]).map_err(no_object)?;
    let id = match (id, manner) {
        (None, Manner::Ollama) => String::new(),
        (id, _) => text(id, "id")?,
    };
    if kind.is_some() && text(kind, "type")? != "function" {
        return Err("only calls of type `function` are served".to_owned());
    }
    let function = function.ok_or("`function` is missing")?;
    let [name, arguments] =
        raw::members(function, &["name", "arguments"]).map_err(|twice| format!("`function`: {}", no_object(twice)))?;
    let name = text(name, "function.name")?;
    let arguments = arguments.unwrap_or("\"\"");
    let arguments = match arguments.as_bytes() {
        [b'"', ..] => Arguments::read(serde_json::from_str(arguments).map_err(|error| cause(&error))?),
        // Not OpenAI's form, but that of the templates, and of callers who keep it so.
        [b'{', ..] => Arguments::Json(JsonText::parse(arguments).map_err(|error| cause(&error))?),
        _ => return Err("`function.arguments` must be a string or an object".to_owned()),
    };
    Ok(ToolCall { id, name, arguments })
}

impl Arguments {
    pub(crate) fn read(text: String) -> Self {
        let json = if text.trim().is_empty() { "{}" } else { text.as_str() };
        JsonText::parse(json).map_or_else(|_| Self::Text(text), Self::Json)
    }

    /// As they were written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(json) => json.as_str(),
            Self::Text(text) => text,
        }
    }
}
