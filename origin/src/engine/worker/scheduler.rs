//! Which rows run in a step, and which sequences end before it. Pure: time is an argument.

use super::pass::Bounds;
use std::time::{Duration, Instant};

/// Chooses the rows of a step: one token for every sequence that is answering, and chunks of prompts within a budget.
///
/// Prompts take turns: a step starts with the prompt after the last one that was served. So a long prompt does not hold
/// back a short one by more than its own share. While an answer is in progress, a step reads one chunk and no more,
/// however many prompts there are.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    turn: u64,
}

/// One sequence, as far as the choice depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// The number of the sequence, in order of start: the order of prompts.
    pub(crate) order: u64,
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// Tokens that the model has seen.
    pub(crate) done: usize,
    /// Whether a sampled token could be handed on. A sequence with a slow reader waits, and holds up no other.
    pub(crate) ready: bool,
}

/// One row of the coming step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Index in the list of sequences.
    pub(crate) index: usize,
    /// The position of the row's first token.
    pub(crate) start: usize,
    /// How many tokens.
    pub(crate) len: usize,
    /// Whether a token is sampled after it: always, except after a chunk that is not the prompt's last.
    pub(crate) sample: bool,
}

impl Scheduler {
    /// The rows of the next step, in the sequences' order. Empty if nothing can run. Both bounds are at least 1; beside an
    /// answer in progress all prompts together have a chunk at most, if that is less than the budget.
    pub(crate) fn plan(&mut self, sequences: &[Progress], Bounds { chunk, budget }: Bounds) -> Vec<Planned> {
        debug_assert!(chunk > 0 && budget > 0);
        let mut rows: Vec<Planned> = Vec::with_capacity(sequences.len());
        let mut prompts: Vec<usize> = Vec::new();
        for (index, sequence) in sequences.iter().enumerate() {
            if !sequence.ready {
                continue;
            }
            if sequence.done < sequence.prompt {
                prompts.push(index);
            } else {
                rows.push(Planned { index, start: sequence.done, len: 1, sample: true });
            }
        }
        // Those after the last one served first, then from the beginning.
        prompts.sort_by_key(|index| {
            let order = sequences[*index].order;
            (order < self.turn, order)
        });
        // What is planned so far are answers: each waits for the whole step.
        let mut budget = if rows.is_empty() { budget } else { budget.min(chunk) };
        for index in prompts {
            let sequence = sequences[index];
            let len = (sequence.prompt - sequence.done).min(chunk).min(budget);
            if len == 0 {
                break;
            }
            budget -= len;
            self.turn = sequence.order + 1;
            let sample = sequence.done + len == sequence.prompt;
            rows.push(Planned { index, start: sequence.done, len, sample });
        }
        rows.sort_by_key(|row| row.index);
        rows
    }
}

/// Why a sequence ends before its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The reader is gone.
    Left,
    /// Somebody cancelled it.
    Cancelled,
    /// Its deadline has come.
    Deadline,
    /// Its reader has not taken a token for too long.
    Stalled,
}

/// What decides whether a sequence goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SequenceStatus {
    /// Whether the reader is gone.
    pub(crate) left: bool,
    /// Whether somebody cancelled it.
    pub(crate) cancelled: bool,
    /// The deadline.
    pub(crate) deadline: Option<Instant>,
    /// Since when its reader has taken nothing.
    pub(crate) parked_since: Option<Instant>,
}

