//! The way to the collector: a bounded queue, a thread that empties it, and a client that waits for nobody for long.
//!
//! The thread, its batches and OTLP are the library's. What it does not tell is counted here: the spans that it was given,
//! took and lost. So the bound is here too, and the library's own queue never overflows.

use super::collector::Collector;
use crate::settle::metrics::Metrics;
use crate::tls::{NO_SERVERS, client_tls, known_servers};
use async_trait::async_trait;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{self, BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanProcessor};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use ureq::Agent;

/// Spans that wait or are on their way, at most; some five of a request, at about a kilobyte each.
const MAX_WAITING: usize = 4_096;
/// Spans in one message, at most.
const BATCH: usize = 512; // not a status: spans
/// How long a span waits for others to travel with.
const DELAY: Duration = Duration::from_secs(1);
/// How long one message may take, from the first byte to the answer's last.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a message is tried again: a collector that starts anew is there by then.
const RETRIES: Duration = Duration::from_secs(10);
/// What of a collector's answer is read, in bytes. It has a few words for us at most.
const MAX_ANSWER: u64 = 64 << 10;

/// Takes what is told, and sends it. Fails, in words for the operator, if the collector needs TLS and there are no
/// certificates to know it by.
pub(super) fn processor(collector: &Collector, metrics: Arc<Metrics>) -> Result<impl SpanProcessor + use<>, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(collector)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(collector.url())
        .with_timeout(RETRIES)
        .with_retry_policy(RetryPolicy::recommended())
        .build()
        .map_err(|error| format!("--otlp-endpoint: {error}"))?;
    // Each begins at 0, and not with its first span.
    ["sent", "failed", "dropped"].into_iter().for_each(|outcome| metrics.spans(outcome, 0));
    let room = Arc::new(Room { waiting: AtomicUsize::new(0), metrics });
    let counted = Counted { exporter, room: Arc::clone(&room), is_failing: AtomicBool::new(false) };
    let limits = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_WAITING)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let queue = BatchSpanProcessor::builder(counted).with_batch_config(limits).build();
    Ok(Bounded { queue, room })
}

/// How much of the bound is taken.
struct Room {
    waiting: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Room {
    fn enter(&self) -> bool {
        let more = |waiting| (waiting < MAX_WAITING).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// The queue, which is full before the library's own is.
struct Bounded {
    queue: BatchSpanProcessor,
    room: Arc<Room>,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("waiting", &self.room.waiting).finish_non_exhaustive()
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.room.enter() {
            self.queue.on_end(span);
        } else {
            self.room.metrics.spans("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Sends a batch, and counts what became of it.
struct Counted {
    exporter: SpanExporter,
    room: Arc<Room>,
    is_failing: AtomicBool,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("is_failing", &self.is_failing).finish_non_exhaustive()
    }
}

impl trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let sent = trace::SpanExporter::export(&self.exporter, batch).await;
        self.room.waiting.fetch_sub(count, Ordering::Relaxed);
        self.room.metrics.spans(if sent.is_ok() { "sent" } else { "failed" }, count as u64);
        // A line when it begins and one when it is over: a collector may be gone for days.
        let failed_before = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed_before => tracing::warn!(%error, "traces do not reach their collector"),
            Ok(()) if failed_before => tracing::info!("traces reach their collector again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Speaks HTTP to the collector, on the library's own thread, which it blocks.
struct Client {
    agent: Agent,
    /// Not known to the library, which would show them.
    headers: HeaderMap,
}

impl Client {
    fn new(collector: &Collector) -> Result<Self, String> {
        let mut tls = client_tls();
        if collector.is_secure() {
            tls = tls.root_certs(known_servers(None).ok_or_else(|| format!("--otlp-endpoint: {NO_SERVERS}"))?);
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .https_only(collector.is_secure())
            // The headers are for the collector, and for nobody whom it names.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("sluice-origin/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build()
            .into();
        Ok(Self { agent, headers: collector.headers().clone() })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut message = self.agent.post(parts.uri);
        // Nothing else: the library would also send what the environment says.
        for value in parts.headers.get_all(CONTENT_TYPE) {
            message = message.header(CONTENT_TYPE, value);
        }
        for (name, value) in &self.headers {
            message = message.header(name, value);
        }
        let (head, body) = message.send(&body[..])?.into_parts();
        let said = body.into_with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, said.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settle::metrics::Places;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use sluice_protocol::forward::capacity::Capacity;
    use std::net::TcpListener;
    use std::time::Instant;

    fn counted(metrics: &Metrics, outcome: &str) -> usize {
        let text = metrics.encode(Places { texts: Capacity::default(), pictures: Capacity::default() }, None, None);
        let name = format!("sluice_exported_spans_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    /// A collector that takes connections and says nothing: what waits for it is bounded, and the rest is counted.
    #[test]
    fn what_waits_is_bounded_and_nobody_waits() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let metrics = Arc::new(Metrics::new());
        let collector = Collector::new(&url, &super::super::collector::HeadersSecret::default(), 1.0).unwrap();
        let bounded = processor(&collector, Arc::clone(&metrics)).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(bounded).build();
        let (tracer, begun) = (provider.tracer("test"), Instant::now());
        const MORE: usize = 1_000;
        for _ in 0..MAX_WAITING + MORE {
            drop(tracer.start("span"));
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        // None was taken meanwhile: a message may take longer than all of this.
        assert_eq!((counted(&metrics, "dropped"), counted(&metrics, "sent")), (MORE, 0));
        let begun = Instant::now();
        assert!(provider.shutdown_with_timeout(Duration::from_millis(50)).is_err());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
