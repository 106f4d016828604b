//! The module paths in a file's code, as segments from its crate's root.

/// Every path that begins with `crate`, `super`, `self`, or a child that the file declares; trees of `use` are unfolded. `code` has
/// no comments, no literals and no tests; `module` is the file's own.
pub(super) fn paths_in(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let children: Vec<_> =
        tokens.windows(3).filter(|window| window[0] == "mod" && window[2] == ";").map(|window| window[1]).collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_inside_a_path = at > 0 && tokens[at - 1] == "::";
        if is_inside_a_path || !begins(tokens[at], &children) {
            at += 1;
            continue;
        }
        let mut flat = Vec::new();
        at = tree(&tokens, at, &mut Vec::new(), &mut flat);
        all.extend(flat.into_iter().filter_map(|path| from_root(&path, module, &children)));
    }
    all
}

/// Words and the marks between them that matter.
fn tokens(code: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            all.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    all
}

fn begins(token: &str, children: &[&str]) -> bool {
    matches!(token, "crate" | "super" | "self") || children.contains(&token)
}

/// Reads one path or tree from `at` on; returns where it ends. Each leaf is one path.
fn tree<'t>(tokens: &[&'t str], mut at: usize, before: &mut Vec<&'t str>, flat: &mut Vec<Vec<&'t str>>) -> usize {
    let kept = before.len();
    before.push(tokens[at]);
    at += 1;
    while tokens.get(at) == Some(&"::") {
        match tokens.get(at + 1) {
            Some(&"{") => {
                at += 2;
                while let Some(token) = tokens.get(at) {
                    match *token {
                        "}" => break,
                        "," => at += 1,
                        "as" => at += 2,
                        "*" => {
                            flat.push(before.clone());
                            at += 1;
                        }
                        _ => at = tree(tokens, at, before, flat),
                    }
                }
                before.truncate(kept);
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                before.push(word);
                at += 2;
            }
            // Of what stands before it.
            Some(&"*") => {
                at += 2;
                break;
            }
            // The arguments of a generic type.
            _ => break,
        }
    }
    flat.push(before.clone());
    before.truncate(kept);
    at
}

/// `None` for what names nothing else than itself, such as a method's `self`.
fn from_root(path: &[&str], module: &[String], children: &[&str]) -> Option<Vec<String>> {
    let mut at = match path {
        ["crate", ..] => Vec::new(),
        ["super" | "self", ..] => module.to_vec(),
        [child, _, ..] if children.contains(child) => module.to_vec(),
        _ => return None,
    };
    if path.len() < 2 {
        return None;
    }
    for (place, segment) in path.iter().enumerate() {
        match *segment {
            "crate" | "self" => {}
            "super" if place == 0 || path[place - 1] == "super" || path[place - 1] == "self" => {
                at.pop()?;
            }
            name => at.push(name.to_owned()),
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &str) -> Vec<String> {
        let module = ["a".to_owned(), "b".to_owned()];
        paths_in(code, &module).into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn paths_are_read_wherever_they_stand() {
        let cases = [
            ("use crate::x::Y;", vec!["x::Y"]),
            ("use crate::{x::{Y, z::*}, w as v};", vec!["x::Y", "x::z", "w"]),
            ("use super::{self, Y};", vec!["a", "a::Y"]),
            ("use super::super::c::D;", vec!["c::D"]),
            ("mod k; use k::K; pub(super) fn f(k: k::K) {}", vec!["a::b::k::K", "a::b::k::K"]),
            ("fn f(&self) { self.x(); super::g::<T>(); std::crate_like::f() }", vec!["a::g"]),
            ("let x: crate::Millis = crate::t::now();", vec!["Millis", "t::now"]),
            ("pub(crate) fn f() {} pub(in crate::a) fn g() {}", vec!["a"]),
        ];
        for (code, paths) in cases {
            assert_eq!(read(code), paths, "{code}");
        }
    }
}
