//! A sequence that runs: what was asked, what the model remembers of it, and whom its tokens go to.

use crate::engine::grammar::Constraint;
use crate::engine::job_state::JobState;
use crate::engine::model::Row;
use crate::engine::sampler::Sampler;
use crate::engine::worker::scheduler::{Cut, Planned, Progress, SequenceStatus};
use crate::engine::worker::slots::Running;
use crate::engine::{Cause, End, Over, Sampled, Vector};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// One sequence in its slot.
pub(super) struct Sequence {
    pub(super) order: u64,
    pub(super) slot: usize,
    pub(super) account: String,
    pub(super) prompt: Vec<u32>,
    /// Positions that the model remembers.
    pub(super) done: usize,
    /// What was sampled, the ending token included.
    pub(super) answer: Vec<u32>,
    pub(super) max_tokens: u32,
    pub(super) sampler: Sampler,
    pub(super) constraint: Option<Constraint>,
    pub(super) logprobs: Option<u32>,
    pub(super) over: Option<Over>,
    pub(super) vector: Option<Vector>,
    pub(super) tokens: mpsc::Sender<Sampled>,
    pub(super) end: oneshot::Sender<End>,
    pub(super) deadline: Option<Instant>,
    pub(super) parked_since: Option<Instant>,
    pub(super) state: Arc<JobState>,
    pub(super) guard: Box<dyn Send>,
}

impl Sequence {
    /// Whether its reader has room for a token.
    pub(super) fn ready(&self) -> bool {
        self.tokens.capacity() > 0
    }

    /// What the scheduler plans by.
    pub(super) fn progress(&self) -> Progress {
        Progress { order: self.order, prompt: self.prompt.len(), done: self.done, ready: self.ready() }
    }

    /// What others may copy of it: the part of its prompt that is computed.
    pub(super) fn as_source(&self) -> Running<'_> {
        let computed = &self.prompt[..self.done.min(self.prompt.len())];
        Running { slot: self.slot, account: &self.account, computed }
    }

    /// What may end it.
    pub(super) fn status(&self) -> SequenceStatus {
        SequenceStatus {
            left: self.tokens.is_closed(),
            cancelled: self.state.is_cancelled(),
            deadline: self.deadline,
            parked_since: self.parked_since,
        }
    }

    /// What of it a step computes.
    pub(super) fn row(&self, planned: &Planned) -> Row<'_> {
        let tokens = match self.prompt.get(planned.start..planned.start + planned.len) {
            Some(chunk) => chunk,
            // The token that was sampled last is the only one that the model has not seen.
            None => &self.answer[self.answer.len().saturating_sub(1)..],
        };
        Row { slot: self.slot, position: planned.start, tokens, sample: planned.sample }
    }
}

impl From<Cut> for Cause {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Deadline => Self::Deadline,
            Cut::Left => Self::Left,
            Cut::Cancelled => Self::Cancelled,
            Cut::Stalled => Self::Stalled,
        }
    }
}
