//! A request's body as its members, each still as its sender wrote it: what is there twice, what is not served and what
//! has the wrong type is refused by its name, in words about the request.

use super::raw::{self, Stopped};
use super::{Fate, Table, of_another_place};
use crate::refusal::{Reason, Refusal};
use crate::request::door::Door;
use std::borrow::Cow;

/// A body that is an object, whose members ask for nothing that is not served.
pub(crate) struct Body<'a> {
    table: &'static Table,
    /// Few of the table's members.
    given: Vec<Named<'a>>,
}

/// What a member of the table holds.
struct Named<'a> {
    name: &'static str,
    given: Given<'a>,
}

/// What a member holds. Never null: that is as if it were not there.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// What a refusal names.
    param: &'static str,
    /// Which member of that one it is, if it is not that one itself.
    inner: Option<&'static str>,
    /// As it was written.
    pub(crate) json: &'a str,
}

impl<'a> Body<'a> {
    /// Refuses with [`Reason::InvalidJson`], [`Reason::InvalidRequest`] what is no object or has a member twice, and
    /// with [`Reason::UnsupportedParameter`] what asks for something that this door does not serve.
    pub(crate) fn read(body: &'a [u8], door: Door) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
        let table = Table::of(door);
        let mut given: Vec<Named<'a>> = Vec::new();
        let mut members = vec![false; table.members.len()];
        let mut see = |name: &str, json: &'a str| match table.find(name) {
            Some(at) if members[at] => {
                let name = table.members[at].name;
                Err(invalid(name, format!("`{name}` is there twice.")))
            }
            Some(at) => {
                members[at] = true;
                let name = table.members[at].name;
                given.push(Named { name, given: Given { param: name, inner: None, json } });
                Ok(())
            }
            None if json == "null" => Ok(()),
            None => of_another_place(name, door).map_or(Ok(()), Err),
        };
        let walked = raw::entries(text, |name, json| {
            if table.within.is_some() && name.contains('.') {
                // As a name of the list's, it is that of a member within another one, and this one is nobody's.
                return Ok(());
            }
            see(&name, json)?;
            match table.within.filter(|within| *within == name && json != "null") {
                None => Ok(()),
                Some(within) => Given { param: within, inner: None, json }
                    .entries("an object", |name, json| see(&format!("{within}.{name}"), json)),
            }
        });
        match walked {
            Ok(()) => {}
            Err(Stopped::By(refusal)) => return Err(refusal),
            Err(Stopped::Json(error)) => return Err(refuse_json(&error)),
        }
        given.retain(|named| named.given.json != "null");
        // Of several that are refused, the first of the table is told.
        given.sort_unstable_by_key(|named| named.name);
        for Named { name, given } in &given {
            let member = &table.members[table.find(name).expect("it was found there")];
            if let Fate::Refused(nothing) = table.fate(member, door)
                && !asks_for_nothing(given.json, nothing)
            {
                return Err(member.refuse(door, table.server(member, door)));
            }
        }
        Ok(Self { table, given })
    }

    /// The same members under the names that another door has for them, so that what reads that one's reads these: those
    /// of `names`, each here and there, that ask for something. A refusal tells the name that it has here.
    pub(crate) fn as_of(
        &self,
        door: Door,
        names: &[(&'static str, &'static str)],
        asks: impl Fn(&'static str, &str) -> bool,
    ) -> Self {
        let table = Table::of(door);
        let mut given = Vec::new();
        for (here, there) in names {
            let at = table.find(there).expect("a name of the other door's: whoever reads a body asks for all of them");
            if let Some(asked) = self.get(here).filter(|given| asks(here, given.json)) {
                given.push(Named { name: table.members[at].name, given: asked });
            }
        }
        Self { table, given }
    }

    /// A member, if it is there and not null.
    pub(crate) fn get(&self, name: &'static str) -> Option<Given<'a>> {
        debug_assert!(self.table.find(name).is_some(), "what is served is listed, unlike {name}");
        self.given.iter().find(|named| named.name == name).map(|named| named.given)
    }

    /// A member that is true or false.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        self.get(name).map(Given::boolean).transpose()
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
        self.get(name).map(Given::text).transpose()
    }
}

