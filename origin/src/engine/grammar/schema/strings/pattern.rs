//! `pattern`: turns a regular expression of ECMAScript, which is about the characters of a string, into one about how
//! JSON spells them.

use crate::engine::grammar::schema::lex::{Lex, push};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use std::fmt::Write;

/// One character of a string, in any spelling that a JSON text may have: a pair of surrogates is one.
pub(crate) const ANY: &str = concat!(
    r"(?:[^\x{22}\x{5C}\x{0}-\x{1F}]|\x{5C}(?:[\x{22}\x{5C}\x{2F}bfnrt]",
    r"|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}",
    r"|[dD][89abAB][0-9a-fA-F]{2}\x{5C}u[dD][c-fC-F][0-9a-fA-F]{2})))"
);
/// One character of a name, spelled in the shortest way: with several spellings, names could not be told apart.
pub(crate) const PLAIN: &str = r"(?:[^\x{22}\x{5C}\x{0}-\x{1F}]|\x{5C}(?:[\x{22}\x{5C}bfnrt]|u00[01][0-9a-fA-F]))";

/// Our bound on one pattern, in bytes.
const MAX_PATTERN: usize = 4096;
/// How many classes of Unicode (`\p`) a pattern may name: each takes hundreds of ranges.
const MAX_CLASSES: usize = 8;
/// How much an expression may grow by being spelled.
const MAX_SPELLED: usize = 256 * 1024;

/// The language of a pattern, without quotes. `any` is an expression for the characters that the pattern leaves open.
pub(crate) fn read(pattern: &str, any: &str) -> Result<Lex, String> {
    let wrong = |why: &str| format!("the pattern `{}`: {why}", pattern.chars().take(60).collect::<String>());
    if pattern.len() > MAX_PATTERN {
        return Err(wrong("it is too long"));
    }
    let (mut rest, mut ahead) = (pattern.to_owned(), Vec::new());
    while let Some((is_not, inside, after)) = looked_ahead(&rest) {
        // What looks ahead may have seen a letter in another spelling: so there is one.
        let inside = one(&format!("^(?:{inside})"), PLAIN).map_err(|why| wrong(&why))?;
        ahead.push(if is_not { Lex::Not(Box::new(inside)) } else { inside });
        rest = format!("^{after}");
    }
    let whole = one(&rest, if ahead.is_empty() { any } else { PLAIN }).map_err(|why| wrong(&why))?;
    ahead.insert(0, whole);
    Ok(Lex::and(ahead))
}

/// A look-ahead at the beginning of a pattern: whether it is negated, what it looks for, and the rest of the pattern.
fn looked_ahead(pattern: &str) -> Option<(bool, &str, &str)> {
    let (is_not, rest) = match pattern.strip_prefix("^(?!") {
        Some(rest) => (true, rest),
        None => (false, pattern.strip_prefix("^(?=")?),
    };
    let (mut depth, mut in_class, mut escaped) = (1, false, false);
    for (place, char) in rest.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((is_not, &rest[..place], &rest[place + 1..]));
        }
    }
    None
}

/// As [`read`], for a pattern without a look-ahead.
fn one(pattern: &str, any: &str) -> Result<Lex, String> {
    let wrong = str::to_owned;
    let ours = translated(pattern)?;
    if ours.matches("\\p").count() + ours.matches("\\P").count() > MAX_CLASSES {
        return Err(wrong("it names too many classes of Unicode"));
    }
    let hir = regex_syntax::ParserBuilder::new().nest_limit(64).build().parse(&ours).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => wrong(&error.kind().to_string()),
        regex_syntax::Error::Translate(error) => wrong(&error.kind().to_string()),
        _ => wrong("it cannot be read"),
    })?;
    let mut ways = Vec::new();
    for way in ways_of(&hir)? {
        let mut regex = String::new();
        if !way.from_start {
            _ = write!(regex, "(?:{any})*");
        }
        for part in way.parts {
            spell(part, &mut regex)?;
        }
        if !way.to_end {
            _ = write!(regex, "(?:{any})*");
        }
        ways.push(Lex::Regex(regex));
    }
    Ok(Lex::or(ways))
}

