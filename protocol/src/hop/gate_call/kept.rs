//! What a Gate keeps of an account besides its state: its settings and keys, and how the row looks that holds them.

use super::MessageError;
use super::pack::{encode_as, whole};
use crate::auth::key::SecretHash;
use crate::auth::permission::Permissions;
use crate::id::{AccountId, CommandId, KeyId};
use crate::limit::kind::Unit;
use crate::limit::plan::Limit;
use crate::request::cost::money::Currency;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a Gate keeps of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Which of the account's keys.
    pub key: [u8; 4],
    /// SHA-256 of the secret.
    pub secret_hash: SecretHash,
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// When it was made, milliseconds since the epoch.
    pub created_at: Millis,
    /// Whether it is refused for now.
    pub disabled: bool,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Limits of its own, besides the plan's.
    pub limits: Vec<Limit>,
    /// What it may be used for.
    pub permissions: Permissions,
    /// From when on it is refused for good, milliseconds since the epoch.
    pub expires_at: Option<Millis>,
    /// Whatever an admin wants to keep with it.
    pub metadata: BTreeMap<String, String>,
    /// The secrets before this one, newest first, that are still good.
    pub retiring: Vec<Retiring>,
    /// Counts its changes.
    pub version: u32,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retiring {
    /// SHA-256 of the secret.
    pub secret_hash: SecretHash,
    /// From when on it is refused, milliseconds since the epoch.
    pub until: Millis,
}

/// What an admin has set for an account itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether all of it is refused for now.
    pub disabled: bool,
    /// A plan in place of those that its keys or its issuer name.
    pub plan: Option<String>,
    /// Other numbers for limits, by their names. A key's own go before them.
    pub overrides: BTreeMap<String, u32>,
    /// For people.
    pub name: String,
    /// Whose it is, for people.
    pub owner: String,
    /// When it was made, milliseconds since the epoch; `None` for one that nobody made.
    pub created_at: Option<Millis>,
    /// Counts its changes.
    pub version: u32,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What an admin has set for the account itself.
    pub settings: Settings,
    /// Its keys.
    pub keys: Vec<KeyRecord>,
    /// The commands that were done last, oldest first.
    pub done: Vec<CommandId>,
    /// What was added to its credits, by the budgets' names.
    pub credits: BTreeMap<String, Credit>,
}

/// What was added to a budget that lasts for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Of what.
    pub unit: Unit,
    /// Of which currency, if it is money.
    pub currency: Option<Currency>,
    /// How much, in all; money is in nano-units.
    pub amount: u64,
}

impl Credit {
    /// Whether it is of what a limit counts.
    pub fn is_of(&self, limit: &Limit) -> bool {
        self.unit == limit.unit() && self.currency == limit.kind.currency()
    }
}

impl KeyRecord {
    /// A key that may do all that its plan allows.
    pub fn new(key: [u8; 4], secret_hash: SecretHash, plan: &str, created_at: Millis) -> Self {
        Self {
            key,
            secret_hash,
            name: String::new(),
            plan: plan.to_owned(),
            created_at,
            disabled: false,
            overrides: BTreeMap::new(),
            limits: Vec::new(),
            permissions: Permissions::default(),
            expires_at: None,
            metadata: BTreeMap::new(),
            retiring: Vec::new(),
            version: 1,
        }
    }

    /// The record's full id.
    pub const fn id(&self, account: AccountId) -> KeyId {
        KeyId { account, key: self.key }
    }

    /// Whether this is the hash of its secret or of one before it, good or not.
    pub fn knows(&self, secret_hash: &SecretHash) -> bool {
        self.secret_hash.matches(secret_hash)
            || self.retiring.iter().any(|retiring| retiring.secret_hash.matches(secret_hash))
    }

    /// The hash of the secret, its own or one before it, that short tokens with this mark were made with.
    pub fn marked(&self, mark: &[u8; 8]) -> Option<&SecretHash> {
        let retiring = self.retiring.iter().map(|retiring| &retiring.secret_hash);
        std::iter::once(&self.secret_hash).chain(retiring).find(|secret_hash| secret_hash.mark() == *mark)
    }

