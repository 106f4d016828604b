//! Anthropic's Messages: blocks of thoughts, text and calls, each whole before the next begins, in events that have names.
//! A call's input is told as the model writes it.
//! Where nothing else is to be said there is a `ping`.

use crate::api::respond::{json, tell_usage, to_json};
use crate::api::tell::{Gathered, GatheredCall, Head, Piece, Tell};
use crate::generate::said::{CallPiece, Said};
use axum::response::Response;
use sluice_protocol::forward::report::{UsageMark, brief};
use sluice_protocol::request::bodies::chat::{AnswerCall, FinishReason, UsageReport, Used};
use sluice_protocol::request::bodies::messages::{
    AnswerBlock, BlockDelta, BlockStart, Counted, Ended, Event, Message, MessageUsage, StopReason,
};
use sluice_protocol::wire::sse;

/// Tells messages.
pub(crate) struct Messages {
    head: Head,
    /// The block that is not whole yet.
    open: Option<Open>,
    /// Which block is the next, or the open one.
    index: u32,
    /// The caller's string that ended it, if one did.
    stop: Option<String>,
}

/// A block that is told in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Thinking,
    Text,
    Call,
}

impl Tell for Messages {
    fn begin(&mut self, _: u32, cached: u64, mark: UsageMark) -> String {
        let message = self.message(Vec::new(), None, MessageUsage::begun(self.head.prompt_tokens, cached));
        event(&Event::MessageStart { message }, mark)
    }

    fn tells_cached(&self) -> bool {
        true
    }

    fn delta(&mut self, Piece { said, .. }: Piece, mark: UsageMark) -> String {
        let mut events = Vec::new();
        for piece in said {
            match piece {
                Said::Thought(thinking) => {
                    let empty = BlockStart::Thinking { thinking: String::new(), signature: String::new() };
                    self.go_on(Open::Thinking, empty, BlockDelta::ThinkingDelta { thinking }, &mut events);
                }
                Said::Text(text) => {
                    let empty = BlockStart::Text { text: String::new() };
                    self.go_on(Open::Text, empty, BlockDelta::TextDelta { text }, &mut events);
                }
                Said::Call(piece) => self.call(piece, &mut events),
            }
        }
        events.iter().map(|told| event(told, mark)).collect()
    }

    fn stopped(&mut self, by: &str) {
        self.stop = Some(by.to_owned());
    }

    fn end(&mut self, _: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String {
        let mut events = Vec::new();
        self.close(&mut events);
        let Ended { stop_reason, stop_sequence } = ended(reason, self.stop.take());
        events.push(Event::MessageDelta {
            delta: Ended { stop_reason, stop_sequence },
            usage: usage.map(MessageUsage::from).unwrap_or_default(),
        });
        events.push(Event::MessageStop);
        events.iter().map(|told| event(told, mark)).collect()
    }

    fn queued(&mut self, ahead: usize, mark: UsageMark) -> String {
        // Clients pass over the comment; whoever looks at the stream reads it.
        [sse::comment(&format!("queued, {ahead} ahead")), event(&Event::Ping, mark)].concat()
    }

    fn working(&mut self, mark: UsageMark) -> String {
        event(&Event::Ping, mark)
    }

    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String {
        let answer = answers.into_iter().next();
        let end = answer.as_ref().map(|answer| ended(answer.reason, answer.stop.clone()));
        let content = answer.map_or_else(Vec::new, |answer| self.blocks(answer));
        to_json(&self.message(content, end, usage.into()))
    }
}

impl Messages {
    pub(crate) const fn new(head: Head) -> Self {
        Self { head, open: None, index: 0, stop: None }
    }

    fn message(&self, content: Vec<AnswerBlock>, end: Option<Ended>, usage: MessageUsage) -> Message {
        let (stop_reason, stop_sequence) = end.map_or((None, None), |end| (Some(end.stop_reason), end.stop_sequence));
        Message {
            id: format!("msg_{}", self.head.request),
            kind: "message".into(),
            role: "assistant".into(),
            model: self.head.model.clone(),
            content,
            stop_reason,
            stop_sequence,
            usage,
        }
    }

    /// Whose thoughts they are.
    fn signature(&self) -> String {
        self.head.request.to_string()
    }

    fn blocks(&self, answer: Gathered) -> Vec<AnswerBlock> {
        let mut blocks = Vec::new();
        if !answer.reasoning.is_empty() {
            blocks.push(AnswerBlock::Thinking { thinking: answer.reasoning, signature: self.signature() });
        }
        if !answer.content.is_empty() {
            blocks.push(AnswerBlock::Text { text: answer.content });
        }
        let calls = answer.calls.into_iter().map(|GatheredCall { call, .. }| {
            let id = call_id(&call);
            AnswerBlock::call(id, call.function.name, &call.function.arguments)
        });
        blocks.extend(calls);
        blocks
    }

    /// More of a block of this kind, which begins, empty, if another is open.
    fn go_on(&mut self, kind: Open, empty: BlockStart, delta: BlockDelta, events: &mut Vec<Event>) {
        if self.open != Some(kind) {
            self.close(events);
            self.open(kind, empty, events);
        }
        events.push(Event::ContentBlockDelta { index: self.index, delta });
    }

    fn open(&mut self, kind: Open, content_block: BlockStart, events: &mut Vec<Event>) {
        events.push(Event::ContentBlockStart { index: self.index, content_block });
        self.open = Some(kind);
    }

    fn call(&mut self, CallPiece { begun, more, is_whole, .. }: CallPiece, events: &mut Vec<Event>) {
        let mut partial_json = more;
        if let Some(call) = begun {
            self.close(events);
            let (id, function) = (call_id(&call), call.function);
            let content_block = BlockStart::ToolUse { id, name: function.name, input: serde_json::Map::new() };
            self.open(Open::Call, content_block, events);
            partial_json = function.arguments;
        }
        if !partial_json.is_empty() {
            let delta = BlockDelta::InputJsonDelta { partial_json };
            events.push(Event::ContentBlockDelta { index: self.index, delta });
        }
        if is_whole {
            self.close(events);
        }
    }

    /// Ends the open block, if one is.
    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(kind) = self.open.take() else { return };
        let index = self.index;
        if kind == Open::Thinking {
            let delta = BlockDelta::SignatureDelta { signature: self.signature() };
            events.push(Event::ContentBlockDelta { index, delta });
        }
        events.push(Event::ContentBlockStop { index });
        self.index += 1;
    }
}

/// How many tokens a prompt has: an answer of its own, for which nothing was used.
pub(crate) fn counted(input_tokens: u64) -> Response {
    let mut response = json(&Counted { input_tokens });
    tell_usage(&mut response, Used::NOTHING);
    response
}

fn event(told: &Event, mark: UsageMark) -> String {
    let id = if mark.is_final { mark.to_string() } else { brief(mark.used) };
    sse::named_event(told.name(), Some(&id), &to_json(told))
}

fn ended(reason: FinishReason, stop_sequence: Option<String>) -> Ended {
    let stop_reason = match reason {
        FinishReason::Stop if stop_sequence.is_some() => StopReason::StopSequence,
        FinishReason::Stop => StopReason::EndTurn,
        FinishReason::Length => StopReason::MaxTokens,
        FinishReason::ToolCalls => StopReason::ToolUse,
    };
    Ended { stop_reason, stop_sequence }
}

/// A call's id, with the beginning that Anthropic's have.
fn call_id(call: &AnswerCall) -> String {
    format!("toolu_{}", call.id.strip_prefix("call_").unwrap_or(&call.id))
}
