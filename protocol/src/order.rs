//! What is put in an order where nobody waits for it. Each type that is sorted, or collected into a tree (which sorts it
//! first), would take several kilobytes of the Worker; here all share one sort, and trees grow one by one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The numbers below `count`, in the order that `compare` says. Those that it says are equal stay in no order.
#[inline(never)]
pub fn ordered(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<u32> {
    // There are fewer requests, names and accounts than numbers of 32 bits.
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    numbers.sort_unstable_by(|one, other| compare(*one as usize, *other as usize));
    numbers
}

/// All of them, in the order that `compare` says. Those that it says are equal stay as they were.
pub fn sorted<T>(all: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let order = ordered(all.len(), &|one, other| compare(&all[one], &all[other]).then(one.cmp(&other)));
    let mut all: Vec<Option<T>> = all.into_iter().map(Some).collect();
    order.into_iter().filter_map(|number| all[number as usize].take()).collect()
}

/// A tree of these. Of several with one key, the last.
pub fn map<K: Ord, V>(all: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(all);
    map
}

/// A tree of these.
pub fn set<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(all);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_stays_as_it_was() {
        let all = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        let mut expected = all.clone();
        expected.sort_by_key(|(key, _)| *key);
        assert_eq!(sorted(all.clone(), |one, other| one.0.cmp(&other.0)), expected);
        assert_eq!(map(all.clone()), all.clone().into_iter().collect());
        assert_eq!(set(all.clone()), all.into_iter().collect());
        assert_eq!(sorted(Vec::<u8>::new(), u8::cmp), Vec::<u8>::new());
    }
}