impl<'a> Given<'a> {
    /// The refusal of a member that is not `what` it must be.
    pub(crate) fn must(self, what: &str) -> Refusal {
        let name = self.inner.map_or(Cow::Borrowed(self.param), |inner| format!("{}.{inner}", self.param).into());
        invalid(self.param, format!("`{name}` must be {what}."))
    }

    /// The refusal of a value that is not served.
    pub(crate) fn unserved(self, why: &str) -> Refusal {
        let name = self.inner.map_or(Cow::Borrowed(self.param), |inner| format!("{}.{inner}", self.param).into());
        Refusal::new(Reason::UnsupportedParameter, format!("`{name}` {why}")).with_param(self.param)
    }

    pub(crate) fn boolean(self) -> Result<bool, Refusal> {
        raw::boolean(self.json).ok_or_else(|| self.must("true or false"))
    }

    pub(crate) fn text(self) -> Result<Cow<'a, str>, Refusal> {
        raw::text(self.json).ok_or_else(|| self.must("a text"))
    }

    pub(crate) fn number(self, must: &str) -> Result<f64, Refusal> {
        raw::number(self.json).ok_or_else(|| self.must(must))
    }

    pub(crate) fn whole(self, must: &str) -> Result<i64, Refusal> {
        raw::whole(self.json).ok_or_else(|| self.must(must))
    }

    /// The members of these names.
    pub(crate) fn object<const N: usize>(self, names: &[&'static str; N]) -> Result<[Option<Self>; N], Refusal> {
        let found = raw::members(self.json, names).map_err(|twice| match twice {
            Some(inner) => invalid(self.param, format!("`{}.{inner}` is there twice.", self.param)),
            None => self.must("an object"),
        })?;
        let mut named = names.iter();
        Ok(found.map(|json| {
            let inner = named.next().copied();
            json.map(|json| Given { param: self.param, inner, json })
        }))
    }

    /// Hands each item of a list to `each`; refuses what is no list as not being what it `must` be.
    pub(crate) fn items(self, must: &str, each: impl FnMut(&'a str) -> Result<(), Refusal>) -> Result<(), Refusal> {
        raw::items(self.json, each).map_err(|stopped| self.stopped(stopped, must))
    }

    /// Hands each entry of an object to `each`; refuses what is no object as not being what it `must` be.
    pub(crate) fn entries(
        self,
        must: &str,
        each: impl FnMut(Cow<'a, str>, &'a str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        raw::entries(self.json, each).map_err(|stopped| self.stopped(stopped, must))
    }

    fn stopped(self, stopped: Stopped<Refusal>, must: &str) -> Refusal {
        match stopped {
            Stopped::By(refusal) => refusal,
            Stopped::Json(_) => self.must(must),
        }
    }
}

/// Whether a value is one of these; numbers by what they are, and not by how they are written.
fn asks_for_nothing(json: &str, nothing: &[&str]) -> bool {
    /// Longer than any of them.
    const MOST: usize = 64;
    let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
    let same = |one: &serde_json::Value, other: &serde_json::Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    };
    json.len() <= MOST
        && read(json).is_some_and(|value| nothing.iter().filter_map(|json| read(json)).any(|none| same(&value, &none)))
}

/// What is wrong with a member.
pub(crate) fn invalid(param: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, message).with_param(param)
}

fn refuse_json(error: &serde_json::Error) -> Refusal {
    match error.classify() {
        // JSON, and no object. What it is instead is the caller's text, and is not quoted.
        serde_json::error::Category::Data => {
            Refusal::new(Reason::InvalidRequest, "The body must be a JSON object, whose members are the request.")
        }
        _ => Refusal::new(Reason::InvalidJson, format!("The body is not valid JSON: {error}")),
    }
}
