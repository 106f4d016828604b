//! How a [`GateState`] is kept: one packed row. A version byte, then postcard with every time as the distance from the
//! one before it, which takes three to four bytes an entry.

mod before;
mod rate;

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::count::{CountName, Counts, Scope};
use crate::limit::decision::Totals;
use crate::limit::kind::entry::{distances, times};
use crate::limit::kind::{Log, LogKind, PackedLogs, Unit};
use crate::limit::lease::{Counted, Lease, Leases};
use crate::order;
use crate::request::cost::Rate;
use crate::time::Millis;
use crate::usage::PackedDrawn;
use crate::usage::hours::{Hours, PackedHours, Place, place_of};
use rate::{MAX_PICTURE_RATE, PackedMetered, PackedPictureRate, PackedRate, of_pictures};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// All that a Gate knows of what an account did. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateState {
    /// The time of the latest change.
    pub(crate) last_now: Millis,
    /// The last reading of the clock before that: what had expired by then has expired, whichever one reading is wrong.
    pub(crate) sure: Millis,
    /// A reading far before the latest change, if that was the last one: one of the two is wrong. See [`Self::see`].
    pub(crate) behind: Option<Millis>,
    /// What was counted.
    pub(crate) counts: Counts,
    /// What is admitted and not settled.
    pub(crate) leases: Leases,
    /// What was settled lately, oldest first, so that a late or repeated message for it is recognised. Half of the
    /// request's random id is enough to tell requests apart, and keeps a busy account's row small.
    pub(crate) closed: VecDeque<(Millis, ClosedMark)>,
    /// What was used in all.
    pub(crate) totals: Totals,
    /// How many requests each watched limit would have refused.
    pub(crate) shadowed: BTreeMap<String, u64>,
    /// What of the totals each key has used, of those that are watched.
    pub(crate) usage: BTreeMap<Mark, Totals>,
    /// What was used in the current hour.
    pub(crate) hours: Hours,
}

/// Half of a request's id.
pub(crate) type ClosedMark = [u8; 8];

/// The version this code writes. It reads this one, version 6, which knew no pictures, version 5, which knew no hours, version 4, which knew no budgets, version 3, whose leases were larger and
/// whose values shared one log, and version 2, which did not tell keys apart. It refuses others: a newer Gate's state is not
/// to be guessed at.
pub const VERSION: u8 = 7;
/// What a row takes at most, in bytes: an object's row holds two million.
pub const MAX_BYTES: usize = 1_900_000;

/// Why a row is not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Written by a newer version, or not a state at all.
    #[error("the state has version {0}, this code reads version {VERSION}")]
    Version(u8),
    /// Cut off, or bytes that no version of ours writes.
    #[error("the state is damaged")]
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    last_now: u64,
    /// How long before that.
    sure: u64,
    behind: Option<u64>,
    /// The names of limits, which logs and leases then give by their place.
    names: Vec<String>,
    logs: PackedLogs<PackedName>,
    /// In what leases are counted, by the limits' names; they then give it by its place.
    counts: Vec<(u32, Unit, Option<LogKind>)>,
    leases: Vec<PackedLease>,
    closed: Vec<(u64, ClosedMark)>,
    totals: Totals,
    shadowed: Vec<(String, u64)>,
    used: Vec<(Mark, Totals)>,
}

/// What stands behind it since version 6.
#[derive(Default, Serialize, Deserialize)]
struct PackedUsage {
    hours: PackedHours,
    /// Prices, which places then give by their place.
    rates: Vec<PackedRate>,
    /// Of each lease, in the leases' order.
    places: Vec<Option<PackedPlace>>,
}

/// What stands behind that since version 7: what is of pictures alone.
#[derive(Default, Serialize, Deserialize)]
struct PackedPictures {
    /// What they cost, where they cost anything.
    rates: Vec<PackedPictureRate>,
    /// What the hour's lines have drawn, of those that have.
    hours: Vec<PackedDrawn>,
}

/// Where a lease will be counted, and at which prices.
#[derive(Serialize, Deserialize)]
struct PackedPlace {
    line: u32,
    rate: u32,
}

/// Whose a log is.
#[derive(Serialize, Deserialize)]
struct PackedName {
    limit: u32,
    unit: Unit,
    scope: Scope,
}

#[derive(Serialize, Deserialize)]
struct PackedLease {
    request: RequestId,
    key: Mark,
    at: u64,
    lasts: u64,
    metered: Option<PackedMetered>,
    /// Each scope once: a request has one for each thing that is counted `per`, and limits share them.
    scopes: Vec<Scope>,
    counted: Vec<PackedCounted>,
}

