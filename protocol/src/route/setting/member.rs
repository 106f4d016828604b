//! The members of one origin's object, and what is wrong with them.

use crate::order;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads members, and writes down what is wrong.
pub(super) struct Members<'a> {
    /// Whose.
    at: String,
    object: &'a Map<String, Value>,
    mistakes: &'a mut Vec<String>,
}

impl<'a> Members<'a> {
    /// Those of an object. Whatever else it has is a mistake.
    pub(super) fn new(at: String, value: &'a Value, known: &[&str], mistakes: &'a mut Vec<String>) -> Option<Self> {
        let Some(object) = value.as_object() else {
            mistakes.push(format!("{at}: must be an object"));
            return None;
        };
        for unknown in object.keys().filter(|name| !known.contains(&name.as_str())) {
            mistakes.push(format!("{at}: has an unknown member `{unknown}`; known: {}", known.join(", ")));
        }
        Some(Self { at, object, mistakes })
    }

    /// One that must be there.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        match self.object.get(name) {
            Some(value) => self.read(name, read(value)),
            None => {
                self.mistake(name, "is missing");
                None
            }
        }
    }

    /// One that need not be.
    pub(super) fn or<T>(
        &mut self,
        name: &str,
        otherwise: T,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.object.get(name) {
            Some(value) => self.read(name, read(value)),
            None => Some(otherwise),
        }
    }

    /// Writes down what is wrong with one.
    pub(super) fn mistake(&mut self, name: &str, problem: &str) {
        self.mistakes.push(format!("{}: `{name}` {problem}", self.at));
    }

    fn read<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.mistake(name, &problem)).ok()
    }
}

/// A list of models, each once.
pub(super) fn models(value: &Value) -> Result<Vec<String>, String> {
    let models: Option<Vec<_>> = value.as_array().and_then(|list| list.iter().map(model).collect());
    let models = models.filter(|models| (1..=MAX_MODELS).contains(&models.len()));
    let models = models.ok_or_else(|| format!("must be a list of 1 to {MAX_MODELS} names of models"))?;
    match order::set(&models).len() == models.len() {
        true => Ok(models),
        false => Err("must have each model once".to_owned()),
    }
}

/// Callers' names for models, and the origin's own.
pub(super) fn aliases(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let object = value.as_object().filter(|object| object.len() <= MAX_MODELS);
    let read = object.and_then(|object| {
        let mut all = BTreeMap::new();
        for (name, own) in object {
            all.insert(is_model(name).then(|| name.clone())?, model(own)?);
        }
        Some(all)
    });
    read.ok_or_else(|| "must be an object of callers' names for models and this origin's own, each whole".to_owned())
}

fn model(value: &Value) -> Option<String> {
    value.as_str().filter(|name| is_model(name)).map(str::to_owned)
}

fn is_model(name: &str) -> bool {
    (1..=MAX_MODEL).contains(&name.len()) && !name.contains('*')
}

/// How many models one origin may be said to have.
const MAX_MODELS: usize = 256;
/// The longest name of a model, in bytes.
const MAX_MODEL: usize = 256;
