//! Status codes are chosen in `protocol/src/refusal.rs` and nowhere else: whose turn it is follows from the refusal.

use crate::check::source::{Source, line_of, words};

/// The crates that answer requests.
pub(in crate::check) const CRATES: [&str; 3] = ["protocol", "edge", "origin"];
/// What to do about a violation.
pub(in crate::check) const FIX: &str = "choose the status in protocol/src/refusal.rs and name the refusal here; \
    a number that is no status says so at the end of its line: `// not a status: why`";

/// The one file that may.
const ALLOWED: &str = "protocol/src/refusal.rs";
/// Tests, and what they run on: they look at statuses.
const TESTS: [&str; 2] = ["edge/src/tests/", "edge/src/platform/scripted/"];
/// Marks a line whose number only looks like a status.
const EXCUSE: &str = "not a status:";

/// Every status literal outside the one file that may have them.
pub(in crate::check) fn violations(sources: &[Source]) -> Vec<String> {
    let is_product =
        |source: &&Source| source.path != ALLOWED && !TESTS.iter().any(|test| source.path.starts_with(test));
    sources.iter().filter(is_product).flat_map(in_file).collect()
}

fn in_file(source: &Source) -> Vec<String> {
    let code = source.bare_code();
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (offset, word) in words(&code) {
        let before = code[..offset].trim_end();
        let named = before.ends_with("StatusCode::") && is_constant(word) && word != "OK";
        let numbered = is_refusal(word) && !is_duration(before);
        let line = line_of(&code, offset);
        let excused = lines.get(line - 1).is_some_and(|text| text.contains(EXCUSE));
        if (named || numbered) && !excused {
            found.push(format!("{}:{line}: {word}", source.path));
        }
    }
    found
}

/// Upper case: a constant, not a function such as `from_u16`.
fn is_constant(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The numbers that are used as 4xx and 5xx. 512 is not one of them, and is common for other reasons.
fn is_refusal(word: &str) -> bool {
    let number = word.trim_end_matches("_u16").trim_end_matches("u16");
    matches!(number.parse(), Ok(400..=431_u16 | 451 | 499..=511 | 520..=530)) && number.len() == 3
}

/// 500 milliseconds is no server error.
fn is_duration(before: &str) -> bool {
    ["from_millis(", "from_secs(", "from_micros(", "from_nanos("].iter().any(|call| before.ends_with(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        violations(&[Source { path: "edge/src/auth.rs".to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn every_form_of_a_chosen_status_is_refused() {
        for text in [
            "Response::error(\"no\", 401)",
            "response.with_status(429)",
            "let status: u16 = 503u16;",
            "(StatusCode::BAD_REQUEST, body)",
            "StatusCode::NOT_FOUND.into_response()",
            "const BUSY: u16 = 529;",
        ] {
            assert_eq!(check(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_place_is_named() {
        assert_eq!(check("\n\nreturn 404;"), ["edge/src/auth.rs:3: 404"]);
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "StatusCode::OK",
            "StatusCode::from_u16(status)",
            "// 404 when missing",
            "\"404\"",
            "const ROWS: usize = 512;",
            "Duration::from_millis(500)",
            "let x = 1_500;",
            "let x = 4290;",
            "let tokens = 500; // not a status: a length",
            "#[cfg(test)]\nmod tests { fn f() { assert_eq!(s, 404) } }",
        ] {
            assert_eq!(check(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn the_table_itself_may() {
        let table = Source { path: ALLOWED.to_owned(), text: "401 => 403".to_owned() };
        assert!(violations(&[table]).is_empty());
    }
}
