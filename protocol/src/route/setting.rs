//! The setting `ORIGINS`: a list of origins, read into what cannot be wrong, or every mistake that it has.

mod member;
pub(crate) mod url;

use crate::wire::json::parse_unique;
use member::Members;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One origin of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSetting {
    /// Its name, which is also the audience of its grants.
    pub name: OriginName,
    /// Where it listens, without a slash at its end.
    pub url: String,
    /// The models that it has, by the names that callers have for them; `None`: those that it lists itself.
    pub models: Option<Vec<String>>,
    /// Its own names for some of them.
    pub aliases: BTreeMap<String, String>,
    /// How much it takes, beside the others.
    pub weight: u8,
    /// The continent it is on, as Cloudflare names it: its own callers' requests go there first.
    pub region: Option<Region>,
}

/// The name of one of several origins: 1 to 32 small letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OriginName(String);

/// A continent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(&'static str);

impl OriginName {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_good);
        (is_name && !text.starts_with('-') && !text.ends_with('-')).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the binding by which it is reached, if there is one: `ORIGIN_GPU_1` of `gpu-1`.
    pub fn binding(&self) -> String {
        format!("ORIGIN_{}", self.0.to_ascii_uppercase().replace('-', "_"))
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Region {
    /// Reads one; `None` if there is no such continent.
    pub fn parse(text: &str) -> Option<Self> {
        CONTINENTS.into_iter().find(|known| *known == text).map(Self)
    }
}

/// Reads the setting. What is wrong with it does not show URLs or other values, but names each origin.
pub fn parse(text: &str) -> Result<Vec<OriginSetting>, Vec<String>> {
    let list = match parse_unique(text) {
        Ok(Value::Array(list)) if (1..=MAX_ORIGINS).contains(&list.len()) => list,
        Ok(Value::Array(_)) => return Err(vec![format!("must list 1 to {MAX_ORIGINS} origins")]),
        Ok(_) | Err(_) => {
            return Err(vec!["must be a JSON list of origins, each an object, no member twice".to_owned()]);
        }
    };
    let mut mistakes = Vec::new();
    let origins: Vec<_> = list.iter().enumerate().map(|(index, value)| one(index, value, &mut mistakes)).collect();
    find_twice(&list, "name", &mut mistakes);
    find_twice(&list, "url", &mut mistakes);
    let is_whole = mistakes.is_empty();
    origins.into_iter().collect::<Option<_>>().filter(|_| is_whole).ok_or(mistakes)
}

fn one(index: usize, value: &Value, mistakes: &mut Vec<String>) -> Option<OriginSetting> {
    let named = value["name"].as_str().and_then(OriginName::parse);
    let at = named.as_ref().map_or_else(|| format!("origin {}", index + 1), |name| format!("origin `{name}`"));
    let mut members = Members::new(at, value, &MEMBERS, mistakes)?;
    let name = members.required("name", |value| {
        let name = value.as_str().and_then(OriginName::parse);
        name.ok_or_else(|| format!("must be 1 to {MAX_NAME} small letters, digits and hyphens"))
    });
    let private = members.or("private", false, |value| value.as_bool().ok_or_else(|| "must be true or false".into()));
    let url = members.required("url", |value| url::read(value.as_str().unwrap_or_default(), private == Some(true)));
    let aliases = members.or("aliases", BTreeMap::new(), member::aliases);
    let models = members.or("models", None, |value| member::models(value).map(Some));
    let weight = members.or("weight", 1, |value| {
        let weight = value.as_u64().and_then(|weight| u8::try_from(weight).ok());
        weight.filter(|weight| (1..=MAX_WEIGHT).contains(weight)).ok_or_else(|| format!("must be 1 to {MAX_WEIGHT}"))
    });
    let region = members.or("region", None, |value| {
        let region = value.as_str().and_then(Region::parse);
        region.map(Some).ok_or_else(|| format!("must be a continent: one of {}", CONTINENTS.join(", ")))
    });
    if let (Some(Some(models)), Some(aliases)) = (&models, &aliases)
        && let Some(alias) = aliases.keys().find(|alias| !models.contains(alias))
    {
        members.mistake("aliases", &format!("must be of its models, and `{alias}` is none"));
    }
    Some(OriginSetting { name: name?, url: url?, models: models?, aliases: aliases?, weight: weight?, region: region? })
}

/// Two origins that have the same there: a grant is for one, by its name.
fn find_twice(list: &[Value], member: &str, mistakes: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        let said = value[member].as_str().map(|text| text.trim_end_matches('/'));
        if said.is_some_and(|text| !seen.insert(text)) {
            mistakes.push(format!("origin {}: has the `{member}` of one before it", index + 1));
        }
    }
}

/// The members of an origin.
const MEMBERS: [&str; 7] = ["name", "url", "models", "aliases", "weight", "region", "private"];
/// The continents that Cloudflare names.
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
/// The longest name, in bytes.
const MAX_NAME: usize = 32;
/// How many origins there may be.
pub const MAX_ORIGINS: usize = 32;
/// The highest weight.
pub const MAX_WEIGHT: u8 = 100;

#[cfg(test)]
mod tests;
