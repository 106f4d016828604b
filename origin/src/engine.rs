//! generate: one OS thread owns the model and runs all sequences through it, step by step.
//!
//! Commands come in over a channel; tokens go out over one bounded channel per sequence. The engine never waits for a
//! reader: a sequence whose channel is full is left out of the steps until there is room. A reader that is gone frees
//! its slot before the next step. The thread beats: a hung step is seen from outside by the age of the last beat.

pub mod bound;
pub(crate) mod company;
pub(crate) mod grammar;
pub(crate) mod job_state;
pub(crate) mod logprobs;
pub mod model;
pub(crate) mod sampler;
mod supervisor;
pub mod threads;
pub(crate) mod turns;
mod worker;

use company::Company;
use grammar::Constraint;
use job_state::JobState;
use logprobs::Logprobs;
use model::Model;
use sluice_protocol::request::bodies::chat::Sampling;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use supervisor::supervise;
use tokio::sync::{mpsc, oneshot};
use worker::Worker;

/// How the engine divides its steps.
#[derive(Clone, Debug)]
pub(crate) struct EngineOptions {
    /// Sequences that run at once.
    pub(crate) runs: usize,
    /// Tokens that all slots together may have room for.
    pub(crate) kv_tokens: usize,
    /// How long a reader may take nothing before its sequence ends.
    pub(crate) stall: Duration,
    /// The engines that it shares the processor with.
    pub(crate) company: Company,
}

/// Tokens that the channel to a reader holds.
const CHANNEL: usize = 16;

/// Is given the tokens of an answer in turn, each with whether a call that it opens is bound to be one, and says whether the
/// answer ends with this one.
pub(crate) type Over = Box<dyn FnMut(u32, bool) -> bool + Send>;

/// Is given what a model that embeds makes of the last token of a prompt, and ends its sequence.
pub(crate) type Vector = Box<dyn FnOnce(&[f32]) + Send>;

/// One sequence to run.
pub(crate) struct Job {
    /// The account. Its sequences share the beginnings of prompts; accounts share nothing.
    pub(crate) account: String,
    /// At least one token, fewer than the model's context.
    pub(crate) prompt: Vec<u32>,
    /// At least 1, but 0 where a vector is wanted; prompt and answer fit the context.
    pub(crate) max_tokens: u32,
    /// How to choose.
    pub(crate) sampling: Sampling,
    /// The seed of every draw. The one in `sampling` is ignored.
    pub(crate) seed: u64,
    /// What form the answer must have, if any.
    pub(crate) constraint: Option<Constraint>,
    /// If set, a token comes with its log probability, and with those of this many of the likeliest tokens.
    pub(crate) logprobs: Option<u32>,
    /// Decides after each token whether the answer ends, where a stop string can end it. The reader finds the same end,
    /// but later: tokens computed until then would be wasted.
    pub(crate) over: Option<Over>,
    /// Takes the prompt's vector, of a model that embeds: then nothing is sampled.
    pub(crate) vector: Option<Vector>,
    /// The deadline.
    pub(crate) deadline: Option<Instant>,
    /// Where the engine writes its progress, and reads whether to stop.
    pub(crate) state: Arc<JobState>,
    /// Whether this is the request's first answer to this prompt. A prompt counts once.
    pub(crate) is_first: bool,
    /// Dropped when the sequence is over, for whatever reason.
    pub(crate) guard: Box<dyn Send>,
}

/// How a sequence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Why.
    pub(crate) cause: Cause,
    /// Tokens generated, the ending one included.
    pub(crate) tokens: u64,
}

impl End {
    /// The end of a sequence that generated nothing.
    fn of_none(cause: Cause) -> Self {
        Self { cause, tokens: 0 }
    }
}

/// Why a sequence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The model ended.
    Stop,
    /// As many tokens as asked for.
    Length,
    /// The deadline came.
    Deadline,
    /// The reader is gone.
    Left,
    /// The reader took nothing for too long.
    Stalled,
    /// Somebody cancelled it.
    Cancelled,
    /// The origin stops.
    Draining,
    /// The form that this member of the request asks for could not be followed further.
    DeadEnd(&'static str),
    /// The model failed; the text is for the log.
    Failed(String),
}

/// A token that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampled {
    /// Its id.
    pub(crate) token: u32,
    /// Whether what opens a call with it is bound to be one.
    pub(crate) is_bound: bool,
    /// How likely it was, if the job asks.
    pub(crate) logprobs: Option<Logprobs>,
}

/// One step of a sequence as its reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A token that is not an ending one.
    Token(Sampled),
    /// The last event.
    End(End),
}

