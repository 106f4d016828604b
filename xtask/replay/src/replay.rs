//! All accounts of a log. Accounts share nothing, so each core takes one after the other.

use crate::drive::{By, Mean, Verdict, drive};
use crate::line::Decision;
use crate::log::{Log, Request, Seen};
use crate::tally::{Difference, Report};
use anyhow::{Result, anyhow, ensure};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::time::Millis;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A table, and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Named<'t> {
    /// What people call it: its file.
    pub name: &'t str,
    /// The table.
    pub table: &'t PlanTable,
}

/// What a log comes to by other plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What was read.
    pub seen: Seen,
    /// When the first of its requests was decided, and the last.
    pub span: (Millis, Millis),
    /// What the candidate makes of it.
    pub candidate: Report,
    /// What the other table makes of it, and where the two differ.
    pub against: Option<(Report, Difference)>,
}

/// What one core has found out.
#[derive(Default)]
struct Part {
    candidate: Report,
    against: Report,
    difference: Difference,
}

/// Decides a log again. `told` is called with how many requests are done, account by account, of how many.
pub fn replay(
    log: &Log,
    candidate: Named<'_>,
    against: Option<Named<'_>>,
    told: impl Fn(usize, usize) + Sync,
) -> Result<Replayed> {
    ensure!(!log.requests.is_empty(), "no line of the log tells of a request that a plan decided: is REQUEST_LOG set?");
    for named in [Some(candidate), against].into_iter().flatten() {
        log.check_plans(named.table, named.name)?;
    }
    let order = in_order(log);
    let mut accounts: Vec<&[&Request]> = order.chunk_by(|a, b| a.account == b.account).collect();
    // The largest first, so that no core is left with it at the end.
    accounts.sort_by_key(|requests| std::cmp::Reverse(requests.len()));
    let mean = Mean::of(log.requests.iter()).unwrap_or_default();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<Part> {
        let mut part = Part::default();
        let mut by = By::new(candidate.table, candidate.name)?;
        let mut other = against.map(|named| By::new(named.table, named.name)).transpose()?;
        while let Some(requests) = accounts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mean = Mean::of(requests.iter().copied()).unwrap_or(mean);
            let decide = |by: &mut By<'_>| -> Result<Vec<Verdict>> { drive(requests, &log.names, mean, by) };
            let verdicts = decide(&mut by)?;
            part.candidate.add(requests, &log.names, &verdicts);
            if let Some(other) = &mut other {
                let others = decide(other)?;
                part.against.add(requests, &log.names, &others);
                part.difference.add(requests, &log.names, &verdicts, &others);
            }
            told(done.fetch_add(requests.len(), Ordering::Relaxed) + requests.len(), log.requests.len());
        }
        Ok(part)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(accounts.len());
    let parts = thread::scope(|scope| {
        let cores: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let join = |core: thread::ScopedJoinHandle<'_, Result<Part>>| {
            core.join().unwrap_or_else(|_| Err(anyhow!("a decision panicked: this is a defect of the replay")))
        };
        cores.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let mut replayed = Replayed { seen: log.seen, span: span(log), ..Replayed::default() };
    let (mut other, mut difference) = (Report::default(), Difference::default());
    for part in parts {
        replayed.candidate.merge(part.candidate);
        other.merge(part.against);
        difference.merge(part.difference);
    }
    replayed.against = against.map(|_| (other, difference));
    Ok(replayed)
}

/// Account by account, each in the order in which it was decided. Of what was decided in one millisecond, what was let
/// through goes first: it counts for what was refused in it, and not the other way round.
fn in_order(log: &Log) -> Vec<&Request> {
    let key = |request: &Request| {
        (request.account, request.at, request.decision != Decision::Through, request.counted_at, request.line)
    };
    let mut keys: Vec<_> = log.requests.iter().enumerate().map(|(number, request)| (key(request), number)).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, number)| &log.requests[number]).collect()
}

fn span(log: &Log) -> (Millis, Millis) {
    let times = || log.requests.iter().map(|request| request.at);
    (times().min().unwrap_or_default(), times().max().unwrap_or_default())
}
