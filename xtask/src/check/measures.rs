//! What the board and the rules ask for is told by a gate, and the page of measures says what that is.

mod listed;
mod promql;

use anyhow::Result;

use super::holds;
use crate::board::{EDGE_JOB, Made, ORIGIN_JOB, Query, made, queries};
use crate::host::workspace::Workspace;
use listed::{Measure, PAGE, PAGE_FIX, differences, from_edge, from_origin, from_page};
use promql::{Asked, Picked, read};

/// What to do about a file that is not what is made.
const MADE_FIX: &str = "run `cargo xtask board`";
/// What to do about a query.
const ASKED_FIX: &str = "xtask/src/board/panels.rs and alerts.rs may ask for what docs/measures.md lists, each with \
    `job=\"sluice-edge\"` or `job=\"sluice-origin\"`, and have to ask for all of it";
/// Where each gate says what it tells.
const SOURCES: [&str; 2] = ["protocol/src/measures/prometheus.rs", "origin/src/settle/metrics.rs"];

/// What Prometheus adds to whatever it reads.
const ADDED: [&str; 2] = ["job", "instance"];
/// What it tells itself of whatever it reads.
const UP: &str = "up";

/// What each gate tells.
struct Told {
    edge: Vec<Measure>,
    origin: Vec<Measure>,
}

/// The page lists what both gates declare.
pub(super) fn page(workspace: &Workspace) -> Result<String> {
    let Told { edge, origin } = told(workspace)?;
    let [of_edge, of_origin] = SOURCES.map(|source| workspace.read(source));
    let mut found = differences("edge", &edge, &from_edge(&of_edge?)?);
    found.extend(differences("origin", &origin, &from_origin(&of_origin?)?));
    holds(&found, PAGE_FIX)?;
    Ok(format!("{} measures", edge.len() + origin.len()))
}

/// The board and the rules are what is made, and ask for what the page lists.
pub(super) fn board(workspace: &Workspace) -> Result<String> {
    let queries = queries();
    holds(&violations(&queries, &told(workspace)?), ASKED_FIX)?;
    holds(&stale(&made(), |path| workspace.read(path).ok()), MADE_FIX)?;
    Ok(format!("{} queries", queries.len()))
}

fn told(workspace: &Workspace) -> Result<Told> {
    let page = workspace.read(PAGE)?;
    Ok(Told { edge: from_page(&page, "edge")?, origin: from_page(&page, "origin")? })
}

/// Files that are not what is made now; `read` reads one of the repository.
fn stale(made: &[Made], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let is_stale = |made: &&Made| read(made.path).as_deref() != Some(&made.text);
    made.iter().filter(is_stale).map(|made| format!("{} is not what `cargo xtask board` makes", made.path)).collect()
}

/// Queries that ask for what no gate tells, and what is told and nobody asks for.
fn violations(queries: &[Query], told: &Told) -> Vec<String> {
    let (mut found, mut asked_for) = (Vec::new(), Vec::new());
    for query in queries {
        match read(&query.text) {
            Ok(asked) => found.extend(in_query(query, &asked, told, &mut asked_for)),
            Err(why) => found.push(format!("{}: {why}: {}", query.place, query.text)),
        }
    }
    for (gate, measures) in [("edge", &told.edge), ("origin", &told.origin)] {
        let is_unasked = |measure: &&Measure| !asked_for.contains(measure);
        let unasked = measures.iter().filter(is_unasked);
        found.extend(unasked.map(|measure| format!("nobody asks for {} of the {gate}", measure.name)));
    }
    found
}

fn in_query<'t>(query: &Query, asked: &Asked, told: &'t Told, asked_for: &mut Vec<&'t Measure>) -> Vec<String> {
    let place = &query.place;
    let mut found = Vec::new();
    // Labels that are left in what comes out.
    let mut left: Vec<String> = Vec::new();
    for picked in &asked.measures {
        let labels = match labels_of(picked, told, asked_for) {
            Ok(labels) => labels,
            Err(why) => {
                found.push(format!("{place}: {why}"));
                continue;
            }
        };
        let groups = asked.groups.iter().filter(|group| group.is_about(picked)).flat_map(|group| &group.labels);
        let named = picked.labels.iter().map(|label| &label.name).chain(groups);
        let unknown = named.filter(|name| !labels.contains(name));
        found.extend(unknown.map(|name| format!("{place}: {} has no label {name}", picked.name)));
        if !asked.adds_up {
            left.extend(labels);
        }
    }
    left.extend(asked.groups.iter().filter(|group| group.is_all).flat_map(|group| group.labels.clone()));
    let lost = query.shown.iter().filter(|name| !left.contains(name));
    found.extend(lost.map(|name| format!("{place} shows {name}, which does not come out of its query")));
    found
}

