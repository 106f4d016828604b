//! One row of a table: a load, whose CPU time counts, and what its rounds measured.

use crate::figures::median;
use crate::load::{Load, Measured, Watched};
use crate::options::Options;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What is measured again and again.
pub(crate) struct Scenario {
    /// Its row's name.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) means: &'static str,
    /// What every answer must be.
    pub(crate) expected_status: u16,
    /// Whose CPU time counts.
    pub(crate) watched: Watched,
    /// Where the load goes.
    pub(crate) load: Load,
    /// What came of it, warm-up left out.
    pub(crate) rounds: Vec<Measured>,
}

impl Scenario {
    /// A scenario with the options' connections that expects 200.
    pub(crate) fn new(name: &str, options: &Options, address: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        let load = Load { address, requests: requests.into(), connections: options.connections, span: options.span() };
        let name = name.to_owned();
        Self { name, means: "", expected_status: 200, watched: Watched::default(), load, rounds: Vec::new() }
    }

    /// What it shows.
    pub(crate) fn means(self, means: &'static str) -> Self {
        Self { means, ..self }
    }

    /// Another status is right.
    pub(crate) fn expects(self, expected_status: u16) -> Self {
        Self { expected_status, ..self }
    }

    /// This process and its children are the gateway.
    pub(crate) fn watching(self, process: u32) -> Self {
        Self { watched: Watched { gateway: Some(process), redis: None }, ..self }
    }

    /// So many clients.
    pub(crate) fn connections(self, connections: usize) -> Self {
        Self { load: Load { connections, ..self.load }, ..self }
    }

    /// Runs it once. Any wrong answer ends the run.
    pub(crate) fn round(&self, round: usize) -> Measured {
        let name = &self.name;
        let measured = self.load.run(&self.watched).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(measured.errors(self.expected_status), 0, "{name}: {:?}", measured.statuses);
        eprintln!("  round {round}: {name:<28} {:>8.0} requests/s", measured.rate());
        measured
    }

    /// The median of its rounds.
    pub(crate) fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// Its figures.
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name, "means": self.means, "connections": self.load.connections,
            "requests_per_second": self.median(Measured::rate),
            "p50_ms": self.median(|m| m.percentile(0.50)), "p99_ms": self.median(|m| m.percentile(0.99)),
            "cpu_us_per_request": self.watched.gateway.map(|_| self.median(Measured::gateway_us)),
            "foreign_cores": self.median(|m| m.foreign_cores),
            "rounds": self.rounds.iter().map(Measured::rate).collect::<Vec<_>>(),
        })
    }
}

/// Runs them in turn, again and again; the first time is for warming up.
pub(crate) fn run_interleaved(options: &Options, scenarios: &mut [Scenario]) {
    eprintln!("{} scenarios, 1 warm-up and {} rounds of {} s each", scenarios.len(), options.rounds, options.seconds);
    for round in 0..=options.rounds {
        for scenario in scenarios.iter_mut() {
            let measured = scenario.round(round);
            if round > 0 {
                scenario.rounds.push(measured);
            }
        }
    }
}
