//! generate, for a caller that wants its answers whole.

use crate::api::openai::head::{Form, Head};
use crate::api::respond::json;
use crate::generate::answers::{AnswerEvent, Answers};
use axum::body::Body;
use axum::http::Response;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::chat::{
    AnswerCall, AnswerMessage, ChatCompletion, Choice, ChoiceLogprobs, Delta, FinishReason, TokenLogprob, UsageReport,
};
use sluice_protocol::request::completion::{Completion, TextChoice, TextLogprobs};

/// All answers, once the last is complete. The slot is free as soon as the last token is there.
///
/// `tells`: whether they say how likely their tokens were.
pub(crate) async fn whole(head: Head, mut answers: Answers, tells: bool) -> Result<Response<Body>, Refusal> {
    let mut all = Vec::new();
    let mut gathered = Gathered::default();
    let usage = loop {
        match answers.next().await {
            AnswerEvent::New(_, delta, logprobs) => gathered.add(delta, logprobs),
            AnswerEvent::End(index, reason, usage) => {
                all.push((index, std::mem::take(&mut gathered), reason));
                if let Some(usage) = usage {
                    break usage;
                }
            }
            AnswerEvent::Broken(refusal) => return Err(refusal),
        }
    };
    Ok(match &head.form {
        Form::Chat => json(&chat(head, all, usage, tells)),
        Form::Text { .. } => json(&text(head, all, usage, tells)),
    })
}

/// All parts of one answer, put together as a reader of a stream does.
#[derive(Default)]
struct Gathered {
    content: String,
    reasoning: String,
    calls: Vec<AnswerCall>,
    logprobs: Vec<TokenLogprob>,
}

impl Gathered {
    fn add(&mut self, delta: Delta, logprobs: Vec<TokenLogprob>) {
        self.content.extend(delta.content);
        self.reasoning.extend(delta.reasoning_content);
        self.calls.extend(delta.tool_calls.into_iter().flatten().map(|delta| delta.call));
        self.logprobs.extend(logprobs);
    }
}

fn chat(head: Head, all: Vec<(u32, Gathered, FinishReason)>, usage: UsageReport, tells: bool) -> ChatCompletion {
    let choice = |(index, answer, reason): (u32, Gathered, FinishReason)| Choice {
        index,
        message: AnswerMessage::new(answer.content, answer.reasoning, answer.calls),
        logprobs: tells.then_some(ChoiceLogprobs { content: answer.logprobs }),
        finish_reason: Some(reason),
    };
    ChatCompletion {
        id: head.id,
        object: "chat.completion".into(),
        created: head.created,
        model: head.model,
        choices: all.into_iter().map(choice).collect(),
        usage,
    }
}

fn text(head: Head, all: Vec<(u32, Gathered, FinishReason)>, usage: UsageReport, tells: bool) -> Completion {
    let choice = |(index, answer, reason): (u32, Gathered, FinishReason)| TextChoice {
        index,
        text: format!("{}{}", head.form.beginning(index).unwrap_or_default(), answer.content),
        logprobs: tells.then(|| TextLogprobs::new(answer.logprobs, &mut 0)),
        finish_reason: Some(reason),
    };
    let choices = all.into_iter().map(choice).collect();
    Completion {
        id: head.id,
        object: "text_completion".into(),
        created: head.created,
        model: head.model,
        choices,
        usage: Some(usage),
    }
}
