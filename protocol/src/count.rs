//! What an account's limits have counted: a log for every limit, or for every value of what a limit counts `per`.

use crate::Millis;
use crate::bucket::Bucket;
use crate::plan::{Limit, LimitKind, Unit};
use crate::principal::Mark;
use crate::window::{Fit, Size, Window};
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

/// What a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogKind {
    /// Of a window of so many milliseconds: one of another span is another log.
    Window(u64),
    /// Of a bucket.
    Bucket,
}

/// Whose log of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// The account's.
    Account,
    /// That of all values that have none of their own.
    Rest,
    /// A value's.
    Value(Mark),
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// Of a window, and its span.
    Window(Window, u64),
    /// Of a bucket.
    Bucket(Bucket),
}

/// Values of one limit that have a log of their own at once; the others share one.
pub const MAX_VALUES: usize = 1_000;
/// Logs of one account in all, past which new values share.
pub const MAX_LOGS: usize = 1_500;
/// Entries of one account in all, past which logs are merged early, and past twice as many coarsely: a row holds two
/// megabytes. Neither lets anything more through.
pub const MAX_ENTRIES: usize = 65_536;

impl Counts {
    /// Which log a value's request belongs to at `now`. A value that has shared the common log does so until that is
    /// empty, or what it used there would be forgotten.
    pub fn scope(&self, limit: &Limit, value: Option<Mark>, now: Millis) -> Scope {
        let Some(value) = value.map(Scope::Value) else { return Scope::Account };
        let Some(logs) = self.logs_of(limit) else { return value };
        let is_live = |scope: Scope| logs.get(&scope).is_some_and(|log| log.is_live(now));
        if is_live(value) {
            return value;
        }
        let is_full = || {
            logs.len() >= MAX_VALUES && logs.values().filter(|log| log.is_live(now)).count() >= MAX_VALUES
                || self.logs.values().map(BTreeMap::len).sum::<usize>() >= MAX_LOGS
        };
        if is_live(Scope::Rest) || is_full() { Scope::Rest } else { value }
    }

    /// The log of a limit in a scope.
    pub fn get(&self, limit: &Limit, scope: Scope) -> Option<&Log> {
        self.logs_of(limit)?.get(&scope)
    }

    /// All logs of a limit.
    pub fn all_of(&self, limit: &Limit) -> impl Iterator<Item = &Log> {
        self.logs_of(limit).into_iter().flat_map(BTreeMap::values)
    }

    /// Counts an amount and returns the time under which it is kept. `oldest` is that of the oldest lease.
    ///
    /// A parallel limit has no log: its leases are its count.
    pub fn add(&mut self, limit: &Limit, scope: Scope, amount: u32, now: Millis, oldest: Millis) -> Millis {
        let Some(name) = name(limit) else { return now };
        let logs = self.logs.entry(name).or_default();
        let size = match self.entries {
            0..=MAX_ENTRIES => Size::EXACT,
            entries if entries <= 2 * MAX_ENTRIES => Size { entries: 300, ..Size::EXACT },
            _ => Size { entries: 64, sub_buckets: 32 },
        };
        match limit.kind {
            LimitKind::Window { window_ms, .. } => {
                let log = logs.entry(scope).or_insert_with(|| Log::Window(Window::starting(now), window_ms));
                let Log::Window(window, span) = log else { return now };
                let before = window.len();
                let at = window.add_within(now, *span, amount, size);
                self.entries = self.entries + window.len() - before;
                at
            }
            LimitKind::Bucket { refill, .. } => {
                let log = logs.entry(scope).or_insert_with(|| Log::Bucket(Bucket::starting(now, refill)));
                let Log::Bucket(bucket) = log else { return now };
                let before = bucket.len();
                let at = bucket.add_within(now, refill, amount, oldest, size.entries);
                self.entries = self.entries + bucket.len() - before;
                at
            }
            LimitKind::Parallel { .. } => now,
        }
    }

