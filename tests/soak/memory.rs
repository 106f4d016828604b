//! What the programs hold, over time, and whether that is level.

use crate::gates::Gates;
use std::time::{Duration, Instant};

/// One program's memory in MiB, sample by sample.
#[derive(Default)]
pub(crate) struct Series(Vec<f64>);

/// Samples all programs until the span is over; `tell` gets a line every minute.
pub(crate) fn sample(gates: &Gates, span: Duration, tell: impl Fn(&str)) -> Vec<(&'static str, Series)> {
    let mut all: Vec<_> = gates.processes().iter().map(|(name, _)| (*name, Series::default())).collect();
    let begun = Instant::now();
    let mut told = 0;
    let pause = (span / 120).clamp(Duration::from_millis(250), Duration::from_secs(10));
    while begun.elapsed() < span {
        for ((_, series), (_, id)) in all.iter_mut().zip(gates.processes()) {
            series.0.extend(resident_mib(*id));
        }
        let minute = begun.elapsed().as_secs() / 60;
        if minute > told {
            told = minute;
            let sizes: Vec<_> =
                all.iter().map(|(name, series)| format!("{name} {:.0} MiB", series.0.last().unwrap_or(&0.0))).collect();
            tell(&sizes.join(", "));
        }
        std::thread::sleep(pause.min(span.saturating_sub(begun.elapsed())));
    }
    all
}

impl Series {
    /// The floor of each sixth of the run.
    pub(crate) fn line(&self) -> String {
        let sixths: Vec<_> =
            self.0.chunks(self.0.len().div_ceil(6).max(1)).map(|part| format!("{:.0}", floor(part))).collect();
        format!("{} MiB at least, in the sixths of the run; {:.0} at most", sixths.join(", "), peak(&self.0))
    }

    /// Says by how much it grew, if it did. A collector frees when it likes, so it is the floors that are compared: that of the last
    /// third with that of the one before. What only fills its caches has done so in the first.
    pub(crate) fn growth(&self) -> Option<String> {
        let third = self.0.len() / 3;
        if third == 0 {
            return Some("there are too few samples to tell".into());
        }
        let (middle, last) = (floor(&self.0[third..2 * third]), floor(&self.0[2 * third..]));
        (last > middle * LEVEL + SLACK_MIB).then(|| format!("from {middle:.0} to {last:.0} MiB"))
    }
}

fn floor(part: &[f64]) -> f64 {
    part.iter().copied().fold(f64::INFINITY, f64::min)
}

fn peak(part: &[f64]) -> f64 {
    part.iter().copied().fold(0.0, f64::max)
}

/// What a process holds of its own.
fn resident_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// What counts as level: this share more,
const LEVEL: f64 = 1.08;
/// and these, as small programs vary by more than a share.
const SLACK_MIB: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_climbs_is_growth_and_what_saws_is_not() {
        let saw = Series((0..120).map(|at| 200.0 + f64::from(at % 10) * 20.0).collect());
        let climbs = Series((0..120).map(|at| 200.0 + f64::from(at % 10) * 20.0 + f64::from(at)).collect());
        let fills = Series((0..120).map(|at| 300.0 - 200.0 / f64::from(at + 1)).collect());
        assert_eq!(saw.growth(), None);
        assert_eq!(fills.growth(), None);
        assert!(climbs.growth().is_some());
        assert!(Series::default().growth().is_some());
    }
}
