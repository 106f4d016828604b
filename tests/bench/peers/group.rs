//! Programs that start others: gateways with workers, and Redis. Each has a process group of its own, and none of them
//! outlives this process, however it ends.

use crate::interrupt;
use crate::load::cpu;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running program with all that it started. Dropping it ends them and waits until they are gone.
pub(super) struct Group {
    /// Leads the group, waits for the end of its standard input, and then ends the group.
    keeper: Child,
    log: PathBuf,
}

/// Ends its own process group, politely and then surely, when standard input ends: by the drop of a [`Group`], and by
/// the end of the process that holds it.
const KEEPER: &str = r#"
"$@" </dev/null &
program=$!
read -r _
trap '' TERM
kill -TERM 0
(sleep 5; kill -KILL 0) &
wait "$program"
kill -KILL 0
"#;

impl Group {
    /// Starts `command`; what it prints goes to `log`.
    pub(super) fn start(command: &Command, log: &Path) -> Result<Self> {
        let directory = log.parent().context("a log lies in a directory")?;
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(command.get_program()).args(command.get_args());
        // No setting of the machine's reaches a program under test, a proxy least of all.
        keeper.env_clear().env("PATH", search_path());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                keeper.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            keeper.current_dir(directory);
        }
        let errors = file.try_clone().context("cannot share the log between both outputs")?;
        let keeper = keeper.stdin(Stdio::piped()).stdout(file).stderr(errors).process_group(0).spawn();
        Ok(Self { keeper: keeper.context("cannot start /bin/sh")?, log: log.to_path_buf() })
    }

    /// The process from which all of them descend.
    pub(super) fn root(&self) -> u32 {
        self.keeper.id()
    }

    /// Polls until `ready` says so. An error, with the log's end, if the program ends or takes too long.
    pub(super) fn wait(&self, patience: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            interrupt::pause(POLL);
            if begun.elapsed() > SPAWN_TIME && !cpu::has_family(self.root()) {
                bail!("it ended as soon as it was started; the end of {}:\n{}", self.log.display(), self.tail());
            }
            if begun.elapsed() > patience {
                bail!("not ready after {} s; the end of {}:\n{}", patience.as_secs(), self.log.display(), self.tail());
            }
        }
        Ok(())
    }

    /// How often this stands in its log.
    pub(super) fn said(&self, what: &str) -> usize {
        self.text().matches(what).count()
    }

    fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn text(&self) -> String {
        fs::read(&self.log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where a program is: on PATH, or where systems keep servers that not every user's PATH names.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned()))
}

const POLL: Duration = Duration::from_millis(50);
/// Until then the keeper may not have started it yet.
const SPAWN_TIME: Duration = Duration::from_millis(500);
const TAIL_LINES: usize = 8;
