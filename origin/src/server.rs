//! A running origin: what is served, and how it comes to an end.

mod connections;
mod seats;

use crate::api::router;
use crate::config::{Access, Config};
use crate::engine::EngineOptions;
use crate::engine::company::Company;
use crate::engine::turns::Turns;
use crate::grant::Verifier;
use crate::models::share::kv_tokens;
use crate::models::z_image::facts::usual_bytes;
use crate::models::{Backend, Backends, Draws, Loaded, Models};
use crate::queue::{Bounds, Queue};
use crate::server::connections::accept;
use crate::settle::kept::Kept;
use crate::settle::metrics::Metrics;
use crate::settle::traces::Traces;
use crate::state::Shared;
use crate::system::gpu::{Computing, Gpu};
use crate::system::memory;
use crate::tls::Tls;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// An origin that starts.
pub struct Origin;

/// An origin that listens. Dropping it closes the listener and all connections at once.
pub struct RunningOrigin {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

/// How long an origin that ends waits for last bytes to be written.
const FLUSH: Duration = Duration::from_secs(2);

impl Origin {
    /// Listens. Until [`RunningOrigin::serve`] is called, requests are refused with `model_loading`.
    ///
    /// Fails if the address cannot be bound, the files of its TLS cannot be used, or there is nothing to know its collector
    /// of traces by.
    pub async fn bind(config: Config) -> std::io::Result<RunningOrigin> {
        let tls = config.tls.clone().map(Tls::new).transpose().map_err(std::io::Error::other)?.map(Arc::new);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let metrics = Arc::new(Metrics::new());
        let traces = config.collector.as_ref().map(|collector| Traces::new(collector, Arc::clone(&metrics)));
        let traces = traces.transpose().map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(
                Bounds { slots: config.slots, queue: config.queue, patience: config.queue_timeout },
                Bounds { slots: 1, queue: config.image_queue, patience: config.image_queue_timeout },
            ),
            verifier: match &config.access {
                Access::Open => None,
                Access::Granted(keys) => Some(Verifier::new(keys.clone(), config.name.clone())),
            },
            metrics,
            traces,
            live: Arc::default(),
            models: OnceLock::new(),
            kept: Kept::default(),
            gpu: Gpu::default(),
            draining: AtomicBool::new(false),
            config,
        });
        let texts = shared.config.slots.saturating_add(shared.config.queue);
        let places = texts.saturating_add(shared.config.image_queue).saturating_add(1);
        let (closing, closed) = watch::channel(false);
        let listener = tokio::spawn(accept((listener, tls), places, router(Arc::clone(&shared)), closed));
        Ok(RunningOrigin { address, scheme, shared, closing, listener })
    }

    /// Listens and serves one model or several.
    pub async fn start(config: Config, backends: impl Into<Backends>) -> std::io::Result<RunningOrigin> {
        let running = Self::bind(config).await?;
        running.serve(backends)?;
        Ok(running)
    }
}

impl RunningOrigin {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://`, or `https://` where it has a certificate, and the address.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Starts an engine for each of these models, or a thread that draws, and serves them from now on; they are listed in this order. Their slots
    /// share what memory is free, unless the settings say how many tokens each may hold.
    ///
    /// Fails if a thread cannot be started, if there is no model or two have one name, or if models are being served
    /// already.
    pub fn serve(&self, backends: impl Into<Backends>) -> std::io::Result<()> {
        let (Backends { texts: backends, drawing }, config) = (backends.into(), &self.shared.config);
        let reserved = drawing.iter().map(|backend| usual_bytes(backend.model.facts())).max().unwrap_or(0);
        let free = memory::available();
        let kv_tokens = match config.kv_tokens {
            Some(tokens) => vec![tokens; backends.len()],
            None => kv_tokens(backends.iter().map(|backend| &*backend.model), free, reserved),
        };
        let kept = backends.iter().zip(&kv_tokens);
        let kept = kept.map(|(backend, tokens)| (*tokens as u64).saturating_mul(backend.model.token_bytes() as u64));
        let kept = kept.fold(0, u64::saturating_add);
        let room = free.map(|free| free.saturating_sub(kept));
        let computing = computing(&backends, &kv_tokens);
        let turns = Arc::new(Turns::new(config.image_share));
        let company = match drawing.is_empty() {
            true => Company::default(),
            false => Company::beside_pictures(Arc::clone(&turns)),
        };
        let mut models = Models::default();
        for (backend, kv_tokens) in backends.into_iter().zip(kv_tokens) {
            if models.find(&backend.name).is_some() {
                return Err(std::io::Error::other(format!("two models are named {}", backend.name)));
            }
            let (stall, company) = (config.stall_timeout, company.clone());
            let options = EngineOptions { runs: config.slots, kv_tokens, stall, company };
            let loaded = Arc::new(Loaded::start(backend, options)?);
            // The first request with tools is not to wait for it.
            let of = Arc::clone(&loaded);
            std::thread::Builder::new().name("grammars".into()).spawn(move || of.grammars.prepare(&of.text))?;
            models.texts.push(loaded);
        }
        for backend in drawing {
            if models.find(&backend.name).is_some() || models.find_drawing(&backend.name).is_some() {
                return Err(std::io::Error::other(format!("two models are named {}", backend.name)));
            }
            models.drawing.push(Arc::new(Draws::start(backend, &turns, room)?));
        }
        if models.texts.is_empty() && models.drawing.is_empty() {
            return Err(std::io::Error::other("there is no model to serve"));
        }
        self.shared.gpu.watch(&config.gpu, computing)?;
        self.shared.models.set(models).map_err(|_| std::io::Error::other("models are being served already"))
    }

    /// Refuses new requests, lets those that run and wait finish for as long as the settings say, ends the rest with an
    /// error, closes, and gives its collector of traces a moment to take the last ones.
    pub async fn drain(mut self) {
        let end = Instant::now() + self.shared.config.drain_timeout;
        self.shared.draining.store(true, Ordering::Relaxed);
        tracing::info!("draining");
        if tokio::time::timeout_at(end.into(), self.shared.queue.idle()).await.is_err() {
            tracing::warn!("the time to drain is over; what is left is cut off");
            self.shared.queue.close();
            for loaded in self.shared.models().into_iter().flat_map(Models::iter) {
                loaded.engine.end_all();
            }
            for draws in self.shared.models().into_iter().flat_map(|models| &models.drawing) {
                draws.painter.end_all();
            }
            // An engine that hangs is not waited for.
            let _ = tokio::time::timeout(FLUSH, self.shared.queue.idle()).await;
        }
        let _ = self.closing.send(true);
        let flushed = end.max(Instant::now() + FLUSH);
        let _ = tokio::time::timeout_at(flushed.into(), &mut self.listener).await;
        if let Some(traces) = &self.shared.traces {
            traces.close().await;
        }
    }
}

/// The GPU that computes, if one does: the first of these models' that has one. What the models on it may take for keys
/// and values is their pool.
fn computing(backends: &[Backend], kv_tokens: &[usize]) -> Option<Computing> {
    let ordinal = backends.iter().find_map(|backend| backend.model.cuda())?;
    let pools = backends.iter().zip(kv_tokens).filter(|(backend, _)| backend.model.cuda() == Some(ordinal));
    let bytes = pools.map(|(backend, tokens)| (*tokens as u64).saturating_mul(backend.model.token_bytes() as u64));
    Some(Computing { ordinal, pool: bytes.fold(0, u64::saturating_add) })
}

impl Drop for RunningOrigin {
    fn drop(&mut self) {
        // Drops the connections with it; the engine ends with the last request that shares it.
        self.listener.abort();
    }
}
