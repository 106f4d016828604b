//! A map that keeps what was put into it last, and forgets the rest: bounded, and with the same little work for each entry
//! whoever fills it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// The last entries, and those before them: what nobody puts again is gone after two turns.
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// How many entries make a turn.
    turn: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty one, for `most` entries.
    pub fn of(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), turn: most / 2 }
    }

    /// What is kept under this key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Keeps this, in place of what was there.
    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.turn {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_the_last_ones_are_there() {
        let mut recent = Recent::of(10);
        for number in 0..100 {
            recent.put(number, number);
            assert!(recent.young.len() + recent.old.len() <= 10);
            assert!((0..=number).rev().take(5).all(|number| recent.get(&number) == Some(&number)), "{number}");
        }
        assert_eq!(recent.get(&0), None);
    }

    #[test]
    fn what_was_put_last_counts() {
        let mut recent = Recent::of(4);
        for (key, value) in [(1, 1), (2, 2), (3, 3), (1, 9)] {
            recent.put(key, value);
        }
        assert_eq!(recent.get(&1), Some(&9));
        assert_eq!(recent.get(&2), Some(&2), "also where it is old");
    }
}
