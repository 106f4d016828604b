//! What an account's limits have counted: a log for every limit, or for every value of what a limit counts `per`.

use crate::auth::principal::Mark;
use crate::limit::calendar::{Calendar, Span};
use crate::limit::kind::entry::Size;
use crate::limit::kind::{Counting, Log, LogKind, Tally, Unit};
use crate::limit::plan::Limit;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All counts of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    logs: BTreeMap<CountName, BTreeMap<Scope, Log>>,
    /// Entries of all logs, so that an account with very many stays small.
    entries: usize,
}

/// A limit's name and what its log holds: limits of one name in several plans share a log only if it means the same.
pub type CountName = (String, Unit, LogKind);

/// Whose log of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// The account's.
    Account,
    /// That of all values that had none of their own, until rows of version 4: nothing is counted in it any more.
    Rest,
    /// A value's.
    Value(Mark),
    /// That of the values without one of their own whose marks fall together: one of [`SHARES`].
    Shared(u8),
}

/// When something is counted.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// At this time.
    pub now: Millis,
    /// When the oldest lease was granted.
    pub oldest: Millis,
    /// The period of that time, for a limit that counts in periods.
    pub span: Option<Span>,
}

/// How many values have a log of their own at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of one limit.
    pub values: usize,
    /// Of one account in all.
    pub logs: usize,
}

impl Room {
    /// That of every account.
    pub const OF_ACCOUNT: Self = Self { values: MAX_VALUES, logs: MAX_LOGS };
}

/// Values of one limit that have a log of their own at once; the others share some.
pub const MAX_VALUES: usize = 1_000;
/// Values of one account in all that have a log of their own, past which new ones share.
pub const MAX_LOGS: usize = 1_500;
/// Among how many logs of a limit the values are spread that have none of their own.
pub const SHARES: u8 = 16;
/// Entries of one account in all, past which logs are merged early, and past twice as many coarsely: a row holds two
/// megabytes. Neither lets anything more through.
pub const MAX_ENTRIES: usize = 65_536;

impl Counts {
    /// In which log a value's request is counted that comes at `now`.
    ///
    /// A value has a log of its own as long as that is live, and as soon as there is room for one. What it has counted in a
    /// shared log meanwhile is not forgotten: its own begins as a copy of that one ([`Self::add`]), others' counts included.
    /// So a shared log takes nothing more once there is room, and one window later it binds nobody.
    pub fn scope(&self, limit: &Limit, value: Option<Mark>, now: Millis, room: Room) -> Scope {
        let Some(mark) = value else { return Scope::Account };
        let value = Scope::Value(mark);
        let Some(logs) = self.logs_of(limit) else { return value };
        let is_own = |scope: &Scope| matches!(scope, Scope::Value(_));
        let is_live = |(scope, log): (&Scope, &Log)| is_own(scope) && log.is_live(now);
        if logs.get(&value).is_some_and(|log| log.is_live(now)) {
            return value;
        }
        let live_of = |logs: &BTreeMap<Scope, Log>| logs.iter().filter(|one| is_live(*one)).count();
        let all = || self.logs.values();
        // What is dead is dropped with the next change; looking at each log is left to accounts that are full of them.
        let is_full = logs.len() >= room.values && live_of(logs) >= room.values
            || all().map(BTreeMap::len).sum::<usize>() >= room.logs && all().map(live_of).sum::<usize>() >= room.logs;
        if is_full { Scope::Shared(share(mark)) } else { value }
    }

    /// What counts for a request that is counted in this scope: its log, or the shared one that its log will begin as.
    pub fn get(&self, limit: &Limit, scope: Scope, now: Millis) -> Option<&Log> {
        let logs = self.logs_of(limit)?;
        let Scope::Value(mark) = scope else { return logs.get(&scope) };
        let live = |scope: &Scope| logs.get(scope).filter(|log| log.is_live(now));
        live(&scope).or_else(|| live(&Scope::Shared(share(mark))))
    }

    /// The log of a limit in which most counts at `now`.
    pub fn fullest(&self, limit: &Limit, now: Millis) -> Option<&Log> {
        let used = |log: &&Log| limit.kind.used(Tally::of_log(log), now);
        self.logs_of(limit)?.values().max_by_key(used)
    }

