//! How a [`GateState`] is kept: one packed row. A version byte, then postcard with every time as the distance from the
//! one before it, which takes three to four bytes an entry.

use crate::Millis;
use crate::bucket::{Bucket, Refill};
use crate::count::{Counts, Log, LogKind, Scope};
use crate::gate::{ClosedMark, GateState, Totals};
use crate::id::RequestId;
use crate::lease::{Counted, Lease, Metered};
use crate::plan::Unit;
use crate::principal::Mark;
use crate::window::{Entry, Window};
use serde::{Deserialize, Serialize};

/// The version this code writes. It reads this one and version 2, which did not tell keys apart, and refuses others: a newer
/// Gate's state is not to be guessed at.
pub const VERSION: u8 = 3;

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
    /// The names of limits, which logs and leases then give by their place.
    names: Vec<String>,
    windows: Vec<PackedWindow>,
    buckets: Vec<PackedBucket>,
    leases: Vec<PackedLease>,
    closed: Vec<(u64, ClosedMark)>,
    totals: Totals,
    shadowed: Vec<(String, u64)>,
}

/// What stands behind a [`Packed`] since version 3.
#[derive(Default, Serialize, Deserialize)]
struct PackedUsage {
    /// Whose each lease is, in the leases' order.
    leases: Vec<Mark>,
    used: Vec<(Mark, Totals)>,
}

#[derive(Serialize, Deserialize)]
struct PackedWindow {
    limit: u32,
    unit: Unit,
    scope: Scope,
    span: u64,
    kept_from: u64,
    /// Distances in time, the first one from `kept_from`, and amounts.
    entries: Vec<(u64, u32)>,
}

#[derive(Serialize, Deserialize)]
struct PackedBucket {
    limit: u32,
    unit: Unit,
    scope: Scope,
    refill: Refill,
    since: u64,
    debt: u128,
    /// Distances in time, the first one from `since`, and amounts.
    entries: Vec<(u64, u32)>,
}

#[derive(Serialize, Deserialize)]
struct PackedLease {
    request: RequestId,
    at: u64,
    lasts: u64,
    metered: Option<Metered>,
    counted: Vec<PackedCounted>,
}

#[derive(Serialize, Deserialize)]
struct PackedCounted {
    limit: u32,
    unit: Unit,
    log: Option<LogKind>,
    scope: Scope,
    /// From the lease's own time: a merged log may stand a little ahead.
    after: u64,
    amount: u32,
}

