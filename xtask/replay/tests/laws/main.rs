//! What replays promise: the plans in force give the decisions that were logged; others give what a naive count gives;
//! and a log that is not whole gives nothing but where it is not.

#![allow(clippy::unwrap_used, reason = "a test that fails is to panic")]

mod assumed;
mod command;
mod kept;
mod mistakes;
mod oracle;
mod same;

use sluice_protocol::limit::plan::PlanTable;
use sluice_replay::example::{self, Example};
use sluice_replay::log::{self, Log};
use sluice_replay::replay::{Named, Replayed, replay};

/// A log that these plans have made.
fn example(example: Example, plans: &str) -> String {
    let mut text = Vec::new();
    example::write(example, &table(plans), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn table(plans: &str) -> PlanTable {
    PlanTable::parse(plans).unwrap()
}

fn read(text: &str) -> anyhow::Result<Log> {
    log::read(text.as_bytes(), |_| {})
}

fn replayed(text: &str, plans: &str, against: Option<&str>) -> anyhow::Result<Replayed> {
    let (plans, against) = (table(plans), against.map(table));
    let against = against.as_ref().map(|table| Named { name: "current", table });
    replay(&read(text)?, Named { name: "candidate", table: &plans }, against, |_, _| {})
}
