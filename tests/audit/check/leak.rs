//! Leak: streams are killed, and their slots must come back. The streams that prove it are the next ones to be killed.

use crate::caller::{Caller, Stop};
use crate::http::{Begun, is_over, read_before};
use crate::judge::window::room_at;
use crate::observation::{Claim, grain};
use crate::report::{Finding, Verdict, milliseconds};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Requests at most: each round opens as many streams as are allowed and is refused some times, the last round often.
pub(super) fn most(kills: usize, parallel: usize) -> usize {
    2 * (kills + parallel) + 30 * kills.div_ceil(parallel.max(1)) + 500
}

/// Streams that are open at once, and how they came to be.
struct Held {
    streams: Vec<Begun>,
    /// When the last of them was let through.
    since: Duration,
    /// Whether the window may have been full meanwhile: then it is not known that they waited for slots.
    window_in_the_way: bool,
}

/// Opens as many streams as are allowed, kills them, and again, until so many were killed.
pub(super) fn run(caller: &Caller<'_>, claim: &Claim, kills: usize, lease: Duration) -> Result<Finding, Stop> {
    let parallel = claim.parallel.unwrap_or(1);
    let mut admissions = Vec::new();
    let mut held = open(caller, claim, parallel, Duration::from_secs(5), &mut admissions)?;
    if held.streams.len() < parallel {
        return Ok(Finding::skipped(format!("only {} of {parallel} streams could be opened", held.streams.len())));
    }
    let (mut killed, mut releases) = (0, Vec::new());
    while killed < kills {
        for mut stream in held.streams {
            if ended(caller, &mut stream) {
                return Ok(Finding::skipped("streams ended before they could be killed; try --stream-tokens"));
            }
            kill(&stream.socket, killed % 2 == 0);
            killed += 1;
        }
        let at = caller.now();
        held = open(caller, claim, parallel, lease, &mut admissions)?;
        let leaked = parallel - held.streams.len();
        if leaked > 0 {
            // Where refusals are counted, it was the asking that kept the window full: it is left alone once.
            caller.pause(claim.window + grain(claim.window))?;
            if open(caller, claim, leaked, Duration::ZERO, &mut admissions)?.streams.len() == leaked {
                let reason = format!("{leaked} of {parallel} slots not back after {lease:?}, but after a quiet window");
                return Ok(finding(Verdict::Skipped, reason, killed, 0, &releases));
            }
            let reason = format!("{leaked} of {parallel} slots not back {lease:?} after their streams were killed");
            return Ok(finding(Verdict::Fail, reason, killed, leaked, &releases));
        }
        if !held.window_in_the_way {
            releases.push(held.since.saturating_sub(at));
            releases.sort();
        }
    }
    let times = match (releases.get(releases.len() / 2), releases.last()) {
        (Some(median), Some(most)) => {
            let rounds = releases.len();
            let (median, most) = (milliseconds(*median), milliseconds(*most));
            format!("all slots taken again within {median} ms (median of {rounds} rounds), {most} ms at most")
        }
        _ => "all slots taken again (how soon is not known: the window was in the way)".to_owned(),
    };
    Ok(finding(Verdict::Pass, format!("{killed} streams killed, {times}"), killed, 0, &releases))
}

/// Opens as many streams as are wanted, one after the other, and tries again while refused. Nothing tells an admission
/// before the first byte of its answer, so the times that come of it hold the time that a stream takes to begin.
fn open(
    caller: &Caller<'_>,
    claim: &Claim,
    wanted: usize,
    patience: Duration,
    admissions: &mut Vec<Duration>,
) -> Result<Held, Stop> {
    let begun_at = caller.now();
    let mut held = Held { streams: Vec::new(), since: begun_at, window_in_the_way: false };
    while held.streams.len() < wanted {
        let mut connection = caller.connect()?;
        let windows = u32::try_from(wanted.div_ceil(claim.limit)).unwrap_or(u32::MAX);
        let patience = if held.window_in_the_way { patience + claim.window * windows } else { patience };
        match caller.open_stream(&mut connection)? {
            Ok(stream) => {
                held.since = stream.head.answered;
                admissions.push(held.since);
                held.streams.push(stream);
            }
            Err(_) if caller.now() > begun_at + patience => return Ok(held),
            Err(_) => {
                let since = caller.now() - begun_at;
                // Close together at first, to see how soon; at least so far apart that the lease is outlasted.
                let poll = (since / 20).min(patience / 100).max(Duration::from_millis(2));
                let room = room_at(admissions, claim, caller.now());
                held.window_in_the_way |= room.is_some();
                caller.wait_until(room.unwrap_or(caller.now() + poll))?;
            }
        }
    }
    for stream in &mut held.streams {
        first_event(caller, stream)?;
    }
    Ok(held)
}

fn first_event(caller: &Caller<'_>, stream: &mut Begun) -> Result<(), Stop> {
    let deadline = caller.now() + crate::caller::PATIENCE;
    while !stream.head.body.windows(5).any(|window| window == b"data:") {
        if read_before(&mut stream.socket, &mut stream.head.body, caller.gateway.clock, deadline)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads what has come and says whether that is all.
fn ended(caller: &Caller<'_>, stream: &mut Begun) -> bool {
    while let Some(more) = crate::http::pending(&stream.socket) {
        let deadline = caller.now() + Duration::from_secs(1);
        let body = &mut stream.head.body;
        if !more || read_before(&mut stream.socket, body, caller.gateway.clock, deadline).is_err() {
            return true;
        }
    }
    is_over(&stream.head.body)
}

/// Half of the callers say that they leave (FIN); the others are gone (RST).
fn kill(socket: &TcpStream, politely: bool) {
    if politely {
        // It may have broken already, which is as well.
        let _ = socket.shutdown(Shutdown::Both);
    } else {
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
}

fn finding(verdict: Verdict, reason: String, killed: usize, leaked: usize, releases: &[Duration]) -> Finding {
    Finding::new(verdict, reason)
        .with("killed", killed)
        .with("leaked", leaked)
        .with_time("release_median_ms", releases.get(releases.len() / 2).copied())
        .with_time("release_max_ms", releases.last().copied())
}
