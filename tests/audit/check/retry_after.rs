//! Retry-After: come back exactly then, and as little before as can be aimed for.

use crate::caller::{Caller, Stop};
use crate::http::Connection;
use crate::judge::promise::{Promises, promises};
use crate::observation::{Claim, Observation, Wait, drift, grain};
use crate::report::{Finding, Verdict, milliseconds};
use std::time::Duration;

/// How often the window is filled for it, at most.
pub(super) const ROUNDS: usize = 4;
/// Requests of a round besides those that fill the window.
pub(super) const ATTEMPTS: usize = 30;

/// Fills the window, is refused, and comes back: in one round exactly then, in the next a few times before.
pub(super) fn run(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let mut connection = caller.connect()?;
    let mut all = Vec::new();
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        caller.fill(claim.limit)?;
        let Some((refusal, wait)) = refusal(caller, &mut connection)? else { continue };
        waits.push(wait);
        if wait.time > claim.window + rounding(wait) + grain(claim.window) {
            let (told, window) = (wait.time, claim.window);
            let reason = format!("told to wait {told:?}, but whatever counts leaves within {window:?}");
            return Ok(finding(Verdict::Fail, reason, &Promises::default(), &waits));
        }
        let mut attempts = vec![refusal];
        if round % 2 == 1 {
            come_early(caller, &mut connection, wait, &mut attempts)?;
        }
        if !attempts.iter().any(Observation::is_admitted) {
            come_back(caller, &mut connection, &mut attempts)?;
        }
        // A parallel limit may refuse while the place of the request before is on its way back; that breaks no promise.
        attempts.retain(|attempt| claim.parallel.is_none() || !attempt.is_refused() || attempt.wait().is_some());
        let last = attempts.last().map(|attempt| attempt.answered).unwrap_or_default();
        all.push(promises(&attempts, has_our_clock(caller)));
        let judged = Promises::all(&all);
        let is_known = judged.kept > 0 && judged.closest_early.is_some();
        if judged.broken.or(judged.overlong).is_some() || (is_known && round % 2 == 1) {
            break;
        }
        // The next round begins on a window that is not used.
        caller.wait_until(last + claim.window + grain(claim.window))?;
    }
    let (verdict, reason) = judge(&Promises::all(&all), &waits);
    Ok(finding(verdict, reason, &Promises::all(&all), &waits))
}

/// A refusal that says when to come back; one of a parallel limit may say nothing, and passes.
fn refusal(caller: &Caller<'_>, connection: &mut Connection) -> Result<Option<(Observation, Wait)>, Stop> {
    for _ in 0..10 {
        let observation = caller.ask(connection)?;
        if let Some(wait) = observation.wait() {
            return Ok(Some((observation, wait)));
        }
        caller.pause(Duration::from_millis(20))?;
    }
    Ok(None)
}

/// Asks again when half the wait is over, and then ever closer to the told time, so that the answer is there before it.
fn come_early(
    caller: &Caller<'_>,
    connection: &mut Connection,
    wait: Wait,
    attempts: &mut Vec<Observation>,
) -> Result<(), Stop> {
    caller.pause(wait.time / 2)?;
    attempts.push(caller.ask(connection)?);
    for aim in [8.0, 4.0, 2.0, 1.5, 1.2] {
        let Some(latest) = attempts.last().filter(|attempt| attempt.is_refused()) else { return Ok(()) };
        let took = latest.answered - latest.sent;
        let begin = earliest_told(attempts).saturating_sub(took.mul_f64(aim) + Duration::from_millis(1));
        if begin <= caller.now() {
            continue;
        }
        caller.wait_until(begin)?;
        attempts.push(caller.ask(connection)?);
    }
    Ok(())
}

/// Comes back at the first time at which all that was told allows it.
fn come_back(caller: &Caller<'_>, connection: &mut Connection, attempts: &mut Vec<Observation>) -> Result<(), Stop> {
    let told = |attempt: &Observation| Some(attempt.answered + attempt.wait()?.time);
    let Some(time) = attempts.iter().filter_map(told).min() else { return Ok(()) };
    let apart = if has_our_clock(caller) { Duration::ZERO } else { drift(time.saturating_sub(attempts[0].sent)) };
    caller.wait_until(time + apart)?;
    attempts.push(caller.ask(connection)?);
    Ok(())
}

/// On another machine a clock runs differently.
fn has_our_clock(caller: &Caller<'_>) -> bool {
    caller.gateway.target.address.ip().is_loopback()
}

/// The first time that any refusal can have meant.
fn earliest_told(attempts: &[Observation]) -> Duration {
    attempts.iter().filter_map(|attempt| Some(attempt.sent + attempt.wait()?.time)).min().unwrap_or_default()
}

fn rounding(wait: Wait) -> Duration {
    if wait.exact { Duration::ZERO } else { Duration::from_secs(1) }
}

fn judge(judged: &Promises, waits: &[Wait]) -> (Verdict, String) {
    let unit = if waits.iter().all(|wait| wait.exact) { "ms" } else { "s" };
    if waits.is_empty() {
        return (Verdict::Skipped, "no refusal says when to come back".to_owned());
    }
    if let Some(late) = judged.broken {
        return (
            Verdict::Fail,
            format!("came back {} ms after the told time and was refused again", milliseconds(late)),
        );
    }
    if let Some(early) = judged.overlong {
        let early = milliseconds(early);
        return (
            Verdict::Fail,
            format!("the told time is too late: a request passed {early} ms before it (told in {unit})"),
        );
    }
    match (judged.closest_kept, judged.closest_early) {
        (None, _) => (Verdict::Skipped, "nobody could come back at the told time".to_owned()),
        (Some(_), None) => (Verdict::Pass, "admitted at the told time; nobody could come before it".to_owned()),
        (Some(_), Some(early)) => {
            let early = milliseconds(early);
            (Verdict::Pass, format!("admitted at the told time (in {unit}), refused {early} ms before it"))
        }
    }
}

fn finding(verdict: Verdict, reason: String, judged: &Promises, waits: &[Wait]) -> Finding {
    Finding::new(verdict, reason)
        .with("told_ms", waits.iter().map(|wait| milliseconds(wait.time)).collect::<Vec<_>>())
        .with("told_in_milliseconds", waits.iter().all(|wait| wait.exact))
        .with("kept", judged.kept)
        .with_time("refused_after_told_ms", judged.broken)
        .with_time("passed_before_told_ms", judged.overlong)
        .with_time("closest_refused_before_told_ms", judged.closest_early)
        .with_time("closest_admitted_after_told_ms", judged.closest_kept)
}
