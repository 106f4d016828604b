//! What is told of a request for an answer, by OpenTelemetry's conventions where there are some.
//!
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/> for what begins with `http`, `server` and `error`, and
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/> for what begins with `gen_ai`. What begins with
//! `sluice` is ours.

use super::span::{Kind, Span, Value};
use crate::id::RequestId;
use crate::request::bodies::chat::Used;
use crate::request::door::Door;
use crate::telemetry::decided::{Decided, cut};
use crate::telemetry::request::RequestOutcome;
use crate::time::Millis;

/// What is known of a request that is over. What is empty is not known.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// Which.
    pub request: RequestId,
    /// By which door.
    pub door: Door,
    /// The account.
    pub account: &'a str,
    /// The plan by which it was decided.
    pub plan: &'a str,
    /// The model that answered, or was to.
    pub model: &'a str,
    /// Who asked for what, and what was decided; once that is known.
    pub decided: Option<&'a Decided>,
    /// The limits that refused it.
    pub limits: &'a [String],
    /// Whether it was kept for the same question.
    pub cache: Option<&'static str>,
    /// What became of it.
    pub outcome: RequestOutcome,
    /// The status that its caller was told, if it was told one.
    pub status: Option<u16>,
    /// Why it was refused or failed.
    pub code: Option<&'static str>,
    /// What it used.
    pub used: Option<Used>,
    /// How long its first token took since it was admitted.
    pub first_token_ms: Option<Millis>,
}

impl Told<'_> {
    /// Writes it into a span.
    pub fn write(&self, span: &mut Span) {
        // A job is asked for by nobody's call.
        if span.kind == Kind::Server {
            span.word("http.request.method", "POST");
            span.word("http.route", self.door.path());
            if let Some(status) = self.status {
                span.number("http.response.status_code", status.into());
            }
        }
        if let Some(code) = self.code {
            span.word("error.type", code);
        }
        span.has_failed = self.outcome == RequestOutcome::Failed;
        span.name("sluice.request.id", &self.request.to_string());
        span.word("sluice.outcome", self.outcome.name());
        span.name("sluice.account", self.account);
        span.name("sluice.plan", self.plan);
        if !self.limits.is_empty() {
            let limits = self.limits.iter().take(MAX_LIMITS).map(|limit| cut(limit)).collect();
            span.tell("sluice.limits", Value::Texts(limits));
        }
        if let Some(degraded) = self.decided.and_then(|decided| decided.degraded.as_ref()) {
            span.name("sluice.degraded", &degraded.to_string());
        }
        if let Some(cache) = self.cache {
            span.word("sluice.cache", cache);
        }
        if let Some(operation) = operation(self.door) {
            self.write_generation(span, operation);
        }
    }

    fn write_generation(&self, span: &mut Span, operation: &'static str) {
        span.word("gen_ai.operation.name", operation);
        span.word("gen_ai.provider.name", "sluice");
        span.name("gen_ai.request.model", self.decided.map_or(self.model, |decided| &decided.model));
        if let Some(max_tokens) = self.decided.and_then(|decided| decided.max_tokens) {
            span.number("gen_ai.request.max_tokens", max_tokens.into());
        }
        if matches!(self.outcome, RequestOutcome::Served | RequestOutcome::Cut) {
            span.name("gen_ai.response.model", self.model);
        }
        if let Some(ms) = self.first_token_ms {
            span.tell("gen_ai.response.time_to_first_chunk", Value::Seconds(ms));
        }
        if let Some(used) = self.used {
            span.number("gen_ai.usage.input_tokens", used.usage.prompt_tokens);
            span.number("gen_ai.usage.output_tokens", used.usage.completion_tokens);
            if used.cached_tokens > 0 {
                span.number("gen_ai.usage.cache_read.input_tokens", used.cached_tokens);
            }
            if let Some(reasoning) = used.reasoning_tokens {
                span.number("gen_ai.usage.reasoning.output_tokens", reasoning);
            }
        }
    }
}

/// What a door asks a model for; nothing where no model computes.
pub const fn operation(door: Door) -> Option<&'static str> {
    match door {
        Door::Chat | Door::OllamaChat | Door::Messages | Door::Responses => Some("chat"),
        Door::Completions | Door::OllamaGenerate => Some("text_completion"),
        Door::Embeddings | Door::OllamaEmbed | Door::OllamaEmbeddings => Some("embeddings"),
        // The conventions have no word for it.
        Door::Rerank => Some("rerank"),
        Door::Images => Some("image_generation"),
        Door::CountTokens | Door::Tokenize | Door::Detokenize => None,
    }
}

/// How many limits are named.
const MAX_LIMITS: usize = 16;
