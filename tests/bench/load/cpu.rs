//! CPU time as Linux counts it, read from /proc: of a program with all that it started, of us, of the whole machine.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// User and system time of these processes and of all their descendants.
pub(crate) fn of_trees(roots: &[u32]) -> Duration {
    let all = processes();
    let mut members = roots.to_vec();
    let mut total = 0;
    while let Some(id) = members.pop() {
        total += all.iter().find(|process| process.id == id).map_or(0, |process| process.ticks);
        members.extend(all.iter().filter(|process| process.parent == id).map(|process| process.id));
    }
    duration(total)
}

/// Lets a process and all of its threads run on this core alone.
pub(crate) fn pin(process: u32, core: usize) {
    let mut taskset = Command::new("taskset");
    let pinned = taskset.args(["-acp", &core.to_string(), &process.to_string()]).stdout(Stdio::null()).status();
    assert!(pinned.is_ok_and(|status| status.success()), "taskset (util-linux) pins processes to cores, two at least");
}

/// User and system time of this process: the load generator and the stub origin.
pub(crate) fn of_self() -> Duration {
    read(std::process::id()).map_or(Duration::ZERO, |process| duration(process.ticks))
}

/// Whether a process has a descendant that runs.
pub(crate) fn has_family(root: u32) -> bool {
    processes().iter().any(|process| process.parent == root && !process.zombie)
}

/// The busy time of all cores since the machine started, whoever it was for.
pub(crate) fn of_machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux has /proc/stat");
    let line = stat.lines().next().expect("its first line sums up all cores");
    // user, nice, system, idle, iowait, irq, softirq
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    duration([0, 1, 2, 5, 6].iter().map(|index| ticks.get(*index).copied().unwrap_or(0)).sum())
}

/// How many processes wanted a core, on average over the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// Memory that a process holds in MiB: its own, and pages of files that it maps.
pub(crate) fn memory_mib(process: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
    };
    (mib("RssAnon:"), mib("RssFile:") + mib("RssShmem:"))
}

struct Process {
    id: u32,
    parent: u32,
    zombie: bool,
    ticks: u64,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("CPU times are read from Linux's /proc").flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// `pid (name) state ppid ...`: the name may hold anything, so fields count from the last bracket.
fn read(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        ticks: number(11)? + number(12)?,
    })
}

/// Linux counts in hundredths of a second for user space.
fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}
