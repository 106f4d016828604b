//! Leases: what is admitted and not yet settled.
//!
//! Every admitted request holds a lease until it is settled or until its deadline, whichever comes first. Parallel limits
//! count live leases; expiry is decided when somebody asks, so no alarm is needed for correctness. The origin stops
//! before the deadline, so live leases are an upper bound on the work that runs.

use crate::Millis;
use crate::id::RequestId;

/// One admitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The request.
    pub request: RequestId,
    /// When it was admitted.
    pub at: Millis,
    /// When the lease ends by itself; at this time it no longer counts.
    pub deadline: Millis,
    /// Under which time each window of the plan counted it, in the plan's order of window limits, by name.
    pub counted: Vec<Counted>,
}

/// One window's count of one request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counted {
    /// The limit's name.
    pub limit: String,
    /// The time under which the window keeps it.
    pub at: Millis,
    /// How much was counted.
    pub amount: u32,
}

/// All leases of one account, in order of admission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases(Vec<Lease>);

impl Leases {
    /// How many leases are live at `now`.
    pub fn live(&self, now: Millis) -> usize {
        self.0.iter().filter(|lease| lease.deadline > now).count()
    }

    /// When the first and the last of the live leases end by themselves; `None` if none is live.
    pub fn ends(&self, now: Millis) -> Option<(Millis, Millis)> {
        let live = || self.0.iter().map(|lease| lease.deadline).filter(|end| *end > now);
        Some((live().min()?, live().max()?))
    }

    /// When one more fits under `limit` if nobody settles before: now (`None`), or the time at which enough leases end.
    /// A limit of 0 fits nobody; it gives the end of time.
    pub fn fits_at(&self, now: Millis, limit: usize) -> Option<Millis> {
        let mut ends: Vec<_> = self.0.iter().map(|lease| lease.deadline).filter(|end| *end > now).collect();
        if ends.len() < limit {
            return None;
        }
        ends.sort_unstable();
        Some(ends.get(ends.len() - limit).copied().unwrap_or(Millis::MAX))
    }

    /// The lease of a request, live or past its deadline, while it is kept.
    pub fn find(&self, request: RequestId) -> Option<&Lease> {
        self.0.iter().find(|lease| lease.request == request)
    }

    /// Adds a lease. The caller has seen that the request has none.
    pub fn grant(&mut self, lease: Lease) {
        self.0.push(lease);
    }

    /// Ends a lease; `None` if the request has none (settled before, or its deadline passed and it was dropped).
    pub fn release(&mut self, request: RequestId) -> Option<Lease> {
        let index = self.0.iter().position(|lease| lease.request == request)?;
        Some(self.0.remove(index))
    }

    /// Drops leases whose deadline has passed: what they counted stays counted.
    pub fn drop_expired(&mut self, now: Millis) {
        self.0.retain(|lease| lease.deadline > now);
    }

    /// All leases that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.0.iter()
    }
}

impl FromIterator<Lease> for Leases {
    fn from_iter<I: IntoIterator<Item = Lease>>(leases: I) -> Self {
        Self(leases.into_iter().collect())
    }
}
