//! Reading single members of a JSON object, and remembering what was wrong with them.

use crate::auth::principal::is_name;
use crate::limit::calendar::Zone;
use crate::request::cost::money::{Currency, MAX_WHOLE, parse_decimal};
use crate::time::parse_duration;
use serde_json::{Map, Value};
use std::fmt;

/// One mistake in a plan table: where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanMistake {
    /// A path such as `plans.vip.limits[2].window`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for PlanMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// Walks a JSON value and collects the mistakes that it meets.
pub(super) struct Reader {
    /// All so far.
    pub(super) mistakes: Vec<PlanMistake>,
    /// Whether there is a time zone.
    pub(super) knows: fn(Zone) -> bool,
    /// What the table's prices are in, `Some(None)` for a table without prices. `None` where the table is not at hand.
    pub(super) prices: Option<Option<Currency>>,
}

impl Reader {
    /// Without mistakes, and without a table at hand.
    pub(super) const fn new(knows: fn(Zone) -> bool) -> Self {
        Self { mistakes: Vec::new(), knows, prices: None }
    }

    /// The member `currency`, which is to be that of the table's prices; `None` without one. Only what `is_cost` has one.
    pub(super) fn currency(&mut self, at: &str, object: &Map<String, Value>, is_cost: bool) -> Option<Currency> {
        let value = object.get("currency")?;
        let at = format!("{at}.currency");
        let currency = value.as_str().and_then(Currency::parse);
        match (currency, self.prices) {
            _ if !is_cost => self.mistake(&at, "is for \"unit\": \"cost\""),
            (None, _) => self.mistake(&at, "must be three capital letters such as \"USD\""),
            (Some(_), Some(None)) => self.mistake(&at, "has no price: `costs` must have one in this currency"),
            (Some(currency), Some(Some(prices))) if currency != prices => {
                self.mistake(&at, format!("must be {prices}, as the table's prices are"));
            }
            (Some(_), _) => {}
        }
        currency.filter(|_| is_cost)
    }

    /// A decimal of money in nano-units, `least` or more of them.
    pub(super) fn decimal(&mut self, at: &str, object: &Map<String, Value>, name: &str, least: u64) -> Option<u64> {
        let nano = object.get(name).and_then(Value::as_str).and_then(parse_decimal).filter(|nano| *nano >= least);
        if nano.is_none() {
            let least = if least == 0 { "0" } else { "0.000000001" };
            let problem = format!(
                "must be a decimal in quotes such as \"25.00\", from {least} to {MAX_WHOLE}, of at most nine places"
            );
            self.mistake(&format!("{at}.{name}"), problem);
        }
        nano
    }

    /// The member `zone`: UTC where none is said. What does not go by a calendar has none.
    pub(super) fn zone(&mut self, at: &str, object: &Map<String, Value>, has_zone: bool) -> Option<Zone> {
        let Some(value) = object.get("zone") else { return Some(Zone::UTC) };
        let zone = value.as_str().and_then(Zone::parse).filter(|zone| (self.knows)(*zone));
        match zone {
            _ if !has_zone => self.mistake(&format!("{at}.zone"), "has no meaning for what lasts for ever"),
            None => self.mistake(&format!("{at}.zone"), "must be a time zone that exists, such as \"Europe/Zurich\""),
            Some(_) => {}
        }
        zone
    }

    /// One name or a list of names, each of which must mean something.
    pub(super) fn names<T>(&mut self, at: &str, value: &Value, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let one = std::slice::from_ref(value);
        let values = value.as_array().map_or(one, Vec::as_slice);
        let read: Option<Vec<T>> = values.iter().map(|value| read(value.as_str()?)).collect();
        match read.filter(|read| (1..=MAX_LIST).contains(&read.len())) {
            Some(read) => read,
            None => {
                self.mistake(at, "must be a name or a list of names that exist, at least one");
                Vec::new()
            }
        }
    }

    pub(super) fn list<T>(
        &mut self,
        at: &str,
        value: Option<&Value>,
        most: usize,
        mut read: impl FnMut(&mut Self, &str, &Value) -> Option<T>,
    ) -> Vec<T> {
        match value {
            None => Vec::new(),
            Some(Value::Array(values)) if values.len() <= most => {
                let read_one = |(index, value)| read(self, &format!("{at}[{index}]"), value);
                values.iter().enumerate().filter_map(read_one).collect()
            }
            Some(_) => {
                self.mistake(at, format!("must be a list of at most {most}"));
                Vec::new()
            }
        }
    }

    pub(super) fn object<'a>(
        &mut self,
        at: &str,
        value: &'a Value,
        members: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.mistake(at, "must be an object");
            return None;
        };
        for unknown in object.keys().filter(|key| !members.contains(&key.as_str())) {
            self.mistake(at, format!("has an unknown member `{unknown}`; known: {}", members.join(", ")));
        }
        Some(object)
    }

    pub(super) fn name(&mut self, at: &str, name: &str) {
        if !is_name(name) {
            self.mistake(at, "a name is 1 to 32 of a-z, 0-9 and -");
        }
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let value = object.get(name)?;
        let found = value.as_str().and_then(|text| find(known, text));
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.mistake(&format!("{at}.{name}"), format!("must be one of {}", names.join(", ")));
        }
        found
    }

    pub(super) fn required(&mut self, at: &str, object: &Map<String, Value>, name: &str, most: u64) -> Option<u32> {
        self.ranged(at, object, name, 1, most)
    }

    pub(super) fn ranged(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
        least: u64,
        most: u64,
    ) -> Option<u32> {
        let value = object.get(name).unwrap_or(&Value::Null);
        self.number(&format!("{at}.{name}"), value, least, most).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn optional(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
        least: u64,
        most: u64,
    ) -> Option<u32> {
        object.contains_key(name).then(|| self.ranged(at, object, name, least, most))?
    }

    pub(super) fn number(&mut self, at: &str, value: &Value, least: u64, most: u64) -> Option<u64> {
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.mistake(at, format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    pub(super) fn duration(&mut self, at: &str, value: &Value, least: u64, most: u64) -> Option<u64> {
        let duration = value.as_str().and_then(parse_duration).filter(|ms| (least..=most).contains(ms));
        if duration.is_none() {
            let examples = "\"500ms\", \"10s\", \"1m\", \"1h\", \"1d\"";
            self.mistake(at, format!("must be a duration such as {examples}, from {least} ms to {most} ms"));
        }
        duration
    }

    pub(super) fn mistake(&mut self, at: &str, problem: impl Into<String>) {
        self.mistakes.push(PlanMistake { at: at.to_owned(), problem: problem.into() });
    }
}

pub(super) fn find<T: Copy>(known: &[(&str, T)], name: &str) -> Option<T> {
    known.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
}

/// The longest list of names.
pub(super) const MAX_LIST: usize = 256;
/// The most that a limit on requests lets through: more than one object can decide in a window.
pub(super) const MAX_REQUESTS: u64 = 1_000_000;
/// The most that other limits let through: all that an amount can be.
pub(super) const MAX_AMOUNT: u64 = 1_000_000_000;
