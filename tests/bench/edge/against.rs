//! This repository's Worker beside another build of it: what a change costs, in one run and in turns.

use crate::figures::median;
use crate::load::Measured;
use crate::load::requests::{chat, forge, get};
use crate::options::Options;
use crate::scenario::{Scenario, run_interleaved};
use crate::table::{Table, milliseconds, whole};
use crate::workers::Sluice;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// Measures both builds with the same requests and prints a row for each kind.
///
/// The ratios are medians of the rounds' own ratios: in a round the two builds run right after one another, so that a slow minute
/// of the machine falls on both.
pub(crate) fn run(options: &Options, stub: SocketAddr, sluice: &Sluice, build: &Path) -> Value {
    let other = Sluice::start_build(stub, Some(build));
    let mut scenarios: Vec<_> = [&other, sluice].into_iter().flat_map(|worker| kinds(options, worker)).collect();
    // In pairs: before and after, kind by kind.
    let after = scenarios.split_off(scenarios.len() / 2);
    let mut pairs: Vec<_> = scenarios.into_iter().zip(after).flat_map(|(before, after)| [before, after]).collect();
    run_interleaved(options, &mut pairs);
    print(&pairs)
}

fn kinds(options: &Options, worker: &Sluice) -> Vec<Scenario> {
    let one = worker.key("open");
    let many = worker.keys("open", MANY);
    let spent = worker.spent_keys(1);
    let scenario = |name, requests| Scenario::new(name, options, worker.address, requests).watching(worker.process);
    let chats = |keys: &[String]| keys.iter().map(|key| chat(key)).collect::<Vec<_>>();
    vec![
        scenario("healthz", vec![get("/healthz")]),
        scenario("forged key", vec![chat(&forge(&one))]).expects(401),
        scenario("over the limit", chats(&spent)).expects(429),
        scenario("walk, 1 account", vec![chat(&one)]),
        scenario("walk, 200 accounts", chats(&many)),
    ]
}

fn print(pairs: &[Scenario]) -> Value {
    let head = ["", "before /s", "now /s", "rate", "before us", "now us", "CPU", "p99 before", "p99 now"];
    let mut table = Table::new(&head);
    let mut rows = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let [before, now] = pair else { continue };
        let ratio = |of: fn(&Measured) -> f64| {
            median(before.rounds.iter().zip(&now.rounds).map(|(before, now)| of(now) / of(before)))
        };
        let (rate, cpu) = (ratio(Measured::rate), ratio(Measured::gateway_us));
        table.row(
            &now.name,
            [
                whole(before.median(Measured::rate)),
                whole(now.median(Measured::rate)),
                format!("{rate:.3}"),
                whole(before.median(Measured::gateway_us)),
                whole(now.median(Measured::gateway_us)),
                format!("{cpu:.3}"),
                milliseconds(before.median(|m| m.percentile(0.99))),
                milliseconds(now.median(|m| m.percentile(0.99))),
            ],
        );
        rows.push(json!({"before": before.json(), "now": now.json(), "rate_ratio": rate, "cpu_ratio": cpu}));
    }
    println!(
        "\nthe other build before, this one now; ratios are medians over the rounds, CPU of workerd in us a request"
    );
    table.print();
    rows.into()
}

/// As many accounts as a busy deployment serves within a second.
const MANY: usize = 200;
