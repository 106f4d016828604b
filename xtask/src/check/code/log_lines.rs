//! The edge's log has one kind of line (`sluice_protocol::telemetry`), and one place writes it.

use crate::check::source::{Source, line_of, words};

/// The crates whose log it is.
pub(in crate::check) const CRATES: [&str; 1] = ["edge"];
/// What to do about a violation.
pub(in crate::check) const FIX: &str =
    "make it a `sluice_protocol::telemetry::Line`, and write it with `telemetry::write`";

/// Where the platform's macros are called.
const ALLOWED: &str = "edge/src/platform/workerd/time.rs";

/// Every line that is written to the log elsewhere.
pub(in crate::check) fn violations(sources: &[Source]) -> Vec<String> {
    let in_file = |source: &Source| {
        let code = source.bare_code();
        let writes = words(&code).filter(|(_, word)| MACROS.contains(word));
        writes.map(|(offset, word)| format!("{}:{}: {word}!", source.path, line_of(&code, offset))).collect::<Vec<_>>()
    };
    sources.iter().filter(|source| source.path != ALLOWED).flat_map(in_file).collect()
}

/// What writes to the log of a Worker.
const MACROS: [&str; 5] = ["console_log", "console_warn", "console_error", "console_debug", "println"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        violations(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn one_file_writes_to_the_log() {
        let text = "fn f() {\n    worker::console_warn!(\"x\");\n}\n// console_log!\n";
        assert_eq!(check("edge/src/limit.rs", text), ["edge/src/limit.rs:2: console_warn!"]);
        assert_eq!(check(ALLOWED, text), Vec::<String>::new());
        assert_eq!(check("edge/src/limit.rs", "telemetry::write(&line);"), Vec::<String>::new());
    }
}