/// ECMAScript's expression as one of regex-syntax. What the two read differently is written out or refused.
fn translated(pattern: &str) -> Result<String, &'static str> {
    let mut ours = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match (char, in_class) {
            ('\\', _) => match chars.next() {
                None => return Err("it ends in a backslash"),
                Some('d') => ours.push_str("[0-9]"),
                Some('D') => ours.push_str("[^0-9]"),
                Some('w') => ours.push_str("[0-9A-Za-z_]"),
                Some('W') => ours.push_str("[^0-9A-Za-z_]"),
                Some('s') => ours.push_str(BLANK),
                Some('S') => _ = write!(ours, "[^{BLANK}]"),
                Some('b') if in_class => ours.push_str(r"\x08"),
                Some('b' | 'B') => return Err("look-around is not served"),
                Some('1'..='9' | 'k') => return Err("references to groups are not served"),
                Some('0') => ours.push_str(r"\x00"),
                Some('A' | 'z' | 'Z' | 'a' | 'G' | 'Q' | 'E') => return Err("it has an escape that is none"),
                Some('c') => match chars.next() {
                    Some(letter) if letter.is_ascii_alphabetic() => push(&mut ours, char::from(letter as u8 % 32)),
                    _ => return Err("it has an escape that is none"),
                },
                Some('x') => ours.push_str("\\x"),
                Some(escape @ ('u' | 'p' | 'P' | 'n' | 'r' | 't' | 'f' | 'v')) => {
                    ours.push('\\');
                    ours.push(escape);
                }
                Some(letter) if letter.is_ascii_alphanumeric() => return Err("it has an escape that is none"),
                Some(itself) => push(&mut ours, itself),
            },
            ('[', false) => {
                in_class = true;
                ours.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    ours.push('^');
                }
                if chars.peek() == Some(&']') {
                    return Err("it has a class without characters");
                }
            }
            (']', true) => {
                in_class = false;
                ours.push(']');
            }
            ('-', true) => {
                ours.push('-');
                if chars.peek() == Some(&'-') {
                    return Err("it has a class with two dashes");
                }
            }
            // They would be sets of sets.
            ('[' | '&' | '~', true) => push(&mut ours, char),
            (_, true) => ours.push(char),
            ('.', false) => ours.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            ('(', false) if chars.peek() == Some(&'?') => {
                ours.push('(');
                let rest: String = chars.clone().take(3).collect();
                match rest.as_bytes() {
                    [b'?', b':', ..] => {}
                    [b'?', b'<', after, ..] if !matches!(after, b'=' | b'!') => {}
                    // Not ECMAScript's, but Python's and Rust's.
                    b"?P<" | b"?i)" | b"?i:" => {}
                    [b'?', b'i' | b's' | b'm' | b'x' | b'-', ..] => return Err("flags are not served"),
                    _ => return Err("look-around is not served"),
                }
            }
            // In ECMAScript these are themselves where they repeat nothing.
            ('{', false) if !chars.peek().is_some_and(char::is_ascii_digit) => push(&mut ours, char),
            (_, false) => ours.push(char),
        }
    }
    Ok(ours)
}

/// White space as ECMAScript has it.
const BLANK: &str = r"[\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}]";

/// One way to fulfil a pattern.
struct Way<'a> {
    /// Whether it begins where the string does.
    from_start: bool,
    parts: Vec<&'a Hir>,
    /// Whether it ends where the string does.
    to_end: bool,
}

/// `^a|b$` is two ways, each with one end that is fixed.
fn ways_of(hir: &Hir) -> Result<Vec<Way<'_>>, &'static str> {
    if hir.properties().look_set().is_empty() {
        return Ok(vec![Way { from_start: false, parts: vec![hir], to_end: false }]);
    }
    match hir.kind() {
        HirKind::Look(Look::Start) => Ok(vec![Way { from_start: true, parts: vec![], to_end: false }]),
        HirKind::Look(Look::End) => Ok(vec![Way { from_start: false, parts: vec![], to_end: true }]),
        HirKind::Alternation(ways) => {
            let ways: Result<Vec<_>, _> = ways.iter().map(ways_of).collect();
            Ok(ways?.into_iter().flatten().collect())
        }
        HirKind::Capture(group) => ways_of(&group.sub),
        HirKind::Concat(parts) => {
            let mut parts: Vec<&Hir> = parts.iter().collect();
            let is = |part: Option<&&Hir>, look| part.is_some_and(|part| *part.kind() == HirKind::Look(look));
            let (mut from_start, mut to_end) = (false, false);
            while is(parts.first(), Look::Start) {
                parts.remove(0);
                from_start = true;
            }
            while is(parts.last(), Look::End) {
                parts.pop();
                to_end = true;
            }
            if parts.iter().all(|part| part.properties().look_set().is_empty()) {
                return Ok(vec![Way { from_start, parts, to_end }]);
            }
            let [only] = parts.as_slice() else { return Err("`^` and `$` are served at its ends only") };
            let mut ways = ways_of(only)?;
            for way in &mut ways {
                way.from_start |= from_start;
                way.to_end |= to_end;
            }
            Ok(ways)
        }
        _ => Err("`^` and `$` are served at its ends only, and other look-around is not"),
    }
}

