//! generate, as a request sees it: tokens become text, and one of several things ends the answer.

pub(crate) mod answers;
pub(crate) mod said;

use crate::engine::logprobs::Logprobs;
use crate::engine::{Cause, Event, Generation, Sampled};
use crate::models::Loaded;
use crate::queue::draining;
use crate::settle::live::cancelled;
use crate::settle::metrics::{Metrics, Phases};
use crate::settle::traces::trace::{Passed, Trace};
use crate::text::AnswerText;
use crate::text::sections::Section;
use said::{CallPiece, Said, append};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{
    AnswerCall, FinishReason, FunctionCall, LEAST_LOGPROB, Likelihood, Timings, TokenLogprob, Usage, UsageReport,
};
use std::sync::Arc;
use std::time::Instant;
use tracing::Span;

/// An answer in progress. Dropping it ends its sequence.
pub(crate) struct AnswerStream {
    live: Option<Generation>,
    text: AnswerText,
    /// Spells tokens.
    loaded: Arc<Loaded>,
    /// Of tokens whose text has not come yet.
    logprobs: Vec<TokenLogprob>,
    deadline: Option<Instant>,
    prompt_tokens: u64,
    /// Of its own prompt alone.
    own_tokens: u64,
    received: u64,
    /// Of those the ones that are not thinking.
    answered: u64,
    /// Calls that have begun.
    calls: u32,
    ending: Option<Ending>,
    arrived: Instant,
    /// When it had its slot, and its first token.
    began: Instant,
    first: Option<Instant>,
    /// Its place among the request's answers: requests are measured, not answers.
    is_first: bool,
    is_last: bool,
    metrics: Arc<Metrics>,
    span: Span,
    trace: Trace,
}

/// What is known of an answer before any of it is there.
pub(crate) struct AnswerContext {
    /// Spells tokens.
    pub(crate) loaded: Arc<Loaded>,
    /// Where it is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Gets its last log line.
    pub(crate) span: Span,
    /// Is told of it.
    pub(crate) trace: Trace,
    /// Of all prompts of the request up to this answer's.
    pub(crate) prompt_tokens: u64,
    /// How many of them are of its own prompt.
    pub(crate) own_tokens: u64,
    /// When the request arrived.
    pub(crate) arrived: Instant,
    /// When the request has to be over.
    pub(crate) deadline: Option<Instant>,
    /// Whether no other answer of the request comes before it.
    pub(crate) is_first: bool,
    /// Whether none comes after it.
    pub(crate) is_last: bool,
}

/// Why an answer is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finish {
    /// The reason, in OpenAI's words.
    pub(crate) reason: FinishReason,
    /// The caller's string that ended it, if one did.
    pub(crate) stop: Option<String>,
}

/// How an answer ended: complete, with what it used, or cut off by a refusal.
pub(crate) type Ending = Result<(Finish, UsageReport), Refusal>;

/// One part of an answer.
pub(crate) enum Part {
    /// What is new, and how likely the tokens were that came since the last part; never both nothing.
    New(Vec<Said>, Vec<TokenLogprob>),
    /// The last part.
    End(Ending),
}

impl AnswerStream {
    /// Reads what is generated.
    pub(crate) fn new(generation: Generation, text: AnswerText, context: AnswerContext) -> Self {
        let AnswerContext { loaded, metrics, span, trace, prompt_tokens, own_tokens, .. } = context;
        let AnswerContext { arrived, deadline, is_first, is_last, .. } = context;
        Self {
            live: Some(generation),
            text,
            loaded,
            logprobs: Vec::new(),
            deadline,
            prompt_tokens,
            own_tokens,
            received: 0,
            answered: 0,
            calls: 0,
            ending: None,
            arrived,
            began: Instant::now(),
            first: None,
            is_first,
            is_last,
            metrics,
            span,
            trace,
        }
    }

    /// The next part. Not to be called after [`Part::End`].
    pub(crate) async fn next(&mut self) -> Part {
        loop {
            let Some(generation) = &mut self.live else {
                if !self.logprobs.is_empty() {
                    // Of a stop string, mostly: it is not shown, but it was generated.
                    return Part::New(Vec::new(), std::mem::take(&mut self.logprobs));
                }
                let lost = || Err(Refusal::new(Reason::Internal, "The answer was over already."));
                return Part::End(self.ending.take().unwrap_or_else(lost));
            };
            let event = match self.deadline {
                None => generation.next().await,
                // The engine keeps deadlines by itself. This one holds when it hangs.
                Some(deadline) => tokio::select! {
                    biased;
                    event = generation.next() => event,
                    () = tokio::time::sleep_until(deadline.into()) => {
                        self.end(Cause::Deadline, self.received);
                        continue;
                    }
                },
            };
            let said = match event {
                Event::Token(Sampled { token, is_bound, logprobs }) => {
                    self.received += 1;
                    self.first.get_or_insert_with(Instant::now);
                    let spelt = logprobs.map(|logprobs| spell(&self.loaded, token, &logprobs));
                    self.logprobs.extend(spelt);
                    if self.received == 1 && self.is_first {
                        self.metrics.first_token_after(&self.loaded.name, self.arrived.elapsed());
                    }
                    let (sections, over) = self.text.push(token, is_bound);
                    let answered = self.received.saturating_sub(self.text.reasoning_tokens());
                    generation.answer(self.answered, answered);
                    self.answered = answered;
                    let said = self.said(sections);
                    if over {
                        self.end(Cause::Stop, self.received);
                    }
                    said
                }
                Event::End(end) => {
                    let (sections, stopped) = self.text.finish();
                    let said = self.said(sections);
                    let complete = matches!(end.cause, Cause::Stop | Cause::Length);
                    self.end(if stopped && complete { Cause::Stop } else { end.cause }, end.tokens);
                    said
                }
            };
            if !said.is_empty() {
                return Part::New(said, std::mem::take(&mut self.logprobs));
            }
        }
    }

