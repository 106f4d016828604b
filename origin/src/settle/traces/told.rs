//! What was noted of a request, as spans: names and attributes are those of OpenTelemetry's semantic conventions 1.42 for HTTP
//! servers and for generative AI, as docs/measures.md lists them.

use crate::engine::job_state::JobState;
use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{FinishReason, Sampling, Usage, UsageReport, Used};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What is known of a request when it comes.
pub(crate) struct Head {
    /// Which.
    pub(crate) id: RequestId,
    /// The path of its door, which is a pattern without anything of the caller's.
    pub(crate) route: &'static str,
    /// When its head had come.
    pub(crate) arrived: Instant,
}

/// What a request wants of a model.
pub(crate) struct Asked {
    /// What the model does, in OpenTelemetry's words.
    pub(crate) operation: &'static str,
    /// The model's name.
    pub(crate) model: String,
    /// Of one that is answered.
    pub(crate) generation: Option<AskedGeneration>,
}

/// How answers are to be made.
pub(crate) struct AskedGeneration {
    /// Whether they are told in pieces.
    pub(crate) stream: bool,
    /// How many.
    pub(crate) answers: u32,
    /// How long each may be.
    pub(crate) max_tokens: u32,
    /// How tokens are chosen.
    pub(crate) sampling: Sampling,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Served,
    Left,
    Refused(Reason),
}

/// All that is noted of a request.
pub(super) struct Notes {
    span: SdkSpan,
    id: RequestId,
    route: &'static str,
    arrived: Instant,
    arrived_at: SystemTime,
    pub(super) asked: Option<Asked>,
    pub(super) job: Option<Arc<JobState>>,
    pub(super) waited: Option<Instant>,
    pub(super) slot: Option<Instant>,
    pub(super) began: Option<Instant>,
    pub(super) first: Option<Instant>,
    pub(super) last: Option<Instant>,
    pub(super) is_streamed: bool,
    pub(super) status: Option<u16>,
    pub(super) ending: Option<Ending>,
    reasons: Vec<&'static str>,
    /// Of all answers that are complete.
    used: Option<Used>,
}

impl Notes {
    pub(super) fn new(span: SdkSpan, head: &Head, arrived_at: SystemTime) -> Self {
        Self {
            span,
            id: head.id,
            route: head.route,
            arrived: head.arrived,
            arrived_at,
            asked: None,
            job: None,
            waited: None,
            slot: None,
            began: None,
            first: None,
            last: None,
            is_streamed: false,
            status: None,
            ending: None,
            reasons: Vec::new(),
            used: None,
        }
    }

    /// One more answer is complete. A prompt counts once, however many answers it has.
    pub(super) fn complete(&mut self, reason: FinishReason, report: &UsageReport) {
        self.reasons.push(match reason {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
        });
        let before = self.used.unwrap_or(Used::NOTHING);
        let completion = before.usage.completion_tokens + report.usage.completion_tokens;
        let reasoning = report.completion_tokens_details.reasoning_tokens + before.reasoning_tokens.unwrap_or(0);
        self.used = Some(Used {
            usage: Usage::new(report.usage.prompt_tokens, completion),
            reasoning_tokens: Some(reasoning),
            cached_tokens: report.prompt_tokens_details.cached_tokens,
            drawn: before.drawn,
        });
    }

    fn at(&self, instant: Instant) -> SystemTime {
        self.arrived_at + instant.saturating_duration_since(self.arrived)
    }

    /// How it ended, now that nothing of it is left.
    fn ending(&self) -> Ending {
        let is_answered = self.status.is_some() && !self.is_streamed;
        self.ending.unwrap_or(if is_answered { Ending::Served } else { Ending::Left })
    }

    /// What it has used: of one that is answered what its answer says, of one that broke off what was computed by then.
    fn used(&self) -> Option<Used> {
        let computed = self.job.as_ref().map(|job| job.used());
        let used = if self.ending() == Ending::Served { self.used.or(computed) } else { computed.or(self.used) };
        used.filter(|used| used.usage != Usage::new(0, 0))
    }

    /// Of the request as a whole.
    fn of_http(&self) -> Vec<KeyValue> {
        let mut all = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", self.route),
            KeyValue::new("url.path", self.route),
            KeyValue::new("sluice.request.id", self.id.to_string()),
        ];
        all.extend(self.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        all
    }

