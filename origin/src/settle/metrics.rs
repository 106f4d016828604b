//! What `/metrics` says, in Prometheus' text form. Names follow vLLM's, so that its dashboards are soon adapted.

use crate::engine::{Cause, Engine};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sluice_protocol::forward::capacity::Capacity;
use std::sync::atomic::Ordering;
use std::time::Duration;

type Labels = [(&'static str, &'static str); 1];
/// Whose it is, by vLLM's name of the label.
type ModelLabels = [(&'static str, String); 1];
type EndedLabels = [(&'static str, String); 2];
type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;

/// All of an origin's measures.
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    waiting: Gauge,
    slots: Gauge,
    ended: Family<EndedLabels, Counter>,
    refusals: Family<Labels, Counter>,
    prompt_tokens: Family<ModelLabels, Counter>,
    generation_tokens: Family<ModelLabels, Counter>,
    prefix_queries: Family<ModelLabels, Counter>,
    prefix_hits: Family<ModelLabels, Counter>,
    queue_time: Histograms,
    first_token: Histograms,
    prefill_time: Histograms,
    decode_time: Histograms,
    duration: Histograms,
}

/// What an answer that began has taken.
#[derive(Clone, Copy)]
pub(crate) struct Phases {
    /// From its slot to its first token.
    pub(crate) prefill: Duration,
    /// From its first token to its last.
    pub(crate) decode: Duration,
    /// Of its prompt.
    pub(crate) prompt_tokens: u64,
    /// How many of them were remembered.
    pub(crate) cached: u64,
}

/// The type of the text that [`Metrics::encode`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: from a tiny model on a laptop to a long answer in a long queue.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("sluice"),
            running: Gauge::default(),
            waiting: Gauge::default(),
            slots: Gauge::default(),
            ended: Family::default(),
            refusals: Family::default(),
            prompt_tokens: Family::default(),
            generation_tokens: Family::default(),
            prefix_queries: Family::default(),
            prefix_hits: Family::default(),
            queue_time: histograms(),
            first_token: histograms(),
            prefill_time: histograms(),
            decode_time: histograms(),
            duration: histograms(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let all = &mut self.registry;
        all.register("num_requests_running", "Requests in a slot", self.running.clone());
        all.register("num_requests_waiting", "Requests that wait for a slot", self.waiting.clone());
        all.register("num_slots", "Requests that can run at once", self.slots.clone());
        all.register("requests", "Requests that ran, by how they ended", self.ended.clone());
        all.register("refusals", "Refusals and errors, by code", self.refusals.clone());
        all.register("prompt_tokens", "Prompt tokens computed", self.prompt_tokens.clone());
        all.register("generation_tokens", "Tokens generated", self.generation_tokens.clone());
        all.register("prefix_cache_queries", "Prompt tokens of answers that began", self.prefix_queries.clone());
        all.register("prefix_cache_hits", "Those of them that were remembered", self.prefix_hits.clone());
        for (name, help, histogram) in [
            ("request_queue_time", "Time from a request's arrival to its slot", &self.queue_time),
            ("time_to_first_token", "Time from a request's arrival to its first token", &self.first_token),
            ("request_prefill_time", "Time from a request's slot to its first token", &self.prefill_time),
            ("request_decode_time", "Time from a request's first token to its last", &self.decode_time),
            ("e2e_request_latency", "Time from a request's arrival to its last token", &self.duration),
        ] {
            all.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        self
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&[("code", code)]).inc();
    }

    pub(crate) fn slot_after(&self, model: &str, waited: Duration) {
        self.queue_time.get_or_create(&of(model)).observe(waited.as_secs_f64());
    }

    pub(crate) fn first_token_after(&self, model: &str, waited: Duration) {
        self.first_token.get_or_create(&of(model)).observe(waited.as_secs_f64());
    }

    pub(crate) fn phases(&self, model: &str, phases: Phases) {
        let model = of(model);
        self.prefill_time.get_or_create(&model).observe(phases.prefill.as_secs_f64());
        self.decode_time.get_or_create(&model).observe(phases.decode.as_secs_f64());
        self.prefix_queries.get_or_create(&model).inc_by(phases.prompt_tokens);
        self.prefix_hits.get_or_create(&model).inc_by(phases.cached);
    }

    pub(crate) fn ended(&self, model: &str, cause: &Cause, after: Duration) {
        let outcome = match cause {
            Cause::Stop => "stop",
            Cause::Length => "length",
            Cause::Deadline => "deadline",
            Cause::Left => "left",
            Cause::Stalled => "stalled",
            Cause::Cancelled => "cancelled",
            Cause::Draining => "draining",
            Cause::DeadEnd(_) => "dead_end",
            Cause::Failed(_) => "failed",
        };
        let model = of(model);
        self.duration.get_or_create(&model).observe(after.as_secs_f64());
        let [model] = model;
        self.ended.get_or_create(&[model, ("outcome", outcome.to_owned())]).inc();
    }

    /// Everything, at this moment; with the engines of the models by their names.
    pub(crate) fn encode<'a>(
        &self,
        capacity: Capacity,
        engines: impl Iterator<Item = (&'a str, &'a Engine)>,
    ) -> String {
        self.running.set(i64::from(capacity.slots.saturating_sub(capacity.free)));
        self.waiting.set(capacity.queued.into());
        self.slots.set(capacity.slots.into());
        for (model, engine) in engines {
            self.prompt_tokens.get_or_create(&of(model)).inner().store(engine.prompted(), Ordering::Relaxed);
            self.generation_tokens.get_or_create(&of(model)).inner().store(engine.generated(), Ordering::Relaxed);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

fn of(model: &str) -> ModelLabels {
    [("model_name", model.to_owned())]
}

fn histograms() -> Histograms {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}
