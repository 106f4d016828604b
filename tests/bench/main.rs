//! What a request costs at the edge: the full walk, the refusals, and an empty Worker, in one run on the real runtime.
//!
//! `cargo xtask bench edge [--seconds N] [--rounds N] [--connections N] [--json FILE]`. Absolute figures are of this
//! machine on this day; the ratios are what to compare. Rounds are interleaved and the median is taken, so that a slow
//! minute of the machine does not fall on one scenario alone.

// A benchmark that cannot go on says why and stops.
#![allow(clippy::unwrap_used)]

mod load;
mod stub;
mod workers;

use load::{Load, Measured};
use std::time::Duration;
use workers::{Empty, Sluice};

struct Options {
    seconds: u64,
    rounds: usize,
    connections: usize,
    json: Option<String>,
}

/// One row of the table.
struct Scenario {
    name: &'static str,
    means: &'static str,
    expected_status: u16,
    requests: Vec<Vec<u8>>,
    address: std::net::SocketAddr,
    /// Whose CPU time counts.
    process: Option<u32>,
    rounds: Vec<Measured>,
}

fn main() {
    let options = Options::read();
    let stub = stub::start();
    let sluice = Sluice::start(stub);
    let empty = Empty::start();

    let one = sluice.key("open");
    let many: Vec<_> = (0..200).map(|_| sluice.key("open")).collect();
    let spent = sluice.key("spent");
    let chat = |key: &str| sluice.chat(key);
    // The first request of this key is the only one that its plan admits.
    load::once(sluice.address, &chat(&spent));

    let scenario = |name, means, expected_status, requests, address, process| Scenario {
        name,
        means,
        expected_status,
        requests,
        address,
        process,
        rounds: Vec::new(),
    };
    let sluice_process = Some(sluice.process);
    let mut scenarios = vec![
        scenario("stub origin", "the ceiling: no gateway at all", 200, vec![chat(&one)], stub, None),
        scenario("empty Worker", "workerd answering \"ok\"", 200, vec![chat(&one)], empty.address, Some(empty.process)),
        scenario(
            "healthz",
            "the least that our Worker does",
            200,
            vec![sluice.health()],
            sluice.address,
            sluice_process,
        ),
        scenario(
            "forged key",
            "401, decided by the tag alone",
            401,
            vec![chat(&forge(&one))],
            sluice.address,
            sluice_process,
        ),
        scenario("over the limit", "429, one key in a flood", 429, vec![chat(&spent)], sluice.address, sluice_process),
        scenario(
            "walk, 1 account",
            "admitted, forwarded, settled",
            200,
            vec![chat(&one)],
            sluice.address,
            sluice_process,
        ),
        scenario(
            "walk, 200 accounts",
            "the same, each connection through all of them",
            200,
            many.iter().map(|key| chat(key)).collect(),
            sluice.address,
            sluice_process,
        ),
    ];

    let span = Duration::from_secs(options.seconds);
    eprintln!("{} scenarios, 1 warm-up and {} rounds of {} s each", scenarios.len(), options.rounds, options.seconds);
    for round in 0..=options.rounds {
        for scenario in &mut scenarios {
            let load = Load {
                address: scenario.address,
                requests: &scenario.requests,
                connections: options.connections,
                span,
            };
            let measured = load.run(scenario.process);
            assert_eq!(measured.unexpected(scenario.expected_status), 0, "{}: {:?}", scenario.name, measured.statuses);
            eprintln!("  round {round}: {:<20} {:>8.0} requests/s", scenario.name, measured.rate());
            if round > 0 {
                scenario.rounds.push(measured);
            }
        }
    }
    report(&options, &scenarios);
}

fn report(options: &Options, scenarios: &[Scenario]) {
    let empty = scenarios.iter().find(|s| s.name == "empty Worker").map(|s| s.median(Measured::rate)).unwrap();
    println!("{:<20} {:>10} {:>9} {:>8} {:>8} {:>12}", "", "requests/s", "of empty", "p50 ms", "p99 ms", "CPU us/req");
    let mut rows = Vec::new();
    for scenario in scenarios {
        let rate = scenario.median(Measured::rate);
        let (p50, p99) = (scenario.median(|m| m.percentile(0.50)), scenario.median(|m| m.percentile(0.99)));
        let cpu = scenario.process.map(|_| scenario.median(Measured::cpu_us));
        let shown = cpu.map_or_else(String::new, |cpu| format!("{cpu:.0}"));
        println!("{:<20} {rate:>10.0} {:>8.0}% {p50:>8.2} {p99:>8.2} {shown:>12}", scenario.name, 100.0 * rate / empty);
        rows.push(serde_json::json!({
            "name": scenario.name, "means": scenario.means, "requests_per_second": rate, "of_empty_worker": rate / empty,
            "p50_ms": p50, "p99_ms": p99, "cpu_us_per_request": cpu,
            "rounds": scenario.rounds.iter().map(Measured::rate).collect::<Vec<_>>(),
        }));
    }
    println!(
        "\nmedians of {} rounds of {} s, {} connections; objects' disk: {}",
        options.rounds,
        options.seconds,
        options.connections,
        workers::disk_kind()
    );
    if let Some(path) = &options.json {
        let all = serde_json::json!({
            "seconds": options.seconds, "rounds": options.rounds, "connections": options.connections,
            "disk": workers::disk_kind(), "scenarios": rows,
        });
        std::fs::write(path, format!("{all:#}\n")).expect("the file named by --json can be written");
    }
}

impl Scenario {
    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<_> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

impl Options {
    fn read() -> Self {
        let mut options = Self { seconds: 4, rounds: 3, connections: 16, json: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let number = || {
                value
                    .parse::<u64>()
                    .ok()
                    .filter(|n| (1..=1000).contains(n))
                    .unwrap_or_else(|| panic!("{name} takes a number from 1 to 1000"))
            };
            match name.as_str() {
                "--seconds" => options.seconds = number(),
                "--rounds" => options.rounds = number() as usize,
                "--connections" => options.connections = number() as usize,
                "--json" => options.json = Some(value),
                _ => panic!("no option {name}; there are --seconds, --rounds, --connections, --json"),
            }
        }
        options
    }
}

/// The same key with its last character changed: the right form, the wrong tag.
fn forge(key: &str) -> String {
    let (front, last) = key.split_at(key.len() - 1);
    format!("{front}{}", if last == "0" { "1" } else { "0" })
}
