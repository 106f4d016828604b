//! Rows of versions before this one, as they lie on disks: read as what they are now.

use super::{Packed, PackedCounted, PackedLease, PackedName, Places, StateError};
use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::count::Scope;
use crate::limit::decision::Totals;
use crate::limit::kind::{LogKind, PackedLogs, Unit};
use crate::limit::lease::Metered;
use crate::limit::state::ClosedMark;
use serde::Deserialize;

/// What versions 2 and 3 have in common.
#[derive(Deserialize)]
struct Packed2 {
    last_now: u64,
    names: Vec<String>,
    logs: PackedLogs<PackedName>,
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
    metered: Option<Metered>,
    counted: Vec<PackedCounted2>,
}

#[derive(Deserialize)]
struct PackedCounted2 {
    limit: u32,
    unit: Unit,
    log: Option<LogKind>,
    scope: Scope,
    after: u64,
    amount: u32,
}

pub(super) fn read(version: u8, packed: &[u8]) -> Result<Packed, StateError> {
    let damaged = |_| StateError::Damaged;
    let (packed, mut usage): (Packed2, PackedUsage3) = match version {
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
        PackedLease { request, key, at, lasts, metered, scopes: scopes.0, counted }
    };
    let leases = packed.leases.into_iter().zip(usage.leases).map(&mut lease).collect();
    Ok(Packed {
        last_now: packed.last_now,
        // They dropped what had expired at the latest change itself.
        sure: 0,
        behind: None,
        names: packed.names,
        logs: packed.logs,
        counts: counts.0,
        leases,
        closed: packed.closed,
        totals: packed.totals,
        shadowed: packed.shadowed,
        used: usage.used,
    })
}