    /// Whether this is the hash of a secret before its own whose overlap has ended: it is over for good.
    pub fn has_retired(&self, secret_hash: &SecretHash, now: Millis) -> bool {
        let ended = |retiring: &Retiring| retiring.secret_hash.matches(secret_hash) && retiring.until <= now;
        !self.secret_hash.matches(secret_hash) && self.retiring.iter().any(ended)
    }

    /// Until when a secret with this hash is good: `None` if it is not, and the end of time if nobody has said.
    pub fn good_until(&self, secret_hash: &SecretHash, now: Millis) -> Option<Millis> {
        let until = if self.secret_hash.matches(secret_hash) {
            Millis::MAX
        } else {
            self.retiring.iter().find(|retiring| retiring.secret_hash.matches(secret_hash))?.until
        };
        let until = until.min(self.expires_at.unwrap_or(Millis::MAX));
        (now < until).then_some(until)
    }

    /// Puts another secret in the place of this one, which and whose predecessors are good until `until` at the latest.
    pub fn rotate(&mut self, secret_hash: SecretHash, until: Millis, now: Millis) {
        let before = Retiring { secret_hash: self.secret_hash, until };
        self.retiring.insert(0, before);
        for retiring in &mut self.retiring {
            retiring.until = retiring.until.min(until);
        }
        self.retiring.retain(|retiring| now < retiring.until);
        self.retiring.truncate(MAX_RETIRING);
        self.secret_hash = secret_hash;
    }
}

/// Packs what is kept, for its row.
pub fn encode_kept(kept: &Kept) -> Vec<u8> {
    encode_as(KEPT_VERSION, kept)
}

/// Unpacks what is kept; also rows of version 3, which knew no credits, and of version 2, which knew no permissions and no
/// commands either. Never panics, whatever the bytes.
pub fn decode_kept(bytes: &[u8]) -> Result<Kept, MessageError> {
    match bytes.split_first() {
        Some((&KEPT_VERSION, packed)) => whole(packed),
        Some((&3, packed)) => whole(packed).map(Kept3::read),
        Some((&2, packed)) => whole(packed).map(Kept2::read),
        _ => Err(MessageError),
    }
}

/// The version of this row: it changes less often than the messages.
pub const KEPT_VERSION: u8 = 4;
/// Secrets of one key that are good besides its newest.
pub const MAX_RETIRING: usize = 4;
/// The largest row, in bytes: an object's row holds two million.
pub const MAX_KEPT_BYTES: usize = 1 << 20;

/// The row of version 3.
#[derive(Deserialize)]
struct Kept3 {
    settings: Settings,
    keys: Vec<KeyRecord>,
    done: Vec<CommandId>,
}

impl Kept3 {
    fn read(Self { settings, keys, done }: Self) -> Kept {
        Kept { settings, keys, done, credits: BTreeMap::new() }
    }
}

/// The row of version 2.
#[derive(Deserialize)]
struct Kept2 {
    settings: Settings2,
    keys: Vec<KeyRecord2>,
}

#[derive(Deserialize)]
struct Settings2 {
    disabled: bool,
    plan: Option<String>,
    overrides: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct KeyRecord2 {
    key: [u8; 4],
    secret_hash: SecretHash,
    name: String,
    plan: String,
    created_at: Millis,
    disabled: bool,
    overrides: BTreeMap<String, u32>,
    limits: Vec<Limit>,
}

impl Kept2 {
    fn read(self) -> Kept {
        let Settings2 { disabled, plan, overrides } = self.settings;
        let settings = Settings { disabled, plan, overrides, ..Settings::default() };
        let record = |old: KeyRecord2| KeyRecord {
            name: old.name,
            disabled: old.disabled,
            overrides: old.overrides,
            limits: old.limits,
            ..KeyRecord::new(old.key, old.secret_hash, &old.plan, old.created_at)
        };
        Kept { settings, keys: self.keys.into_iter().map(record).collect(), ..Kept::default() }
    }
}
