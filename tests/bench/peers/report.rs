//! What was measured of each gateway, as tables and as JSON.

use super::{Mode, Peer, SLUICE, SLUICE_FORGED, SLUICE_MANY};
use crate::exactness::{Edge, LIMIT};
use crate::figures::median;
use crate::load::Measured;
use crate::table::{Table, milliseconds, whole};
use serde_json::{Value, json};

/// One gateway's rounds.
pub(super) struct Row {
    /// What it is called.
    pub(super) name: String,
    /// Which peer it is; none if it is ours.
    peer: Option<Peer>,
    admit: Vec<Loaded>,
    refuse: Vec<Loaded>,
    /// Of 200 at once at a limit of 30, how many were admitted.
    pub(super) bursts: Vec<usize>,
    /// The attacks across a window's end.
    pub(super) edges: Vec<Edge>,
    /// What could not be measured, and why.
    pub(super) failures: Vec<String>,
}

struct Loaded {
    measured: Measured,
    load_average: f64,
}

impl Row {
    /// A row that does not stand for a peer.
    pub(super) fn ours(name: &str) -> Self {
        let name = name.to_owned();
        let (admit, refuse, bursts, edges) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { name, peer: None, admit, refuse, bursts, edges, failures: Vec::new() }
    }

    /// A peer's row.
    pub(super) fn peer(peer: Peer) -> Self {
        Self { peer: Some(peer), ..Self::ours(peer.name()) }
    }

    /// Adds a round of load; the load average is from before it.
    pub(super) fn add_load(&mut self, mode: Mode, measured: Measured, load_average: f64) {
        let rounds = if mode == Mode::Admit { &mut self.admit } else { &mut self.refuse };
        rounds.push(Loaded { measured, load_average });
    }

    fn refusal(&self) -> u16 {
        if self.name == SLUICE_FORGED { 401 } else { 429 }
    }

    /// Whether nothing that was tried got past the limit, in any round.
    fn is_exact(&self) -> Option<bool> {
        let most = |of: fn(&Edge) -> usize| self.edges.iter().map(of).max();
        let worst = [self.bursts.iter().copied().max()?, most(|edge| edge.boundary)?, most(|edge| edge.steady)?];
        Some(worst.into_iter().all(|admitted| admitted <= LIMIT as usize))
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "exact": self.is_exact(),
            "admit": loads_json(&self.admit, 200), "refuse": loads_json(&self.refuse, self.refusal()),
            "burst": self.bursts, "edge": self.edges.iter().map(Edge::json).collect::<Vec<_>>(),
            "not_measured": self.failures,
        })
    }
}

/// Prints the tables and returns the figures.
pub(super) fn print(rows: &[Row]) -> Value {
    println!();
    loads("admitted", rows, |row| (&row.admit, 200));
    println!();
    loads("refused", rows, |row| (&row.refuse, row.refusal()));
    println!();
    exactness(rows);
    let comparison = comparison(rows);
    println!("\n{}", comparison.join("\n"));
    println!(
        "others' cores: how much of the machine was busy with neither a gateway, nor Redis, nor the load and its origin"
    );
    for row in rows {
        let mut failures: Vec<_> = row.failures.iter().collect();
        failures.dedup();
        for why in failures {
            println!("\nnot measured: {}, {why}", row.name);
        }
    }
    json!({"gateways": rows.iter().map(Row::json).collect::<Vec<_>>(), "comparison": comparison})
}

fn loads(what: &str, rows: &[Row], of: impl Fn(&Row) -> (&Vec<Loaded>, u16)) {
    let head =
        ["requests/s", "p50 ms", "p99 ms", "CPU us/request", "Redis'", "all processes", "errors", "others' cores"];
    let mut table = Table::new(&[&[what], head.as_slice()].concat());
    for row in rows {
        let (rounds, status) = of(row);
        if rounds.is_empty() {
            if row.peer.is_some() {
                table.row(&row.name, ["not measured".to_owned()]);
            }
            continue;
        }
        let middle = |of: fn(&Measured) -> f64| median(rounds.iter().map(|round| of(&round.measured)));
        let cpu = |of: fn(&Measured) -> f64| if row.name == super::STUB { String::new() } else { whole(middle(of)) };
        let redis = row.peer.is_some_and(Peer::counts_in_redis);
        table.row(
            &row.name,
            [
                whole(middle(Measured::rate)),
                milliseconds(middle(|m| m.percentile(0.50))),
                milliseconds(middle(|m| m.percentile(0.99))),
                cpu(Measured::gateway_us),
                if redis { cpu(Measured::redis_us) } else { String::new() },
                cpu(Measured::total_us),
                rounds.iter().map(|round| round.measured.errors(status)).sum::<usize>().to_string(),
                format!("{:.1}", middle(|m| m.foreign_cores)),
            ],
        );
    }
    table.print();
}

