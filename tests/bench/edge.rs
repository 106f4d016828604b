//! The tables about Sluice alone: what each answer costs, and how that changes with connections and with accounts.

pub(crate) mod against;
pub(crate) mod agent;
pub(crate) mod callers;
pub(crate) mod doors;
pub(crate) mod failover;
pub(crate) mod images;
pub(crate) mod registry;

use crate::load::requests::{chat, forge, get, repeated};
use crate::load::{Measured, cpu};
use crate::options::Options;
use crate::scenario::{Scenario, run_interleaved};
use crate::table::{Table, milliseconds, whole};
use crate::workers::{Empty, Sluice};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The walk, the refusals and an empty Worker.
pub(crate) fn plain(options: &Options, stub: SocketAddr, sluice: &Sluice, empty: &Empty) -> Value {
    let one = sluice.key("open");
    let many = sluice.keys("open", MANY);
    let spent = sluice.spent_keys(1);
    let at_sluice = |name, requests| Scenario::new(name, options, sluice.address, requests).watching(sluice.process);
    let mut scenarios = [
        Scenario::new("stub origin", options, stub, vec![chat(&one)]).means("the ceiling: no gateway at all"),
        Scenario::new(EMPTY, options, empty.address, vec![chat(&one)])
            .watching(empty.process)
            .means("workerd answering \"ok\""),
        at_sluice("healthz", vec![get("/healthz")]).means("the least that our Worker does"),
        at_sluice("forged key", vec![chat(&forge(&one))]).expects(401).means("decided by the tag alone"),
        at_sluice("over the limit", chats(&spent)).expects(429).means("one key in a flood"),
        at_sluice("walk, 1 account", vec![chat(&one)]).means("admitted, forwarded, settled"),
        at_sluice("cache hit", vec![repeated(&sluice.key("cached"))]).means("admitted, answered again, settled"),
        at_sluice("walk, 200 accounts", chats(&many)).means("the same, each connection through all of them"),
    ];
    run_interleaved(options, &mut scenarios);
    print(&scenarios)
}

/// The walk with few and with many connections, on one account and on many.
pub(crate) fn sweep(options: &Options, sluice: &Sluice, empty: &Empty) -> Value {
    let one = vec![chat(&sluice.key("open"))];
    let many = chats(&sluice.keys("open", MANY));
    let mut scenarios = Vec::new();
    for connections in [1, 16, 128] {
        let name = |what: &str| format!("{what}, {connections} connections").replace(" 1 connections", " 1 connection");
        let walk = |what, requests: &[Vec<u8>]| {
            let scenario = Scenario::new(&name(what), options, sluice.address, requests.to_vec());
            scenario.watching(sluice.process).connections(connections)
        };
        scenarios.push(
            Scenario::new(&name(EMPTY), options, empty.address, one.clone())
                .watching(empty.process)
                .connections(connections),
        );
        scenarios.push(walk("walk, 1 account", &one));
        scenarios.push(walk("walk, 200 accounts", &many));
    }
    run_interleaved(options, &mut scenarios);
    print(&scenarios)
}

/// The walk through ever more accounts: each request is the next account's.
pub(crate) fn accounts(options: &Options, sluice: &Sluice) -> Value {
    let keys = sluice.keys("open", MOST);
    let scenarios = [1, 10, 100, 1_000, MOST].map(|accounts| {
        let name = format!("walk, {} account{}", whole(accounts as f64), if accounts == 1 { "" } else { "s" });
        Scenario::new(&name, options, sluice.address, chats(&keys[..accounts])).watching(sluice.process)
    });
    let mut scenarios = Vec::from(scenarios);
    run_interleaved(options, &mut scenarios);
    let section = print(&scenarios);
    let (own, mapped) = cpu::memory_mib(sluice.process);
    println!(
        "\nworkerd with its {} Durable Objects holds {} MiB, and maps {} MiB of their files",
        whole(MOST as f64),
        whole(own),
        whole(mapped)
    );
    json!({"scenarios": section, "own_mib": own, "mapped_mib": mapped})
}

/// A table with a row for each; against the empty Worker if that is among them.
pub(crate) fn print(scenarios: &[Scenario]) -> Value {
    let empty = scenarios.iter().find(|scenario| scenario.name == EMPTY).map(|empty| empty.median(Measured::rate));
    let mut head = vec!["", "requests/s", "p50 ms", "p99 ms", "CPU us/request"];
    head.extend(empty.map(|_| "of empty"));
    let mut table = Table::new(&head);
    let mut rows = Vec::new();
    for scenario in scenarios {
        let rate = scenario.median(Measured::rate);
        let mut figures = vec![
            whole(rate),
            milliseconds(scenario.median(|m| m.percentile(0.50))),
            milliseconds(scenario.median(|m| m.percentile(0.99))),
            scenario.watched.gateway.map_or_else(String::new, |_| whole(scenario.median(Measured::gateway_us))),
        ];
        figures.extend(empty.map(|empty| format!("{:.0} %", 100.0 * rate / empty)));
        table.row(&scenario.name, figures);
        let mut row = scenario.json();
        if let Some(empty) = empty {
            row["of_empty_worker"] = (rate / empty).into();
        }
        rows.push(row);
    }
    println!();
    table.print();
    rows.into()
}

fn chats(keys: &[String]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| chat(key)).collect()
}

/// The name of the row that others are compared with.
const EMPTY: &str = "empty Worker";
/// As many accounts as a busy deployment serves within a second.
const MANY: usize = 200;
/// As many accounts as the table goes to.
const MOST: usize = 10_000;
