//! What was found: a table for people, JSON for programs.

use crate::observation::Claim;
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::time::Duration;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The claim holds as far as it was tried.
    Pass,
    /// It surely does not.
    Fail,
    /// Nothing was learnt.
    Skipped,
}

/// A check's result.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What it came to.
    pub(crate) verdict: Verdict,
    /// Why, in a line.
    pub(crate) reason: String,
    /// What was measured.
    pub(crate) figures: Map<String, Value>,
    /// What does not fit into a line.
    pub(crate) notes: Vec<String>,
}

impl Finding {
    /// A verdict and its reason.
    pub(crate) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), figures: Map::new(), notes: Vec::new() }
    }

    /// Nothing was learnt, and why.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, reason)
    }

    /// Adds a figure.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.figures.insert(name.to_owned(), value.into());
        self
    }

    /// Adds lines that stand below the table.
    pub(crate) fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Adds a time, in milliseconds.
    pub(crate) fn with_time(self, name: &str, time: Option<Duration>) -> Self {
        self.with(name, time.map(milliseconds))
    }
}

/// A check that was run, or was not.
pub(crate) struct Row {
    /// Which.
    pub(crate) check: &'static str,
    /// What it came to.
    pub(crate) finding: Finding,
    /// How many requests it sent.
    pub(crate) requests: usize,
    /// How long it took.
    pub(crate) time: Duration,
}

impl Row {
    /// One line of the table.
    pub(crate) fn line(&self) -> String {
        let Finding { verdict, reason, .. } = &self.finding;
        format!(
            "{:<12} {} {:>8} {:>7.1} s  {reason}",
            self.check,
            verdict.shown(),
            self.requests,
            self.time.as_secs_f64()
        )
    }

    fn json(&self) -> Value {
        json!({
            "check": self.check, "verdict": self.finding.verdict.name(), "reason": self.finding.reason,
            "requests": self.requests, "seconds": self.time.as_secs_f64(), "figures": self.finding.figures,
        })
    }
}

/// The table's head.
pub(crate) fn head() -> String {
    format!("{:<12} {:<7} {:>8} {:>9}  {}", "check", "verdict", "requests", "time", "why")
}

/// The whole report as JSON.
pub(crate) fn json(url: &str, claim: &Claim, rows: &[Row]) -> Value {
    json!({
        "url": url,
        "claim": {"limit": claim.limit, "window_ms": milliseconds(claim.window), "parallel": claim.parallel},
        "verdict": overall(rows).name(),
        "checks": rows.iter().map(Row::json).collect::<Vec<_>>(),
    })
}

/// Fail if anything failed, skipped if nothing was learnt at all.
pub(crate) fn overall(rows: &[Row]) -> Verdict {
    let any = |verdict: Verdict| rows.iter().any(|row| row.finding.verdict == verdict);
    match (any(Verdict::Fail), any(Verdict::Pass)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Pass,
        (false, false) => Verdict::Skipped,
    }
}

impl Verdict {
    /// As the report names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    /// Padded, and in colour where a person looks.
    fn shown(self) -> String {
        let colour = match self {
            Self::Pass => 32,
            Self::Fail => 31,
            Self::Skipped => 33,
        };
        let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        let name = format!("{:<7}", self.name());
        if plain { name } else { format!("\x1b[{colour}m{name}\x1b[0m") }
    }
}

/// A time in milliseconds, to the microsecond.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
