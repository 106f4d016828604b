//! The window's four: burst, boundary, steady, burn.

use crate::caller::{Caller, Stop};
use crate::judge::window::{most_within, unjust};
use crate::observation::{Claim, Observation, admitted, grain, refused};
use crate::report::{Finding, Verdict, milliseconds};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Very many at once: a gateway that reads its count before it writes it lets too many through. Where only some may be
/// under way at once, the window is then filled on that number of connections, or it would not be reached.
pub(super) fn burst(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let mut seen = caller.at_once(burst_size(claim.limit), caller.now())?;
    if claim.parallel.is_some() {
        seen.extend(caller.fill(claim.limit)?);
    }
    Ok(judge(&seen, claim, true))
}

/// How many that are.
pub(super) fn burst_size(limit: usize) -> usize {
    (4 * limit).clamp(50, 400)
}

/// A burst shortly before a window ends and one just after, once for a window that a request opens and once for one that
/// the clock opens: a gateway that counts from zero at its window's end lets twice as many through.
pub(super) fn boundary(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let mut seen = vec![caller.ask(&mut caller.connect()?)?];
    seen.extend(around(caller, claim, seen[0].answered + claim.window)?);
    let last = seen.iter().map(|observation| observation.answered).max().unwrap_or_default();
    let before_end = caller.now() + next_by_clock(last + claim.window + lead(claim) - caller.now(), claim.window);
    seen.extend(around(caller, claim, before_end)?);
    Ok(judge(&seen, claim, false))
}

/// A burst before this time and one after it.
fn around(caller: &Caller<'_>, claim: &Claim, end: Duration) -> Result<Vec<Observation>, Stop> {
    let after = end + (claim.window / 20).min(Duration::from_millis(200));
    let mut seen = caller.burst(2 * claim.limit, end.saturating_sub(lead(claim)))?;
    seen.extend(caller.burst(2 * claim.limit, after)?);
    Ok(seen)
}

/// How long before a window's end a burst begins: it must be over by then.
fn lead(claim: &Claim) -> Duration {
    (claim.window / 4).min(Duration::from_secs(2))
}

/// How long it is, and no less than `at_least`, until the wall clock stands at a multiple of the window.
fn next_by_clock(at_least: Duration, window: Duration) -> Duration {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + at_least;
    let past = since_epoch.as_nanos() % window.as_nanos().max(1);
    at_least + window.saturating_sub(Duration::from_nanos(u64::try_from(past).unwrap_or(0)))
}

/// A burst, and then twice the rate that may pass, for some windows: a bucket that leaks lets both through, and a
/// counter that slides lets too many or too few.
pub(super) fn steady(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let rate = steady_rate(claim.limit);
    let every = claim.window / u32::try_from(rate).unwrap_or(u32::MAX);
    let mut seen = caller.burst(2 * claim.limit, caller.now())?;
    seen.extend(caller.paced(STEADY_WINDOWS * rate, caller.now(), every)?);
    Ok(judge(&seen, claim, true))
}

/// Requests in a window of the steady load.
pub(super) fn steady_rate(limit: usize) -> usize {
    (2 * limit).max(10)
}

/// For how many windows it lasts.
pub(super) const STEADY_WINDOWS: usize = 3;

