//! A schema as it was sent: every value in its place, numbers in all of their digits.

use super::number::decimal::Decimal;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::fmt;

/// A value of a [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(usize);

/// JSON whose parts are elsewhere in the document.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Array(Vec<Id>),
    /// Members in their order; no two have one name.
    Object(Vec<(String, Id)>),
}

/// All values of a JSON text, in the order in which they begin.
pub(super) struct Document {
    values: Vec<Json>,
    /// In what a value lies, and under which name or number.
    above: Vec<Option<(Id, String)>>,
}

/// How deep objects and arrays may lie in one another: the bound for a request, and as much as a call's parameters may
/// be deeper.
const MAX_DEPTH: usize = 66;

impl Document {
    /// Reads a text; what is in it lies under [`Document::ROOT`]. The error is for the caller.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut document = Self { values: Vec::new(), above: Vec::new() };
        document.add(text, None, 0)?;
        Ok(document)
    }

    /// What lies at the top.
    pub(super) const ROOT: Id = Id(0);

    pub(super) fn get(&self, id: Id) -> &Json {
        &self.values[id.0]
    }

    /// A member of an object; `None`: there is none, or this is no object.
    pub(super) fn member(&self, id: Id, name: &str) -> Option<Id> {
        match self.get(id) {
            Json::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| *value),
            _ => None,
        }
    }

    /// Adds a value of our own, which lies nowhere.
    pub(super) fn push(&mut self, value: Json) -> Id {
        self.values.push(value);
        self.above.push(None);
        Id(self.values.len() - 1)
    }

    /// Where a value stands, as a pointer: `/properties/a`.
    pub(super) fn place(&self, id: Id) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while let Some((above, name)) = &self.above[at.0] {
            names.push(format!("/{}", name.replace('~', "~0").replace('/', "~1")));
            at = *above;
        }
        names.reverse();
        names.concat()
    }

    /// What a fragment such as `#/$defs/a` points to.
    pub(super) fn follow(&self, pointer: &str) -> Option<Id> {
        let mut at = Self::ROOT;
        for step in percent_decoded(pointer)?.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            at = match self.get(at) {
                Json::Array(items) => *items.get(step.parse::<usize>().ok()?)?,
                _ => self.member(at, &step)?,
            };
        }
        Some(at)
    }

    /// All values.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.values.len()).map(Id)
    }

    /// A value, and what it lies in, out to the whole.
    pub(super) fn around(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(id), |at| self.above[at.0].as_ref().map(|(above, _)| *above))
    }

    fn add(&mut self, text: &str, above: Option<(Id, String)>, depth: usize) -> Result<Id, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} objects and arrays deep"));
        }
        let text = text.trim_matches([' ', '\n', '\r', '\t']);
        let id = self.push(Json::Null);
        self.above[id.0] = above;
        let wrong = |error: serde_json::Error| error.to_string();
        self.values[id.0] = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(wrong)?;
                let (mut read, mut names) = (Vec::with_capacity(members.len()), BTreeSet::new());
                for (name, value) in members {
                    if !names.insert(name.clone()) {
                        return Err(format!("{}: `{name}` is there twice", self.place(id)));
                    }
                    read.push((name.clone(), self.add(value.get(), Some((id, name)), depth + 1)?));
                }
                Json::Object(read)
            }
            Some(b'[') => {
                let Items(items) = serde_json::from_str(text).map_err(wrong)?;
                let mut read = Vec::with_capacity(items.len());
                for (number, value) in items.into_iter().enumerate() {
                    read.push(self.add(value.get(), Some((id, number.to_string())), depth + 1)?);
                }
                Json::Array(read)
            }
            Some(b'"') => Json::Text(serde_json::from_str(text).map_err(wrong)?),
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'n') => Json::Null,
            _ => {
                let place = self.place(id);
                Json::Number(Decimal::read(text).ok_or_else(|| format!("{place}: a number of so many digits"))?)
            }
        };
        Ok(id)
    }
}

/// The values of an array, unread: so that the depth is counted by us, and a number keeps its digits.
struct Items<'a>(Vec<&'a RawValue>);
/// The members of an object, in their order, those that are there twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Items<'de>;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = from.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        from.deserialize_seq(All)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = from.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(All)
    }
}

/// `None`: that is not UTF-8, or a `%` without two digits.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
