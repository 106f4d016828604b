//! JSON looked at and not read whole. A list or an object is gone through one entry after the other, each as its sender
//! wrote it, so that one with a million of them costs no memory.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A text; `None` for all else, and for one that is not whole Unicode.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        // What is known to be JSON and escapes nothing says what it says.
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// `true` or `false`.
pub(crate) fn boolean(json: &str) -> Option<bool> {
    json.parse().ok()
}

/// Where a part stands in the text that it is a part of.
pub(crate) fn place(text: &str, part: &str) -> std::ops::Range<usize> {
    let from = part.as_ptr() as usize - text.as_ptr() as usize;
    from..from + part.len()
}

/// A number that a float can hold.
pub(crate) fn number(json: &str) -> Option<f64> {
    serde_json::from_str(json).ok()
}

/// A number of 64 bits that was written without a fraction.
pub(crate) fn whole(json: &str) -> Option<i64> {
    serde_json::from_str(json).ok()
}

/// Why a walk through a list or an object ended before its end.
pub(crate) enum Stopped<T> {
    /// It is none, or no JSON.
    Json(serde_json::Error),
    /// Whoever walked had seen enough.
    By(T),
}

/// Hands each item of a list to `each`, until that stops it.
pub(crate) fn items<'a, T>(json: &'a str, each: impl FnMut(&'a str) -> Result<(), T>) -> Result<(), Stopped<T>> {
    walk(json, Walk { each: Items(each), by: None })
}

/// Hands each entry of an object to `each`, until that stops it.
pub(crate) fn entries<'a, T>(
    json: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a str) -> Result<(), T>,
) -> Result<(), Stopped<T>> {
    walk(json, Walk { each: Entries(each), by: None })
}

struct Items<F>(F);
struct Entries<F>(F);

struct Walk<E, T> {
    each: E,
    by: Option<T>,
}

fn walk<'a, E, T>(json: &'a str, mut walk: Walk<E, T>) -> Result<(), Stopped<T>>
where
    for<'w> &'w mut Walk<E, T>: DeserializeSeed<'a, Value = ()>,
{
    let mut reader = serde_json::Deserializer::from_str(json);
    let ended = (&mut walk).deserialize(&mut reader).and_then(|()| reader.end());
    match (walk.by, ended) {
        (Some(by), _) => Err(Stopped::By(by)),
        (None, Err(error)) => Err(Stopped::Json(error)),
        (None, Ok(())) => Ok(()),
    }
}

impl<'a, T, F: FnMut(&'a str) -> Result<(), T>> DeserializeSeed<'a> for &mut Walk<Items<F>, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a, T, F: FnMut(&'a str) -> Result<(), T>> Visitor<'a> for &mut Walk<Items<F>, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&'a RawValue>()? {
            (self.each.0)(item.get()).map_err(|by| {
                self.by = Some(by);
                A::Error::custom("enough")
            })?;
        }
        Ok(())
    }
}

/// A name, which is copied only where something in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a, T, F: FnMut(Cow<'a, str>, &'a str) -> Result<(), T>> DeserializeSeed<'a> for &mut Walk<Entries<F>, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, T, F: FnMut(Cow<'a, str>, &'a str) -> Result<(), T>> Visitor<'a> for &mut Walk<Entries<F>, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some((name, value)) = entries.next_entry::<Name<'a>, &'a RawValue>()? {
            (self.each.0)(name.0, value.get()).map_err(|by| {
                self.by = Some(by);
                A::Error::custom("enough")
            })?;
        }
        Ok(())
    }
}

/// The members of these names, each as it was written; `None` for what is missing or null. Refuses what is no object,
/// and tells which member is there twice.
pub(crate) fn members<'a, const N: usize>(
    json: &'a str,
    names: &[&'static str; N],
) -> Result<[Option<&'a str>; N], Option<&'static str>> {
    let mut found = [None; N];
    let walked = entries(json, |name, value| match names.iter().position(|known| *known == name) {
        Some(at) if found[at].is_some() => Err(names[at]),
        Some(at) => {
            found[at] = Some(value);
            Ok(())
        }
        None => Ok(()),
    });
    match walked {
        Ok(()) => Ok(found.map(|value| value.filter(|json| *json != "null"))),
        Err(Stopped::By(twice)) => Err(Some(twice)),
        Err(Stopped::Json(_)) => Err(None),
    }
}
