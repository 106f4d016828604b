//! generate, for a caller that wants its answers whole.

use crate::api::respond::{tell_usage, typed};
use crate::api::tell::{Gathered, Tell};
use crate::generate::Finish;
use crate::generate::answers::{AnswerEvent, Answers};
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::chat::{AnswerCall, Delta, TokenLogprob};

/// All answers, once the last is complete. The slot is free as soon as the last token is there.
pub(crate) async fn whole(mut tell: Box<dyn Tell>, mut answers: Answers) -> Result<Response<Body>, Refusal> {
    let mut all = Vec::new();
    let mut parts = Parts::default();
    let usage = loop {
        match answers.next().await {
            AnswerEvent::New(_, delta, logprobs) => parts.add(delta, logprobs),
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
    calls: Vec<AnswerCall>,
    logprobs: Vec<TokenLogprob>,
    said: Vec<TokenLogprob>,
}

impl Parts {
    fn add(&mut self, delta: Delta, logprobs: Vec<TokenLogprob>) {
        if delta.content.is_some() {
            self.said.extend(logprobs.iter().cloned());
        }
        self.content.extend(delta.content);
        self.reasoning.extend(delta.reasoning_content);
        self.calls.extend(delta.tool_calls.into_iter().flatten().map(|delta| delta.call));
        self.logprobs.extend(logprobs);
    }
}
