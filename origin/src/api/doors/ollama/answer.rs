//! An answer as Ollama tells it: lines of JSON, the last of which says what it took; or that last line alone, with the whole
//! answer in it.
//!
//! A call's arguments are an object here, so a call is told when it is whole. One that was cut off is not told: whoever
//! reads lines calls what they say, without a look at how they end.
//!
//! Where there is nothing to say, a line says nothing. An empty line would be shorter, but ollama-python reads each line as
//! JSON and fails on it; a line with an empty text is what Ollama itself sends, and no client takes it for more.

use crate::api::respond::to_json;
use crate::api::tell::{Gathered, Head, Piece, Tell};
use crate::generate::said::{CallPiece, Said};
use crate::system::now_millis;
use serde::Serialize;
use serde_json::value::RawValue;
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::request::bodies::chat::{AnswerCall, FinishReason, TokenLogprob, UsageReport};
use sluice_protocol::time::rfc3339;
use sluice_protocol::wire::lines::line;

/// Where an answer's text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In a `message`, as a chat's.
    Message,
    /// In `response`.
    Response,
}

/// Tells answers.
pub(crate) struct Answer {
    head: Head,
    shape: Shape,
    /// The call that is not whole yet.
    open: Option<AnswerCall>,
    /// Of its tokens.
    logprobs: Vec<TokenLogprob>,
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<TokenLogprob>>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'static str>,
    #[serde(flatten)]
    totals: Option<Totals>,
    /// The last member: whoever relays a line finds it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<String>,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
}

#[derive(Serialize)]
struct Call {
    id: String,
    function: Function,
}

#[derive(Serialize)]
struct Function {
    index: usize,
    name: String,
    arguments: Box<RawValue>,
}

/// What an answer took; durations in nanoseconds.
#[derive(Serialize)]
struct Totals {
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
    prompt_eval_duration: u64,
    eval_count: u64,
    eval_duration: u64,
}

impl Answer {
    pub(crate) const fn new(head: Head, shape: Shape) -> Self {
        Self { head, shape, open: None, logprobs: Vec::new() }
    }

    /// A line that says nothing.
    fn nothing(&self, logprobs: Vec<TokenLogprob>) -> Line<'_> {
        self.written(String::new(), None, Vec::new(), logprobs)
    }

    /// More of a call; the call, once it is whole.
    fn call(&mut self, CallPiece { index, begun, more, is_whole }: CallPiece) -> Option<Call> {
        if let Some(begun) = begun {
            self.open = Some(*begun);
        }
        self.open.as_mut()?.function.arguments += &more;
        is_whole.then(|| self.open.take().map(|each| call(index as usize, each)))?
    }

    fn written(
        &self,
        content: String,
        thinking: Option<String>,
        tool_calls: Vec<Call>,
        logprobs: Vec<TokenLogprob>,
    ) -> Line<'_> {
        let (message, response, thinking) = match self.shape {
            Shape::Message => (Some(Message { role: "assistant", content, thinking, tool_calls }), None, None),
            Shape::Response => (None, Some(content), thinking),
        };
        Line {
            model: &self.head.model,
            created_at: rfc3339(now_millis()),
            message,
            response,
            thinking,
            logprobs: (!logprobs.is_empty()).then_some(logprobs),
            done: false,
            done_reason: None,
            totals: None,
            used: None,
        }
    }
}

impl Line<'_> {
    fn over(self, reason: FinishReason, usage: &UsageReport) -> Self {
        Self { done: true, done_reason: Some(why(reason)), totals: Some(Totals::of(usage)), ..self }
    }

    /// As it is sent in a stream.
    fn marked(self, mark: UsageMark) -> String {
        line(&to_json(&Self { used: Some(mark.to_string()), ..self }))
    }
}

impl Tell for Answer {
    fn begin(&mut self, _: u32, _: u64, _: UsageMark) -> String {
        String::new()
    }

    fn delta(&mut self, Piece { said, logprobs, .. }: Piece, mark: UsageMark) -> String {
        let (mut content, mut thinking, mut calls) = (String::new(), None::<String>, Vec::new());
        for piece in said {
            match piece {
                Said::Thought(text) => thinking.get_or_insert_default().push_str(&text),
                Said::Text(text) => content.push_str(&text),
                Said::Call(piece) => calls.extend(self.call(piece)),
            }
        }
        self.logprobs.extend(logprobs);
        if self.open.is_some() && content.is_empty() && thinking.is_none() && calls.is_empty() {
            return String::new();
        }
        let logprobs = std::mem::take(&mut self.logprobs);
        self.written(content, thinking, calls, logprobs).marked(mark)
    }

    fn end(&mut self, _: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String {
        // A request has one answer here, so its end is the end.
        let logprobs = std::mem::take(&mut self.logprobs);
        self.nothing(logprobs).over(reason, &usage.unwrap_or_default()).marked(mark)
    }

    fn queued(&mut self, _: usize, mark: UsageMark) -> String {
        self.working(mark)
    }

    fn working(&mut self, mark: UsageMark) -> String {
        self.nothing(Vec::new()).marked(mark)
    }

    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String {
        // One answer, as above.
        answers.into_iter().next_back().map_or_else(String::new, |answer| {
            let thinking = (!answer.reasoning.is_empty()).then_some(answer.reasoning);
            let calls = answer.calls.into_iter().filter(|each| each.is_whole);
            let calls = calls.enumerate().map(|(index, each)| call(index, each.call)).collect();
            to_json(&self.written(answer.content, thinking, calls, answer.logprobs).over(answer.reason, &usage))
        })
    }
}

impl Totals {
    fn of(usage: &UsageReport) -> Self {
        const NANOS: u64 = 1_000_000;
        let timings = usage.timings.unwrap_or_default();
        // Clients divide by them, and none is shorter than what the clock tells apart.
        let [queued, prompt, answer] =
            [timings.queue_ms, timings.prompt_ms, timings.completion_ms].map(|ms| ms.max(1).saturating_mul(NANOS));
        Self {
            total_duration: queued.saturating_add(prompt).saturating_add(answer),
            load_duration: queued,
            prompt_eval_count: usage.usage.prompt_tokens,
            prompt_eval_duration: prompt,
            eval_count: usage.usage.completion_tokens,
            eval_duration: answer,
        }
    }
}

fn call(index: usize, AnswerCall { id, function, .. }: AnswerCall) -> Call {
    // As the model wrote them, on one line: an answer is one. A line's end in JSON is outside of all texts.
    let arguments = function.arguments.replace(['\n', '\r'], " ");
    let arguments = RawValue::from_string(arguments).or_else(|_| RawValue::from_string("{}".to_owned()));
    let arguments = arguments.expect("an object, as it was read from the answer, or an empty one");
    Call { id, function: Function { index, name: function.name, arguments } }
}

/// Ollama knows no end for calls of its own.
const fn why(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::Stop | FinishReason::ToolCalls => "stop",
    }
}