/// Writes an expression about characters as one about their spelling. As deep as the parser lets groups nest.
fn spell(hir: &Hir, to: &mut String) -> Result<(), &'static str> {
    if to.len() > MAX_SPELLED {
        return Err("it is too complex");
    }
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Look(_) => return Err("look-around is not served"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "it is not about text")?;
            text.chars().for_each(|char| spell_class(&[(char, char)], to));
        }
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<_> = class.ranges().iter().map(|range| (range.start(), range.end())).collect();
            if ranges.is_empty() {
                return Err("it has a class without characters");
            }
            spell_class(&ranges, to);
        }
        HirKind::Class(Class::Bytes(_)) => return Err("it is not about text"),
        HirKind::Repetition(repetition) => {
            to.push_str("(?:");
            spell(&repetition.sub, to)?;
            _ = match repetition.max {
                Some(max) => write!(to, "){{{},{max}}}", repetition.min),
                None => write!(to, "){{{},}}", repetition.min),
            };
        }
        HirKind::Capture(group) => spell(&group.sub, to)?,
        HirKind::Concat(parts) => {
            for part in parts {
                spell(part, to)?;
            }
        }
        HirKind::Alternation(ways) => {
            to.push_str("(?:");
            for (number, way) in ways.iter().enumerate() {
                to.push_str(if number > 0 { "|" } else { "" });
                spell(way, to)?;
            }
            to.push(')');
        }
    }
    Ok(())
}

/// One of these characters, in every spelling that JSON has for it but the long one of what needs none.
fn spell_class(ranges: &[(char, char)], to: &mut String) {
    let has = |char: char| ranges.iter().any(|(first, last)| (*first..=*last).contains(&char));
    let mut plain = String::new();
    for (first, last) in ranges {
        let mut from = u32::from(*first).max(0x20);
        for escaped in ['"', '\\'].map(u32::from).into_iter().chain([u32::from(*last) + 1]) {
            let until = escaped.min(u32::from(*last) + 1);
            if until > from {
                _ = write!(plain, "\\x{{{from:X}}}-\\x{{{:X}}}", until - 1);
            }
            from = from.max(escaped + 1);
        }
    }
    let mut escapes = Vec::new();
    for (char, letter) in
        [('"', r"\x{22}"), ('\\', r"\x{5C}"), ('\u{8}', "b"), ('\u{c}', "f"), ('\n', "n"), ('\r', "r"), ('\t', "t")]
    {
        if has(char) {
            escapes.push(letter.to_owned());
        }
    }
    for control in (0..0x20_u8).map(char::from).filter(|char| has(*char)) {
        let code = u32::from(control);
        escapes.push(match code % 16 {
            digit @ 10..=15 => format!("u00{}[{digit:x}{digit:X}]", code / 16),
            digit => format!("u00{}{digit}", code / 16),
        });
    }
    let escaped = if escapes.is_empty() { String::new() } else { format!(r"\x{{5C}}(?:{})", escapes.join("|")) };
    _ = match (plain.is_empty(), escaped.is_empty()) {
        (false, true) => write!(to, "[{plain}]"),
        (true, _) => write!(to, "(?:{escaped})"),
        (false, false) => write!(to, "(?:[{plain}]|{escaped})"),
    };
}

/// These characters in every spelling that [`PLAIN`] has for them, without quotes.
pub(crate) fn spelled(text: &str) -> Lex {
    let mut regex = String::new();
    text.chars().for_each(|char| spell_class(&[(char, char)], &mut regex));
    Lex::Regex(regex)
}
