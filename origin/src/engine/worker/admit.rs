//! How what waits gets a slot and begins.

use super::Worker;
use super::sequence::Sequence;
use crate::engine::model::ModelError;
use crate::engine::sampler::Sampler;
use crate::engine::worker::slots::{Running, Start};
use crate::engine::{Cause, Command, End};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Worker {
    /// Starts what waits, in order, as far as there are slots and memory. Nobody overtakes one that waits for memory.
    pub(super) fn admit(&mut self) {
        while let Some(command) = self.waiting.front() {
            let job = &command.job;
            let room = job.prompt.len() + job.max_tokens as usize;
            let running: Vec<Running<'_>> = self.running.iter().map(Sequence::as_source).collect();
            let Some(start) = self.slots.start(&job.account, &job.prompt, room, &running) else {
                return;
            };
            drop(running);
            let Some(Command { job, tokens, end }) = self.waiting.pop_front() else {
                return;
            };
            // Whatever panics in there fails this sequence alone; what it leaves behind is released below.
            let begun = catch_unwind(AssertUnwindSafe(|| self.begin(&start, room)));
            let prefix = match begun.unwrap_or_else(|_| Err(ModelError("it panicked".into()))) {
                Ok(prefix) => prefix,
                Err(error) => {
                    tracing::error!(room, %error, "a sequence could not begin");
                    self.model.release(start.slot);
                    self.slots.release(start.slot);
                    // The reader may be gone: then nobody needs to know.
                    let _ = end.send(End::of_none(Cause::Failed(error.to_string())));
                    continue;
                }
            };
            if job.is_first {
                job.state.begin(job.prompt.len(), prefix);
            }
            self.running.push(Sequence {
                order: self.started,
                slot: start.slot,
                account: job.account,
                sampler: Sampler::new(job.sampling, job.seed, &job.prompt),
                prompt: job.prompt,
                done: prefix,
                answer: Vec::new(),
                max_tokens: job.max_tokens,
                constraint: job.constraint,
                logprobs: job.logprobs,
                over: job.over,
                vector: job.vector,
                tokens,
                end,
                deadline: job.deadline,
                parked_since: None,
                state: job.state,
                guard: job.guard,
            });
            self.started += 1;
        }
    }

    /// Makes a slot ready. Returns how many tokens of the prompt it holds already.
    fn begin(&mut self, start: &Start, room: usize) -> Result<usize, ModelError> {
        let source = start.prefix.map(|(slot, _)| slot);
        for slot in start.released.iter().filter(|slot| Some(**slot) != source) {
            self.model.release(*slot);
        }
        let begun = self.model.begin(start.slot, room);
        let cached = match (&begun, start.prefix) {
            (Ok(()), Some((source, tokens))) => match self.model.copy_prefix(source, start.slot, tokens) {
                Ok(()) => tokens,
                // It is computed instead.
                Err(error) => {
                    tracing::debug!(%error, "a prefix was not copied");
                    0
                }
            },
            _ => 0,
        };
        if let Some(source) = source.filter(|source| start.released.contains(source)) {
            self.model.release(source);
        }
        begun.map(|()| cached)
    }
}
