//! What a gateway's limits are really worth: bursts, paced load and killed streams, and a verdict on each claim.
//!
//! `cargo xtask audit --url http://127.0.0.1:8787 --model tiny --key ... --limit 30 --window 5s --parallel 2`, against
//! any OpenAI-compatible gateway. Read it in the order of the `mod` list.

// what is asked
mod options;
// what is seen, and what follows from it: pure
mod observation;

mod judge;
// how it is seen
mod http;

mod caller;

mod check;
// how it is told
mod progress;
mod question;
mod report;

use caller::{Caller, Gateway};
use check::Cost;
use clap::Parser;
use http::{Clock, Connection};
use observation::Claim;
use options::Options;
use question::Check;
use report::{Finding, Row, Verdict};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn main() -> ExitCode {
    match audit(&Options::parse()) {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Ok(Verdict::Skipped) => ExitCode::from(2),
        Err(error) => {
            eprintln!("sluice-audit: {error}");
            ExitCode::from(2)
        }
    }
}

fn audit(options: &Options) -> Result<Verdict, String> {
    let claim = options.claim();
    let gateway = Gateway {
        target: options.target()?,
        clock: Clock::start(),
        model: options.model.clone(),
        refused_with: options.refused_with,
        stream_tokens: options.stream_tokens,
        parallel: claim.parallel,
        sent: AtomicUsize::new(0),
    };
    let address = gateway.target.address;
    Connection::open(address, gateway.clock).map_err(|error| format!("nothing answers at {address}: {error}"))?;
    let plan = plan(options, &claim);
    announce(options, &claim, &plan);
    println!("{}", report::head());
    let mut rows = Vec::new();
    for planned in plan {
        let row = run(&gateway, &claim, options, planned);
        println!("{}", row.line());
        rows.push(row);
    }
    for (row, note) in rows.iter().flat_map(|row| row.finding.notes.iter().map(move |note| (row, note))) {
        println!("{}: {note}", row.check);
    }
    if let Some(file) = &options.json {
        let report = report::json(&options.url, &claim, &rows);
        std::fs::write(file, format!("{report:#}\n")).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(report::overall(&rows))
}

/// A check and the key that it gets, or why it is not run.
struct Planned<'a> {
    check: Check,
    cost: Cost,
    key: Result<&'a str, String>,
}

/// Every check that needs a key takes one, as long as there are any.
fn plan<'a>(options: &'a Options, claim: &Claim) -> Vec<Planned<'a>> {
    let mut keys = options.keys.iter();
    let chosen = options.chosen();
    let needed = chosen.iter().filter(|check| check.cannot(claim).is_none()).count();
    let planned = |check: Check| {
        let key = match check.cannot(claim) {
            Some(why) => Err(why.to_owned()),
            None => keys.next().map(String::as_str).ok_or_else(|| {
                format!("no fresh key is left: {needed} checks take {needed} keys, {} given", options.keys.len())
            }),
        };
        Planned { check, cost: check.cost(claim, options), key }
    };
    chosen.into_iter().map(planned).collect()
}

/// Says what is about to be sent, before anything is.
fn announce(options: &Options, claim: &Claim, plan: &[Planned<'_>]) {
    let running = || plan.iter().filter(|planned| planned.key.is_ok()).map(|planned| planned.cost);
    let parallel = claim.parallel.map_or_else(String::new, |parallel| format!(", {parallel} at once"));
    eprintln!(
        "{}: claimed {} per {:?}{parallel}\n{} checks, {} requests at most, about {:.0} s if answers come at once, {:.0} s at most",
        options.url,
        claim.limit,
        claim.window,
        running().count(),
        running().map(|cost| cost.requests).sum::<usize>(),
        running().map(|cost| cost.usual).sum::<Duration>().as_secs_f64(),
        running().map(|cost| cost.most).sum::<Duration>().as_secs_f64(),
    );
}

fn run(gateway: &Gateway, claim: &Claim, options: &Options, planned: Planned<'_>) -> Row {
    let Planned { check, cost, key } = planned;
    let (begun, before) = (gateway.clock.now(), gateway.sent.load(Ordering::Relaxed));
    let finding = key.map_or_else(Finding::skipped, |key| {
        let caller = Caller::new(gateway, key, cost.requests, begun + cost.most);
        progress::while_running(check.name(), gateway, || {
            check.run(&caller, claim, options).unwrap_or_else(|stop| Finding::skipped(stop.to_string()))
        })
    });
    let requests = gateway.sent.load(Ordering::Relaxed) - before;
    Row { check: check.name(), finding, requests, time: gateway.clock.now() - begun }
}
