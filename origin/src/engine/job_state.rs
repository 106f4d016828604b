//! How far a request has come: written by the engine, read by whoever asks, and the way to stop it from outside.

use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::Drawn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::watch;

/// How one request stands, shared by its handler, the engine and those who ask by the request's id.
#[derive(Debug)]
pub(crate) struct JobState {
    /// Tokens of the prompts that the engine has begun with.
    prompt: AtomicU64,
    cached: AtomicU64,
    generated: AtomicU64,
    /// Generated tokens that are known not to be thinking.
    answered: AtomicU64,
    /// Pictures of which a step was computed.
    pictures: AtomicU64,
    steps: AtomicU64,
    /// Pixels, once for each step.
    pixel_steps: AtomicU64,
    begun: watch::Sender<bool>,
    /// Whether some of its sequences came to their end.
    finished: AtomicBool,
    /// Whether some were cut short.
    cut: AtomicBool,
    cancelled: watch::Sender<bool>,
}

impl JobState {
    /// The state of a request that nothing has been done for.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let no = || watch::Sender::new(false);
        Self {
            prompt: zero(),
            cached: zero(),
            generated: zero(),
            answered: zero(),
            pictures: zero(),
            steps: zero(),
            pixel_steps: zero(),
            begun: no(),
            finished: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            cancelled: no(),
        }
    }

    /// Notes that the engine begins with a prompt of so many tokens, `cached` of which need no computing. Call it once
    /// for a prompt, however many answers it has.
    pub(crate) fn begin(&self, prompt: usize, cached: usize) {
        self.cached.fetch_add(cached as u64, Ordering::Relaxed);
        self.prompt.fetch_add(prompt as u64, Ordering::Relaxed);
        self.begun.send_replace(true);
    }

    /// Waits until the engine begins with it. Never ends for one that fails before.
    pub(crate) async fn begun(&self) {
        // The sender is ours and lives as long as `self`, so this does not fail.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
    }

    /// Notes one generated token.
    pub(crate) fn generate(&self) {
        self.generated.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes one step of a picture of so many pixels; whether it was the picture's first.
    pub(crate) fn step(&self, pixels: usize, is_first: bool) {
        self.pictures.fetch_add(is_first.into(), Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.pixel_steps.fetch_add(pixels as u64, Ordering::Relaxed);
    }

    /// What was drawn of its pictures.
    fn drawn(&self) -> Drawn {
        let narrow = |counter: &AtomicU64| u32::try_from(counter.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let (images, steps) = (narrow(&self.pictures), narrow(&self.steps));
        Drawn { images, steps, pixel_steps: self.pixel_steps.load(Ordering::Relaxed) }
    }

    /// Steps of its pictures so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Tokens of its prompts that were copied from earlier sequences instead of computed. 0 before it begins.
    pub(crate) fn cached(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }

    /// What has been used so far: nothing before the engine begins.
    fn usage(&self) -> Usage {
        Usage::new(self.prompt.load(Ordering::Relaxed), self.generated.load(Ordering::Relaxed))
    }

    /// The same, with how much of it was thinking or may have been.
    pub(crate) fn used(&self) -> Used {
        Used {
            usage: self.usage(),
            reasoning_tokens: Some(self.reasoning_tokens()),
            cached_tokens: self.cached(),
            drawn: self.drawn(),
        }
    }

    /// Notes that `now` tokens of one answer are known not to be thinking. The last note said `before`.
    pub(crate) fn answer(&self, before: u64, now: u64) {
        // What looked like an answer may turn out to be thinking: adding wraps, and so subtracts.
        self.answered.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// How many generated tokens were thinking, or may have been: nobody has read the last ones yet.
    fn reasoning_tokens(&self) -> u64 {
        self.generated.load(Ordering::Relaxed).saturating_sub(self.answered.load(Ordering::Relaxed))
    }

    /// Notes that one of its sequences is over: at its own end, or cut short.
    pub(crate) fn end(&self, is_whole: bool) {
        let which = if is_whole { &self.finished } else { &self.cut };
        which.store(true, Ordering::Relaxed);
    }

    /// Whether all that began of it came to its own end. Final once it is over.
    pub(crate) fn is_whole(&self) -> bool {
        self.finished.load(Ordering::Relaxed) && !self.cut.load(Ordering::Relaxed)
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
