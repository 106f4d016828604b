//! What `/metrics` says, in Prometheus' text form. Names follow vLLM's, so that its dashboards are soon adapted.

use crate::engine::{Cause, Engine};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sluice_protocol::capacity::Capacity;
use std::sync::atomic::Ordering;
use std::time::Duration;

type Labels = [(&'static str, &'static str); 1];

/// All of an origin's measures.
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    waiting: Gauge,
    slots: Gauge,
    ended: Family<Labels, Counter>,
    refusals: Family<Labels, Counter>,
    prompt_tokens: Counter,
    generation_tokens: Counter,
    queue_time: Histogram,
    first_token: Histogram,
    duration: Histogram,
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
            prompt_tokens: Counter::default(),
            generation_tokens: Counter::default(),
            queue_time: Histogram::new(SECONDS),
            first_token: Histogram::new(SECONDS),
            duration: Histogram::new(SECONDS),
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
        for (name, help, histogram) in [
            ("request_queue_time", "Time from a request's arrival to its slot", &self.queue_time),
            ("time_to_first_token", "Time from a request's arrival to its first token", &self.first_token),
            ("e2e_request_latency", "Time from a request's arrival to its last token", &self.duration),
        ] {
            all.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        self
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&[("code", code)]).inc();
    }

    pub(crate) fn slot_after(&self, waited: Duration) {
        self.queue_time.observe(waited.as_secs_f64());
    }

    pub(crate) fn first_token_after(&self, waited: Duration) {
        self.first_token.observe(waited.as_secs_f64());
    }

    pub(crate) fn ended(&self, cause: &Cause, after: Duration) {
        let outcome = match cause {
            Cause::Stop => "stop",
            Cause::Length => "length",
            Cause::Deadline => "deadline",
            Cause::Left => "left",
            Cause::Stalled => "stalled",
            Cause::Cancelled => "cancelled",
            Cause::Draining => "draining",
            Cause::DeadEnd => "dead_end",
            Cause::Failed(_) => "failed",
        };
        self.ended.get_or_create(&[("outcome", outcome)]).inc();
        self.duration.observe(after.as_secs_f64());
    }

    /// Everything, at this moment.
    pub(crate) fn encode(&self, capacity: Capacity, engine: Option<&Engine>) -> String {
        self.running.set(i64::from(capacity.slots.saturating_sub(capacity.free)));
        self.waiting.set(capacity.queued.into());
        self.slots.set(capacity.slots.into());
        if let Some(engine) = engine {
            self.prompt_tokens.inner().store(engine.prompted(), Ordering::Relaxed);
            self.generation_tokens.inner().store(engine.generated(), Ordering::Relaxed);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}
