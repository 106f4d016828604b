//! Parallel: four times as many streams as may be under way, all at once, each watched for as long as it lives.

use crate::caller::{Caller, Stop};
use crate::http::{Begun, is_over, pending, read_before};
use crate::judge::streams::{Life, Pulse, most_at_once};
use crate::judge::window::unjust;
use crate::observation::{Claim, Decision, Observation, refused};
use crate::report::{Finding, Verdict};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What one request came to.
struct Watched {
    observation: Observation,
    life: Option<Life>,
}

/// Opens them, watches them, and leaves.
pub(super) fn run(caller: &Caller<'_>, claim: &Claim) -> Result<Finding, Stop> {
    let parallel = claim.parallel.unwrap_or(1);
    let many = 4 * parallel;
    let (barrier, decided) = (Barrier::new(many), AtomicUsize::new(0));
    let watch = || {
        let connection = caller.connect();
        barrier.wait();
        let begun = connection.and_then(|mut connection| caller.open_stream(&mut connection));
        decided.fetch_add(1, Ordering::Relaxed);
        match begun? {
            Ok(begun) => Ok(follow(caller, begun, || decided.load(Ordering::Relaxed) == many)),
            Err(observation) => Ok(Watched { observation, life: None }),
        }
    };
    let watched: Result<Vec<_>, Stop> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..many).map(|_| scope.spawn(watch)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a watcher does not panic")).collect()
    });
    Ok(judge(&watched?, claim))
}

/// Reads a stream until all requests are decided and a moment more, or no more can come.
fn follow(caller: &Caller<'_>, mut begun: Begun, all_decided: impl Fn() -> bool) -> Watched {
    let head = &begun.head;
    let mut pulse = Pulse::new(head.answered);
    let mut received = head.body.clone();
    let mut until = caller.now() + UNDECIDED;
    let mut is_last_moment = false;
    while caller.now() < until && !is_over(&received) {
        if all_decided() && !is_last_moment {
            is_last_moment = true;
            until = caller.now() + MOMENT;
        }
        let before = caller.now();
        let was_empty = pending(&begun.socket).is_none();
        match read_before(&mut begun.socket, &mut received, caller.gateway.clock, before + SLICE) {
            Ok(0) => break,
            Ok(_) if was_empty => pulse.came_after(before),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            Err(_) => break,
        }
    }
    let (sent, answered) = (begun.head.sent, begun.head.answered);
    let observation = Observation { sent, answered, ended: caller.now(), decision: Decision::Admitted };
    Watched { observation, life: Some(pulse.life()) }
}

fn judge(watched: &[Watched], claim: &Claim) -> Finding {
    let parallel = claim.parallel.unwrap_or(1);
    let observations: Vec<_> = watched.iter().map(|watched| watched.observation.clone()).collect();
    let lives: Vec<_> = watched.iter().filter_map(|watched| watched.life).collect();
    let most = most_at_once(&lives);
    let unjust = unjust(&observations, claim);
    let sent = watched.len();
    let (verdict, reason) = if most > parallel {
        (Verdict::Fail, format!("{most} of {sent} streams surely ran at once, limit {parallel}"))
    } else if !unjust.is_empty() {
        let many = unjust.len();
        (
            Verdict::Fail,
            format!("under-admission: {many} of {sent} refused although there was room; {most} ran at once"),
        )
    } else if refused(&observations) == 0 && most < parallel {
        (Verdict::Skipped, "the streams were too short to be under way at once; try --stream-tokens".to_owned())
    } else {
        (
            Verdict::Pass,
            format!("{sent} at once: {} admitted, {most} surely ran at once, limit {parallel}", lives.len()),
        )
    };
    Finding::new(verdict, reason)
        .with("sent", sent)
        .with("admitted", lives.len())
        .with("refused", refused(&observations))
        .with("most_at_once", most)
        .with("refused_with_room", unjust.len())
}

/// How long a stream is watched after all have been decided.
const MOMENT: Duration = Duration::from_millis(300);
/// How long to wait for requests that are not decided: a gateway may let them wait for a place.
const UNDECIDED: Duration = Duration::from_secs(3);
/// Reads return this often.
const SLICE: Duration = Duration::from_millis(10);
