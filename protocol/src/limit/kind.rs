//! Kinds of limits: what each counts, and how much of that it lets through.
//!
//! A kind is one file below this one. It reads and writes what a plan says of it, finds out when a request fits, counts it,
//! gives back, and describes itself to those whom it refuses. Which kinds there are is written in this file alone: the
//! variants of the types below are private, so nothing else can ask which one it has. A new kind is a file, its tests and a
//! line in each list here.

pub mod bucket;
pub mod budget;
pub mod entry;
pub mod parallel;
pub mod refill;
mod traits;
mod unit;
pub mod window;

use crate::limit::calendar::Span;
use crate::limit::fields::Reader;
use crate::time::Millis;
use bucket::{Bucket, BucketLog, BucketStanding, PackedBucket, RefusedBucket};
use budget::{Budget, BudgetLog, BudgetLogKind, BudgetStanding, PackedBudget, RefusedBudget};
use entry::Size;
use parallel::{LeaseEnds, Parallel, ParallelStanding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::any::Any;
use std::ops::{Deref, DerefMut};
use window::{PackedWindow, Window, WindowLog, WindowStanding};

pub use traits::{CountInLog, CountLog, DescribeRefused, DescribeStanding, Kind};
pub use unit::Unit;

/// A public type that is one of several, and does what they all can do.
macro_rules! one_of {
    ($(#[$attribute:meta])* $name:ident($any:ident): $what:ident = $($variant:ident($type:ty)),+) => {
        $(#[$attribute])*
        pub struct $name($any);

        $(#[$attribute])*
        enum $any {
            $($variant($type)),+
        }

        $(impl From<$type> for $name {
            fn from(one: $type) -> Self {
                Self($any::$variant(one))
            }
        })+

        impl Deref for $name {
            type Target = dyn $what;

            fn deref(&self) -> &Self::Target {
                match &self.0 {
                    $($any::$variant(one) => one),+
                }
            }
        }
    };
}

one_of! {
    /// What a limit counts, and how much of it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    LimitKind(AnyKind): Kind = Window(Window), Bucket(Bucket), Parallel(Parallel), Budget(Budget)
}

one_of! {
    /// What kind of limit refused, and what it lets through at the time of the decision.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    RefusedKind(AnyRefused): DescribeRefused =
        Window(Window), Bucket(RefusedBucket), Parallel(Parallel), Budget(RefusedBudget)
}

one_of! {
    /// What kind of limit stands so.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    StandingKind(AnyStanding): DescribeStanding =
        Window(WindowStanding), Bucket(BucketStanding), Parallel(ParallelStanding), Budget(BudgetStanding)
}

one_of! {
    /// What a limit has counted, of the kinds that count in a log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    Log(AnyLog): CountLog = Window(WindowLog), Bucket(BucketLog), Budget(BudgetLog)
}

/// What a limit's log is. Limits of one name in several plans share a log only if it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogKind(AnyLogKind);

/// As it lies in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum AnyLogKind {
    /// Of a window of so many milliseconds: one of another span is another log.
    Window(u64),
    /// Of a bucket.
    Bucket,
    /// Of a budget.
    Budget(BudgetLogKind),
}

/// How plans name each kind, which members it has of its own, and what reads them.
const FORMS: [Form; 4] = [window::FORM, bucket::FORM, parallel::FORM, budget::FORM];

/// All logs of a row, kind by kind. `N` is whose each is.
#[derive(Serialize, Deserialize)]
pub(in crate::limit) struct PackedLogs<N> {
    windows: Vec<(N, PackedWindow)>,
    buckets: Vec<(N, PackedBucket)>,
    budgets: Vec<(N, PackedBudget)>,
}

/// The same until rows of version 5, which have budgets.
#[derive(Deserialize)]
pub(in crate::limit) struct PackedLogsBefore<N> {
    windows: Vec<(N, PackedWindow)>,
    buckets: Vec<(N, PackedBucket)>,
}

impl<N> From<PackedLogsBefore<N>> for PackedLogs<N> {
    fn from(PackedLogsBefore { windows, buckets }: PackedLogsBefore<N>) -> Self {
        Self { windows, buckets, budgets: Vec::new() }
    }
}

impl<N> PackedLogs<N> {
    /// None.
    pub(in crate::limit) const fn new() -> Self {
        Self { windows: Vec::new(), buckets: Vec::new(), budgets: Vec::new() }
    }

    /// Packs one more log.
    pub(in crate::limit) fn push(&mut self, name: N, log: &Log) {
        match &log.0 {
            AnyLog::Window(log) => self.windows.push((name, log.pack())),
            AnyLog::Bucket(log) => self.buckets.push((name, log.pack())),
            AnyLog::Budget(log) => self.budgets.push((name, log.pack())),
        }
    }

    /// Unpacks all; `None` stands for one that no log of ours is packed as.
    pub(in crate::limit) fn unpack(self) -> impl Iterator<Item = (N, Option<(LogKind, Log)>)> {
        let windows = self.windows.into_iter().map(|(name, packed)| {
            let log = packed.unpack();
            (name, log.map(|log| (LogKind(AnyLogKind::Window(log.span())), log.into())))
        });
        let buckets = self
            .buckets
            .into_iter()
            .map(|(name, packed)| (name, packed.unpack().map(|log| (LogKind(AnyLogKind::Bucket), log.into()))));
        let budgets = self.budgets.into_iter().map(|(name, packed)| {
            let log = packed.unpack();
            (name, log.map(|log| (LogKind(AnyLogKind::Budget(log.kind())), log.into())))
        });
        windows.chain(buckets).chain(budgets)
    }
}

/// When an amount fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Now.
    Now,
    /// At this time, if nothing else is counted or settled before; not one millisecond earlier.
    At(Millis),
    /// Never: the amount alone is larger than the limit.
    Never,
}

/// What has been counted where a request is counted; each kind looks at one of the two.
#[derive(Clone, Copy)]
pub struct Tally<'a> {
    /// Its log, if there is one yet.
    pub log: Option<&'a Log>,
    /// The live leases that the limit has counted.
    pub leases: &'a dyn LeaseEnds,
}

impl<'a> Tally<'a> {
    /// Of a log alone.
    pub(in crate::limit) const fn of_log(log: &'a Log) -> Self {
        Self { log: Some(log), leases: &[] }
    }
}

/// At what time something is counted, and how.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// At this time.
    pub now: Millis,
    /// What was counted before this time is never given back.
    pub oldest: Millis,
    /// How large the log may become.
    pub size: Size,
    /// The period of that time, for what counts in periods.
    pub span: Option<Span>,
}

