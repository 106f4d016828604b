//! The messages of a request: who spoke, what was said, called and answered.

use super::json::JsonText;
use super::{cause, invalid, unsupported_because};
use crate::refusal::Refusal;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

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
        /// The call's id, as the caller says; it need not be that of a call in this conversation.
        call: String,
    },
}

/// A call that the model made in an earlier answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id.
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

#[derive(Deserialize)]
struct RawMessage<'a> {
    role: String,
    content: Option<RawContent>,
    name: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<Vec<RawCall<'a>>>,
    tool_call_id: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    // Before there were tools.
    function_call: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawCall<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<RawFunction<'a>>,
}

#[derive(Deserialize)]
struct RawFunction<'a> {
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Text, or parts of text that are joined.
struct RawContent(String);

#[derive(Deserialize)]
struct RawPart {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

impl<'de> Deserialize<'de> for RawContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrParts;
        impl<'de> Visitor<'de> for TextOrParts {
            type Value = RawContent;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text or a list of parts as `content`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawContent, E> {
                Ok(RawContent(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<RawContent, E> {
                Ok(RawContent(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<RawContent, A::Error> {
                let mut text = String::new();
                while let Some(part) = parts.next_element::<RawPart>()? {
                    match (part.kind.as_str(), part.text) {
                        ("text", Some(part)) => text.push_str(&part),
                        _ => return Err(A::Error::custom("only parts of type `text` are served")),
                    }
                }
                Ok(RawContent(text))
            }
        }
        deserializer.deserialize_any(TextOrParts)
    }
}

impl ChatMessage {
    /// Parses the message at `index`; a refusal names it.
    pub(super) fn parse(index: usize, text: &str) -> Result<Self, Refusal> {
        let wrong = |why: &str| invalid("messages", format!("messages[{index}]: {why}."));
        let raw: RawMessage<'_> = serde_json::from_str(text).map_err(|error| wrong(&cause(&error)))?;
        if raw.function_call.is_some() {
            let why = format!("messages[{index}]: `function_call` is not served; `tool_calls` is.");
            return Err(unsupported_because("messages", why));
        }
        let reasoning = raw.reasoning_content.or(raw.reasoning);
        let calls = raw.tool_calls.unwrap_or_default();
        let needless = [
            ("tool_calls", "assistant", !calls.is_empty()),
            ("reasoning_content", "assistant", reasoning.is_some()),
            ("tool_call_id", "tool", raw.tool_call_id.is_some()),
        ];
        if let Some((member, role, _)) = needless.into_iter().find(|(_, role, there)| *there && raw.role != *role) {
            return Err(wrong(&format!("only messages of the role `{role}` have `{member}`")));
        }
        let silent = !calls.is_empty() || reasoning.is_some();
        let speaker = match raw.role.as_str() {
            "system" | "developer" => Speaker::System,
            "user" => Speaker::User,
            "assistant" => {
                let call = |(at, call): (usize, RawCall<'_>)| {
                    call.check().map_err(|why| wrong(&format!("`tool_calls[{at}]`: {why}")))
                };
                Speaker::Assistant {
                    reasoning,
                    tool_calls: calls.into_iter().enumerate().map(call).collect::<Result<_, _>>()?,
                }
            }
            "tool" => Speaker::Tool { call: raw.tool_call_id.ok_or_else(|| wrong("`tool_call_id` is missing"))? },
            _ => return Err(wrong("`role` must be system, developer, user, assistant or tool")),
        };
        let content = match raw.content {
            Some(RawContent(content)) => content,
            None if silent => String::new(),
            None => return Err(wrong("`content` is missing")),
        };
        Ok(Self { speaker, content, name: raw.name })
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

impl RawCall<'_> {
    fn check(self) -> Result<ToolCall, String> {
        if self.kind.is_some_and(|kind| kind != "function") {
            return Err("only calls of type `function` are served".to_owned());
        }
        let function = self.function.ok_or("`function` is missing")?;
        let arguments = function.arguments.map_or("\"\"", RawValue::get);
        let arguments = match arguments.as_bytes() {
            [b'"', ..] => Arguments::read(serde_json::from_str(arguments).map_err(|error| cause(&error))?),
            // Not OpenAI's form, but that of the templates, and of callers who keep it so.
            [b'{', ..] => Arguments::Json(JsonText::parse(arguments).map_err(|error| cause(&error))?),
            _ => return Err("`function.arguments` must be a string or an object".to_owned()),
        };
        Ok(ToolCall { id: self.id, name: function.name, arguments })
    }
}

impl Arguments {
    fn read(text: String) -> Self {
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