#[derive(Serialize, Deserialize)]
struct PackedCounted {
    /// Its place in [`Packed::counts`].
    count: u32,
    /// Its place in [`PackedLease::scopes`].
    scope: u32,
    /// From the lease's own time: a merged log may stand a little ahead.
    after: u64,
    amount: u64,
}

/// Packs a state.
pub fn encode(state: &GateState) -> Vec<u8> {
    let mut names = Places::<String>::default();
    let mut logs = PackedLogs::new();
    // An empty log is as good as none.
    for ((limit, unit, _), scope, log) in state.counts.iter().filter(|(.., log)| !log.is_void()) {
        logs.push(PackedName { limit: names.place_of(limit), unit: *unit, scope }, log);
    }
    let mut counts = Places::default();
    let mut lease = |lease: &Lease| {
        let mut scopes = Places::default();
        let counted = |one: &Counted| PackedCounted {
            count: counts.place((names.place_of(&one.limit), one.unit, one.log)),
            scope: scopes.place(one.scope),
            after: one.at.saturating_sub(lease.at),
            amount: one.amount,
        };
        let counted = lease.counted.iter().map(counted).collect();
        PackedLease {
            request: lease.request,
            key: lease.key,
            at: lease.at,
            lasts: lease.deadline.saturating_sub(lease.at),
            metered: lease.metered.map(PackedMetered::from),
            scopes: scopes.0,
            counted,
        }
    };
    let leases = state.leases.iter().map(&mut lease).collect();
    let packed = Packed {
        last_now: state.last_now,
        sure: state.last_now.saturating_sub(state.sure),
        behind: state.behind,
        names: names.0,
        logs,
        counts: counts.0,
        leases,
        closed: distances(0, state.closed.iter().copied()),
        totals: state.totals,
        shadowed: state.shadowed.iter().map(|(limit, count)| (limit.clone(), *count)).collect(),
        used: state.usage.iter().map(|(key, totals)| (*key, *totals)).collect(),
    };
    let mut rates = Vec::new();
    let mut place = |Place { line, rate }: Place| PackedPlace { line, rate: place_of(&mut rates, &rate) };
    let places = state.leases.iter().map(|lease| lease.place.map(&mut place)).collect();
    let pictures = PackedPictures { rates: of_pictures(&rates), hours: state.hours.pack_drawn() };
    let rates = rates.into_iter().map(PackedRate::from).collect();
    let usage = PackedUsage { hours: state.hours.pack(), rates, places };
    let written = postcard::to_extend(&packed, vec![VERSION]);
    let written = written.and_then(|row| postcard::to_extend(&usage, row));
    written.and_then(|row| postcard::to_extend(&pictures, row)).expect("writing to a Vec does not fail")
}

/// What the row of a state takes at most, without writing it: times as far apart as months, and the largest amounts.
pub fn most_bytes(state: &GateState) -> usize {
    let (logs, entries) = state.counts.size();
    let counted: usize = state.leases.iter().map(|lease| lease.counted.len()).sum();
    // A price, and amounts of money, which are longer than others.
    let of_money = |lease: &Lease| {
        let money = lease.counted.iter().filter(|one| one.unit == Unit::Money).count();
        if money > 0 { 36 + 6 * money } else { 0 }
    };
    let money: usize = state.leases.iter().map(of_money).sum();
    // What pictures cost stands apart, also where a request for texts is admitted at such a rate.
    let has_pictures = |lease: &&Lease| {
        let prices_pictures = |rate: Rate| rate.image_kilopixel_step > 0 || rate.price.image_kilopixel_step > 0;
        lease.metered.is_some_and(|metered| metered.work.drawing.is_any())
            || lease.place.is_some_and(|place| prices_pictures(place.rate))
    };
    let pictures = state.leases.iter().filter(has_pictures).count();
    // With a budget's time zone.
    let room = |name: &str| name.len() + 16 + 52;
    // Of few it is not worth finding out which are the same. A limit's name has 32 characters at most.
    let of_leases = if counted <= 1_000 { counted * 100 } else { state.leases.names().map(room).sum() };
    let names = of_leases + state.counts.names().map(room).sum::<usize>();
    let shadowed: usize = state.shadowed.keys().map(|name| name.len() + 12).sum();
    256 + logs * 56
        + state.counts.iter().map(|(.., log)| log.more_bytes()).sum::<usize>()
        + entries * 10
        + state.leases.iter().count() * 170
        + counted * 14
        + money
        + pictures * (MAX_PICTURE_RATE + MAX_DRAWING)
        + names
        + shadowed
        + state.closed.len() * 14
        + state.usage.len() * 48
        + state.hours.most_bytes()
}