    /// Of what the model did.
    fn of_model(&self, asked: &Asked) -> Vec<KeyValue> {
        let mut all = vec![
            KeyValue::new("gen_ai.operation.name", asked.operation),
            KeyValue::new("gen_ai.provider.name", "sluice"),
            KeyValue::new("gen_ai.request.model", asked.model.clone()),
            KeyValue::new("gen_ai.response.model", asked.model.clone()),
        ];
        if let Some(generation) = &asked.generation {
            let sampling = &generation.sampling;
            all.extend([
                KeyValue::new("gen_ai.request.stream", generation.stream),
                KeyValue::new("gen_ai.request.max_tokens", i64::from(generation.max_tokens)),
                KeyValue::new("gen_ai.request.temperature", sampling.temperature),
                KeyValue::new("gen_ai.request.top_p", sampling.top_p),
                KeyValue::new("gen_ai.request.presence_penalty", sampling.presence_penalty),
                KeyValue::new("gen_ai.request.frequency_penalty", sampling.frequency_penalty),
            ]);
            // As the convention has it: where there is more than one.
            let several = (generation.answers > 1).then_some(generation.answers);
            all.extend(several.map(|answers| KeyValue::new("gen_ai.request.choice.count", i64::from(answers))));
            all.extend(sampling.top_k.map(|top_k| KeyValue::new("gen_ai.request.top_k", i64::from(top_k))));
            let seed = sampling.seed.and_then(|seed| i64::try_from(seed).ok());
            all.extend(seed.map(|seed| KeyValue::new("gen_ai.request.seed", seed)));
        }
        if let Some(Used { usage, reasoning_tokens, cached_tokens, .. }) = self.used() {
            all.push(count("gen_ai.usage.input_tokens", usage.prompt_tokens));
            all.push(count("gen_ai.usage.output_tokens", usage.completion_tokens));
            all.push(count("gen_ai.usage.cache_read.input_tokens", cached_tokens));
            all.extend(reasoning_tokens.map(|tokens| count("gen_ai.usage.reasoning.output_tokens", tokens)));
        }
        if let Some(first) = self.first {
            let seconds = first.saturating_duration_since(self.arrived).as_secs_f64();
            all.push(KeyValue::new("gen_ai.response.time_to_first_chunk", seconds));
        }
        if !self.reasons.is_empty() {
            let reasons: Vec<StringValue> = self.reasons.iter().map(|reason| (*reason).into()).collect();
            all.push(KeyValue::new("gen_ai.response.finish_reasons", Value::Array(Array::String(reasons))));
        }
        all
    }
}

/// Ends the request's span, and makes those below it.
pub(super) fn tell(tracer: &SdkTracer, notes: &mut Notes) {
    let over = Instant::now();
    let below = Below { tracer, notes, over };
    if let Some(asked) = &notes.asked {
        let model =
            below.span(format!("{} {}", asked.operation, asked.model), notes.span.span_context(), notes.arrived);
        below.steps(model.span_context());
        below.end(model, notes.of_model(asked), notes.last.unwrap_or(over));
    }
    let (all, ending, over) = (notes.of_http(), notes.ending(), notes.at(over));
    conclude(&mut notes.span, all, ending);
    notes.span.end_with_timestamp(over);
}

/// The spans below the request's.
struct Below<'a> {
    tracer: &'a SdkTracer,
    notes: &'a Notes,
    /// When nothing of the request was left.
    over: Instant,
}

impl Below<'_> {
    /// What the model's work was made of, as far as it came.
    fn steps(&self, model: &SpanContext) {
        let notes = self.notes;
        let last = notes.last.unwrap_or(self.over);
        let queue = notes.waited.map(|from| ("queue", from, notes.slot.unwrap_or(last)));
        let prefill = notes.began.map(|from| ("prefill", from, notes.first.unwrap_or(last)));
        let generate = notes.first.map(|from| ("generate", from, last));
        for (name, from, to) in [queue, prefill, generate].into_iter().flatten() {
            let span = self.span(name.to_owned(), model, from);
            // In which of them it ended is where it failed.
            if to == last && notes.ending() != Ending::Served {
                self.end(span, Vec::new(), to);
            } else {
                let mut span = span;
                span.end_with_timestamp(notes.at(to));
            }
        }
    }

    fn span(&self, name: String, parent: &SpanContext, from: Instant) -> SdkSpan {
        let parent = Context::new().with_remote_span_context(parent.clone());
        let span = self.tracer.span_builder(name).with_kind(SpanKind::Internal);
        span.with_start_time(self.notes.at(from)).start_with_context(self.tracer, &parent)
    }

    fn end(&self, mut span: SdkSpan, attributes: Vec<KeyValue>, to: Instant) {
        conclude(&mut span, attributes, self.notes.ending());
        span.end_with_timestamp(self.notes.at(to));
    }
}

/// Says what there is to say of a span, and how it ended: an error is what was ours to prevent.
fn conclude(span: &mut SdkSpan, mut attributes: Vec<KeyValue>, ending: Ending) {
    match ending {
        Ending::Served => {}
        Ending::Left => attributes.push(KeyValue::new("error.type", "left")),
        Ending::Refused(reason) => {
            let row = reason.row();
            attributes.push(KeyValue::new("error.type", row.code));
            if row.status >= LEAST_FAILURE {
                span.set_status(Status::error(row.code));
            }
        }
    }
    span.set_attributes(attributes);
}

/// Statuses from here on say that it was not the caller's doing.
const LEAST_FAILURE: u16 = 500; // not a status: a bound

fn count(name: &'static str, tokens: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(tokens).unwrap_or(i64::MAX))
}
