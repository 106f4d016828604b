//! This repository's Worker beside another build of it: what a change costs, in one run and in turns.

use crate::figures::{interval, median};
use crate::load::requests::{chat, forge, get};
use crate::load::{Measured, cpu};
use crate::options::Options;
use crate::scenario::Scenario;
use crate::table::{Table, milliseconds, whole};
use crate::workers::Sluice;
use harness::tools;
use serde_json::{Value, json};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

/// Measures both builds with the same requests and prints a row for each kind.
///
/// Both are asked at the same time, each on a core of its own, so that what slows the machine down slows both; in every second
/// round they have changed cores. A ratio is that of two such rounds, which leaves out how the cores differ.
pub(crate) fn run(options: &Options, stub: SocketAddr, build: &Path) -> Value {
    let other = Sluice::start_build(stub, Some(build));
    // With the same plans and settings.
    let own = tools::edge_build("index.js");
    let sluice = Sluice::start_build(stub, own.parent());
    let mut pairs: Vec<Pair> = kinds(options, &other)
        .into_iter()
        .zip(kinds(options, &sluice))
        .filter(|(before, _)| before.name.contains(&options.only))
        .map(|(before, now)| Pair { before, now })
        .collect();
    assert!(!pairs.is_empty(), "there is no kind of request `{}`", options.only);
    // Until the engine has compiled what is hot.
    let warm = WARM_UP_SECONDS.div_ceil(options.seconds) as usize;
    eprintln!(
        "{} kinds, {warm} rounds to warm up and {} of {} s, both builds at once",
        pairs.len(),
        options.rounds,
        options.seconds
    );
    for pair in &mut pairs {
        for round in 0..warm + options.rounds.next_multiple_of(2) {
            let core = round % 2;
            cpu::pin(other.process, core);
            cpu::pin(sluice.process, 1 - core);
            let (before, now) = thread::scope(|scope| {
                let before = scope.spawn(|| pair.before.round(round));
                let now = pair.now.round(round);
                (before.join().expect("a round that panics has said why"), now)
            });
            if round >= warm {
                pair.before.rounds.push(before);
                pair.now.rounds.push(now);
            }
        }
    }
    print(&pairs)
}

/// The same requests to both builds.
struct Pair {
    before: Scenario,
    now: Scenario,
}

impl Pair {
    /// What the two builds' figures are to one another in each two rounds.
    fn ratios(&self, of: fn(&Measured) -> f64) -> impl Iterator<Item = f64> {
        let twice = self.before.rounds.chunks_exact(2).zip(self.now.rounds.chunks_exact(2));
        twice.map(move |(before, now)| {
            let ratio = |round: usize| of(&now[round]) / of(&before[round]);
            (ratio(0) * ratio(1)).sqrt()
        })
    }

    fn ratio(&self, of: fn(&Measured) -> f64) -> Ratio {
        let (low, high) = interval(self.ratios(of));
        Ratio { median: median(self.ratios(of)), low, high }
    }
}

/// A median of ratios, and between what it lies.
struct Ratio {
    median: f64,
    low: f64,
    high: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3}-{:.3})", self.median, self.low, self.high)
    }
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

fn print(pairs: &[Pair]) -> Value {
    let head = ["", "before /s", "now /s", "rate", "before us", "now us", "CPU", "p99 before", "p99 now"];
    let mut table = Table::new(&head);
    let mut rows = Vec::new();
    for pair in pairs {
        let Pair { before, now } = pair;
        let (rate, cpu) = (pair.ratio(Measured::rate), pair.ratio(Measured::gateway_us));
        table.row(
            &now.name,
            [
                whole(before.median(Measured::rate)),
                whole(now.median(Measured::rate)),
                rate.to_string(),
                whole(before.median(Measured::gateway_us)),
                whole(now.median(Measured::gateway_us)),
                cpu.to_string(),
                milliseconds(before.median(|m| m.percentile(0.99))),
                milliseconds(now.median(|m| m.percentile(0.99))),
            ],
        );
        rows.push(json!({
            "before": before.json(), "now": now.json(),
            "rate_ratio": rate.median, "rate_interval": [rate.low, rate.high],
            "cpu_ratio": cpu.median, "cpu_interval": [cpu.low, cpu.high],
        }));
    }
    println!(
        "\nthe other build before, this one now; both asked at once; ratios are medians over the rounds, in\n\
         brackets between what they lie (95 %); CPU of workerd in us a request"
    );
    table.print();
    rows.into()
}

/// As many accounts as a busy deployment serves within a second.
const MANY: usize = 200;
/// How long each kind runs before it counts.
const WARM_UP_SECONDS: u64 = 10;
