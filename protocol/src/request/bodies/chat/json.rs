//! JSON that is passed on and not looked into: kept as it was written, so that keys keep their order and numbers their digits.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// JSON as its sender wrote it: one value, every string of it whole Unicode, every number finite, nested at most 127 deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(Box<str>);

impl JsonText {
    /// Takes what is JSON by that definition and refuses everything else.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        // serde_json itself stops at 128 levels.
        serde_json::from_str::<Sound>(text)?;
        Ok(Self(text.trim_matches([' ', '\t', '\n', '\r']).into()))
    }

    /// As it was written, without white space around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a part of the body. Without the place, which counts from the part's own beginning.
pub(crate) fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause).to_owned()
}

/// Any value, looked through to its leaves and not kept. [`serde::de::IgnoredAny`] would pass over half a surrogate pair.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
