//! Refusals that came since an account's state was stored: a refusal writes no row. They come with the next one; what ends
//! a Gate before that loses them.

use super::row::Span;
use super::{Cell, HOUR_MS, Sum, User, Whose};
use crate::id::RequestId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::mem::replace;

/// Refusals of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: BTreeMap<Name, u64>,
    /// What was noted lately: a message may come twice.
    noted: VecDeque<RequestId>,
}

/// How many of a caller's requests a limit refused in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// Which hour, since 1970.
    pub hour: u64,
    /// Whose requests.
    pub whose: Whose,
    /// Which limit.
    pub limit: String,
    /// How many.
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    hour: u64,
    whose: Whose,
    limit: String,
}

impl Refusals {
    /// Whether what has this id was not noted before: a request, or a message that tells of several.
    pub fn is_new(&mut self, id: RequestId) -> bool {
        let is_new = !self.noted.contains(&id);
        if is_new {
            self.noted.push_back(id);
            if self.noted.len() > MAX_NOTED {
                self.noted.pop_front();
            }
        }
        is_new
    }

    /// Notes that these limits refused a request at `now`.
    pub fn note<'l>(&mut self, whose: &Whose, limits: impl Iterator<Item = &'l str>, now: Millis) {
        for limit in limits {
            self.add(RefusalCount { hour: now / HOUR_MS, whose: whose.clone(), limit: limit.to_owned(), count: 1 });
        }
    }

    /// Adds what was noted elsewhere.
    pub fn add(&mut self, RefusalCount { hour, whose, limit, count }: RefusalCount) {
        let mut name = Name { hour, whose, limit };
        if self.counts.len() >= MAX_TOLD && !self.counts.contains_key(&name) {
            name.whose = Whose::OTHERS;
        }
        // Limits are few. Hours in which nothing is stored are few, too, or somebody is refused for weeks.
        if self.counts.len() < 2 * MAX_TOLD || self.counts.contains_key(&name) {
            let sum = self.counts.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// All of them, as lines of their hours.
    pub fn cells(&self) -> impl Iterator<Item = (Span, Cell)> {
        self.counts.iter().map(|(Name { hour, whose, limit }, count)| {
            let refused = [(limit.clone(), *count)].into();
            (Span::Hour(*hour), Cell { whose: whose.clone(), sum: Sum::default(), refused })
        })
    }

    /// Those of hours up to this one, in order; none of them are left.
    pub fn take_until(&mut self, last: u64) -> impl Iterator<Item = RefusalCount> + use<> {
        let least = Whose { key: None, model: None, endpoint: None, user: User::None };
        let later = self.counts.split_off(&Name { hour: last.saturating_add(1), whose: least, limit: String::new() });
        let taken = replace(&mut self.counts, later).into_iter();
        taken.map(|(Name { hour, whose, limit }, count)| RefusalCount { hour, whose, limit, count })
    }
}

/// How many are told apart.
const MAX_TOLD: usize = 512;
/// How many ids are remembered: a message comes again within seconds.
const MAX_NOTED: usize = 64;
