//! generate, for a caller that wants its answers whole.

use crate::api::respond::{tell_usage, typed};
use crate::api::tell::{Gathered, GatheredCall, Tell};
use crate::generate::Finish;
use crate::generate::answers::{AnswerEvent, Answers};
use crate::generate::said::{CallPiece, Said};
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::TokenLogprob;

/// All answers, once the last is complete. The slot is free as soon as the last token is there.
pub(crate) async fn whole(mut tell: Box<dyn Tell>, mut answers: Answers) -> Result<Response<Body>, Refusal> {
    let mut all = Vec::new();
    let mut parts = Parts::default();
    let usage = loop {
        match answers.next().await {
            AnswerEvent::New(_, said, logprobs) => parts.add(said, logprobs),
            AnswerEvent::End(_, Finish { reason, stop }, usage) => {
                let Parts { content, reasoning, calls, logprobs, said } = std::mem::take(&mut parts);
                all.push(Gathered { content, reasoning, calls, logprobs, said, reason, stop });
                if let Some(usage) = usage {
                    break usage;
                }
            }
            AnswerEvent::Broken(refusal) => return Err(refusal),
        }
    };
    let mut response = typed(tell.whole(all, usage), HeaderValue::from_static("application/json"));
    tell_usage(&mut response, usage.into());
    Ok(response)
}

/// All parts of one answer, put together as a reader of a stream does.
#[derive(Default)]
struct Parts {
    content: String,
    reasoning: String,
    calls: Vec<GatheredCall>,
    logprobs: Vec<TokenLogprob>,
    said: Vec<TokenLogprob>,
}

impl Parts {
    fn add(&mut self, said: Vec<Said>, logprobs: Vec<TokenLogprob>) {
        if said.iter().any(|piece| matches!(piece, Said::Text(_))) {
            self.said.extend(logprobs.iter().cloned());
        }
        for piece in said {
            match piece {
                Said::Thought(text) => self.reasoning += &text,
                Said::Text(text) => self.content += &text,
                Said::Call(piece) => self.call(piece),
            }
        }
        self.logprobs.extend(logprobs);
    }

    fn call(&mut self, CallPiece { begun, more, is_whole, .. }: CallPiece) {
        self.calls.extend(begun.map(|call| GatheredCall { call: *call, is_whole: false }));
        if let Some(last) = self.calls.last_mut() {
            last.call.function.arguments += &more;
            last.is_whole = is_whole;
        }
    }
}
