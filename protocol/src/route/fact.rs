//! What isolates tell each other of origins: who is down, and who is up again. They do so through the Registry, which
//! keeps it in memory alone: what it forgets, they find out again.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an isolate found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Of which origin.
    pub origin: String,
    /// For which model; `None`: for all, it takes nothing.
    pub model: Option<String>,
    /// Until when nobody is to be sent there; `None`: it is well again.
    pub down_until: Option<Millis>,
    /// When that was found out.
    pub at: Millis,
}

/// The last fact of each origin and model.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeMap<(String, Option<String>), Fact>);

impl Facts {
    /// Adds what an isolate tells, unless something newer is known.
    pub fn add(&mut self, told: impl IntoIterator<Item = Fact>, now: Millis) {
        self.0.retain(|_, fact| now.abs_diff(fact.at) < KEPT_MS);
        for fact in told.into_iter().filter(|fact| now.abs_diff(fact.at) < KEPT_MS) {
            let of = (fact.origin.clone(), fact.model.clone());
            let is_newer = self.0.get(&of).is_none_or(|known| known.at < fact.at);
            if is_newer && (self.0.len() < MAX_FACTS || self.0.contains_key(&of)) {
                self.0.insert(of, fact);
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Fact> {
        self.0.values().cloned().collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How long a fact is told, in milliseconds: whoever still meets it tells it again.
pub const KEPT_MS: Millis = 120_000;
/// How many there are at most.
const MAX_FACTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(origin: &str, at: Millis, down_until: Option<Millis>) -> Fact {
        Fact { origin: origin.to_owned(), model: None, down_until, at }
    }

    #[test]
    fn the_newest_fact_counts_in_whatever_order_they_come() {
        let (down, up) = (fact("a", 1_000, Some(9_000)), fact("a", 2_000, None));
        for told in [[down.clone(), up.clone()], [up.clone(), down]] {
            let mut facts = Facts::default();
            facts.add(told, 2_000);
            assert_eq!(facts.all(), std::slice::from_ref(&up));
        }
    }

    #[test]
    fn facts_are_few_and_young() {
        let mut facts = Facts::default();
        facts.add((0..1_000).map(|number| fact(&number.to_string(), 0, None)), 0);
        assert_eq!(facts.all().len(), MAX_FACTS);
        facts.add([fact("new", KEPT_MS, None), fact("old", 0, None)], KEPT_MS);
        assert_eq!(facts.all().len(), 1);
    }
}
