//! How a setting is read, and what is noted where it is wrong.

use super::table::known;
use crate::platform::Env;
use std::fmt;

/// One wrong or missing setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting's name.
    pub setting: &'static str,
    /// What is wrong, without the value: it may be secret.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)
    }
}

/// Where settings come from: a deployment's environment, or a map in tests.
pub trait Vars {
    /// The value of a variable or secret; `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl Vars for Env {
    fn get(&self, name: &str) -> Option<String> {
        self.var(name)
    }
}

/// Reads settings, and notes what is wrong with them.
pub(super) struct Reader<'v, V> {
    vars: &'v V,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'v, V: Vars> Reader<'v, V> {
    /// One that has found no mistake.
    pub(super) const fn new(vars: &'v V) -> Self {
        Self { vars, mistakes: Vec::new() }
    }

    /// Whether it is set to anything.
    pub(super) fn is_set(&self, setting: &str) -> bool {
        self.vars.get(setting).is_some_and(|text| !text.is_empty())
    }

    /// A setting that must be set.
    pub(super) fn required<T>(
        &mut self,
        setting: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.vars.get(setting).filter(|text| !text.is_empty()) {
            Some(text) => self.parsed(setting, parse(&text)),
            None => self.parsed(setting, Err(format!("is not set ({})", known(setting).meaning))),
        }
    }

    /// The default is the one of the table, so that the documentation cannot differ from the code.
    pub(super) fn or_default<T>(
        &mut self,
        setting: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.vars.get(setting).filter(|text| !text.is_empty());
        let text = text.unwrap_or_else(|| known(setting).default.to_owned());
        self.parsed(setting, parse(&text))
    }

    /// A setting that may have several mistakes at once; `Some(None)` if it is not set.
    pub(super) fn listed<T>(
        &mut self,
        setting: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Vec<String>>,
    ) -> Option<Option<T>> {
        let Some(text) = self.vars.get(setting).filter(|text| !text.is_empty()) else { return Some(None) };
        let mistake = |problem| Mistake { setting, problem };
        parse(&text).map(Some).map_err(|problems| self.mistakes.extend(problems.into_iter().map(mistake))).ok()
    }

    fn parsed<T>(&mut self, setting: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.mistakes.push(Mistake { setting, problem })).ok()
    }
}

/// A whole number in a range.
pub(super) fn parse_number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}