/// The labels of a measure, if there is one.
fn labels_of<'t>(picked: &Picked, told: &'t Told, asked_for: &mut Vec<&'t Measure>) -> Result<Vec<String>, String> {
    let job = picked.labels.iter().find(|label| label.name == "job" && label.how == "=");
    let (gate, measures) = match job.map(|job| job.value.as_str()) {
        Some(EDGE_JOB) => ("edge", &told.edge),
        Some(ORIGIN_JOB) => ("origin", &told.origin),
        _ => return Err(format!("{} does not say of which gate it is, by its job", picked.name)),
    };
    let added = ADDED.map(str::to_owned);
    if picked.name == UP {
        return Ok(added.into());
    }
    let Some(measure) = measures.iter().find(|measure| measure.is_told_as(&picked.name)) else {
        return Err(format!("the {gate} tells nothing that is called {}", picked.name));
    };
    asked_for.push(measure);
    let bound = picked.name.ends_with("_bucket").then(|| "le".to_owned());
    Ok(measure.labels.iter().flatten().cloned().chain(added).chain(bound).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(name: &str, kind: &str, labels: &[&str]) -> Measure {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Measure { name: name.into(), kind: kind.into(), labels: Some(labels), help: "x".into() }
    }

    fn found(text: &str, shown: &[&str]) -> Vec<String> {
        let told = Told {
            edge: vec![measure("a_total", "counter", &["model", "plan"]), measure("h", "histogram", &["model"])],
            origin: vec![measure("a_total", "counter", &["model_name"])],
        };
        let asks = |text: &str, shown: &[&str]| Query {
            place: "here".into(),
            text: text.into(),
            shown: shown.iter().map(|label| (*label).to_owned()).collect(),
        };
        let all = "a_total{job=\"sluice-edge\"} + h_sum{job=\"sluice-edge\"} + a_total{job=\"sluice-origin\"}";
        violations(&[asks(all, &[]), asks(text, shown)], &told)
    }

    #[test]
    fn what_is_told_may_be_asked_for() {
        for (text, shown) in [
            ("sum by (model) (rate(a_total{job=\"sluice-edge\",plan=~\"x|y\"}[5m]))", &["model"][..]),
            ("sum by (le, model) (rate(h_bucket{job=\"sluice-edge\",le=\"+Inf\"}[5m]))", &["model"]),
            ("a_total{job=\"sluice-origin\"}", &["model_name", "instance"]),
            ("up{job=\"sluice-origin\"} == 0", &["instance"]),
        ] {
            assert_eq!(found(text, shown), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_nobody_tells_is_refused() {
        for (text, shown, expected) in [
            ("b_total{job=\"sluice-edge\"}", &[][..], "here: the edge tells nothing that is called b_total"),
            ("h{job=\"sluice-edge\"}", &[], "here: the edge tells nothing that is called h"),
            ("h_bucket{job=\"sluice-origin\"}", &[], "here: the origin tells nothing that is called h_bucket"),
            ("a_total_sum{job=\"sluice-edge\"}", &[], "here: the edge tells nothing that is called a_total_sum"),
            ("rate(a_total[5m])", &[], "here: a_total does not say of which gate it is, by its job"),
            ("a_total{job=~\"sluice.*\"}", &[], "here: a_total does not say of which gate it is, by its job"),
            ("a_total{job=\"sluice-edge\",model_name=\"x\"}", &[], "here: a_total has no label model_name"),
            ("sum by (code) (a_total{job=\"sluice-edge\"})", &[], "here: a_total has no label code"),
            ("sum by (le) (h_sum{job=\"sluice-edge\"})", &[], "here: h_sum has no label le"),
            (
                "sum by (plan) (a_total{job=\"sluice-edge\"})",
                &["model"],
                "here shows model, which does not come out of its query",
            ),
            ("sum(a_total{job=\"sluice-edge\"})", &["plan"], "here shows plan, which does not come out of its query"),
            ("sum(a_total{job=\"sluice-edge\"}", &[], "here: a bracket does not end: sum(a_total{job=\"sluice-edge\"}"),
        ] {
            assert_eq!(found(text, shown), [expected], "{text}");
        }
    }

    #[test]
    fn what_nobody_asks_for_is_told() {
        let told = Told { edge: vec![measure("a_total", "counter", &[])], origin: Vec::new() };
        assert_eq!(violations(&[], &told), ["nobody asks for a_total of the edge"]);
    }

    #[test]
    fn a_file_that_is_not_what_is_made_is_refused() {
        let made = [Made { path: "docs/a.json", text: "{}\n".into() }];
        assert_eq!(stale(&made, |_| Some("{}\n".into())), Vec::<String>::new());
        for other in [None, Some("{ }\n".to_owned())] {
            assert_eq!(stale(&made, |_| other.clone()), ["docs/a.json is not what `cargo xtask board` makes"]);
        }
    }
}
