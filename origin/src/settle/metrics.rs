//! What `/metrics` says, in Prometheus' text form. Names follow vLLM's, so that its dashboards are soon adapted.

use crate::engine::Cause;
use crate::models::Models;
use crate::system::gpu::Moment;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sluice_protocol::forward::capacity::Capacity;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Labels = [(&'static str, &'static str); 1];
/// Whose it is, by vLLM's name of the label.
type ModelLabels = [(&'static str, String); 1];
type EndedLabels = [(&'static str, String); 2];
type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;
/// Which GPU it is, by the names of NVIDIA's exporter (DCGM), in small letters.
type GpuLabels = [(&'static str, String); 2];
type GpuGauges = Family<GpuLabels, Gauge<f64, AtomicU64>>;

/// All of an origin's measures.
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    waiting: Gauge,
    slots: Gauge,
    ended: Family<EndedLabels, Counter>,
    refusals: Family<Labels, Counter>,
    spans: Family<Labels, Counter>,
    prompt_tokens: Family<ModelLabels, Counter>,
    generation_tokens: Family<ModelLabels, Counter>,
    prefix_queries: Family<ModelLabels, Counter>,
    prefix_hits: Family<ModelLabels, Counter>,
    images_running: Gauge,
    images_waiting: Gauge,
    image_steps: Family<ModelLabels, Counter>,
    images: Family<ModelLabels, Counter>,
    queue_time: Histograms,
    first_token: Histograms,
    prefill_time: Histograms,
    decode_time: Histograms,
    duration: Histograms,
    gpu_utilization: GpuGauges,
    gpu_memory_used: GpuGauges,
    gpu_memory_total: GpuGauges,
    gpu_memory_pressure: GpuGauges,
    gpu_temperature: GpuGauges,
    gpu_power: GpuGauges,
    gpu_age: GpuGauges,
}

/// How many run and wait.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    /// Of those that read or write text.
    pub(crate) texts: Capacity,
    /// Of those for pictures.
    pub(crate) pictures: Capacity,
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
            spans: Family::default(),
            prompt_tokens: Family::default(),
            generation_tokens: Family::default(),
            prefix_queries: Family::default(),
            prefix_hits: Family::default(),
            images_running: Gauge::default(),
            images_waiting: Gauge::default(),
            image_steps: Family::default(),
            images: Family::default(),
            queue_time: histograms(),
            first_token: histograms(),
            prefill_time: histograms(),
            decode_time: histograms(),
            duration: histograms(),
            gpu_utilization: GpuGauges::default(),
            gpu_memory_used: GpuGauges::default(),
            gpu_memory_total: GpuGauges::default(),
            gpu_memory_pressure: GpuGauges::default(),
            gpu_temperature: GpuGauges::default(),
            gpu_power: GpuGauges::default(),
            gpu_age: GpuGauges::default(),
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
        all.register("exported_spans", "Spans for the collector of traces, by what became of them", self.spans.clone());
        all.register("prompt_tokens", "Prompt tokens computed", self.prompt_tokens.clone());
        all.register("generation_tokens", "Tokens generated", self.generation_tokens.clone());
        all.register("prefix_cache_queries", "Prompt tokens of answers that began", self.prefix_queries.clone());
        all.register("prefix_cache_hits", "Those of them that were remembered", self.prefix_hits.clone());
        all.register("image_requests_running", "Requests whose pictures are drawn", self.images_running.clone());
        all.register("image_requests_waiting", "Requests for pictures that wait", self.images_waiting.clone());
        all.register("origin_image_steps", "Steps of pictures that were computed", self.image_steps.clone());
        all.register("origin_images", "Pictures that came to their end", self.images.clone());
        for (name, help, histogram) in [
            ("request_queue_time", "Time from a request's arrival to its slot", &self.queue_time),
            ("time_to_first_token", "Time from a request's arrival to its first token", &self.first_token),
            ("request_prefill_time", "Time from a request's slot to its first token", &self.prefill_time),
            ("request_decode_time", "Time from a request's first token to its last", &self.decode_time),
            ("e2e_request_latency", "Time from a request's arrival to its last token", &self.duration),
        ] {
            all.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        for (name, help, gauge) in [
            ("origin_gpu_utilization_ratio", "How long the GPU was computing, of 1", &self.gpu_utilization),
            ("origin_gpu_memory_used_bytes", "Memory of the GPU in use, by whomever", &self.gpu_memory_used),
            ("origin_gpu_memory_total_bytes", "All memory of the GPU", &self.gpu_memory_total),
            ("origin_gpu_memory_pressure_ratio", "How the GPU's memory presses, of 1", &self.gpu_memory_pressure),
            ("origin_gpu_temperature_celsius", "How warm the GPU is", &self.gpu_temperature),
            ("origin_gpu_power_watts", "What the GPU draws", &self.gpu_power),
            ("origin_gpu_reading_age_seconds", "How old what was read of the GPU is", &self.gpu_age),
        ] {
            all.register(name, help, gauge.clone());
        }
        self
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&[("code", code)]).inc();
    }

    /// Spans were `sent` to the collector of traces, were refused by it or did not reach it (`failed`), or found no room
    /// to wait in (`dropped`).
    pub(crate) fn spans(&self, outcome: &'static str, count: u64) {
        self.spans.get_or_create(&[("outcome", outcome)]).inc_by(count);
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

    /// What is known of the GPU. What is not known at this moment is not told; how old the last reading is always is.
    fn see_gpu(&self, gpu: &Moment) {
        let Moment { figures, mem, is_fresh } = gpu;
        let index = figures.index.map(|index| index.to_string()).unwrap_or_default();
        let labels = [("gpu", index), ("uuid", figures.uuid.clone())];
        let ratio = |percent: u8| f64::from(percent) / 100.0;
        for (gauge, value) in [
            (&self.gpu_utilization, figures.utilization),
            (&self.gpu_memory_used, figures.memory_used_bytes.map(|bytes| bytes as f64)),
            (&self.gpu_memory_total, figures.memory_total_bytes.map(|bytes| bytes as f64)),
            (&self.gpu_memory_pressure, mem.map(ratio)),
            (&self.gpu_temperature, figures.temperature_celsius.map(f64::from)),
            (&self.gpu_power, figures.power_watts),
        ] {
            match value.filter(|_| *is_fresh) {
                Some(value) => drop(gauge.get_or_create(&labels).set(value)),
                None => drop(gauge.remove(&labels)),
            }
        }
        self.gpu_age.get_or_create(&labels).set(figures.age_ms as f64 / 1_000.0);
    }

    /// Everything, at this moment.
    pub(crate) fn encode(&self, places: Places, gpu: Option<&Moment>, models: Option<&Models>) -> String {
        let Places { texts, pictures } = places;
        let running = |places: Capacity| i64::from(places.slots.saturating_sub(places.free));
        self.running.set(running(texts));
        self.waiting.set(texts.queued.into());
        self.slots.set(texts.slots.into());
        self.images_running.set(running(pictures));
        self.images_waiting.set(pictures.queued.into());
        if let Some(gpu) = gpu {
            self.see_gpu(gpu);
        }
        for loaded in models.into_iter().flat_map(Models::iter) {
            let (model, engine) = (of(&loaded.name), &loaded.engine);
            self.prompt_tokens.get_or_create(&model).inner().store(engine.prompted(), Ordering::Relaxed);
            self.generation_tokens.get_or_create(&model).inner().store(engine.generated(), Ordering::Relaxed);
        }
        for draws in models.into_iter().flat_map(|models| &models.drawing) {
            let (model, painter) = (of(&draws.name), &draws.painter);
            self.image_steps.get_or_create(&model).inner().store(painter.steps(), Ordering::Relaxed);
            self.images.get_or_create(&model).inner().store(painter.pictures(), Ordering::Relaxed);
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
