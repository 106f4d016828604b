//! Where the time of a run of all tests went.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::progress;

/// One step.
struct Timed {
    name: String,
    took: Duration,
    is_good: bool,
}

/// Where the time went, and how many tests passed.
#[derive(Default)]
pub(super) struct Timing {
    steps: Vec<Timed>,
    /// How many tests passed.
    pub(super) passed: u32,
    begun: Option<Instant>,
}

impl Timing {
    /// Runs a step.
    pub(super) fn of<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        self.begun.get_or_insert(begun);
        let result = step();
        self.steps.push(Timed { name: name.to_owned(), took: begun.elapsed(), is_good: result.is_ok() });
        result
    }

    /// Takes over what ran beside.
    pub(super) fn add(&mut self, beside: Self) {
        self.steps.extend(beside.steps);
        self.passed += beside.passed;
    }

    /// The step that broke, or the last one.
    pub(super) fn last(&self) -> &str {
        let broken = self.steps.iter().find(|step| !step.is_good).or(self.steps.last());
        broken.map_or("the command line", |step| &step.name)
    }

    pub(super) fn print(&self) {
        progress::heading("time");
        for Timed { name, took, is_good } in &self.steps {
            let verdict = if *is_good { progress::paint("ok    ", "32") } else { progress::paint("FAILED", "31") };
            progress::note(&format!("  {name:<28} {verdict} {:>14}", progress::seconds(*took)));
        }
        let total = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        progress::note(&format!("  {:<28}        {:>14}", "all", progress::seconds(total)));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_broken_step_is_named_and_still_timed() {
        let mut timing = Timing::default();
        timing.of("set-up", || Ok(())).unwrap();
        timing.of("test sluice-edge", || -> Result<()> { bail!("boom") }).unwrap_err();
        assert_eq!(timing.last(), "test sluice-edge");
        assert_eq!(timing.steps.iter().map(|step| step.is_good).collect::<Vec<_>>(), [true, false]);
        let mut all = Timing::default();
        all.add(timing);
        all.of("check", || Ok(())).unwrap();
        assert_eq!(all.last(), "test sluice-edge");
    }
}
