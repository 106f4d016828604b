//! Refusals that came since an account's state was stored: a refusal writes no row. They come with the next one; what ends
//! a Gate before that loses them.

use super::row::Span;
use super::{Cell, HOUR_MS, Room, Sum, Whose};
use crate::id::RequestId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::mem::take;

/// Refusals of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// In the order in which each came first: there are few, and the same ones over and over.
    counts: Vec<RefusalCount>,
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
        limits.for_each(|limit| self.add(now / HOUR_MS, whose, limit, 1));
    }

    /// Adds what was noted elsewhere.
    pub fn add(&mut self, hour: u64, whose: &Whose, limit: &str, count: u64) {
        if let Some(known) = self.find(hour, whose, limit) {
            known.count = known.count.saturating_add(count);
        } else if self.counts.len() < MAX_TOLD {
            self.counts.push(RefusalCount { hour, whose: whose.clone(), limit: limit.to_owned(), count });
        } else {
            // Of too many their keys are told, and of too many keys that there were others. Limits are few. Hours in which
            // nothing is stored are few, too, or somebody is refused for weeks.
            let room = if self.counts.len() < 2 * MAX_TOLD { Room::Keys } else { Room::None };
            let whose = whose.clone().told(room);
            if let Some(known) = self.find(hour, &whose, limit) {
                known.count = known.count.saturating_add(count);
            } else if self.counts.len() < 3 * MAX_TOLD {
                self.counts.push(RefusalCount { hour, whose, limit: limit.to_owned(), count });
            }
        }
    }

    /// All of them, as lines of their hours.
    pub fn cells(&self) -> impl Iterator<Item = (Span, Cell)> {
        self.counts.iter().map(|RefusalCount { hour, whose, limit, count }| {
            let refused = [(limit.clone(), *count)].into();
            (Span::Hour(*hour), Cell { whose: whose.clone(), sum: Sum::default(), refused })
        })
    }

    /// Those of hours up to this one; none of them are left.
    pub fn take_until(&mut self, last: u64) -> Vec<RefusalCount> {
        let (taken, later) = take(&mut self.counts).into_iter().partition(|one| one.hour <= last);
        self.counts = later;
        taken
    }

    fn find(&mut self, hour: u64, whose: &Whose, limit: &str) -> Option<&mut RefusalCount> {
        self.counts.iter_mut().find(|one| one.hour == hour && one.whose == *whose && one.limit == limit)
    }
}

/// How many are told apart.
const MAX_TOLD: usize = 512;
/// How many ids are remembered: a message comes again within seconds, and one hop brings 128 at most.
const MAX_NOTED: usize = 256;
