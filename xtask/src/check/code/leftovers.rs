//! Nothing is left undone in tracked code: what is known to be missing stands in the closing note, not in a comment.

use crate::check::source::line_of;

/// What to do about a leftover.
pub(in crate::check) const FIX: &str =
    "do it, or delete it; a test that cannot pass is mended or removed, never skipped";

/// Endings of files that hold code or its configuration.
const CODE: [&str; 12] =
    [".rs", ".toml", ".py", ".js", ".mjs", ".ts", ".sh", ".yml", ".yaml", ".capnp", ".lua", ".ci/run"];

/// What must not be left. In pieces, because this file is checked too.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("#[", "ignore"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

/// Whether the file is one to look at.
pub(in crate::check) fn is_code(path: &str) -> bool {
    CODE.iter().any(|ending| path.ends_with(ending))
}

/// The marks in one file. The workspace's lints are named after two of them and are no leftovers.
pub(in crate::check) fn in_file(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for mark in MARKS {
        for (offset, _) in text.match_indices(mark) {
            let before = text[..offset].chars().next_back();
            let is_part_of_a_word =
                mark.starts_with(char::is_alphabetic) && before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !is_part_of_a_word {
                found.push(format!("{path}:{}: {mark}", line_of(text, offset)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found() {
        for mark in MARKS {
            let text = format!("fn f() {{}}\n// {mark} later\n");
            assert_eq!(in_file("a.rs", &text), [format!("a.rs:2: {mark}")]);
        }
    }

    #[test]
    fn words_that_contain_one_are_not() {
        assert!(in_file("a.rs", concat!("let METHO", "DO", "LOGY_TO", "DO_ = 1;")).is_empty());
        assert!(in_file("a.rs", "todo = \"warn\"").is_empty());
    }

    #[test]
    fn prose_is_not_code() {
        assert!(is_code("edge/src/lib.rs") && is_code(".ci/run") && !is_code("CHANGELOG.md"));
    }
}
