//! The text of one call: that of which only its end tells whether it is one, and that which is bound to be one.

use super::{CALL, CALL_END};
use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_protocol::request::bodies::chat::{FunctionCall, JsonText};
use std::borrow::Cow;

/// Looks for the end of a call. Marks inside of a JSON string are a part of it; a string ends with its line, as JSON has
/// it, so that a quote too many does not swallow what follows.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Where the call ends and by which mark. To be called with the same text again, and more.
    pub(super) fn find_end(&mut self, text: &str) -> Option<(usize, &'static str)> {
        while let Some(byte) = text.as_bytes().get(self.at) {
            match byte {
                b'\n' => (self.in_string, self.escaped) = (false, false),
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'<' if !self.in_string => {
                    let rest = &text[self.at..];
                    let marks = [CALL_END, CALL];
                    if let Some(mark) = marks.into_iter().find(|mark| rest.starts_with(mark)) {
                        return Some((self.at, mark));
                    }
                    if marks.into_iter().any(|mark| mark.starts_with(rest)) {
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

/// A call of one of these functions, with an object as its arguments, or with none.
pub(super) fn parse(body: &str, functions: &[String]) -> Option<FunctionCall> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = serde_json::from_str(body).ok()?;
    // What a caller's parser may choke on, such as half a character, is not passed on as JSON.
    let arguments = JsonText::parse(raw.arguments.map_or("{}", RawValue::get)).ok()?;
    let known = functions.iter().any(|function| *function == raw.name);
    (known && arguments.as_str().starts_with('{'))
        .then(|| FunctionCall { name: raw.name.into_owned(), arguments: arguments.as_str().to_owned() })
}

/// A call whose form is bound: what begins as one is one, unless the answer is cut off. Its function and its arguments are
/// told as they come.
#[derive(Debug, Default)]
pub(super) struct Bound {
    place: Place,
}

#[derive(Debug, Default)]
enum Place {
    /// Before the end of the function's name.
    #[default]
    Name,
    /// Between the name and the arguments, or the end of a call that has none.
    Between,
    /// In the arguments.
    Arguments(Nesting),
    /// Behind them.
    Behind,
}

/// What comes next of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It calls this function.
    Name(String),
    /// More of its arguments. Never empty.
    Arguments(String),
    /// Its arguments are whole.
    Whole,
    /// It is over, its closing mark included.
    Over,
    /// That takes more text.
    Wait,
    /// It does not have the form after all.
    Strange,
}

impl Bound {
    /// Takes what it can of the text behind the opening mark.
    pub(super) fn next(&mut self, held: &mut String, functions: &[String]) -> Next {
        match &mut self.place {
            Place::Name => match after_name(held) {
                Read::Wait => Next::Wait,
                Read::Strange => Next::Strange,
                Read::Found { value, end } if functions.contains(&value) => {
                    held.drain(..end);
                    self.place = Place::Between;
                    Next::Name(value)
                }
                Read::Found { .. } => Next::Strange,
            },
            Place::Between => match before_arguments(held) {
                Read::Wait => Next::Wait,
                Read::Found { value: true, end } => {
                    held.drain(..end);
                    self.place = Place::Arguments(Nesting::default());
                    self.next(held, functions)
                }
                // A function without arguments is called with none.
                Read::Found { value: false, .. } | Read::Strange => {
                    self.place = Place::Arguments(Nesting::over());
                    Next::Arguments("{}".to_owned())
                }
            },
            Place::Arguments(nesting) if nesting.is_over => {
                self.place = Place::Behind;
                Next::Whole
            }
            Place::Arguments(nesting) => match nesting.take(held) {
                0 => Next::Wait,
                end => Next::Arguments(held.drain(..end).collect()),
            },
            Place::Behind => {
                let rest = held.trim_start_matches(['}', ' ', '\t', '\n', '\r']);
                let at = held.len() - rest.len();
                if CALL_END.starts_with(rest) && rest.len() < CALL_END.len() {
                    return Next::Wait;
                }
                // What is no mark is what follows the call.
                let mark = if rest.starts_with(CALL_END) { CALL_END.len() } else { 0 };
                held.drain(..at + mark);
                Next::Over
            }
        }
    }
}

/// What stands at the beginning of a text.
enum Read<T> {
    Found {
        value: T,
        end: usize,
    },
    /// That takes more text.
    Wait,
    /// Something else.
    Strange,
}

/// The name of a function, from the beginning of the call to its closing quote.
fn after_name(text: &str) -> Read<String> {
    let end = match expect(text, &["{", "\"name\"", ":", "\""]) {
        Read::Found { end, .. } => end,
        Read::Wait => return Read::Wait,
        Read::Strange => return Read::Strange,
    };
    match text[end..].find(['"', '\\']) {
        None => Read::Wait,
        // A name that was offered has nothing to escape.
        Some(at) if text[end + at..].starts_with('\\') => Read::Strange,
        Some(at) => Read::Found { value: text[end..end + at].to_owned(), end: end + at + 1 },
    }
}

/// What comes before the arguments, if there are any; otherwise the bracket that ends the call.
fn before_arguments(text: &str) -> Read<bool> {
    if text.trim_start().starts_with('}') {
        return Read::Found { value: false, end: 0 };
    }
    match expect(text, &[",", "\"arguments\"", ":"]) {
        Read::Found { end, .. } if !text[end..].trim_start().is_empty() => {
            let end = text.len() - text[end..].trim_start().len();
            if text[end..].starts_with('{') { Read::Found { value: true, end } } else { Read::Strange }
        }
        Read::Found { .. } | Read::Wait => Read::Wait,
        Read::Strange => Read::Strange,
    }
}

/// These parts one after the other, with any white space before each.
fn expect(text: &str, parts: &[&str]) -> Read<()> {
    let mut at = 0;
    for part in parts {
        let rest = text[at..].trim_start();
        at = text.len() - rest.len();
        if rest.starts_with(part) {
            at += part.len();
        } else {
            return if part.starts_with(rest) { Read::Wait } else { Read::Strange };
        }
    }
    Read::Found { value: (), end: at }
}

/// How deep a text stands in an object, and whether in a string.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
    is_over: bool,
}

impl Nesting {
    fn over() -> Self {
        Self { is_over: true, ..Self::default() }
    }

    /// How many bytes of this text belong to the object.
    fn take(&mut self, text: &str) -> usize {
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.is_over = true;
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        text.len()
    }
}
