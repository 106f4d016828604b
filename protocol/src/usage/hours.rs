//! The hour that a Gate counts in, as a part of its state.
//!
//! A request is counted when it ends, in the hour in which it ends; a refusal in the hour in which it was made. A lease
//! remembers its place here, so that an ending message need not say whose it is.

use super::refusals::{RefusalCount, Refusals};
use super::{Cell, HOUR_MS, PackedDrawn, PackedSum, RefusedBy, Room, Sum, Whose, add_refused};
use crate::order;
use crate::request::bodies::chat::Used;
use crate::request::cost::Rate;
use crate::request::cost::work::Work;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::mem::take;

/// What was used in the current hour, and what leases will be counted as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// Which hour it is, since 1970.
    hour: u64,
    /// How many hours have ended: each gives its row another name, also where a clock went back.
    ended: u64,
    counting: Vec<Counting>,
    /// Hours that ended and are not stored yet. Whoever stores the state stores them before it.
    finished: Vec<Finished>,
    /// Leases that ended by themselves since this was asked last. Not stored: it is told with the answers that are made then.
    lapsed: Untold,
}

/// A number that is told once. Two states are the same, whatever has been told of them.
#[derive(Clone, Copy, Debug, Default)]
struct Untold(u64);

impl PartialEq for Untold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Untold {}

/// An hour that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Which, since 1970.
    pub hour: u64,
    /// How many had ended before it.
    pub number: u64,
    /// What was used in it.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counting {
    whose: Whose,
    sum: Sum,
    refused: RefusedBy,
}

/// Where a lease will be counted when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which line.
    pub line: u32,
    /// At which prices: those at which it was admitted.
    pub rate: Rate,
}

/// How it is stored, behind the rest of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedHours {
    hour: u64,
    ended: u64,
    /// Names, which lines then give by their place.
    models: Vec<String>,
    limits: Vec<String>,
    counting: Vec<PackedCounting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PackedCounting {
    /// With the model left out.
    whose: Whose,
    model: Option<u32>,
    sum: PackedSum,
    refused: Vec<(u32, u64)>,
}

impl Hours {
    /// Where a request will be counted, for its lease. Those that are too many share a place.
    pub fn place(&mut self, whose: Whose, rate: Rate) -> Place {
        let line = self.find_or_add(whose);
        Place { line: u32::try_from(line).expect("there are no more than MAX_CELLS and MAX_KEYS"), rate }
    }

    /// Counts a request that was served; see [`Sum`]. `place`: its lease's; none of one from before there were any.
    pub(crate) fn served(&mut self, place: Option<Place>, used: Option<Used>, reserved: Option<Work>) {
        let rate = place.map(|place| place.rate).unwrap_or_default();
        self.at(place).sum.add_served(used, reserved, rate);
    }

    /// Counts a request that we failed.
    pub(crate) fn failed(&mut self, place: Option<Place>) {
        let sum = &mut self.at(place).sum;
        sum.failed = sum.failed.saturating_add(1);
    }

    /// Counts a request whose lease ended by itself.
    pub(crate) fn lapsed(&mut self, place: Option<Place>) {
        let sum = &mut self.at(place).sum;
        sum.lapsed = sum.lapsed.saturating_add(1);
        self.lapsed.0 += 1;
    }

    /// Adds refusals, each to its hour; of an hour that has ended since, one more row. Those of an hour that has not begun
    /// here yet wait for it.
    pub(crate) fn add_refusals(&mut self, refusals: &mut Refusals) {
        for RefusalCount { hour, whose, limit, count } in refusals.take_until(self.hour) {
            if hour < self.hour {
                let known = self.finished.iter().position(|finished| finished.hour == hour);
                let place = known.unwrap_or_else(|| {
                    self.finished.push(Finished { hour, number: self.ended, cells: Vec::new() });
                    self.ended += 1;
                    self.finished.len() - 1
                });
                let refused = [(limit, count)].into();
                self.finished[place].cells.push(Cell { whose, sum: Sum::default(), refused });
            } else {
                let place = self.counting.iter().position(|one| one.whose == whose);
                let place = place.unwrap_or_else(|| self.find_or_add(whose));
                add_refused(&mut self.counting[place].refused, &limit, count);
            }
        }
    }

    /// Moves on to the hour of `now`. Whether another one began: then [`Self::compact`] is to be called.
    pub(crate) fn turn(&mut self, now: Millis) -> bool {
        let hour = now / HOUR_MS;
        let is_another = hour != self.hour;
        if is_another {
            self.turn_to(hour);
        }
        is_another
    }

    fn turn_to(&mut self, hour: u64) {
        let ended = self.now();
        self.ended += 1;
        self.hour = hour;
        for one in &mut self.counting {
            (one.sum, one.refused) = (Sum::default(), RefusedBy::new());
        }
        if !ended.cells.is_empty() {
            self.finished.push(ended);
        }
    }

    /// Forgets who has no request that runs, after another hour began. Gives the new place of each that was there.
    pub(crate) fn compact(&mut self, running: impl Iterator<Item = u32>) -> Vec<Option<u32>> {
        let mut runs = vec![false; self.counting.len()];
        for place in running {
            if let Some(runs) = runs.get_mut(place as usize) {
                *runs = true;
            }
        }
        let mut next = 0;
        let places = self.counting.iter().zip(&runs).map(|(one, runs)| {
            let stays = *runs || !one.is_nothing();
            next += u32::from(stays);
            stays.then(|| next - 1)
        });
        let places: Vec<Option<u32>> = places.collect();
        let mut stays = places.iter();
        self.counting.retain(|_| stays.next().is_some_and(Option::is_some));
        places
    }

