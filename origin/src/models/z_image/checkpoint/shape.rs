//! The configs of a directory, each checked once: every later step may rely on it.
//!
//! Whatever would change a picture and is not computed here is refused by name. That holds for values as well as for
//! members that nobody here has heard of, unless they are null or begin with an underscore.

mod decoder;
mod pipeline;
#[cfg(test)]
pub(crate) mod published;
mod scheduler;
mod transformer;

pub use decoder::DecoderShape;
pub(crate) use pipeline::check as check_pipeline;
pub(crate) use scheduler::shift;
pub use transformer::TransformerShape;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// No network of the family comes near; products of three such numbers stay far from overflow.
const MOST: usize = 1 << 20;

/// Layers of one room at most: the list of all tensors is made before anything of a file is looked at.
const MOST_LAYERS: usize = 1_000;

/// The members of a config, taken out one by one.
struct Members(Map<String, Value>);

impl Members {
    fn read(json: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err("is no JSON object".to_owned()),
        }
    }

    fn class(&mut self, expected: &str) -> Result<(), String> {
        match self.0.remove("_class_name") {
            Some(Value::String(name)) if name == expected => Ok(()),
            Some(other) => Err(format!("_class_name is {other}; {expected} is served")),
            None => Err(format!("_class_name is missing; {expected} is served")),
        }
    }

    /// A member that has to be there.
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let value = self.0.remove(name).ok_or_else(|| format!("{name} is missing"))?;
        serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
    }

    /// A member that may be left out or null.
    fn take_or<T: DeserializeOwned>(&mut self, name: &str, default: T) -> Result<T, String> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => serde_json::from_value(value).map_err(|error| format!("{name}: {error}")),
        }
    }

    /// A whole number from 1 to a bound that no network reaches.
    fn count(&mut self, name: &str) -> Result<usize, String> {
        let count: usize = self.take(name)?;
        bounded(name, count)?;
        Ok(count)
    }

    /// A number of layers.
    fn layers(&mut self, name: &str) -> Result<usize, String> {
        match self.count(name)? {
            count if count <= MOST_LAYERS => Ok(count),
            count => Err(format!("{name} is {count}; at most {MOST_LAYERS} are served")),
        }
    }

    /// Members that have to say this, if they say anything.
    fn says(&mut self, expected: &[(&str, Value)]) -> Result<(), String> {
        for (name, expected) in expected {
            match self.0.remove(*name) {
                Some(found) if found != *expected && !found.is_null() => {
                    return Err(format!("{name} is {found}; {expected} is served"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Members that change nothing here.
    fn ignore(&mut self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.0.remove(*name)));
    }

    /// Nothing may be left.
    fn end(self) -> Result<(), String> {
        match self.0.into_iter().find(|(name, value)| !name.starts_with('_') && !value.is_null()) {
            Some((name, value)) => Err(format!("{name} is {value}, and nothing of this name is served")),
            None => Ok(()),
        }
    }
}

fn bounded(name: &str, count: usize) -> Result<(), String> {
    match (1..=MOST).contains(&count) {
        true => Ok(()),
        false => Err(format!("{name} is {count}, not between 1 and {MOST}")),
    }
}

fn positive(name: &str, number: f64) -> Result<f64, String> {
    match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err(format!("{name} is {number}")),
    }
}

#[cfg(test)]
mod tests;
