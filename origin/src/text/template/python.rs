//! What Python writes, for templates that were made for it: `json.dumps` and the numbers of `repr`.

use super::marks::Marks;
use minijinja::value::{Kwargs, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::{self, Write};
use std::sync::Arc;

/// A float as Python's `repr` has it: the fewest digits that are this number, and an exponent from 1e16 on and below 1e-4.
pub(crate) fn float(value: f64) -> String {
    if !value.is_finite() {
        let text = if value.is_nan() { "nan" } else { "inf" };
        return format!("{}{text}", if value < 0.0 { "-" } else { "" });
    }
    let scientific = format!("{value:e}");
    let parts = scientific.split_once('e').and_then(|(digits, power)| Some((digits, power.parse::<i32>().ok()?)));
    match parts {
        Some((digits, power)) if !(-4..16).contains(&power) => {
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        _ => {
            let plain = value.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
    }
}

/// The float in a value, if it is one.
pub(crate) fn as_float(value: &Value) -> Option<f64> {
    if value.is_number() && !value.is_integer() { f64::try_from(value.clone()).ok() } else { None }
}

/// An integer of Python's that no type of ours holds: it can be written, and no more.
#[derive(Debug)]
pub(crate) struct BigInteger(pub(crate) String);

impl Object for BigInteger {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How `json.dumps` writes: the arguments that transformers' `tojson` takes.
pub(crate) struct Style {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    between: String,
    after_key: String,
}

impl Style {
    /// Reads `ensure_ascii`, `indent` and `separators`, each by place or by name, and `sort_keys` by name.
    pub(crate) fn read(by_place: [Option<Value>; 3], named: &Kwargs) -> Result<Self, Error> {
        let [ensure_ascii, indent, separators] = by_place;
        let either = |placed: Option<Value>, name: &str| match placed {
            Some(value) => Ok(value),
            None => named.get::<Option<Value>>(name).map(|value| value.unwrap_or(Value::from(()))),
        };
        let ensure_ascii = either(ensure_ascii, "ensure_ascii")?.is_true();
        let indent = either(indent, "indent")?;
        let separators = either(separators, "separators")?;
        let sort_keys = named.get::<Option<Value>>("sort_keys")?.is_some_and(|value| value.is_true());
        named.assert_all_used()?;
        let indent = match (indent.as_str(), i64::try_from(indent.clone())) {
            _ if indent.is_none() => None,
            (Some(text), _) => Some(text.to_owned()),
            (None, Ok(width)) => Some(" ".repeat(usize::try_from(width).unwrap_or(0).min(MAX_INDENT))),
            (None, Err(error)) => return Err(error),
        };
        let [between, after_key] = if separators.is_none() {
            [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()]
        } else {
            let text = |at: usize| separators.get_item_by_index(at).map(|text| text.to_string());
            [text(0)?, text(1)?]
        };
        Ok(Self { ensure_ascii, sort_keys, indent, between, after_key })
    }
}

/// Nobody reads wider indents.
const MAX_INDENT: usize = 64;
/// Deeper than any JSON that gets in; Python stops too, later.
const MAX_DEPTH: usize = 256;

/// `json.dumps(value)`: keys in their order, every character but the few that JSON demands as it is. Marks pass whole.
/// Refuses what Python refuses, nesting without end, and more than `limit` bytes.
pub(crate) fn json(value: &Value, style: &Style, marks: &Marks, limit: usize) -> Result<String, Error> {
    let mut writer = Writer { style, marks, limit, out: String::new() };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer<'a> {
    style: &'a Style,
    marks: &'a Marks,
    limit: usize,
    out: String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH || self.out.len() > self.limit {
            return Err(Error::new(ErrorKind::InvalidOperation, "too much to write as JSON"));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.number(value),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list('[', ']', items, depth, |writer, item| writer.value(&item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut members = Vec::new();
                for key in value.try_iter()? {
                    let member = value.get_item(&key)?;
                    members.push((self.key(&key)?, member));
                }
                if self.style.sort_keys {
                    members.sort_by_cached_key(|(key, _)| self.marks.uncover(key));
                }
                self.list('{', '}', members, depth, |writer, (key, member)| {
                    writer.string(&key);
                    writer.out.push_str(&writer.style.after_key);
                    writer.value(&member, depth + 1)
                })?;
            }
            kind => match value.downcast_object_ref::<BigInteger>() {
                Some(BigInteger(digits)) => self.out.push_str(digits),
                None => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is not for JSON"))),
            },
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        open: char,
        close: char,
        items: Vec<T>,
        depth: usize,
        mut write: impl FnMut(&mut Self, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        let filled = !items.is_empty();
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push_str(&self.style.between);
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if filled {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.out.push('\n');
            (0..depth).for_each(|_| self.out.push_str(indent));
        }
    }

    fn number(&mut self, value: &Value) {
        match as_float(value) {
            Some(number) if number.is_nan() => self.out.push_str("NaN"),
            Some(number) if number.is_infinite() => {
                self.out.push_str(if number < 0.0 { "-Infinity" } else { "Infinity" })
            }
            Some(number) => self.out.push_str(&float(number)),
            None => self.out.push_str(&value.to_string()),
        }
    }

    /// A dictionary's key as text: Python turns its constants and numbers into it and refuses all else.
    fn key(&self, key: &Value) -> Result<String, Error> {
        match key.kind() {
            ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
            ValueKind::None | ValueKind::Bool | ValueKind::Number => json(key, self.style, self.marks, self.limit),
            kind => Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is no key for JSON"))),
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let length = match self.marks.mark(rest) {
                Some((_, length)) => {
                    self.out.push_str(&rest[..length]);
                    length
                }
                None => {
                    self.character(character);
                    character.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        self.out.push('"');
    }

    fn character(&mut self, character: char) {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            _ => "",
        };
        if !short.is_empty() {
            self.out.push_str(short);
        } else if character < ' ' || (self.style.ensure_ascii && !(' '..='~').contains(&character)) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(self.out, "\\u{unit:04x}");
            }
        } else {
            self.out.push(character);
        }
    }
}