/// How a plan has one kind of limit.
pub(in crate::limit) struct Form {
    /// Its name.
    name: &'static str,
    /// Its own members, besides those that every limit has.
    pub(in crate::limit) members: &'static [&'static str],
    /// Reads them, and remembers what is wrong with them.
    pub(in crate::limit) read: fn(&mut Reader, at: &str, &Map<String, Value>) -> Option<LimitKind>,
}

impl Form {
    /// That of the kind of this name, or the mistake of naming another one.
    pub(in crate::limit) fn of(name: Option<&str>) -> Result<&'static Self, String> {
        FORMS.iter().find(|form| Some(form.name) == name).ok_or_else(|| {
            let [others @ .., last] = FORMS.each_ref().map(|form| format!("{:?}", form.name));
            format!("must be {} or {last}", others.join(", "))
        })
    }
}

impl Log {
    /// As one kind's; `None` if it is another's, which no name of ours leads to.
    fn of<L: CountLog>(&self) -> Option<&L> {
        let log: &dyn Any = &**self;
        log.downcast_ref()
    }

    fn of_mut<L: CountLog>(&mut self) -> Option<&mut L> {
        let log: &mut dyn Any = &mut **self;
        log.downcast_mut()
    }
}

impl DerefMut for Log {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match &mut self.0 {
            AnyLog::Window(log) => log,
            AnyLog::Bucket(log) => log,
            AnyLog::Budget(log) => log,
        }
    }
}

/// An amount as logs of windows and buckets keep it: none of them lets more through than that holds.
fn narrow(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

/// The longest span that a limit looks back, or that something drains in: 31 days.
const MAX_SPAN_MS: u64 = 31 * 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests;