    /// Counts an amount and returns the time under which it is kept.
    ///
    /// Nothing is counted here for a limit whose count its leases are.
    pub fn add(&mut self, limit: &Limit, scope: Scope, amount: u64, Moment { now, oldest, span }: Moment) -> Millis {
        let Some(kind) = limit.kind.in_log() else { return now };
        let logs = self.logs.entry((limit.name.clone(), limit.unit(), kind.log_kind())).or_default();
        if let Some(copy) = inherited(logs, scope, now) {
            self.entries += copy.entry_count();
            logs.insert(scope, copy);
        }
        let size = match self.entries {
            0..=MAX_ENTRIES => Size::EXACT,
            entries if entries <= 2 * MAX_ENTRIES => Size { entries: 300, ..Size::EXACT },
            _ => Size { entries: 64, sub_buckets: 32 },
        };
        let log = logs.entry(scope).or_insert_with(|| kind.starting(now));
        let before = log.entry_count();
        let at = kind.add(log, amount, Counting { now, oldest, size, span });
        self.entries = self.entries + log.entry_count() - before;
        at
    }

    /// Takes back up to `amount` of what was counted under `at`.
    pub fn refund(&mut self, name: &CountName, scope: Scope, at: Millis, amount: u64) {
        let Some(log) = self.logs.get_mut(name).and_then(|logs| logs.get_mut(&scope)) else { return };
        let before = log.entry_count();
        log.refund(at, amount);
        self.entries = self.entries + log.entry_count() - before;
    }

    /// Drops what no longer counts at `now`, whichever limit it was for.
    pub fn drop_expired(&mut self, now: Millis) {
        let mut entries = 0;
        self.logs.retain(|_, logs| {
            logs.retain(|_, log| {
                log.drop_expired(now);
                let keep = log.is_live(now);
                entries += if keep { log.entry_count() } else { 0 };
                keep
            });
            !logs.is_empty()
        });
        self.entries = entries;
    }

    /// Makes every log smaller, to about as many entries: they let nothing more through.
    pub fn coarsen(&mut self, entries: u64) {
        self.change_all(|log| log.coarsen(entries));
    }

    /// What was counted in what is the future at `now` is counted now: the clock had been ahead.
    pub fn take_back_to(&mut self, now: Millis, calendar: &Calendar) {
        self.change_all(|log| log.take_back_to(now, calendar));
    }

    /// Whether anything is kept for a limit.
    pub fn holds(&self, limit: &Limit) -> bool {
        self.logs_of(limit).is_some()
    }

    /// How many logs hold something, and how many entries they have in all.
    pub fn size(&self) -> (usize, usize) {
        (self.logs.values().flat_map(BTreeMap::values).filter(|log| !log.is_void()).count(), self.entries)
    }

    /// The names of the limits that have logs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(|(limit, ..)| limit.as_str())
    }

    /// All logs, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&CountName, Scope, &Log)> {
        self.logs.iter().flat_map(|(name, logs)| logs.iter().map(move |(scope, log)| (name, *scope, log)))
    }

    /// What rows before version 4 call [`Scope::Rest`] is as every shared log: a value may have been counted in it.
    pub fn insert_rest(&mut self, name: &CountName, log: &Log) -> bool {
        (0..SHARES).all(|share| self.insert(name.clone(), Scope::Shared(share), log.clone()))
    }

    /// Puts a log back that was stored. False if there is one already.
    pub fn insert(&mut self, name: CountName, scope: Scope, log: Log) -> bool {
        self.entries += log.entry_count();
        self.logs.entry(name).or_default().insert(scope, log).is_none()
    }

    fn change_all(&mut self, change: impl Fn(&mut Log)) {
        self.entries = 0;
        for log in self.logs.values_mut().flat_map(BTreeMap::values_mut) {
            change(log);
            self.entries += log.entry_count();
        }
    }

    fn logs_of(&self, limit: &Limit) -> Option<&BTreeMap<Scope, Log>> {
        // A handful of limits: comparing them costs less than making an owned name to look one up.
        let (kind, of) = (limit.kind.in_log()?.log_kind(), limit.unit());
        let (_, logs) =
            self.logs.iter().find(|((name, unit, log), _)| *name == limit.name && *unit == of && *log == kind)?;
        Some(logs)
    }
}

/// What a value's log begins as that has none yet: a copy of the shared one that it may have been counted in.
fn inherited(logs: &BTreeMap<Scope, Log>, scope: Scope, now: Millis) -> Option<Log> {
    let Scope::Value(mark) = scope else { return None };
    let shared = || logs.get(&Scope::Shared(share(mark))).filter(|log| log.is_live(now));
    if logs.contains_key(&scope) { None } else { shared().cloned() }
}

/// Which shared log a value belongs to.
const fn share(Mark(bytes): Mark) -> u8 {
    bytes[0] % SHARES
}
