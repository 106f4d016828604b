//! Programs that a stack runs. None of them outlives the test that started it, however that test ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running program. Dropping it kills the program and waits until it is gone.
pub struct Program {
    name: String,
    /// The keeper waits for the end of this pipe, which comes even if this process is killed.
    keeper_stdin: Option<ChildStdin>,
    keeper: Child,
    /// Locked, so that several threads of a test may hold the program.
    lines: Mutex<Receiver<String>>,
}

/// Where a program says that it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announces {
    /// On standard output.
    OnOutput,
    /// On descriptor 3; standard output is part of its log.
    OnDescriptor3,
}

/// Starts the program, sends it the signals that are named on standard input, and kills it, by its own pid, when that ends. The keeper's standard output is where the
/// program announces itself; the keeper's standard error is the log.
///
/// A shell, because a pipe that ends with its holder needs no `unsafe` and no Linux: every way for a test to end
/// (a panic, a failed assertion, SIGKILL) closes it.
const KEEPER: &str = r#"
announces=$1
shift
if [ "$announces" = 3 ]; then "$@" 3>&1 >&2 </dev/null & else "$@" </dev/null & fi
pid=$!
exec >&-
while read -r signal; do kill -s "$signal" "$pid"; done
kill -9 "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
"#;

impl Program {
    /// Starts `program` in `directory`; what it prints, down to the finest, is appended to `log`.
    pub fn start(program: &Path, arguments: &[String], announces: Announces, directory: &Path, log: &Path) -> Self {
        Self::start_at("trace", program, arguments, announces, directory, log)
    }

    /// [`Self::start`] with another level of its log: a run of an hour at the finest fills a disk.
    pub fn start_at(
        level: &str,
        program: &Path,
        arguments: &[String],
        announces: Announces,
        directory: &Path,
        log: &Path,
    ) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = File::options().create(true).append(true).open(log).expect("the stack's directory is writable");
        let descriptor = if announces == Announces::OnDescriptor3 { "3" } else { "1" };
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "keeper", descriptor])
            .arg(program)
            .args(arguments)
            // No setting of the machine's reaches a program under test.
            .env_clear()
            .env("RUST_LOG", level)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C ends the test, and the test's end ends the program.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = keeper.stdout.take().expect("piped above");
        let (sender, lines) = mpsc::channel();
        // Ends with the program, which holds the only other end of the pipe.
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { name, keeper_stdin: keeper.stdin.take(), keeper, lines: Mutex::new(lines) }
    }

    /// Sends the program a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let mut keeper = self.keeper_stdin.as_ref().expect("it is closed when this is dropped");
        writeln!(keeper, "{name}").expect("the keeper lives as long as this");
    }

    /// The next line on descriptor 3 that `read` makes something of. Panics with the log's end if none comes in time.
    pub fn announced<T>(&self, log: &Path, mut read: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + START_TIME;
        loop {
            match self
                .lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    if let Some(found) = read(&line) {
                        return found;
                    }
                }
                Err(why) => panic!("{} did not say where it listens ({why}); its log:\n{}", self.name, tail(log)),
            }
        }
    }
}

/// The process of this name that runs in this directory: a program's own, not its keeper's.
pub fn running_in(directory: &Path, name: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("processes are looked up in Linux's /proc").flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(|id| {
        let found = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        let place = std::fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        // Linux keeps 15 bytes of a name.
        found.trim_end() == &name[..name.len().min(15)] && place == directory
    })
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.keeper_stdin.take());
        // The keeper kills and then waits: when it has ended, so has the program.
        let _ = self.keeper.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// How long a program may take until it listens: generous, as other builds may hold the machine's cores.
const START_TIME: Duration = Duration::from_secs(30);
