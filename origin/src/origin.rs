//! A running origin: the listener, the connections, and how they come to an end.

use crate::config::{Access, Config};
use crate::engine::grammar::Grammars;
use crate::engine::model::Model;
use crate::engine::{Engine, EngineOptions};
use crate::grant::Verifier;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::queue::{Queue, draining};
use crate::request::router;
use crate::text::Text;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sluice_protocol::refusal::{Reason, Refusal};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// An origin that starts.
pub struct Origin;

/// What an origin serves: a name, the model, and its text side.
pub struct Backend {
    /// The name that requests call the model by.
    pub name: String,
    /// Computes.
    pub model: Box<dyn Model>,
    /// Between text and tokens.
    pub text: Text,
}

/// An origin that listens. Dropping it closes the listener and all connections at once.
pub struct RunningOrigin {
    address: SocketAddr,
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) queue: Arc<Queue>,
    /// Absent on an open origin.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) live: Arc<Live>,
    loaded: OnceLock<Arc<Loaded>>,
    draining: AtomicBool,
}

/// A model that is being served.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) text: Text,
    pub(crate) engine: Engine,
    pub(crate) context: usize,
    /// How many tokens the model has.
    pub(crate) vocab: usize,
    /// For answers that must have a form.
    pub(crate) grammars: Grammars,
    /// Seconds since the epoch.
    pub(crate) since: u64,
}

/// Connections at once; the next ones wait in the kernel. Below the usual limit of 1,024 open files.
const MAX_CONNECTIONS: usize = 768;
/// How long a request's head may take to arrive, and a connection may lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an origin that ends waits for last bytes to be written.
const FLUSH: Duration = Duration::from_secs(2);

impl Origin {
    /// Listens. Until [`RunningOrigin::serve`] is called, requests are refused with `model_loading`.
    ///
    /// Fails if the address cannot be bound.
    pub async fn bind(config: Config) -> std::io::Result<RunningOrigin> {
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            queue: Queue::new(config.slots, config.queue, config.queue_timeout),
            verifier: match &config.access {
                Access::Open => None,
                Access::Granted(keys) => Some(Verifier::new(keys.clone())),
            },
            metrics: Arc::new(Metrics::new()),
            live: Arc::default(),
            loaded: OnceLock::new(),
            draining: AtomicBool::new(false),
            config,
        });
        let (closing, closed) = watch::channel(false);
        let listener = tokio::spawn(accept(listener, router(Arc::clone(&shared)), closed));
        Ok(RunningOrigin { address, shared, closing, listener })
    }

    /// Listens and serves.
    pub async fn start(config: Config, backend: Backend) -> std::io::Result<RunningOrigin> {
        let running = Self::bind(config).await?;
        running.serve(backend)?;
        Ok(running)
    }
}

impl RunningOrigin {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts the engine's thread and serves this model from now on. Fails if the thread cannot be started, or if a
    /// model is being served already.
    pub fn serve(&self, backend: Backend) -> std::io::Result<()> {
        let config = &self.shared.config;
        let kv_tokens = config.kv_tokens.unwrap_or_else(|| backend.model.most_tokens());
        let options = EngineOptions { runs: config.slots, kv_tokens, stall: config.stall_timeout };
        // A request that all the memory cannot hold is refused before it waits.
        let context = backend.model.context_length().min(kv_tokens);
        let vocab = backend.model.vocab_size();
        let engine = Engine::start(backend.model, backend.text.ends().to_vec(), options)?;
        let since = crate::now_millis() / 1000;
        let grammars = Grammars::new(vocab);
        let loaded = Loaded { name: backend.name, text: backend.text, engine, context, vocab, grammars, since };
        self.shared.loaded.set(Arc::new(loaded)).map_err(|_| std::io::Error::other("a model is being served already"))
    }

    /// Refuses new requests, lets those that run and wait finish for as long as the settings say, ends the rest with an
    /// error, and closes.
    pub async fn drain(mut self) {
        let end = Instant::now() + self.shared.config.drain_timeout;
        self.shared.draining.store(true, Ordering::Relaxed);
        tracing::info!("draining");
        if tokio::time::timeout_at(end.into(), self.shared.queue.idle()).await.is_err() {
            tracing::warn!("the time to drain is over; what is left is cut off");
            self.shared.queue.close();
            if let Some(loaded) = self.shared.loaded() {
                loaded.engine.end_all();
            }
            // An engine that hangs is not waited for.
            let _ = tokio::time::timeout(FLUSH, self.shared.queue.idle()).await;
        }
        let _ = self.closing.send(true);
        let flushed = end.max(Instant::now() + FLUSH);
        let _ = tokio::time::timeout_at(flushed.into(), &mut self.listener).await;
    }
}

impl Drop for RunningOrigin {
    fn drop(&mut self) {
        // Drops the connections with it; the engine ends with the last request that shares it.
        self.listener.abort();
    }
}

impl Shared {
    /// The model, once it is loaded.
    pub(crate) fn loaded(&self) -> Option<&Arc<Loaded>> {
        self.loaded.get()
    }

    /// The model, if requests are served now.
    pub(crate) fn serving(&self) -> Result<&Arc<Loaded>, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(draining());
        }
        self.loaded().ok_or_else(|| Refusal::new(Reason::ModelLoading, "The model is not loaded yet."))
    }
}

/// Accepts connections until the origin closes, and then waits for those that are open to finish what they answer.
async fn accept(listener: TcpListener, router: Router, mut closing: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let seat = async {
            let seat = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, seat)
        };
        tokio::select! {
            biased;
            () = closed(&mut closing) => break,
            // Collects what is over.
            Some(_) = connections.join_next() => {}
            (accepted, seat) = seat => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, router.clone(), closing.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(seat);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: some will be free soon.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, mut closing: watch::Receiver<bool>) {
    // Tokens are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Waits until the origin closes, or is gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closed| *closed).await;
}
