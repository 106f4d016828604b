//! Who calls a Gate.

use crate::auth::key::SecretHash;
use crate::auth::principal::Mark;
use serde::{Deserialize, Serialize};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A key whose tag was good.
    Key {
        /// Which of the account's keys.
        key: [u8; 4],
        /// What the edge has seen of its secret.
        secret_hash: SecretHash,
    },
    /// The holder of a short token for a key.
    Short {
        /// Which of the account's keys.
        key: [u8; 4],
        /// Which secret of it the token was made with: see [`SecretHash::mark`].
        mark: [u8; 8],
    },
    /// Somebody whom the edge knows by itself: the subject of a token, or an address.
    Known {
        /// The subject.
        subject: Mark,
        /// Its plan's name.
        plan: String,
    },
}

/// Who is meant by a [`Caller`]: two that are equal here are one to their Gate, whatever they ask for. To be a part of whatever
/// is kept about a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A key with a secret, or a token that was made with that: a Gate knows both as long as the key has the secret.
    Key([u8; 4], [u8; 8]),
    /// A subject or an address, with the plan that the edge names for it.
    Known(Mark, String),
}

impl Caller {
    /// Who is meant.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Key { key, secret_hash } => Identity::Key(*key, secret_hash.mark()),
            Self::Short { key, mark } => Identity::Key(*key, *mark),
            Self::Known { subject, plan } => Identity::Known(*subject, plan.clone()),
        }
    }

    /// As who it is counted.
    pub fn counted_as(&self) -> Mark {
        match self {
            Self::Key { key, .. } | Self::Short { key, .. } => Mark::of_key(*key),
            Self::Known { subject, .. } => *subject,
        }
    }

    /// Which of the account's keys this is, and the mark of the secret that it has shown: see [`SecretHash::mark`]. Nothing for
    /// who calls without a key.
    pub fn key(&self) -> Option<([u8; 4], [u8; 8])> {
        match self {
            Self::Key { key, secret_hash } => Some((*key, secret_hash.mark())),
            Self::Short { key, mark } => Some((*key, *mark)),
            Self::Known { .. } => None,
        }
    }
}
