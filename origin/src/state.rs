//! What all requests share.

use crate::config::Config;
use crate::grant::Verifier;
use crate::models::Models;
use crate::queue::{Queue, draining};
use crate::settle::kept::Kept;
use crate::settle::live::Live;
use crate::settle::metrics::Metrics;
use crate::settle::traces::Traces;
use crate::system::gpu::Gpu;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) queue: Arc<Queue>,
    /// Absent on an open origin.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) metrics: Arc<Metrics>,
    /// Absent where nobody collects traces.
    pub(crate) traces: Option<Traces>,
    pub(crate) live: Arc<Live>,
    pub(crate) models: OnceLock<Models>,
    /// Pictures that are given again to whoever repeats a request.
    pub(crate) kept: Kept,
    pub(crate) gpu: Gpu,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    /// In what a refusal on this path is told: an edge makes of it what its caller speaks; on an open origin the caller is
    /// here.
    pub(crate) fn dialect(&self, path: &str) -> &'static Dialect {
        if self.verifier.is_some() { Dialect::between_gates() } else { Dialect::of(path) }
    }

    /// How full the origin is at this moment: its places, and its GPU's memory.
    ///
    /// Of one that draws and does nothing else, the places are those of pictures.
    pub(crate) fn capacity(&self) -> Capacity {
        let draws = self.models().is_some_and(|models| models.texts.is_empty());
        let places = if draws { self.queue.picture_capacity() } else { self.queue.capacity() };
        Capacity { mem: self.gpu.mem(), ..places }
    }

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
