//! The audit log: who did what, in a chain that shows when somebody has changed it afterwards.
//!
//! An entry holds the hash of the one before it and its own: SHA-256 over [`DOMAIN`] and the entry's JSON without its hash,
//! members in the order of [`Entry`] and without spaces. Whoever keeps the last number and hash elsewhere sees any change to
//! what came before. What an entry says never holds a secret or prompt text: ids, names of settings and plans, numbers.

mod chain;

use crate::id::{RequestId, hex, parse_hex};
use crate::order;
use crate::time::Millis;
use core::net::IpAddr;
use serde::{Deserialize, Serialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use chain::{ChainError, Head, verify};

/// What every hash begins with, so that no other hash of ours can be taken for one of the chain's.
pub const DOMAIN: &str = "sluice-audit-v1\n";
/// How many entries a page holds.
pub const PAGE: usize = 100;
/// The longest value of a detail, in bytes; more is cut off.
pub const MAX_DETAIL: usize = 256;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AuditAction {
    /// A key was made.
    #[serde(rename = "key.create")]
    KeyCreate,
    /// A key was changed.
    #[serde(rename = "key.change")]
    KeyChange,
    /// A key was ended.
    #[serde(rename = "key.delete")]
    KeyDelete,
    /// A key was given another secret.
    #[serde(rename = "key.rotate")]
    KeyRotate,
    /// A key was reported as leaked, and disabled by itself.
    #[serde(rename = "key.leaked")]
    KeyLeaked,
    /// An account was made.
    #[serde(rename = "account.create")]
    AccountCreate,
    /// What is set for an account was changed.
    #[serde(rename = "account.change")]
    AccountChange,
    /// An account was ended.
    #[serde(rename = "account.delete")]
    AccountDelete,
    /// Something was added to an account's credits.
    #[serde(rename = "account.credit")]
    AccountCredit,
    /// Another plan table was put in force.
    #[serde(rename = "plans.put")]
    PlansPut,
    /// Another list of origins was put in force.
    #[serde(rename = "origins.put")]
    OriginsPut,
    /// The list that was put was taken back: the settings say again which origins there are.
    #[serde(rename = "origins.delete")]
    OriginsDelete,
    /// A token or a subject of tokens was put on the list of those that are refused.
    #[serde(rename = "denial.create")]
    DenialCreate,
    /// One was taken off that list.
    #[serde(rename = "denial.delete")]
    DenialDelete,
    /// Answers that were kept for the same question were forgotten: of an account, or of all.
    #[serde(rename = "cache.purge")]
    CachePurge,
    /// A batch of an account's was to end.
    #[serde(rename = "batch.cancel")]
    BatchCancel,
    /// Somebody came to an admin route with credentials that are no admin's. Only versions before this one wrote it here: what
    /// anybody can do is counted beside the chain, which is never pruned ([`crate::admin::failed_logins`]).
    #[serde(rename = "admin.login_failed")]
    LoginFailed,
}

/// What the edge asks the log to say: an entry that has no place in the chain yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who: `token:<name>`, `access:<e-mail>`, `leaks`, or `unknown`.
    pub actor: String,
    /// From where, if the platform says.
    pub address: Option<IpAddr>,
    /// What.
    pub action: AuditAction,
    /// To what: an id; empty where there is none.
    pub target: String,
    /// What else is to be known of it, by name.
    pub details: BTreeMap<Cow<'static, str>, String>,
    /// With which request.
    pub request: RequestId,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its place: 1, 2, 3, ...
    pub number: u64,
    /// When, in milliseconds since the epoch; never before the entry before it.
    pub at: Millis,
    /// Who: see [`Note::actor`].
    pub actor: String,
    /// From where; null if that is not known.
    pub address: Option<IpAddr>,
    /// What.
    pub action: AuditAction,
    /// To what; empty where there is nothing to name.
    pub target: String,
    /// What else is to be known of it, by name.
    pub details: BTreeMap<String, String>,
    /// With which request: its `x-request-id`.
    pub request: String,
    /// The hash of the entry before it; 64 zeros for the first.
    pub previous: Hash,
    /// Its own hash.
    pub hash: Hash,
}

/// `GET /admin/v1/audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// In the order of their numbers.
    pub data: Vec<Entry>,
    /// Pass it as `after` to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A hash of the chain: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub [u8; 32]);

impl Note {
    /// A note without details.
    pub fn new(actor: impl Into<String>, action: AuditAction, target: impl fmt::Display, request: RequestId) -> Self {
        let (actor, target) = (actor.into(), target.to_string());
        Self { actor, address: None, action, target, details: BTreeMap::new(), request }
    }

    /// Adds where it came from.
    pub const fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Adds a detail. A value that is longer than [`MAX_DETAIL`] is cut off: the log is not a place to keep things.
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        let mut value = value.to_string();
        if value.len() > MAX_DETAIL {
            let end = (0..=MAX_DETAIL).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
            value.truncate(end);
        }
        self.details.insert(name.into(), value);
        self
    }

    /// Adds what an admin's body asks for: the names of its members, and the values of those that are never secret. What is
    /// for people (names, metadata) may hold anything, and is left out.
    pub fn with_members(self, body: &[u8]) -> Self {
        let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) else { return self };
        self.with_each(&members)
    }

    /// The same of the element at `place` of a list that is a member of the body.
    pub fn with_members_of(self, body: &[u8], list: &str, place: usize) -> Self {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) else { return self };
        match body.get(list).and_then(|list| list.get(place)) {
            Some(serde_json::Value::Object(members)) => self.with_each(members),
            _ => self,
        }
    }

    fn with_each(self, members: &serde_json::Map<String, serde_json::Value>) -> Self {
        if members.is_empty() {
            return self;
        }
        let names: Vec<_> = members.keys().map(String::as_str).collect();
        let note = self.with("members", names.join(","));
        SHOWN.iter().filter_map(|name| Some((*name, members.get(*name)?))).fold(note, |note, (name, value)| match value
        {
            serde_json::Value::String(text) => note.with(name, text),
            value => note.with(name, value),
        })
    }
}

/// Members of admin bodies whose values the log shows: never secret, and never for people.
pub const SHOWN: [&str; 16] = [
    "account",
    "addresses",
    "amount",
    "currency",
    "disabled",
    "expires_at",
    "issuer",
    "limit",
    "limits",
    "models",
    "overlap",
    "overrides",
    "owner",
    "plan",
    "scopes",
    "ttl_s",
];
/// Members that the log names and does not show: they may hold anything. A member is one of these or of those.
pub const NAMED: [&str; 4] = ["jti", "metadata", "name", "sub"];

impl Entry {
    /// The entry that follows `head`. A clock that has gone back since then is not believed.
    pub fn after(head: Head, note: Note, now: Millis) -> Self {
        let mut entry = Self {
            number: head.number + 1,
            at: now.max(head.at),
            actor: note.actor,
            address: note.address,
            action: note.action,
            target: note.target,
            details: order::map(note.details.into_iter().map(|(name, value)| (name.into_owned(), value))),
            request: note.request.to_string(),
            previous: head.hash,
            hash: Hash::default(),
        };
        entry.hash = entry.right_hash();
        entry
    }

    /// What the next entry must follow.
    pub const fn head(&self) -> Head {
        Head { number: self.number, at: self.at, hash: self.hash }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        parse_hex(&text).map(Self).ok_or_else(|| de::Error::custom("not a hash of 64 hexadecimal digits"))
    }
}
