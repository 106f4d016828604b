//! What a person sees of work that takes long: a bar on a terminal, a line from time to time elsewhere, nothing if it is
//! over soon.

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// One file's bytes.
pub(super) struct Progress {
    what: String,
    bytes: u64,
    begun: Instant,
    /// What was there when it began.
    first: u64,
    at: u64,
    spoke: Option<Instant>,
    bar: Option<ProgressBar>,
}

/// What is over sooner says nothing.
const QUIET: Duration = Duration::from_secs(2);
/// Between two lines where they cannot be rewritten.
const LINES: Duration = Duration::from_secs(10);
/// `{msg}` is what is done.
const BAR: &str = "  {msg}  {bar:24}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";

impl Progress {
    /// Begins with `at` of `bytes` done.
    pub(super) fn begin(what: String, at: u64, bytes: u64) -> Self {
        Self { what, bytes, begun: Instant::now(), first: at, at, spoke: None, bar: None }
    }

    /// This much is done now.
    pub(super) fn at(&mut self, at: u64) {
        self.at = at;
        let elapsed = self.begun.elapsed();
        if elapsed < QUIET {
            return;
        }
        if stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(Some(self.bytes), ProgressDrawTarget::stderr());
                let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
                bar.with_style(style).with_message(self.what.clone()).with_elapsed(elapsed).with_position(self.first)
            });
            bar.set_position(at);
        } else if self.spoke.is_none_or(|spoke| spoke.elapsed() >= LINES) {
            self.spoke = Some(Instant::now());
            tracing::info!("{}", self.line(elapsed));
        }
    }

    /// It is over: a line says so if it took long.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let elapsed = self.begun.elapsed();
        if elapsed >= QUIET {
            tracing::info!("{}: {} in {:.1} s", self.what, HumanBytes(self.bytes), elapsed.as_secs_f64());
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let speed = self.at.saturating_sub(self.first) as f64 / elapsed.as_secs_f64().max(0.001);
        let left = self.bytes.saturating_sub(self.at) as f64 / speed.max(1.0);
        format!(
            "{}: {} of {}, {}/s, {left:.0} s left",
            self.what,
            HumanBytes(self.at),
            HumanBytes(self.bytes),
            HumanBytes(speed as u64)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_speed_and_time_of_what_came_now() {
        let mut progress = Progress::begin("m model.safetensors".into(), 1 << 30, 3 << 30);
        progress.at = 2 << 30;
        let line = progress.line(Duration::from_secs(16));
        assert_eq!(line, "m model.safetensors: 2.00 GiB of 3.00 GiB, 64.00 MiB/s, 16 s left");
    }

    #[test]
    fn the_bar_is_one_that_can_be_drawn() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
