//! Patterns of models' names.

use serde::{Deserialize, Serialize};

/// A name, or the beginning of a name and `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0.strip_suffix('*').map_or(self.0 == name, |beginning| name.starts_with(beginning))
    }
}

/// Whether a name is meant by each of these lists: those of a plan, a key and a token, as far as there are any.
pub fn all_mean(lists: &[Vec<Pattern>], name: &str) -> bool {
    lists.iter().all(|patterns| patterns.iter().any(|pattern| pattern.matches(name)))
}

/// A model's name as OpenAI's clients send it, or the beginning of one and `*`.
pub(crate) fn pattern(text: &str) -> Option<Pattern> {
    let inner = text.strip_suffix('*').unwrap_or(text);
    let good = !text.is_empty() && text.len() <= 128 && !inner.contains('*') && !text.chars().any(char::is_control);
    good.then(|| Pattern(text.to_owned()))
}
