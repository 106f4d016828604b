//! The engine's thread: takes commands, plans a step, runs it, hands out what it sampled.

use super::model::{Logits, Model, Row};
use super::sampler::Sampler;
use super::scheduler::{Cut, Planned, Progress, Scheduler, Standing, cut};
use super::{Cause, Command, End, EngineOptions, Shared};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// The thread's own state.
pub(super) struct Worker {
    model: Box<dyn Model>,
    ends: Vec<u32>,
    options: EngineOptions,
    scheduler: Scheduler,
    logits: Logits,
    inbox: Receiver<Command>,
    /// Permitted, but the slot that was freed for it is not reaped yet: at most one step out of phase.
    waiting: VecDeque<Command>,
    running: Vec<Sequence>,
    free: Vec<usize>,
    started: u64,
    shared: Arc<Shared>,
}

struct Sequence {
    order: u64,
    slot: usize,
    prompt: Vec<u32>,
    done: usize,
    last: [u32; 1],
    produced: u32,
    max_tokens: u32,
    sampler: Sampler,
    tokens: mpsc::Sender<u32>,
    end: oneshot::Sender<End>,
    deadline: Option<Instant>,
    parked_since: Option<Instant>,
    guard: Box<dyn Send>,
}

impl Worker {
    pub(super) fn new(
        model: Box<dyn Model>,
        ends: Vec<u32>,
        options: EngineOptions,
        inbox: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            free: (0..model.slots()).rev().collect(),
            model,
            ends,
            options,
            scheduler: Scheduler::new(PREFILL_CHUNK, PREFILL_BUDGET),
            logits: Logits::default(),
            inbox,
            waiting: VecDeque::new(),
            running: Vec::new(),
            started: 0,
            shared,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            self.beat();
            let open = self.receive();
            self.reap(Instant::now());
            self.admit();
            let progress: Vec<_> = self.running.iter().map(Sequence::progress).collect();
            let plan = self.scheduler.plan(&progress);
            if plan.is_empty() {
                if !open && self.running.is_empty() && self.waiting.is_empty() {
                    return;
                }
                // A wake-up that came since `receive` is not lost: `unpark` leaves a token.
                thread::park_timeout(IDLE_BEAT);
            } else {
                self.step(&plan);
            }
        }
    }

    /// An engine that has given up all its slots is as good as hung, and says so by not beating.
    fn beat(&self) {
        if !(self.free.is_empty() && self.running.is_empty()) {
            let beat = u64::try_from(self.shared.start.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.shared.beat.store(beat, Ordering::Relaxed);
        }
    }

    /// Takes what has come in; false once nothing more can come.
    fn receive(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(command) => self.waiting.push_back(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Ends what must not go on.
    fn reap(&mut self, now: Instant) {
        let ending = self.shared.ending.load(Ordering::Relaxed);
        for sequence in &mut self.running {
            sequence.parked_since = match sequence.ready() {
                true => None,
                false => sequence.parked_since.or(Some(now)),
            };
        }
        let mut index = 0;
        while index < self.running.len() {
            let sequence = &self.running[index];
            let cause = match ending {
                true => Some(Cause::Draining),
                false => cut(sequence.standing(), self.options.stall, now).map(Cause::from),
            };
            match cause {
                Some(cause) => self.end(index, cause),
                None => index += 1,
            }
        }
        let mut index = 0;
        while index < self.waiting.len() {
            let command = &self.waiting[index];
            let standing =
                Standing { left: command.tokens.is_closed(), deadline: command.job.deadline, parked_since: None };
            let cause = match ending {
                true => Some(Cause::Draining),
                false => cut(standing, self.options.stall, now).map(Cause::from),
            };
            match cause.and_then(|cause| Some((cause, self.waiting.remove(index)?))) {
                // The reader may be gone: then nobody needs to know.
                Some((cause, command)) => drop(command.end.send(End { cause, tokens: 0 })),
                None => index += 1,
            }
        }
    }

    /// Starts what waits, as far as slots are free.
    fn admit(&mut self) {
        while let Some(slot) = self.free.pop() {
            let Some(command) = self.waiting.pop_front() else {
                self.free.push(slot);
                return;
            };
            let Command { job, tokens, end } = command;
            self.running.push(Sequence {
                order: self.started,
                slot,
                prompt: job.prompt,
                done: 0,
                last: [0],
                produced: 0,
                max_tokens: job.max_tokens,
                sampler: Sampler::new(job.sampling),
                tokens,
                end,
                deadline: job.deadline,
                parked_since: None,
                guard: job.guard,
            });
            self.started += 1;
        }
    }

    /// Runs one step and hands out what it sampled.
    fn step(&mut self, plan: &[Planned]) {
        let rows: Vec<Row<'_>> = plan.iter().map(|planned| self.running[planned.index].row(planned)).collect();
        self.logits.reset(rows.len(), self.model.vocab_size());
        let (model, logits) = (&mut self.model, &mut self.logits);
        // A panicking model leaves nothing of ours behind: its slots are released below and the logits are reset.
        let outcome = catch_unwind(AssertUnwindSafe(|| model.step(&rows, logits)));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the model panicked".to_owned()),
        };
        // From the last, so that ending one does not move those that come.
        for (number, planned) in plan.iter().enumerate().rev() {
            let cause = match &failure {
                Some(failure) => Some(Cause::Failed(failure.clone())),
                None => self.take(number, planned),
            };
            if let Some(cause) = cause {
                self.end(planned.index, cause);
            }
        }
    }

    /// Takes one row's outcome; says why the sequence is over, if it is.
    fn take(&mut self, number: usize, planned: &Planned) -> Option<Cause> {
        let sequence = &mut self.running[planned.index];
        let in_prompt = sequence.prompt.len().saturating_sub(planned.start).min(planned.len);
        self.shared.prompted.fetch_add(in_prompt as u64, Ordering::Relaxed);
        sequence.done += planned.len;
        let logits = match self.logits.row(number) {
            Err(why) => return Some(Cause::Failed(why.to_owned())),
            Ok(_) if !planned.sample => return None,
            Ok(None) => return Some(Cause::Failed("the model left a row out".into())),
            Ok(Some(logits)) => logits,
        };
        let token = match sequence.sampler.sample(logits) {
            Ok(token) => token,
            Err(error) => return Some(Cause::Failed(error.to_string())),
        };
        sequence.last = [token];
        sequence.produced += 1;
        self.shared.generated.fetch_add(1, Ordering::Relaxed);
        if self.ends.contains(&token) {
            return Some(Cause::Stop);
        }
        // There is room: only this thread sends, and it looked before the step. If the reader is gone, `reap` sees it.
        let _ = sequence.tokens.try_send(token);
        (sequence.produced >= sequence.max_tokens).then_some(Cause::Length)
    }

    fn end(&mut self, index: usize, cause: Cause) {
        let sequence = self.running.swap_remove(index);
        let (model, slot) = (&mut self.model, sequence.slot);
        if catch_unwind(AssertUnwindSafe(|| model.release(slot))).is_err() {
            // A slot that cannot be cleared is not used again: an answer must not see another's prompt.
            tracing::error!(slot, "the model panicked while it released a slot; the slot is given up");
        } else {
            self.free.push(slot);
        }
        if let Cause::Failed(why) = &cause {
            tracing::error!(slot, %why, "a sequence failed");
        }
        // The reader may be gone: then nobody needs to know.
        let _ = sequence.end.send(End { cause, tokens: u64::from(sequence.produced) });
        drop(sequence.guard);
    }
}

impl Sequence {
    fn ready(&self) -> bool {
        self.tokens.capacity() > 0
    }

    fn progress(&self) -> Progress {
        Progress { order: self.order, prompt: self.prompt.len(), done: self.done, ready: self.ready() }
    }

    fn standing(&self) -> Standing {
        Standing { left: self.tokens.is_closed(), deadline: self.deadline, parked_since: self.parked_since }
    }

    fn row(&self, planned: &Planned) -> Row<'_> {
        let tokens = match self.prompt.get(planned.start..planned.start + planned.len) {
            Some(chunk) => chunk,
            None => &self.last,
        };
        Row { slot: self.slot, position: planned.start, tokens, sample: planned.sample }
    }
}

impl From<Cut> for Cause {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Deadline => Self::Deadline,
            Cut::Left => Self::Left,
            Cut::Stalled => Self::Stalled,
        }
    }
}

/// The most tokens of one prompt in a step: what a leaving client can cost.
const PREFILL_CHUNK: usize = 256;
/// The most prompt tokens in a step, of all prompts together: what an answer in progress waits for.
const PREFILL_BUDGET: usize = 512;
/// How often an idle engine beats.
const IDLE_BEAT: Duration = Duration::from_millis(100);
