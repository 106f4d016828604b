//! A text completion's answer: the prompt, if that was asked for, what the model writes as it comes, the reason for the end
//! with the usage, `[DONE]`.

use super::{event, last, queued};
use crate::api::respond::to_json;
use crate::api::tell::{Gathered, Head, Piece, Tell};
use crate::generate::said::Said;
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::request::bodies::chat::{FinishReason, UsageReport};
use sluice_protocol::request::bodies::completion::{Completion, TextChoice, TextLogprobs};

/// Tells text completions.
pub(crate) struct Text {
    head: Head,
    /// The answer that is being told.
    index: u32,
    /// Where the next token of the answer begins, in characters.
    offset: u64,
}

impl Text {
    pub(crate) const fn new(head: Head) -> Self {
        Self { head, index: 0, offset: 0 }
    }

    fn part(&self, choices: Vec<TextChoice>, usage: Option<UsageReport>) -> String {
        to_json(&Completion {
            id: format!("cmpl-{}", self.head.request),
            object: "text_completion".into(),
            created: self.head.at / 1000,
            model: self.head.model.clone(),
            choices,
            usage,
        })
    }
}

impl Tell for Text {
    fn begin(&mut self, index: u32, _: u64, mark: UsageMark) -> String {
        (self.index, self.offset) = (index, 0);
        let Some(text) = self.head.manner.beginning(index).map(str::to_owned) else { return String::new() };
        event(&self.part(vec![choice(index, text, None)], None), mark)
    }

    fn delta(&mut self, Piece { index, said, logprobs }: Piece, mark: UsageMark) -> String {
        let logprobs = (!logprobs.is_empty()).then(|| TextLogprobs::new(logprobs, &mut self.offset));
        // A text completion thinks and calls nothing.
        let text = said.into_iter().filter_map(|piece| if let Said::Text(text) = piece { Some(text) } else { None });
        let choice = TextChoice { logprobs, ..choice(index, text.collect(), None) };
        event(&self.part(vec![choice], None), mark)
    }

    fn end(&mut self, index: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String {
        let finish = |usage| self.part(vec![choice(index, String::new(), Some(reason))], usage);
        match usage {
            None => event(&finish(None), mark),
            Some(usage) if self.head.manner.include_usage => last(&[finish(None), self.part(Vec::new(), Some(usage))]),
            Some(usage) => last(&[finish(Some(usage))]),
        }
    }

    fn queued(&mut self, ahead: usize, _: UsageMark) -> String {
        queued(ahead)
    }

    fn working(&mut self, mark: UsageMark) -> String {
        event(&self.part(vec![choice(self.index, String::new(), None)], None), mark)
    }

    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String {
        let choices = (0..).zip(answers).map(|(index, answer)| TextChoice {
            index,
            text: format!("{}{}", self.head.manner.beginning(index).unwrap_or_default(), answer.content),
            logprobs: self.head.manner.logprobs.then(|| TextLogprobs::new(answer.logprobs, &mut 0)),
            finish_reason: Some(answer.reason),
        });
        self.part(choices.collect(), Some(usage))
    }
}

const fn choice(index: u32, text: String, finish_reason: Option<FinishReason>) -> TextChoice {
    TextChoice { index, text, logprobs: None, finish_reason }
}
