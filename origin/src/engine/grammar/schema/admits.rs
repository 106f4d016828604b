//! Whether a value that a schema lists (`const`, `enum`) fulfils what the schema says beside it.

use super::document::{Document, Id, Json};
use super::items::places;
use super::keywords::{count, text_of, types};
use super::members::written;
use super::number::Numbers;
use super::strings::format;
use super::strings::pattern::{self, PLAIN};
use super::{Compiler, number_of};

impl Compiler {
    /// Whether all of these schemas hold of a value. As deep as the value is.
    pub(super) fn admits(&mut self, value: Id, all: &[Id]) -> Result<bool, String> {
        'clauses: for clause in self.clauses.expand(&self.document, all, false)? {
            for flat in clause {
                if !self.fits(value, flat)? {
                    continue 'clauses;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether a schema's own keywords hold of a value.
    fn fits(&mut self, value: Id, flat: Id) -> Result<bool, String> {
        if let Some(values) = listed(&self.document, flat) {
            self.clauses.pay(1 + values.len() / 8)?;
            if !values.iter().any(|one| equal(&self.document, value, *one)) {
                return Ok(false);
            }
        }
        self.fits_beside(value, flat)
    }

    /// Whether its own keywords but `const` and `enum` do.
    fn fits_beside(&mut self, value: Id, flat: Id) -> Result<bool, String> {
        self.clauses.pay(1)?;
        if let Some(types) = types(&self.document, flat)?
            && !types.iter().any(|name| is_a(&self.document, value, name))
        {
            return Ok(false);
        }
        match self.document.get(value).clone() {
            Json::Null | Json::Bool(_) => Ok(true),
            Json::Number(number) => {
                let mut numbers = Numbers::default();
                number_of(&self.document, flat, &mut numbers)?;
                Ok(numbers.has(&number))
            }
            Json::Text(text) => self.fits_text(&text, flat),
            Json::Array(items) => {
                let within = within(count(&self.document, flat, "minItems"), count(&self.document, flat, "maxItems"));
                if !within(items.len()) {
                    return Ok(false);
                }
                let (own, rest) = places(&self.document, flat);
                for (place, item) in items.into_iter().enumerate() {
                    if let Some(schema) = own.get(place).copied().or(rest)
                        && !self.admits(item, &[schema])?
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Json::Object(members) => {
                let bounds = ["minProperties", "maxProperties"].map(|name| count(&self.document, flat, name));
                let mut required = Vec::new();
                if let Some(Json::Array(names)) = self.document.member(flat, "required").map(|id| self.document.get(id))
                {
                    required.extend(names.iter().copied());
                }
                let has = |name: &Id| match self.document.get(*name) {
                    Json::Text(name) => members.iter().any(|(known, _)| known == name),
                    _ => false,
                };
                if !within(bounds[0], bounds[1])(members.len()) || !required.iter().all(has) {
                    return Ok(false);
                }
                let patterns = self.patterns(&[flat])?;
                for (name, member) in members {
                    let schemas = self.values_of(&[flat], &name, &patterns)?;
                    let named = self.document.push(Json::Text(name));
                    let naming = self.document.member(flat, "propertyNames");
                    if !self.admits(member, &schemas)?
                        || !naming.map_or(Ok(true), |naming| self.admits(named, &[naming]))?
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    fn fits_text(&mut self, text: &str, flat: Id) -> Result<bool, String> {
        let within = within(count(&self.document, flat, "minLength"), count(&self.document, flat, "maxLength"));
        let spelled = written(text);
        let pattern = match text_of(&self.document, flat, "pattern") {
            Some(pattern) => pattern::read(pattern, PLAIN)?.has(&spelled, &mut self.clauses.fuel)?,
            None => true,
        };
        let format = match text_of(&self.document, flat, "format").and_then(format::lookup) {
            Some(format) => super::lex::Lex::Regex(format.into()).has(&spelled, &mut self.clauses.fuel)?,
            None => true,
        };
        Ok(within(text.chars().count()) && pattern && format)
    }

    /// The values that schemas list, of those that all of them admit; `None`: they list none.
    pub(super) fn listed(&mut self, flats: &[Id]) -> Result<Option<Vec<Id>>, String> {
        let lists = flats.iter().find_map(|flat| Some((*flat, listed(&self.document, *flat)?)));
        let Some((listing, values)) = lists else { return Ok(None) };
        let mut admitted: Vec<Id> = Vec::new();
        'values: for value in values {
            for flat in flats {
                let does = if *flat == listing { self.fits_beside(value, *flat)? } else { self.fits(value, *flat)? };
                if !does {
                    continue 'values;
                }
            }
            admitted.push(value);
        }
        Ok(Some(admitted))
    }
}

/// The values that a schema lists itself, in `const` or `enum`; `const` goes first.
fn listed(document: &Document, flat: Id) -> Option<Vec<Id>> {
    let list = document.member(flat, "enum").map(|id| document.get(id));
    let only = document.member(flat, "const");
    match (only, list) {
        (Some(only), Some(Json::Array(values))) => {
            Some(values.iter().copied().filter(|value| equal(document, *value, only)).collect())
        }
        (Some(only), _) => Some(vec![only]),
        (None, Some(Json::Array(values))) => Some(values.clone()),
        (None, _) => None,
    }
}

fn within(least: Option<u64>, most: Option<u64>) -> impl Fn(usize) -> bool {
    move |count| least.is_none_or(|least| count as u64 >= least) && most.is_none_or(|most| count as u64 <= most)
}

fn is_a(document: &Document, value: Id, name: &str) -> bool {
    match document.get(value) {
        Json::Null => name == "null",
        Json::Bool(_) => name == "boolean",
        Json::Number(number) => name == "number" || name == "integer" && number.is_integer(),
        Json::Text(_) => name == "string",
        Json::Array(_) => name == "array",
        Json::Object(_) => name == "object",
    }
}

/// Whether two values are the same: numbers by what they are, objects whatever their order.
fn equal(document: &Document, one: Id, other: Id) -> bool {
    match (document.get(one), document.get(other)) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(one), Json::Bool(other)) => one == other,
        (Json::Number(one), Json::Number(other)) => one == other,
        (Json::Text(one), Json::Text(other)) => one == other,
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(document, *one, *other))
        }
        (Json::Object(members), Json::Object(others)) => {
            members.len() == others.len()
                && members.iter().all(|(name, one)| {
                    others.iter().any(|(known, other)| known == name && equal(document, *one, *other))
                })
        }
        _ => false,
    }
}
