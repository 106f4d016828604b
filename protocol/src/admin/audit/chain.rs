//! The chain: what an entry's hash is, and whether entries follow one another.

use super::{DOMAIN, Entry, Hash};
use crate::time::Millis;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The end of a chain. That of an empty one is all zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last entry's number; 0 before the first.
    pub number: u64,
    /// When it was written.
    pub at: Millis,
    /// Its hash.
    pub hash: Hash,
}

/// Why entries are not a chain. `number` is that of the entry that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry is missing, or there twice.
    #[error("entry {number} stands where {expected} belongs")]
    Number {
        /// What it is.
        number: u64,
        /// What it should be.
        expected: u64,
    },
    /// It does not name the hash of the entry before it.
    #[error("entry {number} does not follow the entry before it")]
    Previous {
        /// Which.
        number: u64,
    },
    /// What it says is not what was hashed.
    #[error("entry {number} has been changed")]
    Hash {
        /// Which.
        number: u64,
    },
    /// It is older than the entry before it.
    #[error("entry {number} is older than the entry before it")]
    Time {
        /// Which.
        number: u64,
    },
}

/// Checks that these entries follow `head`, and returns the new head.
pub fn verify<'e>(head: Head, entries: impl IntoIterator<Item = &'e Entry>) -> Result<Head, ChainError> {
    entries.into_iter().try_fold(head, |head, entry| {
        let number = entry.number;
        if number != head.number + 1 {
            return Err(ChainError::Number { number, expected: head.number + 1 });
        }
        if entry.previous != head.hash {
            return Err(ChainError::Previous { number });
        }
        if entry.hash != entry.right_hash() {
            return Err(ChainError::Hash { number });
        }
        if entry.at < head.at {
            return Err(ChainError::Time { number });
        }
        Ok(entry.head())
    })
}

impl Entry {
    /// The hash that belongs to what it says.
    pub(super) fn right_hash(&self) -> Hash {
        let hashed = Hashed {
            number: self.number,
            at: self.at,
            actor: &self.actor,
            address: self.address,
            action: self.action,
            target: &self.target,
            details: &self.details,
            request: &self.request,
            previous: self.previous,
        };
        let json = serde_json::to_string(&hashed).expect("our own types have string keys and no failing serialisers");
        Hash(Sha256::new().chain_update(DOMAIN).chain_update(json).finalize().into())
    }
}

/// An entry without its own hash.
#[derive(Serialize)]
struct Hashed<'e> {
    number: u64,
    at: Millis,
    actor: &'e str,
    address: Option<core::net::IpAddr>,
    action: super::AuditAction,
    target: &'e str,
    details: &'e BTreeMap<String, String>,
    request: &'e str,
    previous: Hash,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::audit::{AuditAction, Note};
    use crate::id::RequestId;

    fn chain(count: u8) -> Vec<Entry> {
        let mut head = Head::default();
        (1..=count)
            .map(|number| {
                let note = Note::new(
                    "token:ops",
                    AuditAction::KeyChange,
                    format_args!("key_{number}"),
                    RequestId([number; 16]),
                );
                // A clock that goes back.
                let now = if number == 3 { 5 } else { 1_000 * u64::from(number) };
                let entry = Entry::after(head, note.with("plan", "vip").from_address("203.0.113.9".parse().ok()), now);
                head = entry.head();
                entry
            })
            .collect()
    }

    #[test]
    fn what_was_written_is_a_chain() {
        let entries = chain(5);
        assert_eq!(verify(Head::default(), &entries), Ok(entries[4].head()));
        assert_eq!(verify(entries[1].head(), &entries[2..]), Ok(entries[4].head()), "from anywhere in it");
        assert_eq!(entries[2].at, entries[1].at, "time does not go back");
        assert_eq!(verify(Head::default(), []), Ok(Head::default()));
    }

    /// Every way to change one entry, and which check says so.
    #[test]
    fn whatever_is_changed_afterwards_shows() {
        let change = |change: fn(&mut Entry)| {
            let mut entries = chain(5);
            change(&mut entries[2]);
            verify(Head::default(), &entries)
        };
        let changed = Err(ChainError::Hash { number: 3 });
        assert_eq!(change(|entry| entry.actor.push('x')), changed);
        assert_eq!(change(|entry| entry.address = None), changed);
        assert_eq!(change(|entry| entry.action = AuditAction::KeyDelete), changed);
        assert_eq!(change(|entry| entry.target.clear()), changed);
        assert_eq!(change(|entry| entry.details.clear()), changed);
        assert_eq!(change(|entry| entry.request.push('x')), changed);
        assert_eq!(change(|entry| entry.at += 1), changed);
        assert_eq!(change(|entry| entry.hash.0[31] ^= 1), changed);
        assert_eq!(change(|entry| entry.previous.0[0] ^= 1), Err(ChainError::Previous { number: 3 }));
        assert_eq!(change(|entry| entry.number = 4), Err(ChainError::Number { number: 4, expected: 3 }));
        // Hashed anew, so that the entry itself is right: the next one no longer follows it.
        let forged = change(|entry| {
            entry.actor.push('x');
            entry.hash = entry.right_hash();
        });
        assert_eq!(forged, Err(ChainError::Previous { number: 4 }));
        let older = change(|entry| {
            entry.at = 1;
            entry.hash = entry.right_hash();
        });
        assert_eq!(older, Err(ChainError::Time { number: 3 }));
    }

    #[test]
    fn whatever_is_taken_out_or_moved_shows() {
        for missing in 0..4 {
            let mut entries = chain(5);
            entries.remove(missing);
            assert!(verify(Head::default(), &entries).is_err(), "{missing}");
            let mut entries = chain(5);
            entries.swap(missing, missing + 1);
            assert!(verify(Head::default(), &entries).is_err(), "{missing}");
        }
        // Only a head that is kept elsewhere shows that the end is missing.
        let entries = chain(5);
        assert_ne!(verify(Head::default(), &entries[..4]), Ok(entries[4].head()));
    }

    #[test]
    fn what_is_for_people_is_named_and_not_shown() {
        let note = Note::new("token:ops", AuditAction::KeyChange, "", RequestId([0; 16]));
        let note =
            note.with_members(br#"{"name": "slc_secret", "plan": "vip", "disabled": true, "metadata": {"a": 1}}"#);
        let details: Vec<_> = note.details.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        assert_eq!(details, [("disabled", "true"), ("members", "disabled,metadata,name,plan"), ("plan", "vip")]);
    }

    #[test]
    fn a_long_detail_is_cut_where_a_character_ends() {
        let note = Note::new("token:ops", AuditAction::KeyChange, "", RequestId([0; 16]));
        let note = note.with("x", format!("{}ä", "a".repeat(super::super::MAX_DETAIL - 1)));
        assert_eq!(note.details["x"], "a".repeat(super::super::MAX_DETAIL - 1));
    }
}
