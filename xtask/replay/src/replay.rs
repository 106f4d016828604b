//! All accounts of a log. Accounts share nothing, so each core takes one after the other.

use crate::log::{Log, Seen};
use crate::periods;
use anyhow::{Result, anyhow, ensure};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::drive::{By, Mean};
use sluice_protocol::replay::part::{Part, Tables};
use sluice_protocol::replay::request::{Request, in_order};
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
    /// What the tables make of it: accounts are in the order of their names.
    pub part: Part,
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
    let order = in_order(log.requests.iter());
    let mut accounts: Vec<&[&Request]> = order.chunk_by(|a, b| a.account == b.account).collect();
    // The largest first, so that no core is left with it at the end.
    accounts.sort_by_key(|requests| std::cmp::Reverse(requests.len()));
    let mean = Mean::of(log.requests.iter()).unwrap_or_default();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<Part> {
        let mut part = Part::default();
        let against = against.map(by).transpose()?;
        let mut tables = Tables { candidate: by(candidate)?, against };
        while let Some(requests) = accounts.get(next.fetch_add(1, Ordering::Relaxed)) {
            part.add(requests, &log.names, mean, &mut tables)?;
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
    parts.into_iter().for_each(|part| replayed.part.merge(part));
    let Part { candidate, against, difference } = &mut replayed.part;
    [candidate, against].into_iter().for_each(|report| report.accounts.sort_by(|one, other| one.0.cmp(&other.0)));
    difference.accounts.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(replayed)
}

/// A table, and the calendars that it needs.
pub fn by(named: Named<'_>) -> Result<By<'_>> {
    Ok(By::new(named.table, Box::new(periods::of(named.table, named.name)?)))
}

fn span(log: &Log) -> (Millis, Millis) {
    let times = || log.requests.iter().map(|request| request.at);
    (times().min().unwrap_or_default(), times().max().unwrap_or_default())
}