    /// Ends the hour before its time, because the account ends.
    pub(crate) fn end(&mut self) {
        self.turn_to(self.hour);
        self.counting.clear();
    }

    /// A clock was ahead: what was counted then is counted now.
    pub(crate) fn take_back_to(&mut self, now: Millis) {
        self.hour = self.hour.min(now / HOUR_MS);
    }

    /// Leases that ended by themselves since this was asked last.
    pub fn take_lapsed(&mut self) -> u64 {
        take(&mut self.lapsed).0
    }

    /// Hours that ended since this was asked last: they are to be stored before the state is.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        take(&mut self.finished)
    }

    /// Which hour it is counted in, since 1970.
    pub const fn hour(&self) -> u64 {
        self.hour
    }

    /// What [`Self::take_finished`] would hand out.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// Which hour it is counted in, and what was used in it so far.
    pub fn now(&self) -> Finished {
        let used = self.counting.iter().filter(|one| !one.is_nothing());
        let cell = |one: &Counting| Cell { whose: one.whose.clone(), sum: one.sum, refused: one.refused.clone() };
        let cells = used.map(cell).collect();
        Finished { hour: self.hour, number: self.ended, cells }
    }

    /// What it takes at most in a row, in bytes.
    pub(crate) fn most_bytes(&self) -> usize {
        // Names are there once, and places of limits are small. Pictures and their steps take 20.
        let one = |one: &Counting| 220 + one.whose.model.as_ref().map_or(0, String::len) + one.refused.len() * 12;
        let limits = order::set(self.counting.iter().flat_map(|one| one.refused.keys()));
        let names: usize = limits.into_iter().map(|limit| limit.len() + 2).sum();
        64 + names + self.counting.iter().map(one).sum::<usize>()
    }

    pub(crate) fn pack(&self) -> PackedHours {
        let mut packed = PackedHours { hour: self.hour, ended: self.ended, ..PackedHours::default() };
        for one in &self.counting {
            let Whose { key, endpoint, user, .. } = one.whose;
            packed.counting.push(PackedCounting {
                whose: Whose { key, model: None, endpoint, user },
                model: one.whose.model.as_ref().map(|model| place_of(&mut packed.models, model)),
                sum: one.sum.pack(),
                refused: one
                    .refused
                    .iter()
                    .map(|(limit, count)| (place_of(&mut packed.limits, limit), *count))
                    .collect(),
            });
        }
        packed
    }

    /// What of it is of pictures.
    pub(crate) fn pack_drawn(&self) -> Vec<PackedDrawn> {
        PackedDrawn::of(self.counting.iter().map(|one| &one.sum))
    }

    /// `None` if it is not what was packed.
    pub(crate) fn unpack(packed: PackedHours, drawn: Vec<PackedDrawn>) -> Option<Self> {
        let PackedHours { hour, ended, models, limits, counting } = packed;
        let unpack = |one: PackedCounting| {
            let model = match one.model {
                Some(place) => Some(models.get(place as usize)?.clone()),
                None => None,
            };
            let mut refused = RefusedBy::new();
            for (limit, count) in one.refused {
                refused.insert(limits.get(limit as usize)?.clone(), count);
            }
            Some(Counting { whose: Whose { model, ..one.whose }, sum: Sum::unpack(one.sum), refused })
        };
        let mut counting = counting.into_iter().map(unpack).collect::<Option<Vec<_>>>()?;
        for one in drawn {
            one.unpack(counting.get_mut(one.line()).map(|counting| &mut counting.sum))?;
        }
        Some(Self { hour, ended, counting, ..Self::default() })
    }

    fn at(&mut self, place: Option<Place>) -> &mut Counting {
        let known = place.map(|place| place.line as usize).filter(|line| *line < self.counting.len());
        let line = known.unwrap_or_else(|| self.find_or_add(Whose::OTHERS));
        &mut self.counting[line]
    }

    fn find_or_add(&mut self, whose: Whose) -> usize {
        if let Some(place) = self.find(&whose) {
            return place;
        }
        let names: usize = self.counting.iter().filter_map(|one| one.whose.model.as_ref()).map(String::len).sum();
        let has_room = names + whose.model.as_ref().map_or(0, String::len) <= MAX_NAMES;
        let room = Room::beside(self.counting.len(), MAX_TOLD, MAX_CELLS, MAX_CELLS + MAX_KEYS);
        let whose = whose.told(if has_room || room == Room::None { room } else { Room::Keys });
        self.find(&whose).unwrap_or_else(|| {
            self.counting.push(Counting { whose, sum: Sum::default(), refused: RefusedBy::new() });
            self.counting.len() - 1
        })
    }

    fn find(&self, whose: &Whose) -> Option<usize> {
        self.counting.iter().position(|one| one.whose == *whose)
    }
}

impl Counting {
    fn is_nothing(&self) -> bool {
        self.sum.is_nothing() && self.refused.is_empty()
    }
}

/// The place of this among them, at their end if it is new.
pub(crate) fn place_of<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) -> u32 {
    let place = all.iter().position(|other| other == one).unwrap_or_else(|| {
        all.push(one.clone());
        all.len() - 1
    });
    u32::try_from(place).expect("there are no more than lines and leases")
}

/// How many are told apart in one hour, end users among them.
pub const MAX_TOLD: usize = 256;
/// How many are told apart in one hour without their end users.
pub const MAX_CELLS: usize = 512;
/// How many more by their keys alone: an account has no more.
pub const MAX_KEYS: usize = 256;
/// How many bytes all names of models may have: a caller chooses what it asks for.
pub const MAX_NAMES: usize = 16 * 1_024;
