//! Which sequence lives where, and what may be reused: the model's slots and their memory, in tokens. Pure.
//!
//! A sequence takes a slot with room for all that it may become. When it is over, its slot is parked and not released.
//! A later sequence of the same account whose prompt begins with the same tokens starts from a copy of that part.
//! Running sequences come first: when a slot or memory is needed, parked slots are released, the longest unused first.

use std::collections::HashMap;

/// The slots of a model.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Tokens that all slots together may have room for.
    budget: usize,
    /// Sequences that may run at once.
    runs: usize,
    free: Vec<usize>,
    running: HashMap<usize, usize>,
    /// The longest unused first.
    parked: Vec<Parked>,
}

/// A slot whose sequence is over and whose memory is kept.
#[derive(Debug)]
struct Parked {
    slot: usize,
    room: usize,
    account: String,
    /// What the memory holds: as many tokens as were computed.
    tokens: Vec<u32>,
}

/// A slot for a sequence that starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Where it lives.
    pub(crate) slot: usize,
    /// Parked slots that have to be released before it begins, after the copy if one of them is its source.
    pub(crate) released: Vec<usize>,
    /// The slot that holds the beginning of its prompt, and how many tokens of it.
    pub(crate) prefix: Option<(usize, usize)>,
}

/// A running sequence, as a source for one that begins alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) slot: usize,
    pub(crate) account: &'a str,
    /// The part of its prompt that is computed.
    pub(crate) computed: &'a [u32],
}

/// A copy of fewer tokens than this is not worth making.
const LEAST: usize = 16;

impl Slots {
    /// `count` slots, of which at most `runs` run; all together have room for `budget` tokens.
    pub(crate) fn new(count: usize, runs: usize, budget: usize) -> Self {
        Self { budget, runs, free: (0..count).rev().collect(), running: HashMap::new(), parked: Vec::new() }
    }

