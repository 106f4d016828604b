//! Tallies by spans of time.

use super::tally::Tally;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What was counted in one span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Which, since 1970.
    pub number: u64,
    /// What was counted.
    pub tally: Tally,
}

/// Slots in which something was counted, in order of time. (A sorted list: a tree of them would be a twentieth of the Worker.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(Vec<Slot>);

impl Slots {
    /// Those of these rows, in whatever order they are. A number that is there twice counts once.
    pub fn of_rows(mut rows: Vec<Slot>) -> Self {
        rows.sort_unstable_by_key(|slot| slot.number);
        rows.dedup_by_key(|slot| slot.number);
        Self(rows)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter()
    }

    /// One, if something was counted in it.
    pub fn get(&self, number: u64) -> Option<&Tally> {
        self.place(number).ok().map(|place| &self.0[place].tally)
    }

    /// One, with nothing in it if it is new.
    pub fn at(&mut self, number: u64) -> &mut Tally {
        let place = self.place(number).unwrap_or_else(|place| {
            self.0.insert(place, Slot { number, tally: Tally::default() });
            place
        });
        &mut self.0[place].tally
    }

    /// Those from this one on.
    pub fn since(&self, number: u64) -> Self {
        Self(self.0.iter().filter(|slot| slot.number >= number).cloned().collect())
    }

    /// Adds all of others: see [`Tally::join`].
    pub fn join(&mut self, others: &Self) {
        others.iter().for_each(|slot| self.at(slot.number).join(&slot.tally));
    }

    /// All of them together.
    pub fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.iter().for_each(|slot| sum.join(&slot.tally));
        sum
    }

    /// Forgets what is older than is kept, and what a clock that was ahead has left in the future; returns which.
    pub(super) fn forget(&mut self, now: Millis, span: Millis, kept: Millis) -> Vec<u64> {
        let (first, last) = (now.saturating_sub(kept) / span, (now + super::LONG_MS) / span);
        let is_old = |slot: &&Slot| !(first..=last).contains(&slot.number);
        let gone: Vec<_> = self.0.iter().filter(is_old).map(|slot| slot.number).collect();
        self.0.retain(|slot| !gone.contains(&slot.number));
        gone
    }

    fn place(&self, number: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |slot| slot.number)
    }
}
