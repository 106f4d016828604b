//! Headers: one key alone uses its window up, one request after the other, and every answer is compared with the others.

use crate::caller::{Caller, Stop};
use crate::judge::headers::{Told, contradictions, present_and_absent};
use crate::observation::Claim;
use crate::report::{Finding, Verdict};
use std::time::Duration;

/// Requests at most: the window's, two refusals, and some that a parallel limit may refuse.
pub(super) fn most(limit: usize) -> usize {
    limit + 2 + PARALLEL_REFUSALS
}

/// Sends until the window has refused twice.
pub(super) fn run(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let mut connection = caller.connect()?;
    let mut seen: Vec<Told> = Vec::new();
    let mut refusals = 0;
    let mut of_parallel = 0;
    while refusals < 2 && seen.len() < claim.limit + 2 + of_parallel {
        let told = caller.told(&mut connection)?;
        if told.observation.is_refused() {
            if claim.parallel.is_some() && told.observation.wait().is_none() && of_parallel < PARALLEL_REFUSALS {
                of_parallel += 1;
                caller.pause(Duration::from_millis(5))?;
            } else {
                refusals += 1;
            }
        }
        seen.push(told);
    }
    Ok(judge(&seen, claim))
}

fn judge(seen: &[Told], claim: &Claim) -> Finding {
    let contradictions = contradictions(seen, claim);
    let (present, absent) = present_and_absent(seen);
    let (verdict, reason) = match contradictions.first() {
        Some(first) => (Verdict::Fail, format!("{} contradicted, such as: {first}", contradictions.len())),
        None if present.is_empty() => (Verdict::Skipped, "no answer has any header about limits".to_owned()),
        None => (Verdict::Pass, format!("{} told, {} absent, no contradiction", present.len(), absent.len())),
    };
    let told = (!present.is_empty()).then(|| format!("told: {}", present.join(", ")));
    let missing = (!absent.is_empty()).then(|| format!("absent: {}", absent.join(", ")));
    Finding::new(verdict, reason)
        .with("contradictions", contradictions.clone())
        .with("told", present)
        .with("absent", absent)
        .noting(contradictions.into_iter().chain(told).chain(missing))
}

/// How often the place of the request before may not be back yet.
const PARALLEL_REFUSALS: usize = 40;
