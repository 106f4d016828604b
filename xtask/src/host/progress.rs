//! What a person sees while a step runs: one line when it ends, a ticking line meanwhile on a terminal, plain lines
//! elsewhere. Everything goes to stderr: stdout belongs to answers (`dev --once`, `dev --json`).

use std::{
    env,
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// A step shorter than this says nothing until it ends.
const QUIET: Duration = Duration::from_secs(2);
/// How often a long step speaks where lines cannot be rewritten, so that a CI log shows what it waits for.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);
/// How often the line is rewritten on a terminal.
const TICK_INTERVAL: Duration = Duration::from_millis(250);
/// Width of the column that names the step.
const NAME_WIDTH: usize = 28;
/// Width of the column that says what came of it.
const OUTCOME_WIDTH: usize = 46;

/// One thing being done. Ends with [`Step::done`] or [`Step::failed`].
pub(crate) struct Step {
    name: String,
    begun: Instant,
    spoke: Option<Instant>,
}

impl Step {
    /// Starts the clock. Nothing is printed yet.
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        Self { name: name.into(), begun: Instant::now(), spoke: None }
    }

    /// The name it was begun with.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says that it still runs, if that is due. `detail` is asked only when it will be shown.
    pub(crate) fn tick(&mut self, detail: impl FnOnce() -> String) {
        let elapsed = self.begun.elapsed();
        let interval = if is_terminal() { TICK_INTERVAL } else { PLAIN_INTERVAL };
        if elapsed < QUIET || self.spoke.is_some_and(|at| at.elapsed() < interval) {
            return;
        }
        let first = self.spoke.is_none();
        self.spoke = Some(Instant::now());
        let detail = detail();
        let seconds = elapsed.as_secs();
        if is_terminal() {
            let line = format!("  {:NAME_WIDTH$} {seconds:>4} s  {detail}", self.name);
            let line: String = line.chars().take(terminal_width()).collect();
            eprint!("\r\x1b[2K{line}");
            flush();
        } else if first {
            eprintln!("  {:NAME_WIDTH$} ...", self.name);
        } else {
            eprintln!("  {:NAME_WIDTH$} still running after {seconds} s: {detail}", self.name);
        }
    }

    /// Ends well: prints name, outcome and seconds.
    pub(crate) fn done(self, outcome: &str) -> Duration {
        self.end(outcome, "32")
    }

    /// Ends badly: prints name and seconds; the reason follows in the error.
    pub(crate) fn failed(self) -> Duration {
        self.end("FAILED", "31")
    }

    fn end(self, outcome: &str, colour: &str) -> Duration {
        let elapsed = self.begun.elapsed();
        clear_line();
        let shown = paint(&format!("{outcome:OUTCOME_WIDTH$}"), colour);
        eprintln!("  {:NAME_WIDTH$} {shown} {:>8}", self.name, seconds(elapsed));
        elapsed
    }
}

/// A heading above a group of steps.
pub(crate) fn heading(text: &str) {
    eprintln!("{}", paint(text, "1"));
}

/// A line for a person, between steps; nothing if there is nothing to say.
pub(crate) fn note(text: &str) {
    clear_line();
    if !text.is_empty() {
        eprintln!("{text}");
    }
}

/// The last line of a command that did not succeed.
pub(crate) fn error(text: &str) {
    clear_line();
    eprintln!("{} {text}", paint("error:", "1;31"));
}

/// Whether stderr is a terminal, where lines may be rewritten.
pub(crate) fn is_terminal() -> bool {
    stderr().is_terminal()
}

/// `text` in an ANSI colour if that is welcome: on a terminal, without `NO_COLOR`.
pub(crate) fn paint(text: &str, colour: &str) -> String {
    if is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A duration as a person reads it: `0.3 s`, `4 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

fn clear_line() {
    if is_terminal() {
        eprint!("\r\x1b[2K");
        flush();
    }
}

fn flush() {
    // A terminal that went away is no reason to stop the work.
    let _ = stderr().flush();
}

fn terminal_width() -> usize {
    env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(340)), "0.3 s");
        assert_eq!(seconds(Duration::from_secs(245)), "4 min 05 s");
    }
}
