//! Other names for models, which clients insist on: an operator says which model answers to them.
//!
//! A deployment has them, and a plan may have its own, which go before: one name may mean another model on another plan.
//!
//! An alias is read once, before all else that looks at a model's name: scopes, limits and the grant see the model that
//! answers, and so does the origin, whose request holds that name. So no limit is passed by by another name.

use crate::auth::pattern::{Pattern, pattern};
use crate::wire::json;
use serde_json::Value;

/// Names, or beginnings of names, and the models that answer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(Vec<(Pattern, String)>);

/// The longest name of a model, in bytes.
const MAX_NAME: usize = 256;

impl Aliases {
    /// Reads the setting: an object of names, each a whole one or a beginning and `*`, and models. A mistake does not show
    /// the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let members =
            json::object(text.as_bytes()).ok_or("must be a JSON object of names and models, each name once")?;
        let mut aliases = Self::default();
        for (name, model) in members {
            aliases.add(&name, &model)?;
        }
        match aliases.0.iter().any(|(_, model)| aliases.lead_on(model)) {
            false => Ok(aliases),
            true => Err("must not lead from an alias to another one".to_owned()),
        }
    }

    /// The models that answer to them.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, model)| model.as_str())
    }

    /// Adds one; what is wrong with it if it is none.
    pub(crate) fn add(&mut self, name: &str, model: &Value) -> Result<(), &'static str> {
        let name = pattern(name).ok_or("must name each alias whole, or by its beginning and `*`")?;
        let model = model.as_str().filter(|model| (1..=MAX_NAME).contains(&model.len()) && !model.contains('*'));
        let model = model.ok_or("must give each alias the whole name of one model")?;
        self.0.push((name, model.to_owned()));
        Ok(())
    }

    /// Whether a model of theirs is itself one of these names, and another's.
    pub(crate) fn lead_on(&self, model: &str) -> bool {
        self.of(model).is_some_and(|other| other != model)
    }

    /// The model that answers to this name, if it is another's. A whole name goes before beginnings, and a longer beginning
    /// before a shorter.
    pub fn of(&self, name: &str) -> Option<&str> {
        let meant = self.0.iter().filter(|(pattern, _)| pattern.matches(name));
        let closest = meant.max_by_key(|(pattern, _)| (!pattern.0.ends_with('*'), pattern.0.len()))?;
        Some(&closest.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_alias_counts() {
        let text =
            r#"{"claude-*":"small","claude-opus-*":"large","claude-opus-4":"one","gpt":"small","large":"large"}"#;
        let aliases = Aliases::parse(text).unwrap();
        for (name, model) in [
            ("claude-", Some("small")),
            ("claude-sonnet-4-5", Some("small")),
            ("claude-opus-4", Some("one")),
            ("claude-opus-4-5", Some("large")),
            ("claude", None),
            ("gpt", Some("small")),
            ("gpt-4o", None),
            ("large", Some("large")),
            ("small", None),
            ("", None),
        ] {
            assert_eq!(aliases.of(name), model, "{name}");
        }
        assert_eq!(Aliases::parse("{}").unwrap(), Aliases::default());
        // All names that nobody else has, its own among them.
        assert_eq!(Aliases::parse(r#"{"*":"small"}"#).unwrap().of("x"), Some("small"));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for wrong in [
            "",
            "[]",
            "secret",
            r#"{"a":5}"#,
            r#"{"a":""}"#,
            r#"{"a":"b*"}"#,
            r#"{"":"b"}"#,
            r#"{"a*b":"c"}"#,
            r#"{"a":"b","a":"c"}"#,
            r#"{"a":"b","b":"c"}"#,
            r#"{"a":"b","b*":"c"}"#,
            r#"{"a":"b","b":"a"}"#,
            r#"{"a":{}}"#,
        ] {
            let problem = Aliases::parse(wrong).expect_err(wrong);
            assert!(problem.starts_with("must ") && !problem.contains("secret"), "{problem}");
        }
        assert!(Aliases::parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_NAME + 1))).is_err());
    }
}
