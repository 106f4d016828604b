//! Rust source as the textual invariants see it: product code only, without comments and, where wanted, without the
//! contents of string literals. Line numbers survive, so that a violation can be found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A file of product code.
pub(super) struct Source {
    /// Relative to the repository's root, with `/`.
    pub(super) path: String,
    /// As it stands in the file.
    pub(super) text: String,
}

impl Source {
    /// Comments and `#[cfg(test)]` items are blank; string literals keep their contents.
    pub(super) fn code(&self) -> String {
        without_tests(&strip(&self.text, true), &strip(&self.text, false))
    }

    /// Like [`Source::code`], with string and character literals blank too.
    pub(super) fn bare_code(&self) -> String {
        let bare = strip(&self.text, false);
        without_tests(&bare, &bare)
    }
}

/// The product's sources in `<crate>/src`: no file that is a test as a whole.
pub(super) fn of_crates(root: &Path, crates: &[&str]) -> Result<Vec<Source>> {
    let folders: Vec<_> = crates.iter().map(|name| format!("{name}/src")).collect();
    below(root, &folders.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The sources below these folders: no file that is a test as a whole.
pub(super) fn below(root: &Path, folders: &[&str]) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths)?;
    }
    paths.sort();
    let load = |path: PathBuf| {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        Ok(Source { path: relative, text })
    };
    paths.into_iter().map(load).collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            paths.push(path);
        }
    }
    Ok(())
}

/// 1-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Every identifier and number in `code`, with its offset.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut offset = 0;
    std::iter::from_fn(move || {
        let begin = offset + code[offset..].find(is_word)?;
        let end = code[begin..].find(|c| !is_word(c)).map_or(code.len(), |length| begin + length);
        offset = end;
        Some((begin, &code[begin..end]))
    })
}

/// The end of the bracketed group that opens at `open` (a `(`, `[` or `{`), exclusive; the text's end if it never closes.
/// `bare` must have no literals.
pub(super) fn end_of_group(bare: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in bare[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return open + offset + c.len_utf8();
        }
    }
    bare.len()
}

/// Blanks what `#[cfg(test)]` stands before. `bare` is `text` without literals, byte for byte as long.
fn without_tests(text: &str, bare: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = text.to_owned();
    let mut from = 0;
    while let Some(found) = bare[from..].find(MARK) {
        let begin = from + found;
        let after = begin + MARK.len();
        let end = match bare[after..].find(['{', ';']) {
            Some(at) if bare.as_bytes()[after + at] == b'{' => end_of_group(bare, after + at),
            Some(at) => after + at + 1,
            None => bare.len(),
        };
        blank(&mut out, begin, end);
        from = end;
    }
    out
}

/// Replaces everything but line breaks by spaces, byte for byte.
fn blank(text: &mut String, begin: usize, end: usize) {
    let spaces: String = text[begin..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(begin..end, &spaces);
}

/// Blanks comments, and literals too unless they are kept.
fn strip(text: &str, keep_literals: bool) -> String {
    let mut out = text.to_owned();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, is_literal) = match rest.as_bytes() {
            [b'/', b'/', ..] => (rest.find('\n').unwrap_or(rest.len()), false),
            [b'/', b'*', ..] => (block_comment(rest), false),
            [b'"', ..] => (quoted(rest, '"'), true),
            [b'r', b'"' | b'#', ..] if !follows_word(text, at) => (raw(rest), true),
            [b'\'', ..] => (character(rest), true),
            _ => (0, false),
        };
        if length == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        if !(is_literal && keep_literals) {
            blank(&mut out, at, at + length);
        }
        at += length;
    }
    out
}

fn follows_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    // `br"..."` is a raw literal as well.
    before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_')
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"..."` and `r#"..."#`; 0 for what only looks like it (`r#type`).
fn raw(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..].find(&close).map_or(text.len(), |length| body + length + close.len())
}

/// A character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => quoted(text, '\''),
        (Some(_), Some((offset, '\''))) => offset + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "edge/src/x.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let text = "a /* x /* y */ \n */ b // c\n\"s // \\\" t\" 'x' '\\'' 'life r#\"raw \" \"# r#type";
        let bare = source(text).bare_code();
        let kept: Vec<&str> = bare.split_whitespace().collect();
        assert_eq!(kept, ["a", "b", "'life", "r#type"]);
        assert_eq!((bare.len(), bare.matches('\n').count()), (text.len(), 2));
        assert!(source(text).code().contains("s //"));
    }

    #[test]
    fn test_modules_are_not_product_code() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\" } }\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
        let code = source(text).code();
        let left: Vec<&str> = words(&code).map(|(_, word)| word).filter(|word| *word != "fn").collect();
        assert_eq!(left, ["a", "c", "d"]);
    }

    #[test]
    fn offsets_become_lines() {
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }

    #[test]
    fn text_that_is_not_ascii_keeps_its_offsets() {
        let text = "// žluť → x\nfn f() { \"é\" }";
        assert_eq!(source(text).bare_code().len(), text.len());
    }
}
