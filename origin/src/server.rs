//! A running origin: what is served, and how it comes to an end.

use crate::config::{Access, Config};
use crate::connections::accept;
use crate::engine::grammar::Grammars;
use crate::engine::model::Model;
use crate::engine::{Engine, EngineOptions};
use crate::grant::Verifier;
use crate::live::Live;
use crate::memory;
use crate::metrics::Metrics;
use crate::queue::{Queue, draining};
use crate::request::router;
use crate::text::Text;
use crate::tls::Tls;
use sluice_protocol::refusal::{Reason, Refusal};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// An origin that starts.
pub struct Origin;

/// A model to be served: a name, what computes, and its text side.
pub struct Backend {
    /// The name that requests call the model by.
    pub name: String,
    /// Computes.
    pub model: Box<dyn Model>,
    /// Between text and tokens.
    pub text: Text,
}

impl From<Backend> for Vec<Backend> {
    fn from(backend: Backend) -> Self {
        vec![backend]
    }
}

/// An origin that listens. Dropping it closes the listener and all connections at once.
pub struct RunningOrigin {
    address: SocketAddr,
    scheme: &'static str,
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
    models: OnceLock<Models>,
    draining: AtomicBool,
}

/// The models that are being served, in the order of the settings. No two have one name.
pub(crate) struct Models(Vec<Arc<Loaded>>);

/// A model that is being served, with an engine of its own.
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

/// How long an origin that ends waits for last bytes to be written.
const FLUSH: Duration = Duration::from_secs(2);

impl Origin {
    /// Listens. Until [`RunningOrigin::serve`] is called, requests are refused with `model_loading`.
    ///
    /// Fails if the address cannot be bound, or the files of its TLS cannot be used.
    pub async fn bind(config: Config) -> std::io::Result<RunningOrigin> {
        let tls = config.tls.clone().map(Tls::new).transpose().map_err(std::io::Error::other)?.map(Arc::new);
        let scheme = if tls.is_some() { "https" } else { "http" };
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
            models: OnceLock::new(),
            draining: AtomicBool::new(false),
            config,
        });
        let places = shared.config.slots.saturating_add(shared.config.queue);
        let (closing, closed) = watch::channel(false);
        let listener = tokio::spawn(accept((listener, tls), places, router(Arc::clone(&shared)), closed));
        Ok(RunningOrigin { address, scheme, shared, closing, listener })
    }

    /// Listens and serves one model or several.
    pub async fn start(config: Config, backends: impl Into<Vec<Backend>>) -> std::io::Result<RunningOrigin> {
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

    /// Starts an engine for each of these models and serves them from now on; they are listed in this order. Their slots
    /// share what memory is free, unless the settings say how many tokens each may hold.
    ///
    /// Fails if a thread cannot be started, if there is no model or two have one name, or if models are being served
    /// already.
    pub fn serve(&self, backends: impl Into<Vec<Backend>>) -> std::io::Result<()> {
        let (backends, config) = (backends.into(), &self.shared.config);
        let kv_tokens = match config.kv_tokens {
            Some(tokens) => vec![tokens; backends.len()],
            None => memory::kv_tokens(backends.iter().map(|backend| &*backend.model)),
        };
        let mut models = Models(Vec::new());
        for (backend, kv_tokens) in backends.into_iter().zip(kv_tokens) {
            if models.find(&backend.name).is_some() {
                return Err(std::io::Error::other(format!("two models are named {}", backend.name)));
            }
            models.0.push(Arc::new(Loaded::start(backend, kv_tokens, config)?));
        }
        if models.0.is_empty() {
            return Err(std::io::Error::other("there is no model to serve"));
        }
        self.shared.models.set(models).map_err(|_| std::io::Error::other("models are being served already"))
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
            for loaded in self.shared.models().into_iter().flat_map(Models::iter) {
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
    /// The models, once all of them are loaded.
    pub(crate) fn models(&self) -> Option<&Models> {
        self.models.get()
    }

    /// The models, if requests are served now.
    pub(crate) fn serving(&self) -> Result<&Models, Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(draining());
        }
        self.models().ok_or_else(|| Refusal::new(Reason::ModelLoading, "The model is not loaded yet."))
    }
}

impl Models {
    /// The model of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.iter().find(|loaded| loaded.name == name)
    }

    /// All of them, in the order of the settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.0.iter()
    }

    /// Those whose engine broke and has not started again, for the log.
    pub(crate) fn down(&self) -> Option<String> {
        let is_down = |loaded: &&Arc<Loaded>| loaded.engine.is_down();
        let down: Vec<&str> = self.iter().filter(is_down).map(|loaded| &*loaded.name).collect();
        (!down.is_empty()).then(|| down.join("; "))
    }

    /// Those whose engine was not seen between two steps for this long, for the log.
    pub(crate) fn hung(&self, limit: Duration) -> Option<String> {
        let old = |loaded: &Arc<Loaded>| {
            let age = loaded.engine.beat_age();
            (age > limit).then(|| format!("{}: the last beat was {} ms ago", loaded.name, age.as_millis()))
        };
        let hung: Vec<String> = self.iter().filter_map(old).collect();
        (!hung.is_empty()).then(|| hung.join("; "))
    }
}

impl Loaded {
    fn start(backend: Backend, kv_tokens: usize, config: &Config) -> std::io::Result<Self> {
        let Backend { name, model, text } = backend;
        let options = EngineOptions { runs: config.slots, kv_tokens, stall: config.stall_timeout };
        // A request that all the memory cannot hold is refused before it waits.
        let context = model.context_length().min(kv_tokens);
        let vocab = model.vocab_size();
        let engine = Engine::start(model, text.ends().to_vec(), options)?;
        let (grammars, since) = (Grammars::new(vocab), crate::now_millis() / 1000);
        Ok(Self { name, text, engine, context, vocab, grammars, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::job;
    use crate::scripted::Script;
    use sluice_protocol::chat::Sampling;

    #[test]
    fn a_hung_engine_is_named_and_no_other() {
        let scripts = [Script::new(1), Script::new(1)];
        let named = scripts.iter().zip(["fine", "stuck"]);
        let start = |(script, name): (&Script, &str)| {
            let backend = Backend { name: name.into(), ..script.backend() };
            Arc::new(Loaded::start(backend, 100, &Config::local()).unwrap())
        };
        let models = Models(named.map(start).collect());
        let job = job("", vec![1], 1, Sampling { seed: Some(1), ..Sampling::default() });
        let _generation = models.find("stuck").unwrap().engine.submit(job);
        // An idle engine beats ten times a second.
        let limit = Duration::from_millis(500);
        let begun = Instant::now();
        let said = loop {
            match models.hung(limit) {
                Some(said) => break said,
                None => assert!(begun.elapsed() < Duration::from_secs(30), "it never hung"),
            }
        };
        assert!(said.starts_with("stuck: the last beat was ") && !said.contains("fine"), "{said}");
    }
}
