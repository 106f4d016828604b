//! What is found out, as JSON: all of it.

use crate::replay::Replayed;
use serde_json::{Value, to_value};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::told::{Of, Told};

/// All of it. `tables` are those that were replayed by.
pub fn of(replayed: &Replayed, tables: [Option<&PlanTable>; 2]) -> Value {
    let seen = replayed.seen;
    let lines = vec![
        ("read", seen.lines),
        ("replayed", replayed.part.candidate.all.asked),
        ("of_other_events", seen.others),
        ("undecided", seen.undecided),
        ("without_gate", seen.without_gate),
    ];
    let told = Told::new(&replayed.part, Of { lines, span: replayed.span }, tables, None);
    to_value(told).expect("our own types have string keys and no failing serialisers")
}