/// Why a sequence must end before the next step, if it must.
pub(crate) fn end_cause(status: SequenceStatus, stall: Duration, now: Instant) -> Option<Cut> {
    if status.left {
        Some(Cut::Left)
    } else if status.cancelled {
        Some(Cut::Cancelled)
    } else if status.deadline.is_some_and(|deadline| deadline <= now) {
        Some(Cut::Deadline)
    } else if status.parked_since.is_some_and(|since| now.saturating_duration_since(since) >= stall) {
        Some(Cut::Stalled)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::worker::pass::ANSWERING;
    use proptest::prelude::*;

    fn answering(order: u64) -> Progress {
        Progress { order, prompt: 3, done: 7, ready: true }
    }

    fn reading(order: u64, prompt: usize) -> Progress {
        Progress { order, prompt, done: 0, ready: true }
    }

    #[test]
    fn answers_and_prompts_share_a_step() {
        let mut scheduler = Scheduler::default();
        let mut sequences = [answering(0), reading(1, 300), reading(2, 10)];
        let answer = Planned { index: 0, start: 7, len: 1, sample: true };
        let first = Planned { index: 1, start: 0, len: 256, sample: false };
        assert_eq!(scheduler.plan(&sequences, ANSWERING), [answer, first]);
        // The other prompt's turn comes next, and what it leaves of the chunk goes on with the first.
        sequences[1].done = 256;
        let rest = Planned { index: 1, start: 256, len: 44, sample: true };
        assert_eq!(
            scheduler.plan(&sequences, ANSWERING),
            [answer, rest, Planned { index: 2, start: 0, len: 10, sample: true }]
        );
    }

    #[test]
    fn several_prompts_share_a_step_that_nobody_waits_for() {
        let parked = Progress { ready: false, ..answering(0) };
        let prompts = [parked, reading(1, 300), reading(2, 300), reading(3, 300)];
        let rows = [1, 2].map(|index| Planned { index, start: 0, len: 256, sample: false });
        assert_eq!(Scheduler::default().plan(&prompts, ANSWERING), rows);
    }

    #[test]
    fn a_slow_reader_runs_nothing() {
        let parked = Progress { ready: false, ..answering(0) };
        assert_eq!(Scheduler::default().plan(&[parked], ANSWERING), []);
    }

    #[test]
    fn prompts_take_turns_when_the_budget_is_short() {
        let mut scheduler = Scheduler::default();
        let mut sequences = [reading(0, 100), reading(1, 100), reading(2, 100)];
        let mut served = Vec::new();
        for _ in 0..6 {
            for row in scheduler.plan(&sequences, Bounds { chunk: 4, budget: 4 }) {
                served.push(row.index);
                sequences[row.index].done += row.len;
            }
        }
        assert_eq!(served, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn cuts_in_order_of_weight() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let status = SequenceStatus { left: false, cancelled: false, deadline: Some(later), parked_since: Some(now) };
        let stall = Duration::from_secs(5);
        assert_eq!(end_cause(status, stall, now), None);
        assert_eq!(end_cause(status, stall, now + stall), Some(Cut::Stalled));
        assert_eq!(end_cause(status, stall, later), Some(Cut::Deadline));
        let cancelled = SequenceStatus { cancelled: true, ..status };
        assert_eq!(end_cause(cancelled, stall, later), Some(Cut::Cancelled));
        assert_eq!(end_cause(SequenceStatus { left: true, ..cancelled }, stall, now), Some(Cut::Left));
    }

    proptest! {
        /// Whatever answers, reads and waits: a step has one token of every answer that can go on, one chunk of a
        /// prompt at most, and of all prompts together one chunk beside answers and the budget without any.
        #[test]
        fn steps_are_bounded_and_prompts_complete(
            prompts in proptest::collection::vec(1usize..700, 1..6),
            answers in 0usize..4,
            parked in 0usize..3,
            chunk in 1usize..300,
            budget in 1usize..600,
        ) {
            let mut scheduler = Scheduler::default();
            let mut sequences: Vec<_> = (0..answers + parked).map(|i| answering(i as u64)).collect();
            for parked in &mut sequences[answers..] {
                parked.ready = false;
            }
            let others = sequences.len();
            sequences.extend(prompts.iter().enumerate().map(|(i, n)| reading((others + i) as u64, *n)));
            let mut steps = 0usize;
            while sequences.iter().any(|s| s.done < s.prompt) {
                let rows = scheduler.plan(&sequences, Bounds { chunk, budget });
                let answering = sequences.iter().filter(|s| s.ready && s.done >= s.prompt).count();
                let (reads, tokens): (Vec<Planned>, Vec<Planned>) =
                    rows.iter().partition(|row| sequences[row.index].done < sequences[row.index].prompt);
                let prefill: usize = reads.iter().map(|row| row.len).sum();
                let most = if answering > 0 { budget.min(chunk) } else { budget };
                prop_assert!(prefill >= 1 && prefill <= most, "{} prompt tokens beside {} answers", prefill, answering);
                // However long the others' prompts are: every answer goes on by a token in every step.
                prop_assert_eq!(tokens.len(), answering);
                prop_assert!(tokens.iter().all(|row| row.len == 1 && sequences[row.index].ready));
                let mut indices: Vec<_> = rows.iter().map(|row| row.index).collect();
                indices.dedup();
                prop_assert_eq!(indices.len(), rows.len(), "one row of a sequence");
                for row in rows {
                    let sequence = &mut sequences[row.index];
                    prop_assert_eq!(row.start, sequence.done);
                    prop_assert!(row.len >= 1 && row.len <= chunk);
                    sequence.done += row.len;
                    prop_assert_eq!(row.sample, sequence.done >= sequence.prompt);
                }
                steps += 1;
                prop_assert!(steps <= prompts.iter().sum::<usize>());
            }
        }
    }
}
