//! The engine's thread: takes commands, plans a step, runs it, hands out what it sampled.

mod admit;
mod pass;
mod scheduler;
mod sequence;
mod slots;

use super::company::Member;
use super::logprobs::Logprobs;
use super::model::{Logits, Model, Row};
use super::{Cause, Command, End, EngineOptions, Sampled, Shared};
use pass::{ANSWERING, Pace};
use scheduler::{Planned, Scheduler, SequenceStatus, end_cause};
use sequence::Sequence;
use slots::Slots;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// The engine can run nothing any more: every slot was given up.
#[derive(Debug)]
pub(super) struct Broken;

/// The thread's own state.
pub(super) struct Worker {
    model: Box<dyn Model>,
    ends: Vec<u32>,
    options: EngineOptions,
    scheduler: Scheduler,
    /// Of a model that embeds.
    pace: Option<Pace>,
    member: Member,
    logits: Logits,
    inbox: Receiver<Vec<Command>>,
    /// Jobs that have a permit but no slot yet: the sequence before them ends at the next reaping, one step later at
    /// most.
    waiting: VecDeque<Command>,
    running: Vec<Sequence>,
    slots: Slots,
    started: u64,
    shared: Arc<Shared>,
}

impl Worker {
    pub(super) fn new(
        model: Box<dyn Model>,
        ends: Vec<u32>,
        options: EngineOptions,
        inbox: Receiver<Vec<Command>>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            slots: Slots::new(model.slots(), options.runs, options.kv_tokens),
            pace: model.vectors().map(|_| Pace::new(model.row_bytes())),
            member: options.company.join(),
            model,
            ends,
            options,
            scheduler: Scheduler::default(),
            logits: Logits::default(),
            inbox,
            waiting: VecDeque::new(),
            running: Vec::new(),
            started: 0,
            shared,
        }
    }

    /// Runs all jobs until no more can come. An error: the engine is broken and must be renewed.
    pub(super) fn run(&mut self) -> Result<(), Broken> {
        loop {
            if self.slots.is_dead() {
                return Err(Broken);
            }
            self.beat();
            let open = self.receive();
            self.reap(Instant::now());
            self.admit();
            let progress: Vec<_> = self.running.iter().map(Sequence::progress).collect();
            let bounds = self.pace.as_ref().map_or(ANSWERING, |pace| pace.bounds(self.member.has_company()));
            let plan = self.scheduler.plan(&progress, bounds);
            self.member.computes(!plan.is_empty());
            if plan.is_empty() {
                if !open && self.running.is_empty() && self.waiting.is_empty() {
                    return Ok(());
                }
                // A wake-up that came since `receive` is not lost: `unpark` leaves a token.
                thread::park_timeout(IDLE_BEAT);
            } else {
                self.step(&plan);
            }
        }
    }

    fn beat(&self) {
        self.shared.beat();
    }

    /// Fails all that runs, waits or has come in. False once no more can come. The model is not touched.
    pub(super) fn fail_all(&mut self) -> bool {
        self.beat();
        let open = self.receive();
        let failed = || Cause::Failed("the engine broke and is started again".into());
        for Command { job, end, .. } in self.waiting.drain(..) {
            drop(job);
            // The reader may be gone: then nobody needs to know.
            let _ = end.send(End::of_none(failed()));
        }
        for sequence in self.running.drain(..) {
            // Before its reader learns of the end: what the request has used is final by then.
            drop(sequence.guard);
            // The reader may be gone here, too.
            let _ = sequence.end.send(End { cause: failed(), tokens: sequence.answer.len() as u64 });
        }
        open
    }

    /// Makes the engine as new: nothing of earlier sequences is left. Weights are never written, so they are good.
    pub(super) fn renew(&mut self) {
        for slot in 0..self.model.slots() {
            self.model.release(slot);
        }
        self.slots = Slots::new(self.model.slots(), self.options.runs, self.options.kv_tokens);
        self.scheduler = Scheduler::default();
        self.logits = Logits::default();
    }

    /// Takes what has come in; false once nothing more can come.
    fn receive(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(commands) => self.waiting.extend(commands),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Ends the sequences that must not go on.
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
                false => end_cause(sequence.status(), self.options.stall, now).map(Cause::from),
            };
            match cause {
                Some(cause) => self.end(index, cause),
                None => index += 1,
            }
        }
        let mut index = 0;
        while index < self.waiting.len() {
            let command = &self.waiting[index];
            let status = SequenceStatus {
                left: command.tokens.is_closed(),
                cancelled: command.job.state.is_cancelled(),
                deadline: command.job.deadline,
                parked_since: None,
            };
            let cause = match ending {
                true => Some(Cause::Draining),
                false => end_cause(status, self.options.stall, now).map(Cause::from),
            };
            match cause.and_then(|cause| Some((cause, self.waiting.remove(index)?))) {
                // The reader may be gone: then nobody needs to know.
                Some((cause, command)) => drop(command.end.send(End::of_none(cause))),
                None => index += 1,
            }
        }
    }

    /// Runs one step and hands out what it sampled.
    fn step(&mut self, plan: &[Planned]) {
        let rows: Vec<Row<'_>> = plan.iter().map(|planned| self.running[planned.index].row(planned)).collect();
        self.logits.reset(rows.len(), self.model.width());
        let (model, logits) = (&mut self.model, &mut self.logits);
        // A panicking model leaves nothing of ours behind: its slots are released below and the logits are reset.
        let shared = &self.shared;
        let turn = self.member.step(|| shared.beat());
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| model.step(&rows, logits)));
        if let Some(pace) = &mut self.pace {
            pace.saw(plan.iter().map(|planned| planned.len).sum(), begun.elapsed());
        }
        drop(turn);
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

    /// Takes one row's outcome. Returns why the sequence is over, if it is.
    fn take(&mut self, number: usize, planned: &Planned) -> Option<Cause> {
        let sequence = &mut self.running[planned.index];
        let in_prompt = sequence.prompt.len().saturating_sub(planned.start).min(planned.len);
        self.shared.prompted.fetch_add(in_prompt as u64, Ordering::Relaxed);
        sequence.done += planned.len;
        let logits = match self.logits.outcome_mut(number) {
            Err(why) => return Some(Cause::Failed(why.to_owned())),
            Ok(_) if !planned.sample => return None,
            Ok(None) => return Some(Cause::Failed("the model left a row out".into())),
            Ok(Some(logits)) => logits,
        };
        if let Some(vector) = sequence.vector.take() {
            vector(logits);
            return Some(Cause::Stop);
        }
        if let Some(constraint) = &mut sequence.constraint
            && constraint.mask(logits).is_err()
        {
            return Some(Cause::DeadEnd(constraint.param()));
        }
        let token = match sequence.sampler.sample(logits) {
            Ok(token) => token,
            Err(error) => return Some(Cause::Failed(error.to_string())),
        };
        sequence.answer.push(token);
        self.shared.generated.fetch_add(1, Ordering::Relaxed);
        sequence.state.generate();
        if self.ends.contains(&token) {
            return Some(Cause::Stop);
        }
        let accepted = sequence.constraint.as_mut().map(|constraint| (constraint.accept(token), constraint.param()));
        let is_bound = matches!(accepted, Some((Ok(accepted), _)) if accepted.binds_calls);
        // There is room: only this thread sends, and it looked before the step. If the reader is gone, `reap` sees it.
        let logprobs = sequence.logprobs.map(|top| Logprobs::of(logits, token, top as usize));
        let _ = sequence.tokens.try_send(Sampled { token, is_bound, logprobs });
        match accepted {
            Some((Ok(accepted), _)) if accepted.is_complete => return Some(Cause::Stop),
            Some((Err(_), param)) => return Some(Cause::DeadEnd(param)),
            None | Some((Ok(_), _)) => {}
        }
        if sequence.over.as_mut().is_some_and(|over| over(token, is_bound)) {
            return Some(Cause::Stop);
        }
        (sequence.answer.len() >= sequence.max_tokens as usize).then_some(Cause::Length)
    }

    fn end(&mut self, index: usize, cause: Cause) {
        let mut sequence = self.running.swap_remove(index);
        // Before its guard goes, which says that the request is over.
        sequence.state.end(matches!(cause, Cause::Stop | Cause::Length));
        let slot = sequence.slot;
        let tokens = sequence.answer.len() as u64;
        // What a failed step left behind is not trusted.
        let failed = matches!(cause, Cause::Failed(_));
        let kept = !failed && {
            let mut held = std::mem::take(&mut sequence.prompt);
            held.append(&mut sequence.answer);
            held.truncate(sequence.done);
            self.slots.park(slot, std::mem::take(&mut sequence.account), held)
        };
        if !kept {
            let model = &mut self.model;
            if catch_unwind(AssertUnwindSafe(|| model.release(slot))).is_err() {
                // A slot that cannot be cleared is not used again: an answer must not see another's prompt.
                tracing::error!(slot, "the model panicked while it released a slot; the slot is given up");
                self.slots.give_up(slot);
                // Before its reader is told: the next one would be lost.
                self.shared.down.store(self.slots.is_dead(), Ordering::Relaxed);
            } else {
                self.slots.release(slot);
            }
        }
        if let Cause::Failed(why) = &cause {
            tracing::error!(slot, %why, "a sequence failed");
        }
        // Before its reader learns of the end: what the request has used is final by then.
        drop(sequence.guard);
        // The reader may be gone: then nobody needs to know.
        let _ = sequence.end.send(End { cause, tokens });
    }
}

/// How often an idle engine beats.
const IDLE_BEAT: Duration = Duration::from_millis(100);
