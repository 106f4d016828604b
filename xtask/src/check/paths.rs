//! Files that pages and comments name are there: a file that moves takes its name along.

/// What to do about a violation.
pub(super) const FIX: &str = "name the file by its path of today";

/// Pages that tell of other times.
const OLD: &str = "CHANGELOG.md";
/// Where our code is. A comment that names a file elsewhere speaks of somebody else's.
const OURS: [&str; 6] = ["edge/", "origin/", "protocol/", "tests/", "xtask/", "docs/"];

/// Whether a file is one to look at.
pub(super) fn has_prose(path: &str) -> bool {
    path != OLD && [".md", ".rs", ".py"].iter().any(|ending| path.ends_with(ending))
}

/// Files that this one names and that are not among `all`. On a page a path may be the end of one, as in `limit/gate.rs`;
/// in code only whole paths of ours are looked at.
pub(super) fn in_file(path: &str, text: &str, all: &[&str]) -> Vec<String> {
    let is_page = path.ends_with(".md");
    let is_prose = |line: &str| is_page || path.ends_with(".py") || line.trim_start().starts_with("//");
    let names = |name: &str| is_file(name) && (is_page || OURS.iter().any(|folder| name.starts_with(folder)));
    let exists = |name: &str| all.iter().any(|file| is_end_of(file, name));
    let lines = text.lines().enumerate().filter(|(_, line)| is_prose(line));
    let named = lines.flat_map(|(number, line)| quoted(line).map(move |name| (number + 1, name)));
    let missing = named.filter(|(_, name)| names(name) && !exists(name));
    missing.map(|(number, name)| format!("{path}:{number}: {name}")).collect()
}

/// What stands between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_file(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    name.chars().all(is_part) && [".rs", ".py"].iter().any(|ending| name.len() > 3 && name.ends_with(ending))
}

fn is_end_of(file: &str, name: &str) -> bool {
    file.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 2] = ["edge/src/limit/gate.rs", "docs/limits.md"];

    #[test]
    fn a_file_that_has_moved_is_found_on_a_page() {
        let text =
            "It lies in `limit/gate.rs` and `edge/src/limit/gate.rs`.\n\nIt was in `src/gate.rs`, `ate.rs` and `x`.\n";
        assert_eq!(in_file("docs/a.md", text, &ALL), ["docs/a.md:3: src/gate.rs", "docs/a.md:3: ate.rs"]);
    }

    #[test]
    fn a_comment_names_whole_paths_of_ours() {
        let text = "// See `edge/src/gate.rs`.\nlet path = \"`edge/src/none.rs`\";\n/// As vLLM's `vllm/protocol.py`; `gate.rs`.\n";
        assert_eq!(in_file("edge/src/a.rs", text, &ALL), ["edge/src/a.rs:1: edge/src/gate.rs"]);
        assert_eq!(in_file("tests/a.py", "\"\"\"`tests/b.py` reads it.\"\"\"", &ALL), ["tests/a.py:1: tests/b.py"]);
    }

    #[test]
    fn what_tells_of_other_times_may_name_what_is_gone() {
        assert!(has_prose("docs/limits.md") && has_prose("edge/src/a.rs") && !has_prose(OLD) && !has_prose("a.toml"));
    }
}