fn exactness(rows: &[Row]) {
    let head = ["30 a minute", "across a boundary", "steady push", "told 0.5 s before", "exact"];
    let mut table = Table::new(&[&["admitted where 30 were allowed"], head.as_slice()].concat());
    for row in rows {
        let Some(exact) = row.is_exact() else { continue };
        let told = |edge: &Edge| {
            let told: Vec<_> =
                edge.told.iter().map(|told| told.map_or("nothing".into(), |s| format!("{s} s"))).collect();
            told.join(" or ")
        };
        table.row(
            &row.name,
            [
                each(row.bursts.iter().map(usize::to_string)),
                each(row.edges.iter().map(|edge| edge.boundary.to_string())),
                each(row.edges.iter().map(|edge| edge.steady.to_string())),
                each(row.edges.iter().map(told)),
                if exact { "yes" } else { "no" }.to_owned(),
            ],
        );
    }
    table.print();
}

/// Sluice against the best of the others that are as exact, and against the quickest at refusing that are written in
/// languages like theirs.
fn comparison(rows: &[Row]) -> Vec<String> {
    let rate = |rounds: &[Loaded]| median(rounds.iter().map(|round| round.measured.rate()));
    let cpu = |rounds: &[Loaded]| median(rounds.iter().map(|round| round.measured.total_us()));
    let mut lines = Vec::new();
    let Some(sluice) = rows.iter().find(|row| row.name == SLUICE && !row.admit.is_empty() && !row.refuse.is_empty())
    else {
        return lines;
    };
    let exact = rows.iter().filter(|row| row.peer.is_some() && row.is_exact() == Some(true) && !row.admit.is_empty());
    if let Some(best) = exact.max_by(|a, b| rate(&a.admit).total_cmp(&rate(&b.admit))) {
        lines.push(format!("against {}, the quickest peer that is exact:", best.name));
        for ours in rows.iter().filter(|row| ADMITTED.contains(&row.name.as_str()) && !row.admit.is_empty()) {
            lines.push(format!(
                "  {:<24} {:.2} of its requests/s, {:.2} of its CPU time for each",
                ours.name,
                rate(&ours.admit) / rate(&best.admit),
                cpu(&ours.admit) / cpu(&best.admit)
            ));
        }
    }
    let scripted = rows.iter().filter(|row| row.peer.is_some_and(|peer| peer != Peer::Nginx) && !row.refuse.is_empty());
    if let Some(best) = scripted.max_by(|a, b| rate(&a.refuse).total_cmp(&rate(&b.refuse))) {
        lines.push(format!(
            "refusing, against {}, the quickest peer in Python or Node: {:.2} of its refusals/s, {:.2} of its CPU time for each",
            best.name,
            rate(&sluice.refuse) / rate(&best.refuse),
            cpu(&sluice.refuse) / cpu(&best.refuse)
        ));
    }
    lines
}

/// Whose admitted requests are compared.
const ADMITTED: [&str; 2] = [SLUICE, SLUICE_MANY];

/// One value if all rounds agree, else all of them.
fn each(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<_> = values.collect();
    if values.iter().all(|value| *value == values[0]) {
        values.truncate(1);
    }
    values.join(", ")
}

fn loads_json(rounds: &[Loaded], status: u16) -> Value {
    if rounds.is_empty() {
        return Value::Null;
    }
    let middle = |of: fn(&Measured) -> f64| median(rounds.iter().map(|round| of(&round.measured)));
    let each = |of: fn(&Measured) -> f64| rounds.iter().map(|round| of(&round.measured)).collect::<Vec<_>>();
    json!({
        "requests_per_second": middle(Measured::rate),
        "p50_ms": middle(|m| m.percentile(0.50)), "p99_ms": middle(|m| m.percentile(0.99)),
        "gateway_cpu_us": middle(Measured::gateway_us), "redis_cpu_us": middle(Measured::redis_us),
        "all_cpu_us": middle(Measured::total_us),
        "errors": rounds.iter().map(|round| round.measured.errors(status)).sum::<usize>(),
        "rounds": each(Measured::rate), "rounds_all_cpu_us": each(Measured::total_us),
        "foreign_cores": each(|m| m.foreign_cores),
        "load_average": rounds.iter().map(|round| round.load_average).collect::<Vec<_>>(),
    })
}