    /// Takes back up to `amount` of what was counted under `at`.
    pub fn refund(&mut self, name: &CountName, scope: Scope, at: Millis, amount: u32) {
        let Some(log) = self.logs.get_mut(name).and_then(|logs| logs.get_mut(&scope)) else { return };
        let before = log.len();
        match log {
            Log::Window(window, _) => window.refund(at, amount),
            Log::Bucket(bucket) => bucket.refund(at, amount),
        }
        self.entries = self.entries + log.len() - before;
    }

    /// Drops what no longer counts at `now`, whichever limit it was for.
    pub fn drop_expired(&mut self, now: Millis) {
        let mut entries = 0;
        self.logs.retain(|_, logs| {
            logs.retain(|_, log| {
                if let Log::Window(window, longest) = log {
                    window.drop_expired(now, *longest);
                }
                let keep = log.is_live(now);
                entries += if keep { log.len() } else { 0 };
                keep
            });
            !logs.is_empty()
        });
        self.entries = entries;
    }

    /// All logs, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&CountName, Scope, &Log)> {
        self.logs.iter().flat_map(|(name, logs)| logs.iter().map(move |(scope, log)| (name, *scope, log)))
    }

    /// Puts a log back that was stored. False if there is one already.
    pub fn insert(&mut self, name: CountName, scope: Scope, log: Log) -> bool {
        self.entries += log.len();
        self.logs.entry(name).or_default().insert(scope, log).is_none()
    }

    fn logs_of(&self, limit: &Limit) -> Option<&BTreeMap<Scope, Log>> {
        // A handful of limits: comparing them costs less than making an owned name to look one up.
        let kind = kind(limit)?;
        let (_, logs) = self
            .logs
            .iter()
            .find(|((name, unit, log), _)| *name == limit.name && *unit == limit.unit() && *log == kind)?;
        Some(logs)
    }
}

impl Log {
    /// What counts at `now`, for this limit.
    pub fn used(&self, limit: &Limit, now: Millis) -> u64 {
        match (self, limit.kind) {
            (Self::Window(window, _), LimitKind::Window { window_ms, .. }) => window.used(now, window_ms),
            (Self::Bucket(bucket), LimitKind::Bucket { refill, .. }) => bucket.used(now, refill),
            _ => 0,
        }
    }

    /// When there will be more, and when it will be whole; `None` if it is.
    pub fn ends(&self, limit: &Limit, now: Millis) -> Option<(Millis, Millis)> {
        match (self, limit.kind) {
            (Self::Window(window, _), LimitKind::Window { window_ms, .. }) => window.ends(now, window_ms),
            (Self::Bucket(bucket), LimitKind::Bucket { refill, .. }) => bucket.ends(now, refill),
            _ => None,
        }
    }

    /// When `amount` fits under `quota`.
    pub fn fit(&self, limit: &Limit, now: Millis, quota: u32, amount: u32) -> Fit {
        match (self, limit.kind) {
            (Self::Window(window, _), LimitKind::Window { window_ms, .. }) => {
                window.fit(now, window_ms, u64::from(quota), amount)
            }
            (Self::Bucket(bucket), LimitKind::Bucket { refill, .. }) => {
                bucket.fit(now, refill, u64::from(quota), amount)
            }
            _ => Fit::Never,
        }
    }

    fn is_live(&self, now: Millis) -> bool {
        match self {
            Self::Window(window, longest) => window.used(now, *longest) > 0,
            Self::Bucket(bucket) => !bucket.is_full(now),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Window(window, _) => window.len(),
            Self::Bucket(bucket) => bucket.len(),
        }
    }
}

/// The name of a limit's log; `None` for a parallel limit.
pub fn name(limit: &Limit) -> Option<CountName> {
    Some((limit.name.clone(), limit.unit(), kind(limit)?))
}

/// What its log is; `None` for a parallel limit.
pub const fn kind(limit: &Limit) -> Option<LogKind> {
    match limit.kind {
        LimitKind::Window { window_ms, .. } => Some(LogKind::Window(window_ms)),
        LimitKind::Bucket { .. } => Some(LogKind::Bucket),
        LimitKind::Parallel { .. } => None,
    }
}
