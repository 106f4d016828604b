//! A chat's answer: the role, what is thought, said and called as it comes, the reason for the end with the usage (or, with
//! `include_usage`, the usage in an event of its own), `[DONE]`.

use super::{event, last, queued, working};
use crate::api::respond::to_json;
use crate::api::tell::{Gathered, GatheredCall, Head, Piece, Tell};
use crate::generate::said::{CallPiece, Said};
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::request::bodies::chat::{
    AnswerCall, AnswerMessage, CallDelta, ChatChunk, ChatCompletion, Choice, ChoiceLogprobs, ChunkChoice, Delta,
    FinishReason, FunctionDelta, Role, UsageReport,
};

/// Tells chats.
pub(crate) struct Chat {
    head: Head,
    /// The answer that is being told.
    index: Option<u32>,
}

impl Tell for Chat {
    fn begin(&mut self, index: u32, _: u64, mark: UsageMark) -> String {
        self.index = Some(index);
        let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
        event(&self.chunk(Some(choice(index, role, None)), None), mark)
    }

    fn delta(&mut self, Piece { index, said, logprobs }: Piece, mark: UsageMark) -> String {
        let logprobs = (!logprobs.is_empty()).then_some(ChoiceLogprobs { content: logprobs });
        let delta = delta(said);
        if delta == Delta::default() && logprobs.is_none() {
            return String::new();
        }
        event(&self.chunk(Some(ChunkChoice { logprobs, ..choice(index, delta, None) }), None), mark)
    }

    fn end(&mut self, index: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String {
        let finish = |usage| self.chunk(Some(choice(index, Delta::default(), Some(reason))), usage);
        match usage {
            None => event(&finish(None), mark),
            Some(usage) if self.head.manner.include_usage => last(&[finish(None), self.chunk(None, Some(usage))]),
            Some(usage) => last(&[finish(Some(usage))]),
        }
    }

    fn queued(&mut self, ahead: usize, _: UsageMark) -> String {
        queued(ahead)
    }

    fn working(&mut self, mark: UsageMark) -> String {
        match self.index {
            Some(index) => event(&self.chunk(Some(choice(index, Delta::default(), None)), None), mark),
            None => working(),
        }
    }

    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String {
        let choices = (0..).zip(answers).map(|(index, answer)| Choice {
            index,
            message: AnswerMessage::new(answer.content, answer.reasoning, calls(answer.calls)),
            logprobs: self.head.manner.logprobs.then_some(ChoiceLogprobs { content: answer.logprobs }),
            finish_reason: Some(answer.reason),
        });
        to_json(&ChatCompletion {
            id: self.id(),
            object: "chat.completion".into(),
            created: self.head.at / 1000,
            model: self.head.model.clone(),
            choices: choices.collect(),
            usage,
        })
    }
}

impl Chat {
    pub(crate) const fn new(head: Head) -> Self {
        Self { head, index: None }
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.head.request)
    }

    fn chunk(&self, choice: Option<ChunkChoice>, usage: Option<UsageReport>) -> String {
        to_json(&ChatChunk {
            id: self.id(),
            object: "chat.completion.chunk".into(),
            created: self.head.at / 1000,
            model: self.head.model.clone(),
            choices: Vec::from_iter(choice),
            usage,
        })
    }
}

const fn choice(index: u32, delta: Delta, finish_reason: Option<FinishReason>) -> ChunkChoice {
    ChunkChoice { index, delta, logprobs: None, finish_reason }
}

/// A call that was cut off is told as far as it came: the reason for the end says so.
fn calls(gathered: Vec<GatheredCall>) -> Vec<AnswerCall> {
    gathered.into_iter().map(|each| each.call).collect()
}

/// What is new, by its kinds: OpenAI's chunks know no order between them.
fn delta(said: Vec<Said>) -> Delta {
    let mut delta = Delta::default();
    for piece in said {
        match piece {
            Said::Thought(text) => delta.reasoning_content.get_or_insert_default().push_str(&text),
            Said::Text(text) => delta.content.get_or_insert_default().push_str(&text),
            // Nothing is told of an end: the next call begins, or the answer is over.
            Said::Call(piece) if piece.begun.is_none() && piece.more.is_empty() => {}
            Said::Call(piece) => delta.tool_calls.get_or_insert_default().push(call(piece)),
        }
    }
    delta
}

fn call(CallPiece { index, begun, more, .. }: CallPiece) -> CallDelta {
    match begun {
        Some(call) => {
            let function = FunctionDelta { name: Some(call.function.name), arguments: call.function.arguments };
            CallDelta { index, id: Some(call.id), kind: Some(call.kind), function }
        }
        None => CallDelta { index, id: None, kind: None, function: FunctionDelta { name: None, arguments: more } },
    }
}
