//! What a request costs at the edge: the full walk, the refusals, an empty Worker, and what others put in front of a
//! language model, in one run, on the real runtimes, over loopback.
//!
//! `cargo xtask bench edge --help` lists the options. Absolute figures are of this machine on this day; the ratios are
//! what to compare. Rounds are interleaved and the median is taken, so that a slow minute of the machine does not fall on
//! one scenario alone.
//!
//! Read it in the order of the `mod` list.

// what is asked of it
mod figures;
mod interrupt;
mod options;
// how load is made and measured
mod exactness;
mod load;
mod stub;
// what is measured
mod scenario;
mod workers;
// the tables
mod edge;
mod peers;
mod table;

use edge::{against, agent, callers, doors, failover, images, registry};
use load::cpu;
use options::Options;
use std::process::ExitCode;
use workers::{Empty, Sluice};

fn main() -> ExitCode {
    let options = Options::read();
    interrupt::guard(|| run(&options))
}

fn run(options: &Options) {
    let load_before = cpu::load_average();
    let stub = stub::start();
    let sluice = Sluice::start(stub);
    let empty = Empty::start();
    let mut sections = serde_json::Map::new();
    let mut add = |name: &str, section: serde_json::Value| sections.insert(name.to_owned(), section);
    if options.plain() {
        add("scenarios", edge::plain(options, stub, &sluice, &empty));
    }
    if options.sweep {
        add("sweep", edge::sweep(options, &sluice, &empty));
    }
    if options.accounts {
        add("accounts", edge::accounts(options, &sluice));
    }
    if options.callers {
        add("callers", callers::run(options, &sluice));
    }
    if options.doors {
        add("doors", doors::run(options, &sluice));
    }
    if options.agent {
        add("agent", agent::run(options));
    }
    if options.images {
        add("images", images::run(options));
    }
    if options.failover {
        add("failover", failover::run(options));
    }
    if options.registry {
        add("registry", registry::run(options, stub));
    }
    if let Some(build) = &options.against {
        add("against", against::run(options, stub, build));
    }
    if let Some(selected) = &options.peers {
        add("peers", peers::run(options, selected, stub, &sluice, &empty));
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "\nmedians of {} rounds of {} s, {} connections unless a row says otherwise; {cores} cores for the load, the stub origin and\nwhat is measured; \
         the Durable Objects' disk: {}; load average {load_before:.2} before, {:.2} after",
        options.rounds,
        options.seconds,
        options.connections,
        workers::disk_kind(),
        cpu::load_average()
    );
    if let Some(path) = &options.json {
        add("seconds", options.seconds.into());
        add("rounds", options.rounds.into());
        add("connections", options.connections.into());
        add("cores", cores.into());
        add("disk", workers::disk_kind().into());
        add("load_average_before", load_before.into());
        add("load_average_after", cpu::load_average().into());
        let all = serde_json::Value::from(sections);
        std::fs::write(path, format!("{all:#}\n")).expect("the file named by --json can be written");
    }
}
