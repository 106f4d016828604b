//! Running other programs so that none of them outlives us.
//!
//! Every program gets a process group of its own. A signal to us does not reach it by itself: we pass it on, wait,
//! and then insist. Only processes that we started, and their descendants, are ever signalled, by id.

mod family;

use std::{
    ffi::OsStr,
    fmt, fs,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::host::progress::Step;

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a program that is only a step of ours may take to end when told to.
const STEP_GRACE: Duration = Duration::from_secs(5);
/// How much of a log an error shows.
const TAIL_LINES: usize = 120;

/// Signals received so far. One asks to stop; a second asks to stop at once.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// The error of a command that was stopped by SIGINT, SIGTERM or SIGHUP. It is reported by the exit status alone.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl std::error::Error for Interrupted {}

/// A program that ended badly. Its own words are kept apart, so that the line that says what to do can come last.
#[derive(Debug)]
pub(crate) struct Failed {
    line: String,
    said: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Failed {}

/// The last words of the program whose failure caused `error`; empty if no program did.
pub(crate) fn last_words(error: &anyhow::Error) -> &str {
    error.chain().find_map(|cause| cause.downcast_ref::<Failed>()).map_or("", |failed| &failed.said)
}

/// From here on SIGINT, SIGTERM and SIGHUP are counted instead of ending us: children must be ended first.
pub(crate) fn listen_for_signals() {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).expect("these three signals may be caught");
    thread::spawn(move || {
        for _ in signals.forever() {
            SIGNALS.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Whether we were asked to stop.
pub(crate) fn interrupted() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}

/// A command with no stdin, in a process group of its own, without the variables that `cargo run` set for us.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = command_in_our_group(program);
    command.process_group(0);
    command
}

/// [`command`] in the process group that we are in, so that Ctrl-C ends it at once. Asking for that group by its number fails
/// where we lead a session.
pub(crate) fn command_in_our_group(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A started program and everything it started in turn. Dropping it ends them all.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts `command` with stdout and stderr in the file `log`, or with stdout in `stdout` if one is given.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path, stdout: Option<&Path>) -> Result<Self> {
        let errors = create(log)?;
        let out = match stdout {
            Some(path) => create(path)?,
            None => errors.try_clone().context("cannot share the log between stdout and stderr")?,
        };
        let child = command
            .stdout(out)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), ended: None })
    }

    /// What it was called when started.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file its output goes to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().with_context(|| format!("cannot ask how {} is", self.name))?;
        }
        Ok(self.ended)
    }

    /// Ends it and all that it started: SIGTERM, up to `grace` to comply, SIGKILL. A second signal to us cuts the
    /// grace short. Harmless on a program that has ended.
    pub(crate) fn stop(&mut self, grace: Duration) {
        let group = self.child.id();
        let family = family::descendants(group);
        if let Some(pid) = Pid::from_raw(group.cast_signed()) {
            // An error means that no one is left to be told.
            if family::group_is_alive(group) {
                let _ = kill_process_group(pid, Signal::TERM);
            }
            let asked = Instant::now();
            while family::group_is_alive(group) && asked.elapsed() < grace && SIGNALS.load(Ordering::Relaxed) < 2 {
                // Reaps the leader, so that it does not count as alive.
                let _ = self.ended();
                thread::sleep(POLL);
            }
            if family::group_is_alive(group) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        if self.ended.is_none() {
            self.ended = self.child.wait().ok();
        }
        family.into_iter().for_each(family::Member::kill_if_alive);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(STEP_GRACE);
    }
}

/// [`run`] as a step of its own, which says how it ended.
pub(crate) fn run_as_step(label: &str, program: Command, log: &Path) -> Result<String> {
    let mut step = Step::begin(label);
    match run(&mut step, program, log) {
        Ok(printed) => {
            step.done("done");
            Ok(printed)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Runs `command` to its end, ticking `step`; returns what it printed. Its output stays in `log`, and the end of it is
/// part of the error if it fails.
pub(crate) fn run(step: &mut Step, command: Command, log: &Path) -> Result<String> {
    let shown = show(&command);
    let mut running = Running::start(step.name(), command, log, None)?;
    let status = loop {
        if let Some(status) = running.ended()? {
            break status;
        }
        if interrupted() {
            running.stop(STEP_GRACE);
            return Err(Interrupted.into());
        }
        step.tick(|| last_line(log));
        thread::sleep(POLL);
    };
    let printed = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    if status.success() {
        return Ok(printed);
    }
    let line = format!("`{shown}` failed ({status}); all it said is in {}", log.display());
    Err(Failed { line, said: tail(&printed) }.into())
}

/// Runs a short command and returns its stdout. The error carries its stderr.
pub(crate) fn capture(mut command: Command) -> Result<String> {
    let shown = show(&command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if interrupted() {
        return Err(Interrupted.into());
    }
    if !output.status.success() {
        let said = tail(&String::from_utf8_lossy(&output.stderr));
        return Err(Failed { line: format!("`{shown}` failed ({})", output.status), said }.into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it, without its environment.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a text, enough to see what went wrong.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The last line that a program wrote to its log, for the ticking line.
fn last_line(log: &Path) -> String {
    const ENOUGH: u64 = 512;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

fn create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = command("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_shows_what_the_program_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&mut Step::begin("t"), shell("echo nonsense >&2; exit 3"), &dir.path().join("l")).unwrap_err();
        let error = error.context("do this instead");
        assert_eq!(last_words(&error), "nonsense");
        assert!(format!("{error:#}").starts_with("do this instead: `sh -c echo nonsense"), "{error:#}");
    }

    #[test]
    fn stopping_ends_grandchildren_that_ignore_sigterm() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & wait";
        let mut running = Running::start("stubborn", shell(script), &log, None).unwrap();
        let begun = Instant::now();
        while fs::read_to_string(&log).unwrap().trim().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the grandchild never wrote its id");
            thread::sleep(POLL);
        }
        let group = running.child.id();
        assert!(family::group_is_alive(group));
        running.stop(Duration::from_millis(50));
        // Who is dead is in its group until the system has looked at it.
        let stopped = Instant::now();
        while family::group_is_alive(group) {
            assert!(stopped.elapsed() < Duration::from_secs(10), "the group outlives its end");
            thread::sleep(POLL);
        }
    }
}
