//! Which models an origin has: those of its setting, or those that it listed itself, or nobody knows yet.

use crate::time::Millis;
use std::collections::BTreeMap;

/// The models of one origin, by the names that callers have for them.
#[derive(Clone, Debug)]
pub struct Serves {
    known: Known,
    /// The origin's own names for some of them.
    aliases: BTreeMap<String, String>,
    /// Models that it said it does not have, and when.
    lacks: Vec<Lacks>,
    /// When it was last asked for its list.
    asked_at: Option<Millis>,
}

/// What is known of a model at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Has {
    /// It has it.
    Yes,
    /// It may have it.
    Perhaps,
    /// It does not.
    No,
}

#[derive(Clone, Debug)]
enum Known {
    /// Its setting says it.
    Set(Vec<String>),
    /// It listed them.
    Listed(Vec<String>),
    /// Nothing yet.
    Nothing,
}

#[derive(Clone, Debug)]
struct Lacks {
    model: String,
    since: Millis,
}

impl Serves {
    /// Those of a setting; `None`: what it lists itself.
    pub fn new(models: Option<&[String]>, aliases: &BTreeMap<String, String>) -> Self {
        let known = models.map_or(Known::Nothing, |models| Known::Set(models.to_vec()));
        Self { known, aliases: aliases.clone(), lacks: Vec::new(), asked_at: None }
    }

    /// Whether it has a model.
    pub fn has(&self, model: &str, now: Millis) -> Has {
        if self.lacks.iter().any(|lacks| lacks.model == model && now.abs_diff(lacks.since) < LACKS_MS) {
            return Has::No;
        }
        let is_in = |models: &[String]| models.iter().any(|known| known == model);
        match &self.known {
            _ if self.aliases.contains_key(model) => Has::Yes,
            Known::Set(models) | Known::Listed(models) if is_in(models) => Has::Yes,
            Known::Set(_) | Known::Listed(_) => Has::No,
            Known::Nothing => Has::Perhaps,
        }
    }

    /// Its own name for a model, if that is another one.
    pub fn own_name(&self, model: &str) -> Option<&str> {
        self.aliases.get(model).map(String::as_str)
    }

    /// The names that callers have for one of its own.
    pub fn names_of<'s>(&'s self, own: &'s str) -> Vec<&'s str> {
        let named: Vec<_> =
            self.aliases.iter().filter(|(_, other)| *other == own).map(|(name, _)| name.as_str()).collect();
        if named.is_empty() { vec![own] } else { named }
    }

    /// It said that it does not have this model.
    pub fn lacks(&mut self, model: &str, now: Millis) {
        self.lacks.retain(|lacks| lacks.model != model && now.abs_diff(lacks.since) < LACKS_MS);
        if self.lacks.len() < MAX_LACKS {
            self.lacks.push(Lacks { model: model.to_owned(), since: now });
        }
    }

    /// It listed its models, by its own names.
    pub fn listed(&mut self, own: &[String]) {
        if !matches!(self.known, Known::Set(_)) {
            let names: Vec<String> = own.iter().flat_map(|own| self.names_of(own)).map(str::to_owned).collect();
            self.lacks.retain(|lacks| !names.contains(&lacks.model));
            self.known = Known::Listed(names);
        }
    }

    /// Whether its list is to be asked for now. It counts as asked then.
    pub fn is_due(&mut self, now: Millis) -> bool {
        let is_due = match self.known {
            Known::Set(_) => false,
            Known::Listed(_) => self.asked_at.is_none_or(|at| now.abs_diff(at) >= LISTED_MS),
            Known::Nothing => self.asked_at.is_none_or(|at| now.abs_diff(at) >= UNKNOWN_MS),
        };
        if is_due {
            self.asked_at = Some(now);
        }
        is_due
    }
}

/// How long it is believed that an origin does not have a model, in milliseconds.
pub const LACKS_MS: Millis = 30_000;
/// How long a list of its own is believed before it is asked for again.
pub const LISTED_MS: Millis = 30_000;
/// How long after it was asked for in vain.
pub const UNKNOWN_MS: Millis = 2_000;
/// How many models that it does not have are remembered: callers name what they like.
const MAX_LACKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_set_counts_and_what_is_listed_otherwise() {
        let none = BTreeMap::new();
        let mut set = Serves::new(Some(&names(&["a"])), &none);
        set.listed(&names(&["b"]));
        assert_eq!((set.has("a", 0), set.has("b", 0)), (Has::Yes, Has::No));
        assert!(!set.is_due(0));
        let mut open = Serves::new(None, &none);
        assert_eq!(open.has("a", 0), Has::Perhaps);
        assert!(open.is_due(0) && !open.is_due(UNKNOWN_MS - 1) && open.is_due(UNKNOWN_MS));
        open.lacks("a", 0);
        assert_eq!(
            (open.has("a", 0), open.has("b", 0), open.has("a", LACKS_MS)),
            (Has::No, Has::Perhaps, Has::Perhaps)
        );
        open.listed(&names(&["a"]));
        assert_eq!((open.has("a", 0), open.has("b", 0)), (Has::Yes, Has::No));
        assert!(!open.is_due(LISTED_MS - 1) && open.is_due(UNKNOWN_MS + LISTED_MS));
    }

    #[test]
    fn an_alias_is_the_name_that_callers_have() {
        let aliases = BTreeMap::from([("qwen".to_owned(), "q-8b".to_owned())]);
        let mut serves = Serves::new(None, &aliases);
        assert_eq!(
            (serves.has("qwen", 0), serves.own_name("qwen"), serves.own_name("x")),
            (Has::Yes, Some("q-8b"), None)
        );
        serves.listed(&names(&["q-8b", "x"]));
        assert_eq!((serves.has("qwen", 0), serves.has("x", 0), serves.has("q-8b", 0)), (Has::Yes, Has::Yes, Has::No));
        assert_eq!((serves.names_of("q-8b"), serves.names_of("x")), (vec!["qwen"], vec!["x"]));
    }

    #[test]
    fn made_up_names_take_no_room() {
        let mut serves = Serves::new(None, &BTreeMap::new());
        (0..10_000).for_each(|number| serves.lacks(&number.to_string(), 0));
        assert_eq!(serves.lacks.len(), MAX_LACKS);
    }
}
