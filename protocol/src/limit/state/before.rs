//! Rows of versions before this one, as they lie on disks: read as what they are now.

use super::rate::{PackedMetered, PackedRate, PackedWeights};
use super::{Packed, PackedCounted, PackedLease, PackedName, Places, StateError};
use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::count::Scope;
use crate::limit::decision::Totals;
use crate::limit::kind::{LogKind, PackedLogsBefore, Unit};
use crate::limit::state::ClosedMark;
use crate::request::cost::work::Work;
use serde::Deserialize;

/// Version 4: what it counts of a request has no price.
#[derive(Deserialize)]
struct Packed4 {
    last_now: u64,
    sure: u64,
    behind: Option<u64>,
    names: Vec<String>,
    logs: PackedLogsBefore<PackedName>,
    counts: Vec<(u32, Unit, Option<LogKind>)>,
    leases: Vec<PackedLease4>,
    closed: Vec<(u64, ClosedMark)>,
    totals: Totals,
    shadowed: Vec<(String, u64)>,
    used: Vec<(Mark, Totals)>,
}

#[derive(Deserialize)]
struct PackedLease4 {
    request: RequestId,
    key: Mark,
    at: u64,
    lasts: u64,
    metered: Option<Metered4>,
    scopes: Vec<Scope>,
    counted: Vec<PackedCounted>,
}

#[derive(Deserialize)]
struct Metered4 {
    work: Work,
    weights: PackedWeights,
    is_enforced: bool,
}

impl From<Metered4> for PackedMetered {
    fn from(Metered4 { work, weights, is_enforced }: Metered4) -> Self {
        Self::new(work, PackedRate::of_weights(weights), is_enforced)
    }
}

impl From<Packed4> for Packed {
    fn from(packed: Packed4) -> Self {
        let lease = |PackedLease4 { request, key, at, lasts, metered, scopes, counted }| PackedLease {
            request,
            key,
            at,
            lasts,
            metered: metered.map(PackedMetered::from),
            scopes,
            counted,
        };
        Self {
            last_now: packed.last_now,
            sure: packed.sure,
            behind: packed.behind,
            names: packed.names,
            logs: packed.logs.into(),
            counts: packed.counts,
            leases: packed.leases.into_iter().map(lease).collect(),
            closed: packed.closed,
            totals: packed.totals,
            shadowed: packed.shadowed,
            used: packed.used,
        }
    }
}

/// What versions 2 and 3 have in common.
#[derive(Deserialize)]
struct Packed2 {
    last_now: u64,
    names: Vec<String>,
    logs: PackedLogsBefore<PackedName>,
    leases: Vec<PackedLease2>,
    closed: Vec<(u64, ClosedMark)>,
    totals: Totals,
    shadowed: Vec<(String, u64)>,
}

/// What stands behind it in version 3.
#[derive(Default, Deserialize)]
struct PackedUsage3 {
    /// Whose each lease is, in the leases' order.
    leases: Vec<Mark>,
    used: Vec<(Mark, Totals)>,
}

#[derive(Deserialize)]
struct PackedLease2 {
    request: RequestId,
    at: u64,
    lasts: u64,
    metered: Option<Metered4>,
    counted: Vec<PackedCounted2>,
}

#[derive(Deserialize)]
struct PackedCounted2 {
    limit: u32,
    unit: Unit,
    log: Option<LogKind>,
    scope: Scope,
    after: u64,
    amount: u64,
}

pub(super) fn read(version: u8, packed: &[u8]) -> Result<Packed, StateError> {
    let damaged = |_| StateError::Damaged;
    let (packed, mut usage): (Packed2, PackedUsage3) = match version {
        // What is written now, with nothing behind it.
        5 => return postcard::from_bytes(packed).map_err(damaged),
        4 => return postcard::from_bytes::<Packed4>(packed).map(Packed::from).map_err(damaged),
        2 => (postcard::from_bytes(packed).map_err(damaged)?, PackedUsage3::default()),
        _ => postcard::from_bytes(packed).map_err(damaged)?,
    };
    if version != 2 && usage.leases.len() != packed.leases.len() {
        return Err(StateError::Damaged);
    }
    usage.leases.resize(packed.leases.len(), Mark::default());
    let mut counts = Places::default();
    let mut lease = |(lease, key): (PackedLease2, Mark)| {
        let mut scopes = Places::default();
        let counted = |one: PackedCounted2| PackedCounted {
            count: counts.place((one.limit, one.unit, one.log)),
            scope: scopes.place(one.scope),
            after: one.after,
            amount: one.amount,
        };
        let counted = lease.counted.into_iter().map(counted).collect();
        let PackedLease2 { request, at, lasts, metered, .. } = lease;
        let metered = metered.map(PackedMetered::from);
        PackedLease { request, key, at, lasts, metered, scopes: scopes.0, counted }
    };
    let leases = packed.leases.into_iter().zip(usage.leases).map(&mut lease).collect();
    Ok(Packed {
        last_now: packed.last_now,
        // They dropped what had expired at the latest change itself.
        sure: 0,
        behind: None,
        names: packed.names,
        logs: packed.logs.into(),
        counts: counts.0,
        leases,
        closed: packed.closed,
        totals: packed.totals,
        shadowed: packed.shadowed,
        used: usage.used,
    })
}