    /// Sections as a caller sees them; every call gets its id.
    fn said(&mut self, sections: Vec<Section>) -> Vec<Said> {
        let mut said = Vec::new();
        for section in sections {
            let piece = match section {
                Section::Reasoning(text) => Said::Thought(text),
                Section::Content(text) => Said::Text(text),
                Section::Call(name) => {
                    let function = FunctionCall { name, arguments: String::new() };
                    let call = AnswerCall::new(crate::system::random_bytes(), function);
                    self.calls += 1;
                    self.piece(Some(call), String::new(), false)
                }
                Section::Arguments(text) => self.piece(None, text, false),
                Section::CallEnd => self.piece(None, String::new(), true),
            };
            append(&mut said, piece);
        }
        said
    }

    /// Of the call that began last.
    fn piece(&self, begun: Option<AnswerCall>, more: String, is_whole: bool) -> Said {
        let index = self.calls.saturating_sub(1);
        Said::Call(CallPiece { index, begun: begun.map(Box::new), more, is_whole })
    }

    /// Ends the sequence and keeps the ending for when the text is out.
    fn end(&mut self, cause: Cause, tokens: u64) {
        let cached = self.live.take().map_or(0, |generation| generation.cached());
        self.report(&cause, tokens, cached);
        let usage = UsageReport::new(Usage::new(self.prompt_tokens, tokens), cached, self.text.reasoning_tokens());
        let usage = usage.with_timings(self.timings());
        let complete = |reason| {
            self.trace.answered(reason, &usage);
            let stop = (reason == FinishReason::Stop).then(|| self.text.stopped_by().map(str::to_owned)).flatten();
            Ok((Finish { reason, stop }, usage))
        };
        self.ending = Some(match cause {
            Cause::Stop if self.calls > 0 => complete(FinishReason::ToolCalls),
            Cause::Stop => complete(FinishReason::Stop),
            Cause::Length => complete(FinishReason::Length),
            cause => Err(broken(cause)),
        });
    }

    /// The time in the queue is the first answer's.
    fn timings(&self) -> Timings {
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        let ms = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
        };
        Timings {
            queue_ms: if self.is_first { ms(self.arrived, self.began) } else { 0 },
            prompt_ms: ms(self.began, first),
            completion_ms: ms(first, now),
        }
    }

    /// How it went, for whoever watches; `cached`: how many of the prompt's tokens were remembered.
    fn report(&self, cause: &Cause, tokens: u64, cached: u64) {
        if let Some(first) = self.first {
            let phases = Phases {
                prefill: first.saturating_duration_since(self.began),
                decode: first.elapsed(),
                prompt_tokens: self.own_tokens,
                cached,
            };
            self.metrics.phases(&self.loaded.name, phases);
        }
        // An answer that is complete and not the last is not the end of its request.
        if self.is_last || !matches!(cause, Cause::Stop | Cause::Length) {
            self.metrics.ended(&self.loaded.name, cause, self.arrived.elapsed());
        }
        self.trace.passed(Passed { began: self.began, first: self.first });
        if self.is_last || !matches!(cause, Cause::Stop | Cause::Length) {
            trace_end(&self.trace, cause);
        }
        let ms = u64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
        let prompt_tokens = self.prompt_tokens;
        tracing::info!(parent: &self.span, ?cause, prompt_tokens, completion_tokens = tokens, ms, "answered");
    }
}

/// Notes why a request ended for whoever collects its trace.
pub(crate) fn trace_end(trace: &Trace, cause: &Cause) {
    match cause {
        Cause::Stop | Cause::Length => trace.served(),
        Cause::Left => trace.left(),
        cause => trace.refused(&broken(cause.clone())),
    }
}

/// What a caller is told of a sequence that ended for this cause before it was complete.
pub(crate) fn broken(cause: Cause) -> Refusal {
    match cause {
        Cause::Deadline => Refusal::new(Reason::DeadlineExceeded, "The deadline passed before the answer was complete."),
        Cause::Draining => draining(),
        Cause::Cancelled => cancelled(),
        Cause::Stalled | Cause::Left => Refusal::new(Reason::DeadlineExceeded, "The answer was not read for too long."),
        Cause::DeadEnd(param) => Refusal::new(
            Reason::InvalidRequest,
            format!("The answer could not go on in the form that `{param}` asks for: it is too complex. Simplify the schema."),
        )
        .with_param(param),
        Cause::Failed(why) => Refusal::new(Reason::Internal, "The model failed on this request.").with_detail(why),
        Cause::Stop | Cause::Length => Refusal::new(Reason::Internal, "The answer was over already."),
    }
}

/// A token and the likeliest at its place, as text.
fn spell(loaded: &Loaded, token: u32, logprobs: &Logprobs) -> TokenLogprob {
    let likelihood = |(id, logprob): (u32, f64)| {
        // A part of a character has bytes that its text does not tell.
        let (token, bytes) = (loaded.text.spell(id), loaded.text.bytes(id));
        Likelihood { token, logprob: logprob.max(LEAST_LOGPROB), bytes: bytes.map(<[u8]>::to_vec) }
    };
    TokenLogprob {
        chosen: likelihood((token, logprobs.logprob)),
        top_logprobs: logprobs.top.iter().copied().map(likelihood).collect(),
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        if let Some(generation) = &self.live {
            self.report(&Cause::Left, self.received, generation.cached());
        }
    }
}
