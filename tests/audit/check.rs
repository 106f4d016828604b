//! The checks: what each sends, and what its observations come to.

mod headers;
mod leak;
mod parallel;
mod retry_after;
mod window;

use crate::caller::{Caller, PATIENCE, Stop, most_for};
use crate::observation::Claim;
use crate::options::Options;
use crate::question::Check;
use crate::report::Finding;
use std::time::Duration;

/// What a check may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Requests at most.
    pub(crate) requests: usize,
    /// How long it takes where answers come at once.
    pub(crate) usual: Duration,
    /// How long it may take at most.
    pub(crate) most: Duration,
}

impl Check {
    /// Why it cannot be run at all, if so.
    pub(crate) fn cannot(self, claim: &Claim) -> Option<&'static str> {
        let needs_parallel = matches!(self, Self::Parallel | Self::Leak);
        (needs_parallel && claim.parallel.is_none()).then_some("no --parallel was claimed")
    }

    /// What it may take.
    pub(crate) fn cost(self, claim: &Claim, options: &Options) -> Cost {
        let Claim { limit, window, parallel } = *claim;
        let parallel = parallel.unwrap_or(0);
        let kills = usize::from(options.kills);
        let (requests, windows) = match self {
            Self::Burst => (window::burst_size(limit) + most_for(limit), 0.2),
            Self::Boundary => (1 + 8 * limit, 3.5),
            Self::Steady => (2 * limit + window::STEADY_WINDOWS * window::steady_rate(limit), 3.2),
            Self::Burn => (2 * most_for(limit) + window::burn_size(limit) + window::RETURNS, 2.2),
            Self::RetryAfter => (retry_after::ROUNDS * (most_for(limit) + retry_after::ATTEMPTS), 3.2),
            Self::Headers => (headers::most(limit), 0.2),
            Self::Parallel => (4 * parallel, 0.1),
            Self::Leak => (leak::most(kills, parallel), 1.0 + kills.div_ceil(limit) as f64),
        };
        let usual = window.mul_f64(windows) + Duration::from_secs(1);
        let lease = if self == Self::Leak { options.lease } else { Duration::ZERO };
        Cost { requests, usual, most: usual * 3 + lease * 2 + PATIENCE }
    }

    /// Runs it.
    pub(crate) fn run(self, caller: &Caller<'_>, claim: &Claim, options: &Options) -> Result<Finding, Stop> {
        match self {
            Self::Burst => window::burst(caller, claim),
            Self::Boundary => window::boundary(caller, claim),
            Self::Steady => window::steady(caller, claim),
            Self::Burn => window::burn(caller, claim),
            Self::RetryAfter => retry_after::run(caller, claim),
            Self::Headers => headers::run(caller, claim),
            Self::Parallel => parallel::run(caller, claim),
            Self::Leak => leak::run(caller, claim, usize::from(options.kills), options.lease),
        }
    }
}
