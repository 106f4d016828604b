//! How far a request has come: written by the engine, read by whoever asks, and the way to stop it from outside.

use sluice_protocol::chat::Usage;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// How one request stands, shared by its handler, the engine and those who ask by the request's id.
#[derive(Debug)]
pub(crate) struct JobState {
    /// Tokens of the prompts that the engine has begun with.
    prompt: AtomicU64,
    cached: AtomicU64,
    generated: AtomicU64,
    cancelled: watch::Sender<bool>,
}

impl JobState {
    /// Of a request that nothing has been done for.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { prompt: zero(), cached: zero(), generated: zero(), cancelled: watch::Sender::new(false) }
    }

    /// The engine begins with a prompt of so many tokens, `cached` of which need no computing. Not to be called for another
    /// answer to the same prompt.
    pub(crate) fn begin(&self, prompt: usize, cached: usize) {
        self.cached.fetch_add(cached as u64, Ordering::Relaxed);
        self.prompt.fetch_add(prompt as u64, Ordering::Relaxed);
    }

    /// One token was generated.
    pub(crate) fn generate(&self) {
        self.generated.fetch_add(1, Ordering::Relaxed);
    }

    /// Tokens of its prompts that were copied from earlier sequences and not computed; 0 before it begins.
    pub(crate) fn cached(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }

    /// What has been used so far: nothing before the engine begins.
    pub(crate) fn usage(&self) -> Usage {
        Usage::new(self.prompt.load(Ordering::Relaxed), self.generated.load(Ordering::Relaxed))
    }

    /// Asks for its end. The engine ends it before its next step.
    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Whether its end was asked for.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Waits until its end is asked for.
    pub(crate) async fn cancelled(&self) {
        // The sender is ours and lives as long as `self`, so this does not fail.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}
