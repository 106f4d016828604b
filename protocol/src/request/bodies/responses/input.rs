//! `instructions` and `input`: who spoke, what was said, thought, called and answered, as the messages of a chat.

use super::items::{Item, Place, read as item};
use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatMessage, MAX_CALLS, MAX_MESSAGES, Speaker, ToolCall};
use crate::request::member::{Body, invalid};

/// The conversation so far, `instructions` before all else.
pub(super) fn read(body: &Body<'_>) -> Result<Vec<ChatMessage>, Refusal> {
    const MUST: &str = "a text or a list of items";
    let mut talk = Talk::default();
    if let Some(instructions) = body.text("instructions")?.filter(|text| !text.is_empty()) {
        talk.say(Speaker::System, instructions.into_owned());
    }
    let Some(given) = body.get("input") else {
        return Err(invalid("input", "`input` is missing: a text, or the items of the conversation."));
    };
    if given.json.starts_with('"') {
        let text = given.text()?;
        talk.say(Speaker::User, text.into_owned());
        return Ok(talk.messages);
    }
    let mut index = 0;
    given.items(MUST, |json| {
        if index == MAX_MESSAGES {
            return Err(invalid("input", format!("`input` takes at most {MAX_MESSAGES} items.")));
        }
        talk.add(Place(index), item(Place(index), json)?)?;
        index += 1;
        Ok(())
    })?;
    talk.ended(index)
}

/// A conversation as it is read.
#[derive(Default)]
struct Talk {
    messages: Vec<ChatMessage>,
    /// What the assistant has said in the items before this one, not yet a message.
    turn: Option<Turn>,
    /// Calls that have no result yet.
    open: Vec<String>,
}

/// What the assistant thought, said and called in items that follow one another.
#[derive(Default)]
struct Turn {
    thought: String,
    said: Option<String>,
    calls: Vec<ToolCall>,
}

impl Talk {
    fn say(&mut self, speaker: Speaker, content: String) {
        self.messages.push(ChatMessage { speaker, content, name: None });
    }

    fn add(&mut self, place: Place, item: Item) -> Result<(), Refusal> {
        match item {
            Item::Said(speaker, text) => {
                self.end_turn();
                self.say(speaker, text);
            }
            // Another answer: one says something once, but beside its calls.
            Item::Answered(text) => {
                if self.turn.as_ref().is_some_and(|turn| turn.said.is_some() && turn.calls.is_empty()) {
                    self.end_turn();
                }
                self.turn.get_or_insert_default().said.get_or_insert_default().push_str(&text);
            }
            Item::Thought(text) => {
                if self.turn.as_ref().is_some_and(|turn| turn.said.is_some() && turn.calls.is_empty()) {
                    self.end_turn();
                }
                // What nobody can read, or says nothing, is no message of its own.
                if !text.is_empty() {
                    self.turn.get_or_insert_default().thought.push_str(&text);
                }
            }
            Item::Called(call) => self.call(place, call)?,
            Item::Gave { call, output } => {
                self.end_turn();
                let Some(at) = self.open.iter().position(|open| *open == call) else {
                    return Err(place.wrong(NO_CALL));
                };
                self.open.remove(at);
                self.say(Speaker::Tool { call }, output);
            }
        }
        Ok(())
    }

    fn call(&mut self, place: Place, call: ToolCall) -> Result<(), Refusal> {
        if self.open.len() == MAX_CALLS {
            return Err(place.wrong(&format!("at most {MAX_CALLS} calls may be without a result")));
        }
        if self.open.contains(&call.id) {
            return Err(place.wrong("another call before it has this `call_id`, and no result yet"));
        }
        self.open.push(call.id.clone());
        self.turn.get_or_insert_default().calls.push(call);
        Ok(())
    }

    /// What the assistant has said becomes a message.
    fn end_turn(&mut self) {
        let Some(Turn { thought, said, calls }) = self.turn.take() else { return };
        let reasoning = (!thought.is_empty()).then_some(thought);
        self.say(Speaker::Assistant { reasoning, tool_calls: calls }, said.unwrap_or_default());
    }

    fn ended(mut self, count: usize) -> Result<Vec<ChatMessage>, Refusal> {
        self.end_turn();
        if !self.open.is_empty() {
            let open = self.open.len();
            return Err(Place(count - 1).wrong(&format!(
                "{open} of the calls up to here have no result. Each `function_call` has a `function_call_output` \
                 with its `call_id`"
            )));
        }
        if count == 0 || self.messages.is_empty() {
            return Err(invalid("input", "`input` must hold at least one item that says something."));
        }
        Ok(self.messages)
    }
}

/// What a result is told that belongs to no call.
const NO_CALL: &str = "this `function_call_output` answers no call. Its `call_id` is that of a `function_call` before it, \
                       and each call has one result";
