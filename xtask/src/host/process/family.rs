//! Who belongs to a program that we started: its process group, and descendants that left the group (workerd may).
//!
//! Read from /proc. Where there is none (macOS), the group alone is known, which is enough unless a descendant moved out.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};

/// A process, named by id and start time so that a reused id is never mistaken for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    id: u32,
    parent: u32,
    group: u32,
    started: u64,
    zombie: bool,
}

impl Member {
    /// SIGKILL, if the very same process still runs.
    pub(super) fn kill_if_alive(self) {
        let same = read(self.id).is_some_and(|now| now.started == self.started && !now.zombie);
        if let Some(pid) = Pid::from_raw(self.id.cast_signed()).filter(|_| same) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Children, grandchildren and so on of `root`, without `root`.
pub(super) fn descendants(root: u32) -> Vec<Member> {
    let all = all();
    let mut found: Vec<Member> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for member in all.iter().filter(|member| member.parent == parent) {
            found.push(*member);
            parents.push(member.id);
        }
    }
    found
}

/// Whether anyone in the process group still runs. A zombie does not.
pub(super) fn group_is_alive(group: u32) -> bool {
    let all = all();
    if all.is_empty() {
        return Pid::from_raw(group.cast_signed()).is_some_and(|pid| test_kill_process_group(pid).is_ok());
    }
    all.iter().any(|member| member.group == group && !member.zombie)
}

fn all() -> Vec<Member> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn read(id: u32) -> Option<Member> {
    parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// `pid (name) state ppid pgrp ...`; the name may hold spaces and brackets, so fields count from the last `)`.
fn parse(id: u32, stat: &str) -> Option<Member> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Member {
        id,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b) S 7 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let member = parse(42, stat).unwrap();
        assert_eq!((member.parent, member.group, member.started, member.zombie), (7, 9, 777, false));
    }
}