/// Packs a state.
pub fn encode(state: &GateState) -> Vec<u8> {
    let mut names = Names::default();
    let (mut windows, mut buckets) = (Vec::new(), Vec::new());
    for ((limit, unit, _), scope, log) in state.counts.iter() {
        // An empty log is as good as none.
        if matches!(log, Log::Window(window, _) if window.is_empty()) {
            continue;
        }
        let (limit, unit) = (names.place(limit), *unit);
        match log {
            Log::Window(window, span) => windows.push(PackedWindow {
                limit,
                unit,
                scope,
                span: *span,
                kept_from: window.kept_from(),
                entries: deltas(window.kept_from(), window.entries().map(|entry| (entry.at, entry.amount))),
            }),
            Log::Bucket(bucket) => {
                let (since, debt) = bucket.folded();
                buckets.push(PackedBucket {
                    limit,
                    unit,
                    scope,
                    refill: bucket.refill(),
                    since,
                    debt,
                    entries: deltas(since, bucket.entries().map(|entry| (entry.at, entry.amount))),
                });
            }
        }
    }
    let mut counted = |lease: &Lease, counted: &Counted| PackedCounted {
        limit: names.place(&counted.limit),
        unit: counted.unit,
        log: counted.log,
        scope: counted.scope,
        after: counted.at.saturating_sub(lease.at),
        amount: counted.amount,
    };
    let leases = state
        .leases
        .iter()
        .map(|lease| PackedLease {
            request: lease.request,
            at: lease.at,
            lasts: lease.deadline.saturating_sub(lease.at),
            metered: lease.metered,
            counted: lease.counted.iter().map(|one| counted(lease, one)).collect(),
        })
        .collect();
    let packed = Packed {
        last_now: state.last_now,
        names: names.0,
        windows,
        buckets,
        leases,
        closed: deltas(0, state.closed.iter().copied()),
        totals: state.totals,
        shadowed: state.shadowed.iter().map(|(limit, count)| (limit.clone(), *count)).collect(),
    };
    let usage = PackedUsage {
        leases: state.leases.iter().map(|lease| lease.key).collect(),
        used: state.usage.iter().map(|(key, totals)| (*key, *totals)).collect(),
    };
    postcard::to_extend(&(packed, usage), vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks a state. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<GateState, StateError> {
    let (version, packed) = bytes.split_first().ok_or(StateError::Damaged)?;
    let (packed, mut usage): (Packed, PackedUsage) = match *version {
        VERSION => postcard::from_bytes(packed).map_err(|_| StateError::Damaged)?,
        2 => (postcard::from_bytes(packed).map_err(|_| StateError::Damaged)?, PackedUsage::default()),
        other => return Err(StateError::Version(other)),
    };
    if *version == VERSION && usage.leases.len() != packed.leases.len() {
        return Err(StateError::Damaged);
    }
    usage.leases.resize(packed.leases.len(), Mark::default());
    let name = |place: u32| packed.names.get(place as usize).cloned().ok_or(StateError::Damaged);
    let mut counts = Counts::default();
    for window in packed.windows {
        let entries = times(window.kept_from, window.entries).into_iter().map(|(at, amount)| Entry { at, amount });
        let log = Window::from_parts(window.kept_from, entries).ok_or(StateError::Damaged)?;
        let key = (name(window.limit)?, window.unit, LogKind::Window(window.span));
        if !counts.insert(key, window.scope, Log::Window(log, window.span)) {
            return Err(StateError::Damaged);
        }
    }
    for bucket in packed.buckets {
        let entries = times(bucket.since, bucket.entries).into_iter().map(|(at, amount)| Entry { at, amount });
        let log = Bucket::from_parts(bucket.refill, (bucket.since, bucket.debt), entries).ok_or(StateError::Damaged)?;
        let key = (name(bucket.limit)?, bucket.unit, LogKind::Bucket);
        if !counts.insert(key, bucket.scope, Log::Bucket(log)) {
            return Err(StateError::Damaged);
        }
    }
    let counted = |at: u64, one: PackedCounted| {
        Ok(Counted {
            limit: name(one.limit)?,
            unit: one.unit,
            log: one.log,
            scope: one.scope,
            at: at.saturating_add(one.after),
            amount: one.amount,
        })
    };
    let lease = |(lease, key): (PackedLease, Mark)| {
        Ok(Lease {
            request: lease.request,
            key,
            at: lease.at,
            deadline: lease.at.saturating_add(lease.lasts),
            metered: lease.metered,
            counted: lease.counted.into_iter().map(|one| counted(lease.at, one)).collect::<Result<_, _>>()?,
        })
    };
    Ok(GateState {
        last_now: packed.last_now,
        counts,
        leases: packed.leases.into_iter().zip(usage.leases).map(lease).collect::<Result<_, _>>()?,
        closed: times(0, packed.closed).into(),
        totals: packed.totals,
        shadowed: packed.shadowed.into_iter().collect(),
        usage: usage.used.into_iter().collect(),
    })
}

/// Each name once.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn place(&mut self, name: &str) -> u32 {
        let place = self.0.iter().position(|other| other == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        u32::try_from(place).expect("an account has a few limits, not four thousand million")
    }
}

fn deltas<T>(start: Millis, entries: impl Iterator<Item = (Millis, T)>) -> Vec<(u64, T)> {
    let mut last = start;
    entries
        .map(|(at, value)| {
            let delta = at.saturating_sub(last);
            last = at;
            (delta, value)
        })
        .collect()
}

fn times<T>(start: Millis, entries: Vec<(u64, T)>) -> Vec<(Millis, T)> {
    let mut last = start;
    entries
        .into_iter()
        .map(|(delta, value)| {
            last = last.saturating_add(delta);
            (last, value)
        })
        .collect()
}
