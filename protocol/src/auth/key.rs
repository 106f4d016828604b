//! API keys that prove themselves: `slc_` and the base62 of epoch (1 byte) | account (8) | key (4) | secret (16) | tag (8).
//!
//! `tag = HMAC-SHA-256(pepper[epoch], all before it)`, truncated (RFC 2104, section 5). The edge checks it before it does
//! anything else, so a forged, mistyped or retired-epoch key costs no storage operation, and a real one names its Gate
//! without a lookup. The Gate keeps SHA-256 of the secret: 128 random bits need no slow hash.

use crate::id::{AccountId, KeyId, parse_hex};
use crate::wire::base62;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// What every key starts with.
pub const PREFIX: &str = "slc_";
/// How long every key is, in characters.
pub const KEY_LEN: usize = PREFIX.len() + base62::encoded_len(SIGNED + TAG);

/// An authentic key: its tag was checked or it was just minted. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which key of which account.
    pub id: KeyId,
    epoch: u8,
    secret: [u8; SECRET],
    tag: [u8; TAG],
}

/// What the Gate keeps of a secret, and what the edge sends it. Does not print.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct SecretHash([u8; 32]);

/// The peppers in force, newest first: two epochs may live at once, so that keys can be moved from one to the next.
#[derive(Clone)]
pub struct Peppers(Vec<Pepper>);

#[derive(Clone)]
struct Pepper {
    epoch: u8,
    /// The MAC with the pepper's own blocks done: they are a part of each key's tag.
    mac: Hmac<Sha256>,
}

/// What secrets are made from, together with the pepper: whoever has one of the two has nothing. It is kept for a while with a
/// request that may be repeated, so that the repetition is given the same key, and no key is ever kept. Does not print.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seed {
    /// Fresh random bytes.
    pub salt: [u8; 32],
    /// The pepper's epoch.
    pub epoch: u8,
    /// When it was made, milliseconds since the epoch of time.
    pub at: crate::time::Millis,
}

/// Why a text is not a key. Callers are not told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not of the form of a key.
    #[error("not of the form of a key")]
    Malformed,
    /// Its epoch's pepper is not (or no longer) in force.
    #[error("the key's pepper epoch is not in force")]
    RetiredEpoch,
    /// Its tag is wrong: mistyped or made up.
    #[error("the key's tag is wrong")]
    Forged,
}

impl ApiKey {
    /// Makes a new key under the newest pepper. `random` is 20 fresh random bytes: key number and secret.
    pub fn mint(peppers: &Peppers, account: AccountId, random: [u8; 20]) -> Self {
        let pepper = peppers.newest();
        let (key, secret) = random.split_at(4);
        let id = KeyId { account, key: key.try_into().expect("split at 4") };
        let mut minted =
            Self { id, epoch: pepper.epoch, secret: secret.try_into().expect("20 - 4 = 16"), tag: [0; TAG] };
        minted.tag = tag(pepper, &minted.signed());
        minted
    }