/// What the observations of a load come to.
fn judge(seen: &[Observation], claim: &Claim, also_too_few: bool) -> Finding {
    let most = most_within(seen, claim.window);
    let over = most.saturating_sub(claim.limit);
    let percent = 100.0 * over as f64 / claim.limit as f64;
    let unjust = if also_too_few { unjust(seen, claim) } else { Vec::new() };
    let of = format!("{most} in one {:?}, limit {}", claim.window, claim.limit);
    let (verdict, reason) = if over > 0 {
        (Verdict::Fail, format!("over-admission: surely {of}: {over} too many ({percent:+.0} %)"))
    } else if let Some(first) = unjust.first() {
        let counted = first.counted;
        let many = unjust.len();
        (Verdict::Fail, format!("under-admission: {many} refused with room, one when at most {counted} counted; {of}"))
    } else if refused(seen) == 0 {
        (Verdict::Skipped, format!("nothing was refused: answers came too slowly to reach the limit; {of}"))
    } else if admitted(seen) < claim.limit {
        (
            Verdict::Skipped,
            format!("the limit was not reached: {} admitted, --parallel excuses the refusals", admitted(seen)),
        )
    } else {
        (Verdict::Pass, format!("{} sent, {} admitted, at most {of}", seen.len(), admitted(seen)))
    };
    Finding::new(verdict, reason)
        .with("sent", seen.len())
        .with("admitted", admitted(seen))
        .with("refused", refused(seen))
        .with("most_in_one_window", most)
        .with("over_admitted", over)
        .with("over_admitted_percent", percent)
        .with("refused_with_room", also_too_few.then_some(unjust.len()))
}

/// Fills the window, is refused until it moves on, and comes back: if refusals count, there is no room.
pub(super) fn burn(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let mut seen = caller.fill(claim.limit)?;
    let times = |seen: &[Observation]| -> Vec<Duration> {
        seen.iter().filter(|observation| observation.is_admitted()).map(|observation| observation.answered).collect()
    };
    let (Some(first), Some(last)) = (times(&seen).into_iter().min(), times(&seen).into_iter().max()) else {
        return Ok(Finding::skipped("nothing was admitted on a fresh key"));
    };
    let leaves = |time: Duration| time + claim.window + grain(claim.window);
    let until = first + claim.window.mul_f64(0.9);
    let many = burn_size(claim.limit);
    let every = until.saturating_sub(caller.now()) / u32::try_from(many).unwrap_or(u32::MAX);
    let meanwhile = caller.paced(many, caller.now(), every)?;
    let burnt = refused(&meanwhile);
    seen.extend(meanwhile);

    caller.wait_until(leaves(first))?;
    let mut connection = caller.connect()?;
    let mut back = None;
    for _ in 0..RETURNS {
        let observation = caller.ask(&mut connection)?;
        let is_admitted = observation.is_admitted();
        let after = observation.answered.saturating_sub(first + claim.window);
        seen.push(observation);
        if is_admitted {
            back = Some(after);
            break;
        }
        caller.pause(claim.window / 10)?;
    }
    if back.is_some() {
        caller.wait_until(leaves(last))?;
        seen.extend(caller.fill(claim.limit - 1)?);
    }

    let unjust = unjust(&seen, claim);
    let (verdict, reason) = if burnt == 0 {
        (Verdict::Skipped, "nothing was refused: answers came too slowly to reach the limit".to_owned())
    } else if let Some(first) = unjust.first() {
        let again = back.map_or_else(
            || "not admitted again in two windows more".to_owned(),
            |back| format!("admitted again {} ms after its end", milliseconds(back)),
        );
        let counted = first.counted;
        (Verdict::Fail, format!("{burnt} refusals cost room: refused when at most {counted} counted, {again}"))
    } else {
        let back = back.map(milliseconds).unwrap_or_default();
        (Verdict::Pass, format!("{burnt} refusals cost nothing: admitted again {back} ms after the first had left"))
    };
    Ok(Finding::new(verdict, reason)
        .with("refused_meanwhile", burnt)
        .with("refused_with_room", unjust.len())
        .with_time("admitted_again_after_ms", back))
}

/// How many are refused meanwhile.
pub(super) fn burn_size(limit: usize) -> usize {
    (2 * limit).clamp(10, 100)
}

/// How often it comes back.
pub(super) const RETURNS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_next_boundary_is_not_too_soon() {
        let window = Duration::from_secs(60);
        for at_least in [0, 1, 59, 61, 300].map(Duration::from_secs) {
            let wait = next_by_clock(at_least, window);
            assert!(wait >= at_least && wait <= at_least + window, "{at_least:?}: {wait:?}");
        }
    }
}
