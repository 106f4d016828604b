//! When the keys behind a URL are fetched. An isolate keeps them; one request fetches for all; old keys are better than none;
//! and whoever sends made-up key names does not make it ask its issuer at will.

use super::{KeySet, TokenKey};
use crate::time::Millis;
use std::rc::Rc;

/// The longest document that is read, in bytes.
pub const MAX_KEY_SET_BYTES: u64 = 64 * 1024;

/// An issuer's keys as an isolate has them.
#[derive(Clone, Debug, Default)]
pub struct KeyFetch {
    keys: Option<(Rc<KeySet>, Millis)>,
    /// When the last fetch began.
    began: Option<Millis>,
    /// Whether it is still under way.
    is_asking: bool,
    /// Whether the last one that ended gave keys.
    is_well: bool,
}

/// What a token needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// This key, which is there.
    Use(TokenKey),
    /// This key, which is there; and somebody should fetch the keys anew meanwhile.
    UseAndFetch(TokenKey),
    /// The keys must be fetched first.
    Fetch,
    /// Somebody fetches them already.
    Wait,
    /// Its issuer has no such key.
    Unknown,
    /// Its issuer's keys cannot be had.
    Unavailable,
}

impl KeyFetch {
    /// What a token that names this key needs.
    pub fn need(&self, kid: Option<&str>, now: Millis) -> Need {
        let age = |since: Millis| now.abs_diff(since);
        let is_asking = self.is_asking && self.began.is_some_and(|began| age(began) < ASKING_MS);
        let may_ask = |pause: Millis| !is_asking && self.began.is_none_or(|began| age(began) >= pause);
        let Some((keys, at)) = self.keys.as_ref().filter(|(_, at)| age(*at) < STALE_MS) else {
            return match () {
                () if is_asking => Need::Wait,
                () if may_ask(RETRY_MS) => Need::Fetch,
                () => Need::Unavailable,
            };
        };
        match keys.choose(kid) {
            Some(key) if age(*at) >= FRESH_MS && may_ask(RETRY_MS) => Need::UseAndFetch(key.clone()),
            Some(key) => Need::Use(key.clone()),
            None if is_asking => Need::Wait,
            // It may be new. A fetch that failed says nothing of that.
            None if may_ask(if self.is_well { UNKNOWN_MS } else { RETRY_MS }) => Need::Fetch,
            None => Need::Unknown,
        }
    }

    /// A fetch begins.
    pub const fn begin(&mut self, now: Millis) {
        self.began = Some(now);
        self.is_asking = true;
    }

    /// A fetch has ended; with keys, or without. Whether tokens that were checked before must be checked again: a key may be
    /// gone.
    pub fn end(&mut self, keys: Option<KeySet>, now: Millis) -> bool {
        self.is_asking = false;
        self.is_well = keys.is_some();
        let Some(keys) = keys else { return false };
        let is_new = self.keys.as_ref().is_some_and(|(old, _)| **old != keys);
        self.keys = Some((Rc::new(keys), now));
        is_new
    }
}

/// Until then nobody is asked.
const FRESH_MS: Millis = 10 * 60 * 1_000;
/// Until then old keys are used while new ones cannot be had.
const STALE_MS: Millis = 24 * 60 * 60 * 1_000;
/// Between two tries at least.
const RETRY_MS: Millis = 5_000;
/// Between two tries for key names that nobody knows.
const UNKNOWN_MS: Millis = 30_000;
/// After so long a fetch is over, whatever became of it: its task may have vanished with its request.
const ASKING_MS: Millis = 6_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::Material;

    fn key(kid: &str) -> TokenKey {
        TokenKey { kid: Some(kid.into()), material: Material::Ed25519([7; 32]) }
    }

    fn known(at: Millis) -> KeyFetch {
        let mut fetch = KeyFetch::default();
        fetch.begin(at);
        fetch.end(Some(KeySet::of(key("a"))), at);
        fetch
    }

    const NOW: Millis = 1_000_000_000;

    #[test]
    fn one_fetches_and_the_others_wait() {
        let mut fetch = KeyFetch::default();
        assert_eq!(fetch.need(Some("a"), NOW), Need::Fetch);
        fetch.begin(NOW);
        assert_eq!(fetch.need(Some("a"), NOW + ASKING_MS - 1), Need::Wait);
        assert_eq!(fetch.need(Some("a"), NOW + ASKING_MS), Need::Fetch, "one that vanished is not waited for");
        fetch.end(Some(KeySet::of(key("a"))), NOW + 10);
        assert_eq!(fetch.need(Some("a"), NOW + 10), Need::Use(key("a")));
        assert_eq!(fetch.need(None, NOW + 10), Need::Use(key("a")), "the only one there is");
    }

    #[test]
    fn old_keys_are_used_while_new_ones_are_fetched_or_cannot_be_had() {
        let mut fetch = known(NOW);
        assert_eq!(fetch.need(Some("a"), NOW + FRESH_MS - 1), Need::Use(key("a")));
        let later = NOW + FRESH_MS;
        assert_eq!(fetch.need(Some("a"), later), Need::UseAndFetch(key("a")));
        fetch.begin(later);
        assert_eq!(fetch.need(Some("a"), later), Need::Use(key("a")), "one fetches");
        assert!(!fetch.end(None, later));
        assert_eq!(fetch.need(Some("a"), later + RETRY_MS - 1), Need::Use(key("a")));
        assert_eq!(fetch.need(Some("a"), later + RETRY_MS), Need::UseAndFetch(key("a")));
        let much_later = NOW + STALE_MS;
        assert_eq!(fetch.need(Some("a"), much_later - 1), Need::UseAndFetch(key("a")));
        assert_eq!(fetch.need(Some("a"), much_later), Need::Fetch, "a day is enough");
        fetch.begin(much_later);
        fetch.end(None, much_later + 1);
        assert_eq!(fetch.need(Some("a"), much_later + 2), Need::Unavailable);
        assert_eq!(fetch.need(Some("a"), much_later + RETRY_MS), Need::Fetch);
    }

    #[test]
    fn made_up_names_do_not_ask_at_will() {
        let mut fetch = known(NOW);
        assert_eq!(fetch.need(Some("b"), NOW + UNKNOWN_MS - 1), Need::Unknown);
        assert_eq!(fetch.need(Some("b"), NOW + UNKNOWN_MS), Need::Fetch);
        fetch.begin(NOW + UNKNOWN_MS);
        assert_eq!(fetch.need(Some("b"), NOW + UNKNOWN_MS), Need::Wait);
        assert_eq!(fetch.need(Some("a"), NOW + UNKNOWN_MS), Need::Use(key("a")), "who is known does not wait");
        // The new key has come, and the old one is gone.
        assert!(fetch.end(Some(KeySet::of(key("b"))), NOW + UNKNOWN_MS));
        assert_eq!(fetch.need(Some("b"), NOW + UNKNOWN_MS), Need::Use(key("b")));
        assert_eq!(fetch.need(Some("a"), NOW + UNKNOWN_MS + 1), Need::Unknown);
        // A million names in an hour: one fetch in thirty seconds.
        let mut fetches = 0;
        let mut fetch = known(NOW);
        for number in 0..3_600_000u64 / 4 {
            if fetch.need(Some("x"), NOW + 4 * number) == Need::Fetch {
                fetches += 1;
                fetch.begin(NOW + 4 * number);
                fetch.end(Some(KeySet::of(key("a"))), NOW + 4 * number);
            }
        }
        assert_eq!(fetches, 119);
    }
}