    /// Makes a key from a seed: the same one for the same seed, place, account and number. An account and a number that are not
    /// given are made from the seed, too. `None` if the seed's pepper is not in force.
    pub fn derive(
        peppers: &Peppers,
        seed: &Seed,
        place: u32,
        account: Option<AccountId>,
        number: Option<[u8; 4]>,
    ) -> Option<Self> {
        let pepper = peppers.of(seed.epoch)?;
        let mut mac = pepper.mac.clone();
        // Nothing that a tag is made of is as long.
        mac.update(b"sluice key from a seed");
        mac.update(&seed.salt);
        mac.update(&place.to_be_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let account = account.unwrap_or_else(|| AccountId(bytes[..8].try_into().expect("8 bytes")));
        let number = number.unwrap_or_else(|| bytes[8..12].try_into().expect("4 bytes"));
        let secret = bytes[12..12 + SECRET].try_into().expect("12 + 16 bytes are less than 32");
        let id = KeyId { account, key: number };
        let mut made = Self { id, epoch: pepper.epoch, secret, tag: [0; TAG] };
        made.tag = tag(pepper, &made.signed());
        Some(made)
    }

    /// Reads a key and checks its tag in constant time. Touches nothing but its arguments.
    pub fn parse(text: &str, peppers: &Peppers) -> Result<Self, KeyError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(KeyError::Malformed)?;
        let bytes: [u8; SIGNED + TAG] = base62::decode(encoded).ok_or(KeyError::Malformed)?;
        let (signed, found) = bytes.split_at(SIGNED);
        let pepper = peppers.of(signed[0]).ok_or(KeyError::RetiredEpoch)?;
        if !bool::from(tag(pepper, signed).ct_eq(found)) {
            return Err(KeyError::Forged);
        }
        let part = |from: usize, to: usize| &signed[from..to];
        Ok(Self {
            epoch: signed[0],
            id: KeyId {
                account: AccountId(part(1, 9).try_into().expect("8 bytes")),
                key: part(9, 13).try_into().expect("4 bytes"),
            },
            secret: part(13, SIGNED).try_into().expect("16 bytes"),
            tag: found.try_into().expect("the rest is the tag"),
        })
    }

    /// The key's text. It is shown once, when the key is made.
    pub fn reveal(&self) -> String {
        let mut bytes = self.signed().to_vec();
        bytes.extend_from_slice(&self.tag);
        format!("{PREFIX}{}", base62::encode(&bytes))
    }

    /// What the Gate compares.
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }

    fn signed(&self) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        bytes[0] = self.epoch;
        bytes[1..9].copy_from_slice(&self.id.account.0);
        bytes[9..13].copy_from_slice(&self.id.key);
        bytes[13..].copy_from_slice(&self.secret);
        bytes
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, ..)", self.id)
    }
}

impl SecretHash {
    /// The hash itself.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("epoch", &self.epoch).field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

// Equality is for states that are compared whole in tests; authentication uses `matches`.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}
impl Eq for SecretHash {}

impl Peppers {
    /// Reads `<epoch>:<64 hexadecimal digits>[,<epoch>:<...>]`, newest first, at most two, epochs different.
    /// The error says what is wrong without showing the value.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut peppers = Vec::new();
        for entry in text.split(',') {
            let (epoch, value) = entry.trim().split_once(':').ok_or("must be `<epoch>:<64 hex digits>`")?;
            let epoch = epoch.parse().map_err(|_| "an epoch must be a number from 0 to 255")?;
            let value: [u8; 32] = parse_hex(value).ok_or("a pepper must be 64 lower-case hexadecimal digits")?;
            if peppers.iter().any(|pepper: &Pepper| pepper.epoch == epoch) {
                return Err("two peppers have the same epoch");
            }
            let mac = Hmac::new_from_slice(&value).expect("HMAC takes keys of any length");
            peppers.push(Pepper { epoch, mac });
        }
        if peppers.len() > 2 {
            return Err("at most two epochs live at once");
        }
        Ok(Self(peppers))
    }

    /// The epoch of new keys.
    pub fn newest_epoch(&self) -> u8 {
        self.newest().epoch
    }

    fn newest(&self) -> &Pepper {
        self.0.first().expect("parse yields at least one pepper: split never yields none")
    }

    fn of(&self, epoch: u8) -> Option<&Pepper> {
        self.0.iter().find(|pepper| pepper.epoch == epoch)
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pepper| pepper.epoch)).finish()
    }
}

fn tag(pepper: &Pepper, signed: &[u8]) -> [u8; TAG] {
    let mut mac = pepper.mac.clone();
    mac.update(signed);
    mac.finalize().into_bytes()[..TAG].try_into().expect("32 bytes hold 8")
}

const SECRET: usize = 16;
const SIGNED: usize = 1 + 8 + 4 + SECRET;
const TAG: usize = 8;
