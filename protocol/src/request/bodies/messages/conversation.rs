//! `system` and `messages`: who spoke, what was said, thought, called and answered, as the messages of a chat.

use super::blocks::{Block, Place, each, texts};
use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatMessage, MAX_CALLS, MAX_MESSAGES, Speaker, ToolCall};
use crate::request::member::{Body, invalid, raw};

/// The conversation so far, `system` before all else.
pub(super) fn read(body: &Body<'_>) -> Result<Vec<ChatMessage>, Refusal> {
    let mut talk = Talk::default();
    if let Some(system) = body.get("system") {
        match instructions(Place::System, system.json)? {
            nothing if nothing.is_empty() => {}
            text => talk.say(Speaker::System, text),
        }
    }
    let mut index = 0;
    if let Some(given) = body.get("messages") {
        given.items("a list of messages", |json| {
            if talk.messages.len() > MAX_MESSAGES {
                return Err(invalid("messages", format!("`messages` takes at most {MAX_MESSAGES}.")));
            }
            talk.message(index, json)?;
            index += 1;
            Ok(())
        })?;
    }
    talk.ended(index)
}

/// A conversation as it is read.
#[derive(Default)]
struct Talk {
    messages: Vec<ChatMessage>,
    /// The calls of the assistant's message before, in order, that have no result yet.
    open: Vec<String>,
}

impl Talk {
    fn say(&mut self, speaker: Speaker, content: String) {
        self.messages.push(ChatMessage { speaker, content, name: None });
    }

    fn message(&mut self, index: usize, json: &str) -> Result<(), Refusal> {
        let place = Place::Message(index);
        let names = ["role", "content", "tool_calls", "tool_call_id"];
        let [role, content, calls, call] = raw::members(json, &names).map_err(|twice| match twice {
            Some(name) => place.wrong(&format!("`{name}` is there twice")),
            None => place.wrong("it must be an object"),
        })?;
        if calls.or(call).is_some() {
            return Err(place.openais());
        }
        let role = role.ok_or_else(|| place.wrong("`role` is missing"))?;
        let role = raw::text(role).ok_or_else(|| place.wrong("`role` must be a text"))?;
        let content = content.ok_or_else(|| place.wrong("`content` is missing"));
        match &*role {
            "user" => self.user(place, content?),
            "assistant" => self.assistant(place, content?),
            "system" => {
                self.answered(place)?;
                let text = instructions(place, content?)?;
                self.say(Speaker::System, text);
                Ok(())
            }
            "tool" | "developer" | "function" => Err(place.openais()),
            _ => Err(place.wrong("`role` must be user or assistant")),
        }
    }

    /// Results of calls, each a message of its own, and then what the user says, if anything.
    fn user(&mut self, place: Place, content: &str) -> Result<(), Refusal> {
        let (mut said, mut results) = (None::<String>, 0);
        each(place, content, |place, block| match block {
            Block::Text(text) => {
                self.answered(place)?;
                said.get_or_insert_default().push_str(&text);
                Ok(())
            }
            Block::ToolResult { call, content } => {
                let Some(at) = self.open.iter().position(|open| *open == call) else {
                    return Err(place.wrong(NO_CALL));
                };
                self.open.remove(at);
                results += 1;
                self.say(Speaker::Tool { call }, content);
                Ok(())
            }
            Block::ToolUse(_) | Block::Thinking(_) | Block::Redacted => {
                Err(place.wrong("blocks of this type are the assistant's"))
            }
        })?;
        if said.is_some() || results == 0 {
            self.answered(place)?;
            self.say(Speaker::User, said.unwrap_or_default());
        }
        Ok(())
    }

    fn assistant(&mut self, place: Place, content: &str) -> Result<(), Refusal> {
        self.answered(place)?;
        let (mut said, mut thought, mut tool_calls) = (String::new(), String::new(), Vec::<ToolCall>::new());
        each(place, content, |place, block| {
            match block {
                Block::Text(text) => said.push_str(&text),
                Block::Thinking(text) => thought.push_str(&text),
                // Written for somebody else's model: nobody here can read it.
                Block::Redacted => {}
                Block::ToolUse(call) => {
                    if tool_calls.len() == MAX_CALLS {
                        return Err(place.wrong(&format!("a message takes at most {MAX_CALLS} calls")));
                    }
                    if tool_calls.iter().any(|other| other.id == call.id) {
                        return Err(place.wrong("another `tool_use` of this message has this `id`"));
                    }
                    tool_calls.push(call);
                }
                Block::ToolResult { .. } => return Err(place.wrong("blocks of this type are the user's")),
            }
            Ok(())
        })?;
        self.open = tool_calls.iter().map(|call| call.id.clone()).collect();
        self.say(Speaker::Assistant { reasoning: (!thought.is_empty()).then_some(thought), tool_calls }, said);
        Ok(())
    }

    /// Refuses what comes where the result of a call was to come.
    fn answered(&self, place: Place) -> Result<(), Refusal> {
        match self.open.len() {
            0 => Ok(()),
            open => Err(place.wrong(&format!(
                "{open} of the calls before it have no result yet. The message behind a `tool_use` begins with a \
                 `tool_result` for each"
            ))),
        }
    }

    fn ended(self, count: usize) -> Result<Vec<ChatMessage>, Refusal> {
        if count == 0 {
            return Err(invalid("messages", "`messages` must hold at least one message."));
        }
        let last = Place::Message(count - 1);
        if let Some(ChatMessage { speaker: Speaker::Assistant { .. }, .. }) = self.messages.last() {
            let why =
                "an answer that goes on from the assistant's own words is not served. End with a message of the user";
            return Err(last.unserved(why));
        }
        if !self.open.is_empty() {
            let open = self.open.len();
            return Err(last.wrong(&format!("{open} of the calls before it have no `tool_result` in it")));
        }
        Ok(self.messages)
    }
}

/// What a result is told that belongs to no call.
const NO_CALL: &str = "this `tool_result` answers no call. Its `tool_use_id` is that of a `tool_use` in the assistant's \
                       message before it, each call has one result, and results come before text";

/// A text, or blocks of text that are joined.
///
/// A coding agent's first block is a line of accounting, whose number changes with every request. It is not for the
/// model, and no request would find the prompt of the one before it in the engine's memory.
fn instructions(place: Place, json: &str) -> Result<String, Refusal> {
    const ACCOUNTING: &str = "x-anthropic-billing-header:";
    let mut joined = String::new();
    texts(place, json, |text| match text.starts_with(ACCOUNTING) {
        true => joined.push_str(text.split_once('\n').map_or("", |(_, rest)| rest)),
        false => joined.push_str(text),
    })?;
    Ok(joined)
}