    /// A slot for a sequence of at most `room` tokens that begins with `prompt`. `None` as long as it has to wait for
    /// others to end. A room beyond the whole budget is given once nothing else runs, so the caller bounds it.
    pub(crate) fn start(
        &mut self,
        account: &str,
        prompt: &[u32],
        room: usize,
        running: &[Running<'_>],
    ) -> Option<Start> {
        let taken: usize = self.running.values().sum();
        if self.running.len() >= self.runs || (!self.running.is_empty() && taken + room > self.budget) {
            return None;
        }
        let prefix = self.prefix(account, prompt, running);
        let mut released = Vec::new();
        let mut parked: usize = self.parked.iter().map(|parked| parked.room).sum();
        while !self.parked.is_empty() && (self.free.is_empty() || taken + parked + room > self.budget) {
            let oldest = self.parked.remove(0);
            parked -= oldest.room;
            released.push(oldest.slot);
            self.free.push(oldest.slot);
        }
        // The source of a copy cannot be its target: another slot that was just freed is taken, or the copy is left
        // out.
        let source = prefix.map(|(slot, _)| slot);
        let index = self.free.iter().rposition(|slot| Some(*slot) != source).or(self.free.len().checked_sub(1))?;
        let slot = self.free.swap_remove(index);
        self.running.insert(slot, room);
        if let Some(index) = self.parked.iter().position(|parked| Some(parked.slot) == source) {
            let used = self.parked.remove(index);
            self.parked.push(used);
        }
        Some(Start { slot, released, prefix: prefix.filter(|(source, _)| *source != slot) })
    }

    /// Ends the sequence in this slot, whose memory holds `tokens`. True: the slot is parked, and the model keeps its
    /// memory. False: it is not worth keeping; the slot is free, and the model must release it.
    pub(crate) fn park(&mut self, slot: usize, account: String, tokens: Vec<u32>) -> bool {
        let Some(room) = self.running.remove(&slot) else {
            return false;
        };
        // A model with no more slots than may run has none to spare.
        let count = self.free.len() + self.running.len() + self.parked.len() + 1;
        if tokens.len() < LEAST || count <= self.runs {
            self.free.push(slot);
            return false;
        }
        self.parked.push(Parked { slot, room, account, tokens });
        true
    }

    /// Ends the sequence in this slot, whose memory is released.
    pub(crate) fn release(&mut self, slot: usize) {
        if self.running.remove(&slot).is_some() {
            self.free.push(slot);
        }
    }

    /// Gives the slot up: it is never used again.
    pub(crate) fn give_up(&mut self, slot: usize) {
        self.running.remove(&slot);
        self.free.retain(|free| *free != slot);
    }

    /// Whether nothing can ever run: every slot was given up.
    pub(crate) fn is_dead(&self) -> bool {
        self.free.is_empty() && self.running.is_empty() && self.parked.is_empty()
    }

    /// The slot that holds the longest beginning of the prompt. The prompt's last token is always computed, for its
    /// logits.
    fn prefix(&self, account: &str, prompt: &[u32], running: &[Running<'_>]) -> Option<(usize, usize)> {
        let most = prompt.len().saturating_sub(1);
        let shared = |tokens: &[u32]| tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count().min(most);
        let parked = self.parked.iter().filter(|parked| parked.account == account);
        let parked = parked.map(|parked| (parked.slot, shared(&parked.tokens)));
        let running = running.iter().filter(|other| other.account == account);
        let running = running.map(|other| (other.slot, shared(other.computed)));
        parked.chain(running).filter(|(_, count)| *count >= LEAST).max_by_key(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prompt(seed: u32, len: u32) -> Vec<u32> {
        (0..len).map(|at| seed * 1_000 + at).collect()
    }

    #[test]
    fn the_longest_beginning_is_copied_and_never_the_whole_prompt() {
        let mut slots = Slots::new(4, 2, 1_000);
        let first = slots.start("a", &prompt(1, 40), 60, &[]).unwrap();
        assert_eq!(first.prefix, None);
        assert!(slots.park(first.slot, "a".into(), prompt(1, 50)));
        let same = slots.start("a", &prompt(1, 40), 60, &[]).unwrap();
        assert_eq!(same.prefix, Some((first.slot, 39)));
        // From one that runs, as far as it has come.
        let running = [Running { slot: same.slot, account: "a", computed: &prompt(1, 40) }];
        let longer: Vec<u32> = prompt(1, 40).into_iter().chain(prompt(9, 5)).collect();
        assert_eq!(slots.start("a", &longer, 60, &running).unwrap().prefix, Some((same.slot, 40)));
    }

    #[test]
    fn accounts_do_not_meet_and_short_beginnings_do_not_count() {
        let mut slots = Slots::new(4, 2, 1_000);
        let first = slots.start("a", &prompt(1, 40), 60, &[]).unwrap();
        assert!(slots.park(first.slot, "a".into(), prompt(1, 40)));
        assert_eq!(slots.start("b", &prompt(1, 40), 60, &[]).unwrap().prefix, None);
        let short: Vec<u32> = prompt(1, 15).into_iter().chain(prompt(2, 40)).collect();
        assert_eq!(slots.start("a", &short, 60, &[]).unwrap().prefix, None);
    }

    #[test]
    fn memory_is_waited_for_and_parked_slots_make_room() {
        let mut slots = Slots::new(4, 3, 100);
        let first = slots.start("a", &prompt(1, 20), 60, &[]).unwrap();
        assert_eq!(slots.start("a", &prompt(2, 20), 50, &[]), None, "60 and 50 are more than 100");
        assert!(slots.park(first.slot, "a".into(), prompt(1, 20)));
        // Its memory is needed now; what it holds is copied before it is released.
        let second = slots.start("a", &prompt(1, 20), 50, &[]).unwrap();
        assert_eq!((second.released.as_slice(), second.prefix), ([first.slot].as_slice(), Some((first.slot, 19))));
        // More than all there is: alone.
        slots.release(second.slot);
        assert!(slots.start("a", &prompt(3, 20), 500, &[]).is_some());
        assert_eq!(slots.start("a", &prompt(4, 20), 1, &[]), None);
    }

    proptest! {
        /// Whatever comes and goes: no slot twice, no more running than may, never more room than the budget while
        /// several share it, and every source holds what it promises.
        #[test]
        fn slots_are_never_overrun(
            count in 1usize..6,
            runs in 1usize..6,
            steps in proptest::collection::vec((0u32..3, 1u32..60, 0usize..60, any::<bool>()), 1..60),
        ) {
            let budget = 150;
            let mut slots = Slots::new(count, runs, budget);
            let mut held: HashMap<usize, (Vec<u32>, usize, bool)> = HashMap::new();
            for (seed, len, more, ends) in steps {
                let running: Vec<usize> = held.iter().filter(|(_, held)| held.2).map(|(slot, _)| *slot).collect();
                if ends {
                    if let Some(slot) = running.first() {
                        let entry = held.get_mut(slot).unwrap();
                        match more % 2 == 0 && slots.park(*slot, "a".into(), entry.0.clone()) {
                            true => entry.2 = false,
                            false => { slots.release(*slot); held.remove(slot); }
                        }
                    }
                    continue;
                }
                let (prompt, room) = (prompt(seed, len), len as usize + more);
                let views: Vec<(usize, Vec<u32>)> = running.iter().map(|slot| (*slot, held[slot].0.clone())).collect();
                let views: Vec<_> = views.iter().map(|(slot, tokens)| Running { slot: *slot, account: "a", computed: tokens }).collect();
                let Some(start) = slots.start("a", &prompt, room, &views) else { continue };
                if let Some((source, tokens)) = start.prefix {
                    prop_assert!(source != start.slot && tokens < prompt.len());
                    prop_assert_eq!(&held[&source].0[..tokens], &prompt[..tokens]);
                }
                for slot in start.released {
                    prop_assert!(!held.remove(&slot).unwrap().2, "a running slot was released");
                }
                prop_assert!(held.insert(start.slot, (prompt, room, true)).is_none(), "a slot twice");
                prop_assert!(held.values().filter(|held| held.2).count() <= runs);
                let room: usize = held.values().map(|held| held.1).sum();
                prop_assert!(room <= budget || held.len() == 1, "{} tokens", room);
            }
        }
    }
}