/// The reading end of a sequence. Dropping it ends the sequence before the engine's next step.
pub(crate) struct Generation {
    tokens: mpsc::Receiver<Sampled>,
    end: oneshot::Receiver<End>,
    state: Arc<JobState>,
    engine: Thread,
}

impl Generation {
    /// Tokens of the request's prompts so far that were copied from earlier sequences instead of computed. 0 before the
    /// first sequence starts.
    pub(crate) fn cached(&self) -> u64 {
        self.state.cached()
    }

    /// Reports that `now` tokens of this answer are known not to be thinking. The last report said `before`.
    pub(crate) fn answer(&self, before: u64, now: u64) {
        self.state.answer(before, now);
    }

    /// The next event; nothing is lost if the future is dropped before it is ready. Not to be called after
    /// [`Event::End`].
    pub(crate) async fn next(&mut self) -> Event {
        if let Some(token) = self.tokens.recv().await {
            // A parked sequence goes on as soon as there is room.
            self.engine.unpark();
            return Event::Token(token);
        }
        let lost = End::of_none(Cause::Failed("the engine's thread is gone".into()));
        Event::End((&mut self.end).await.unwrap_or(lost))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.tokens.close();
        self.engine.unpark();
    }
}

/// A handle to the engine's thread. Dropping it ends all sequences and lets the thread go once its step is done.
pub(crate) struct Engine {
    commands: std_mpsc::Sender<Vec<Command>>,
    thread: Thread,
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    /// Milliseconds from `start` to the last beat.
    beat: AtomicU64,
    ending: AtomicBool,
    /// Whether the engine broke and has not started again.
    down: AtomicBool,
    generated: AtomicU64,
    prompted: AtomicU64,
}

impl Shared {
    /// Notes that the thread lives.
    fn beat(&self) {
        let beat = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(beat, Ordering::Relaxed);
    }
}

struct Command {
    job: Job,
    tokens: mpsc::Sender<Sampled>,
    end: oneshot::Sender<End>,
}

impl Engine {
    /// Starts the thread. `ends` are the token ids that end an answer.
    pub(crate) fn start(model: Box<dyn Model>, ends: Vec<u32>, options: EngineOptions) -> std::io::Result<Self> {
        let (commands, inbox) = std_mpsc::channel();
        let shared = Arc::new(Shared {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            down: AtomicBool::new(false),
            generated: AtomicU64::new(0),
            prompted: AtomicU64::new(0),
        });
        let worker = Worker::new(model, ends, options, inbox, Arc::clone(&shared));
        let told = Arc::clone(&shared);
        let handle = thread::Builder::new().name("engine".into()).spawn(move || supervise(worker, &told))?;
        Ok(Self { commands, thread: handle.thread().clone(), shared })
    }

    /// Hands a sequence to the engine. It starts when a slot is free.
    pub(crate) fn submit(&self, job: Job) -> Generation {
        let (command, generation) = self.command(job);
        self.send(vec![command]);
        generation
    }

    /// Hands several sequences to the engine at once: no step begins between two of them.
    pub(crate) fn submit_all(&self, jobs: impl Iterator<Item = Job>) -> Vec<Generation> {
        let (commands, generations) = jobs.map(|job| self.command(job)).unzip();
        self.send(commands);
        generations
    }

    fn command(&self, job: Job) -> (Command, Generation) {
        let (tokens, reader) = mpsc::channel(CHANNEL);
        let (end, ended) = oneshot::channel();
        let state = Arc::clone(&job.state);
        let generation = Generation { tokens: reader, end: ended, state, engine: self.thread.clone() };
        (Command { job, tokens, end }, generation)
    }

    fn send(&self, commands: Vec<Command>) {
        // If the thread is gone, readers find both their channels closed and say so.
        let _ = self.commands.send(commands);
        self.thread.unpark();
    }

    /// How long ago the engine's thread was last seen between two steps.
    pub(crate) fn beat_age(&self) -> Duration {
        let beat = Duration::from_millis(self.shared.beat.load(Ordering::Relaxed));
        self.shared.start.elapsed().saturating_sub(beat)
    }

    /// Whether the engine broke and has not started again: whatever is handed to it fails.
    pub(crate) fn is_down(&self) -> bool {
        self.shared.down.load(Ordering::Relaxed)
    }

    /// Ends all sequences with [`Cause::Draining`], also those that are handed over later.
    pub(crate) fn end_all(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }

    /// Tokens generated since the start.
    pub(crate) fn generated(&self) -> u64 {
        self.shared.generated.load(Ordering::Relaxed)
    }

    /// Prompt tokens computed since the start.
    pub(crate) fn prompted(&self) -> u64 {
        self.shared.prompted.load(Ordering::Relaxed)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_all();
    }
}

#[cfg(test)]
pub(crate) mod tests;
