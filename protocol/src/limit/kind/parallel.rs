//! At most so many requests at once.
//!
//! What counts are the leases that live: an admitted request holds one until it is settled or until its deadline, whichever
//! comes first. So nothing is kept besides the leases, and giving back is ending one. The only time that is certain is a
//! deadline, minutes away, while a place most likely comes free much sooner: callers are told of no time.

use super::{
    CountInLog, DescribeRefused, DescribeStanding, Fit, Form, Kind, RefusedKind, StandingKind, Tally, Unit, narrow,
};
use crate::limit::calendar::Span;
use crate::limit::fields::Reader;
use crate::limit::per::Per;
use crate::refusal::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Leases of one account at once, whatever its plan says: its row must stay small.
pub const MAX_LEASES: u32 = 2_048;

/// At most `limit` requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallel {
    /// At least 1.
    pub limit: u32,
}

/// How a limit on requests at once stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParallelStanding;

/// The live leases that a limit counts.
pub trait LeaseEnds {
    /// Shows when each ends by itself.
    fn each(&self, show: &mut dyn FnMut(Millis));
}

impl<const COUNT: usize> LeaseEnds for [Millis; COUNT] {
    fn each(&self, show: &mut dyn FnMut(Millis)) {
        self.iter().copied().for_each(show);
    }
}

const NAME: &str = "parallel";

pub(super) const FORM: Form = Form {
    name: NAME,
    members: &["limit"],
    read: |reader, at, object| Parallel::read(reader, at, object).map(Into::into),
};

impl Parallel {
    /// What holds for every account.
    pub const OF_ACCOUNT: Self = Self { limit: MAX_LEASES };

    fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Option<Self> {
        let limit = reader.required(at, object, "limit", u64::from(MAX_LEASES))?;
        Some(Self { limit })
    }
}

impl Kind for Parallel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn unit(&self) -> Unit {
        Unit::Requests
    }

    fn quota(&self) -> u64 {
        self.limit.into()
    }

    fn write(&self, object: &mut Map<String, Value>) {
        object.insert("limit".into(), self.limit.into());
    }

    fn in_log(&self) -> Option<&dyn CountInLog> {
        None
    }

    fn used(&self, tally: Tally<'_>, _: Millis) -> u64 {
        let mut count = 0;
        tally.leases.each(&mut |_| count += 1);
        count
    }

    fn ends(&self, tally: Tally<'_>, _: Millis) -> Option<(Millis, Millis)> {
        let mut ends: Option<(Millis, Millis)> = None;
        tally.leases.each(&mut |end| {
            let (first, last) = ends.unwrap_or((end, end));
            ends = Some((first.min(end), last.max(end)));
        });
        ends
    }

    /// If nobody settles before: when enough leases have ended.
    fn fit(&self, tally: Tally<'_>, now: Millis, quota: u64, _: u64) -> Fit {
        let quota = narrow(quota) as usize;
        if self.used(tally, now) < quota as u64 {
            return Fit::Now;
        }
        let mut ends = Vec::new();
        tally.leases.each(&mut |end| ends.push(end));
        ends.sort_unstable();
        ends.get(ends.len() - quota).map_or(Fit::Never, |end| Fit::At(*end))
    }

    fn refused(&self, quota: u64, _: Per) -> RefusedKind {
        Self { limit: narrow(quota) }.into()
    }

    fn standing(&self, _: u64, _: Option<Span>) -> StandingKind {
        ParallelStanding.into()
    }
}

impl DescribeRefused for Parallel {
    fn unit(&self) -> Unit {
        Unit::Requests
    }

    fn quota(&self) -> u64 {
        self.limit.into()
    }

    fn text(&self) -> String {
        format!("{} at once", self.limit)
    }

    fn reason(&self) -> Reason {
        Reason::ParallelLimited
    }

    fn awaits(&self) -> Option<&'static str> {
        Some("when one of your requests has ended")
    }
}

impl DescribeStanding for ParallelStanding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn span_ms(&self) -> Option<u64> {
        None
    }

    fn quota_unit(&self, _: Unit) -> Option<Cow<'static, str>> {
        Some("concurrent-requests".into())
    }
}

#[cfg(test)]
mod tests;
