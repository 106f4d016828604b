//! Traces: what each request did when, as spans of OpenTelemetry, for whoever collects them.
//!
//! A request is noted while it runs ([`Trace`]), and told once, when nothing of it is left: whatever ended it. Nobody
//! waits for a collector. There is no text of a caller's in any of it: names, numbers and codes alone.

pub(crate) mod collector;
mod export;
mod parent;
pub(crate) mod told;
pub(crate) mod trace;

use crate::settle::metrics::Metrics;
use crate::system::random_bytes;
use axum::http::HeaderMap;
use collector::Collector;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use std::sync::Arc;
use std::time::Duration;
use told::Head;
use trace::Trace;

/// The traces of one origin, on their way to its collector.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// How long an origin that stops waits for its collector to take the last spans.
const FLUSH: Duration = Duration::from_secs(3);

impl Traces {
    /// Starts a thread that sends what is told; it connects nowhere before there is something. `metrics` counts what becomes
    /// of spans. Fails, in words for the operator, if the collector needs TLS and there are no certificates to know it by.
    pub(crate) fn new(collector: &Collector, metrics: Arc<Metrics>) -> Result<Self, String> {
        let provider = SdkTracerProvider::builder()
            .with_span_processor(export::processor(collector, metrics)?)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(collector.sample()))))
            .with_resource(resource())
            .build();
        let scope = InstrumentationScope::builder("sluice").with_version(env!("CARGO_PKG_VERSION")).build();
        let tracer = provider.tracer_with_scope(scope);
        Ok(Self { provider, tracer })
    }

    /// A request begins. It belongs to the trace that its caller names, and is told if that one is; without a name it is
    /// the first of a trace, and told by chance.
    pub(crate) fn begin(&self, head: &Head, headers: &HeaderMap) -> Trace {
        let nobody = Context::new();
        let parent = match parent::of(headers) {
            Some(caller) => nobody.with_remote_span_context(caller),
            None => nobody,
        };
        Trace::begin(&self.tracer, head, &parent)
    }

    /// Sends what has been told, for at most [`FLUSH`]; what is told from now on is lost.
    pub(crate) async fn close(&self) {
        let provider = self.provider.clone();
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH));
        // All threads for such work may hang elsewhere: then this one is not waited for either.
        let closed = tokio::time::timeout(FLUSH + FLUSH / 2, flushed).await;
        if !matches!(closed, Ok(Ok(Ok(())))) {
            tracing::warn!("the last spans may be lost: the collector did not take them in time");
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Whoever ends without a word waits for nobody. Without this the library would, for five seconds.
        let _ = self.provider.shutdown_with_timeout(Duration::ZERO);
    }
}

/// Which process tells. Nothing of the environment's: what is told is set in one place.
fn resource() -> Resource {
    let attributes = [
        KeyValue::new("service.name", "sluice-origin"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance(random_bytes())),
    ];
    Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).with_attributes(attributes).build()
}

/// A UUID of version 4 (RFC 9562, 5.4), which OpenTelemetry wants for an instance.
fn instance(random: [u8; 16]) -> String {
    let number = u128::from_be_bytes(random);
    let number = number & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_uuid_of_version_4() {
        assert_eq!(instance([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(instance([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let number = 0x1234_5678_9abc_def0_1234_5678_9abc_def0_u128;
        assert_eq!(instance(number.to_be_bytes()), "12345678-9abc-4ef0-9234-56789abcdef0");
    }
}
