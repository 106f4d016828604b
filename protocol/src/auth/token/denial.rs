//! Tokens and subjects that are refused although their issuer still vouches for them.

use super::MAX_NAME_BYTES;
use crate::auth::principal::is_name;
use crate::id::{Version, hex, parse_hex};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// How many there may be: every isolate keeps all of them.
pub const MAX_DENIALS: usize = 10_000;

/// Which claim is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DenialKind {
    /// One token.
    Jti,
    /// All tokens of one subject.
    Sub,
}

/// The name of a denial: 32 hexadecimal digits, made of issuer, kind and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DenialId(pub [u8; 16]);

/// One denial, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Its name.
    pub id: DenialId,
    /// The issuer's name here.
    pub issuer: String,
    /// Which claim is meant.
    pub kind: DenialKind,
    /// The claim's value.
    pub value: String,
    /// Milliseconds since the epoch.
    pub created_at: Millis,
    /// When it ends by itself; null for never.
    pub until: Option<Millis>,
}

/// `GET /admin/v1/denials`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenialList {
    /// All of them, in the order of their names.
    pub data: Vec<Denial>,
}

/// `POST /admin/v1/denials`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDenial {
    /// The issuer's name here.
    pub issuer: String,
    /// Which claim is meant.
    pub kind: DenialKind,
    /// The claim's value.
    pub value: String,
    /// For how many seconds; for ever if it does not say.
    pub ttl_s: Option<u64>,
}

/// All denials in force, as isolates have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denials {
    /// What it changes with.
    pub version: Version,
    until: HashMap<DenialId, Millis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDenial {
    issuer: String,
    jti: Option<String>,
    sub: Option<String>,
    ttl_s: Option<u64>,
}

impl DenialId {
    /// The name of the denial of this value.
    pub fn new(issuer: &str, kind: DenialKind, value: &str) -> Self {
        let kind = match kind {
            DenialKind::Jti => "jti",
            DenialKind::Sub => "sub",
        };
        // An issuer's name has no zero byte in it.
        let digest = Sha256::new().chain_update(issuer).chain_update([0]).chain_update(kind).chain_update([0]);
        let digest = digest.chain_update(value).finalize();
        Self(digest[..16].try_into().expect("32 bytes hold 16"))
    }

    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl CreateDenial {
    /// Reads the body. Exactly one of `jti` and `sub` is named; a denial lasts for at most ten years.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let raw: RawDenial = serde_json::from_slice(body).map_err(|error| {
            let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::InvalidJson };
            Refusal::new(reason, format!("The body is not a denial: {error}"))
        })?;
        let invalid = |param: &'static str, message: &'static str| {
            Err(Refusal::new(Reason::InvalidRequest, message).with_param(param))
        };
        if !is_name(&raw.issuer) {
            return invalid(
                "issuer",
                "`issuer` is the name of an issuer in JWT_ISSUERS, or `sluice` for tokens of our own.",
            );
        }
        let (kind, value) = match (raw.jti, raw.sub) {
            (Some(jti), None) => (DenialKind::Jti, jti),
            (None, Some(sub)) => (DenialKind::Sub, sub),
            _ => return invalid("jti", "Name one of `jti` and `sub`."),
        };
        if !(1..=MAX_NAME_BYTES).contains(&value.len()) {
            return invalid("jti", "`jti` and `sub` are 1 to 256 bytes long.");
        }
        if raw.ttl_s.is_some_and(|ttl| !(1..=MAX_TTL_S).contains(&ttl)) {
            return invalid("ttl_s", "`ttl_s` is a number of seconds, at most ten years.");
        }
        Ok(Self { issuer: raw.issuer, kind, value, ttl_s: raw.ttl_s })
    }

    /// The denial that is asked for.
    pub fn at(self, now: Millis) -> Denial {
        Denial {
            id: DenialId::new(&self.issuer, self.kind, &self.value),
            issuer: self.issuer,
            kind: self.kind,
            value: self.value,
            created_at: now,
            until: self.ttl_s.map(|ttl| now.saturating_add(ttl * 1_000)),
        }
    }
}

impl Denials {
    /// Of these: names, and when they end.
    pub fn new(version: Version, all: impl IntoIterator<Item = (DenialId, Option<Millis>)>) -> Self {
        let until = all.into_iter().map(|(id, until)| (id, until.unwrap_or(Millis::MAX))).collect();
        Self { version, until }
    }

    /// Whether one of these is denied.
    pub fn deny(&self, ids: &[Option<DenialId>], now: Millis) -> bool {
        !self.until.is_empty() && ids.iter().flatten().any(|id| self.until.get(id).is_some_and(|until| now < *until))
    }
}

impl fmt::Display for DenialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for DenialId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DenialId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not the name of a denial"))
    }
}

const MAX_TTL_S: u64 = 10 * 366 * 24 * 60 * 60;
