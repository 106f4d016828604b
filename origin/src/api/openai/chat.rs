//! A chat's answer: the role, what is thought and said as it comes, calls when they are whole, the reason for the end with
//! the usage (or, with `include_usage`, the usage in an event of its own), `[DONE]`.

use super::{event, last, queued, working};
use crate::api::respond::to_json;
use crate::api::tell::{Gathered, Head, Piece, Tell};
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::request::chat::{
    AnswerMessage, ChatChunk, ChatCompletion, Choice, ChoiceLogprobs, ChunkChoice, Delta, FinishReason, Role,
    UsageReport,
};

/// Tells chats.
pub(crate) struct Chat {
    head: Head,
    /// The answer that is being told.
    index: Option<u32>,
}

impl Tell for Chat {
    fn begin(&mut self, index: u32, mark: UsageMark) -> String {
        self.index = Some(index);
        let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
        event(&self.chunk(Some(choice(index, role, None)), None), mark)
    }

    fn delta(&mut self, Piece { index, delta, logprobs }: Piece, mark: UsageMark) -> String {
        let logprobs = (!logprobs.is_empty()).then_some(ChoiceLogprobs { content: logprobs });
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
            message: AnswerMessage::new(answer.content, answer.reasoning, answer.calls),
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
