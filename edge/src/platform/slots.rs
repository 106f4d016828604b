//! Places for the results of what is waited for. Whoever brings a result has a place's number, and that of its holder.

use std::task::Waker;

/// All places.
pub struct Slots<T> {
    all: Vec<Slot<T>>,
    free: Vec<usize>,
}

struct Slot<T> {
    holder: u32,
    state: State<T>,
}

/// What is in a place.
#[derive(Default)]
pub enum State<T> {
    /// Nobody holds it.
    #[default]
    Free,
    /// There is no result yet; who is to be woken.
    Waits(Option<Waker>),
    /// The result.
    Settled(T),
}

/// What a holder finds.
pub enum Found<T> {
    /// No result yet. Whoever waited before is handed out, to be dropped where nothing is borrowed.
    Nothing(Option<Waker>),
    /// The result; the place is free.
    Result(T),
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// A slot and the number of its holder, which no other holder of it had within four thousand million.
    pub fn take(&mut self) -> (usize, u32) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Slot { holder: 0, state: State::Free });
            self.all.len() - 1
        });
        let slot = &mut self.all[number];
        slot.holder = slot.holder.wrapping_add(1);
        slot.state = State::Waits(None);
        (number, slot.holder)
    }

    /// The result, if it is there; otherwise this waker waits for it.
    pub fn look(&mut self, number: usize, waker: &Waker) -> Found<T> {
        match &mut self.all[number].state {
            State::Waits(Some(known)) if known.will_wake(waker) => Found::Nothing(None),
            State::Waits(known) => Found::Nothing(known.replace(waker.clone())),
            State::Settled(_) | State::Free => match self.give_back(number) {
                State::Settled(result) => Found::Result(result),
                State::Waits(_) | State::Free => unreachable!("a future gives its slot back once"),
            },
        }
    }

    /// Frees a slot of the future that holds it.
    pub fn give_back(&mut self, number: usize) -> State<T> {
        self.free.push(number);
        std::mem::take(&mut self.all[number].state)
    }

    /// What is to be found there, unless the slot has another holder or none by now; who waits for it.
    pub fn settle(&mut self, number: usize, holder: u32, result: T) -> Option<Waker> {
        let slot = &mut self.all[number];
        match &mut slot.state {
            State::Waits(waker) if slot.holder == holder => {
                let waker = waker.take();
                slot.state = State::Settled(result);
                waker
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(slots: &mut Slots<()>, slot: usize) -> bool {
        match slots.look(slot, Waker::noop()) {
            Found::Result(()) => true,
            Found::Nothing(last) => {
                assert!(last.is_none(), "one waits at a time");
                false
            }
        }
    }

    #[test]
    fn a_slot_that_is_given_up_is_free_at_once_and_what_comes_later_is_for_nobody() {
        let mut slots = Slots::default();
        let (first, holder) = slots.take();
        assert!(!is_told(&mut slots, first));
        slots.give_back(first);
        let (second, next) = slots.take();
        assert_eq!((first, holder + 1), (second, next));
        slots.settle(first, holder, ());
        assert!(!is_told(&mut slots, second), "it waits for its own promise");
        slots.settle(second, next, ());
        assert!(is_told(&mut slots, second));
        // It was told: the slot is free, and says nothing twice.
        slots.settle(second, next, ());
        assert_eq!((slots.take().0, slots.all.len()), (second, 1));
    }

    #[test]
    fn slots_stand_still_while_promises_never_settle() {
        let mut slots = Slots::<()>::default();
        for _ in 0..1_000 {
            let taken: Vec<_> = (0..5).map(|_| slots.take().0).collect();
            taken.into_iter().for_each(|slot| drop(slots.give_back(slot)));
        }
        assert_eq!(slots.all.len(), 5);
    }
}
