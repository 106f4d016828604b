//! `cargo xtask board`: what Grafana and Prometheus are given, made from one list: the board, docs/grafana.json, and
//! the rules by which somebody is woken, docs/prometheus-rules.yml.
//!
//! What is on the board is in `board/panels.rs`, and what wakes somebody in `board/alerts.rs`; the rest is their form.
//! A check holds the files to what is made here, and every query to what the gates tell.

// what is asked
mod alerts;
mod panels;
// how it is written down
mod grafana;
mod rules;

use std::fs;

use anyhow::{Context, Result};
use lexopt::{Arg, Parser};

use crate::host::progress::Step;
use crate::host::workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask board

Writes docs/grafana.json and docs/prometheus-rules.yml anew. docs/measures.md says what to do with them.
";
/// What Prometheus calls the edge. Names of measures alone do not tell the gates apart: both count their requests.
pub(crate) const EDGE_JOB: &str = "sluice-edge";
/// What it calls the origins.
pub(crate) const ORIGIN_JOB: &str = "sluice-origin";

/// A file that is made.
pub(crate) struct Made {
    /// Where in the repository it belongs.
    pub(crate) path: &'static str,
    /// All of it.
    pub(crate) text: String,
}

/// What is asked of Prometheus somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// Where, for people.
    pub(crate) place: String,
    /// In Prometheus' language.
    pub(crate) text: String,
    /// The labels whose values are shown of it.
    pub(crate) shown: Vec<String>,
}

/// `cargo xtask board`.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    match args.next()? {
        None => {}
        Some(Arg::Long("help") | Arg::Short('h')) => {
            print!("{USAGE}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    }
    for Made { path, text } in made() {
        let step = Step::begin(path);
        fs::write(workspace.path(path), text).with_context(|| format!("cannot write {path}"))?;
        step.done("written");
    }
    Ok(())
}

/// Both files.
pub(crate) fn made() -> [Made; 2] {
    let board = grafana::board(&panels::rows(), &panels::VARIABLES);
    let rules = rules::rules(&alerts::alerts());
    [Made { path: "docs/grafana.json", text: board }, Made { path: "docs/prometheus-rules.yml", text: rules }]
}

/// Whatever the two files ask.
pub(crate) fn queries() -> Vec<Query> {
    let mut all = Vec::new();
    for row in panels::rows() {
        for panel in row.panels {
            for curve in panel.curves {
                let place = format!("the board, {}: {}", row.title, panel.title);
                all.push(Query { place, shown: between(&curve.legend, "{{", "}}"), text: curve.query });
            }
        }
    }
    for variable in panels::VARIABLES {
        let place = format!("the board's variable {}", variable.name);
        all.push(Query { place, text: variable.measure.to_owned(), shown: vec![variable.label.to_owned()] });
    }
    for alert in alerts::alerts() {
        let shown = between(&format!("{} {}", alert.summary, alert.says), "{{ $labels.", " }}");
        all.push(Query { place: format!("the rule {}", alert.name), text: alert.query, shown });
    }
    all
}

/// What stands between two marks, each time.
fn between(text: &str, begin: &str, end: &str) -> Vec<String> {
    let found = text.split(begin).skip(1).filter_map(|rest| rest.split_once(end));
    found.map(|(inside, _)| inside.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_made_each_time() {
        let texts = || made().map(|made| made.text);
        assert_eq!(texts(), texts());
    }

    #[test]
    fn all_that_is_asked_is_found() {
        let queries = queries();
        let [board, rules] = made().map(|made| made.text);
        assert_eq!(board.matches("\"expr\": ").count() + rules.matches("\n        expr: ").count(), {
            queries.len() - panels::VARIABLES.len()
        });
        let shown: Vec<_> = queries.iter().flat_map(|query| &query.shown).collect();
        assert!(shown.iter().any(|label| *label == "outcome") && shown.iter().any(|label| *label == "origin"));
        assert_eq!(between("p95 {{model}} of {{plan}}", "{{", "}}"), ["model", "plan"]);
    }
}
