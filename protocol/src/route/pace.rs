//! How soon answers begin, by model: the times of the last ones, of which a hedge takes the 95th percentile
//! (Dean and Barroso 2013, The Tail at Scale, Communications of the ACM 56/2).

use crate::time::Millis;
use std::collections::{BTreeMap, VecDeque};

/// The times of each model.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    models: BTreeMap<String, VecDeque<Millis>>,
}

impl Paces {
    /// An answer of this model has begun so many milliseconds after its request was sent; or had not begun by then, when
    /// nobody waited for it any longer. Without those the percentile would fall with each hedge.
    pub fn saw(&mut self, model: &str, after: Millis) {
        if self.models.len() >= MAX_MODELS && !self.models.contains_key(model) {
            return;
        }
        let last = self.models.entry(model.to_owned()).or_default();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(after);
    }

    /// By when 95 of 100 of the last answers had begun, in milliseconds; `None` where too few are known.
    pub fn p95(&self, model: &str) -> Option<Millis> {
        let last = self.models.get(model).filter(|last| last.len() >= LEAST)?;
        let mut sorted: Vec<Millis> = last.iter().copied().collect();
        // The nearest rank.
        let rank = (sorted.len() * 95).div_ceil(100) - 1;
        Some(*sorted.select_nth_unstable(rank).1)
    }
}

/// How many times of a model are kept.
const KEPT: usize = 128;
/// Of fewer than these nothing is made.
const LEAST: usize = 20;
/// Of how many models they are kept.
const MAX_MODELS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_nearest_rank_of_the_last_ones() {
        let mut paces = Paces::default();
        for ms in 1..20 {
            paces.saw("m", ms);
            assert_eq!(paces.p95("m"), None);
        }
        paces.saw("m", 20);
        assert_eq!((paces.p95("m"), paces.p95("other")), (Some(19), None));
        for ms in 1..=1_000 {
            paces.saw("m", ms);
        }
        // Of 873 to 1,000 the 122nd.
        assert_eq!(paces.p95("m"), Some(994));
        for number in 0..1_000 {
            paces.saw(&number.to_string(), 1);
        }
        assert_eq!(paces.models.len(), MAX_MODELS);
    }
}