/// Unpacks a state. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<GateState, StateError> {
    let (version, packed) = bytes.split_first().ok_or(StateError::Damaged)?;
    let damaged = |_| StateError::Damaged;
    let (packed, usage, pictures): (Packed, PackedUsage, PackedPictures) = match *version {
        6 | VERSION => {
            let (packed, behind) = postcard::take_from_bytes(packed).map_err(damaged)?;
            let (usage, behind) = postcard::take_from_bytes(behind).map_err(damaged)?;
            let pictures = match *version {
                6 => PackedPictures::default(),
                _ => postcard::from_bytes(behind).map_err(damaged)?,
            };
            (packed, usage, pictures)
        }
        2..=5 => (before::read(*version, packed)?, PackedUsage::default(), PackedPictures::default()),
        other => return Err(StateError::Version(other)),
    };
    let rates = rate::unpack(usage.rates, pictures.rates).ok_or(StateError::Damaged)?;
    let mut places = usage.places.into_iter();
    let name = |place: u32| packed.names.get(place as usize).cloned().ok_or(StateError::Damaged);
    let mut counts = Counts::default();
    let mut insert = |key: CountName, scope: Scope, log: Log| {
        let is_new = match scope {
            Scope::Rest => counts.insert_rest(&key, &log),
            scope => counts.insert(key, scope, log),
        };
        is_new.then_some(()).ok_or(StateError::Damaged)
    };
    for (PackedName { limit, unit, scope }, log) in packed.logs.unpack() {
        let (kind, log) = log.ok_or(StateError::Damaged)?;
        insert((name(limit)?, unit, kind), scope, log)?;
    }
    let counted = |at: u64, scopes: &[Scope], one: PackedCounted| -> Result<Counted, StateError> {
        let (limit, unit, log) = *packed.counts.get(one.count as usize).ok_or(StateError::Damaged)?;
        Ok(Counted {
            limit: name(limit)?,
            unit,
            log,
            scope: *scopes.get(one.scope as usize).ok_or(StateError::Damaged)?,
            at: at.saturating_add(one.after),
            amount: one.amount,
        })
    };
    let mut lease = |lease: PackedLease| -> Result<Lease, StateError> {
        let PackedLease { scopes, at, .. } = lease;
        let place = match places.next().flatten() {
            Some(PackedPlace { line, rate }) => {
                Some(Place { line, rate: *rates.get(rate as usize).ok_or(StateError::Damaged)? })
            }
            None => None,
        };
        Ok(Lease {
            request: lease.request,
            key: lease.key,
            at,
            deadline: at.saturating_add(lease.lasts),
            metered: lease.metered.map(|metered| metered.unpack(place.map(|place| place.rate))),
            place,
            counted: lease.counted.into_iter().map(|one| counted(at, &scopes, one)).collect::<Result<_, _>>()?,
        })
    };
    Ok(GateState {
        last_now: packed.last_now,
        sure: packed.last_now.saturating_sub(packed.sure),
        behind: packed.behind,
        counts,
        leases: packed.leases.into_iter().map(&mut lease).collect::<Result<_, _>>()?,
        closed: times(0, packed.closed).collect(),
        totals: packed.totals,
        shadowed: order::map(packed.shadowed),
        usage: order::map(packed.used),
        hours: Hours::unpack(usage.hours, pictures.hours).ok_or(StateError::Damaged)?,
    })
}

/// How much more a lease takes that draws, in bytes: its drawing, beside the two bytes of one that does not.
const MAX_DRAWING: usize = 8;

/// Each thing once, which is then given by its place.
struct Places<T>(Vec<T>);

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Places<T> {
    fn place(&mut self, thing: T) -> u32 {
        let known = self.0.iter().position(|other| *other == thing);
        self.found(known, || thing)
    }

    fn found(&mut self, known: Option<usize>, thing: impl FnOnce() -> T) -> u32 {
        let place = known.unwrap_or_else(|| {
            self.0.push(thing());
            self.0.len() - 1
        });
        u32::try_from(place).expect("an account has a few limits, not four thousand million")
    }
}

impl Places<String> {
    fn place_of(&mut self, name: &str) -> u32 {
        let known = self.0.iter().position(|other| other == name);
        self.found(known, || name.to_owned())
    }
}
