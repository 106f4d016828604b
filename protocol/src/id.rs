//! Names of things: accounts, keys, requests. Each parses from exactly one text form and prints as that form.

use crate::wire::base62;
use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// The unit that owns limits: one Durable Object each. Eight random bytes, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountId(pub [u8; 8]);

impl AccountId {
    /// The name of the account's Gate: `acct:<id>`.
    pub fn gate_name(self) -> String {
        format!("acct:{self}")
    }

    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// One key of one account. It names its account, so whoever knows it finds the Gate without a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    /// The account that the key belongs to.
    pub account: AccountId,
    /// Which of the account's keys: random.
    pub key: [u8; 4],
}

impl KeyId {
    /// Reads `key_<account><key>` in hexadecimal; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("key_")?;
        if !hex.is_ascii() || hex.len() != 24 {
            return None;
        }
        Some(Self { account: AccountId::parse(&hex[..16])?, key: parse_hex(&hex[16..])? })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{}", self.account)?;
        write_hex(f, &self.key)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a key id"))
    }
}

/// One request, made by the edge from 16 random bytes; `req_` and 22 base62 characters. Admit and settle are keyed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// The id of the same request when its Gate is asked a second time: what was granted under the first is used up. It
    /// differs in the half by which settled requests are remembered.
    pub const fn again(mut self) -> Self {
        self.0[0] ^= 0x80;
        self
    }

    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        base62::decode(text.strip_prefix("req_")?).map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", base62::encode(&self.0))
    }
}

/// One of OpenAI's responses: `resp_` and the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResponseId(pub RequestId);

impl ResponseId {
    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        RequestId::parse(text.strip_prefix("resp_")?).map(Self)
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resp_{}", self.0)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().try_for_each(|byte| {
        f.write_char(digit(byte >> 4))?;
        f.write_char(digit(byte & 15))
    })
}

/// Lower-case hexadecimal of exactly `N` bytes.
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = parse_byte(pair)?;
    }
    Some(bytes)
}

/// Lower-case hexadecimal of however many bytes.
pub fn parse_hex_all(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    if pairs.remainder().is_empty() { pairs.map(parse_byte).collect() } else { None }
}

fn parse_byte(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some((digit(pair[0])? << 4) | digit(pair[1])?)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}
/// Names one command: random. A Gate remembers the last ones that it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandId(pub [u8; 8]);

/// Names one text that may be replaced: the beginning of its SHA-256. Of a table that is its JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(pub [u8; 8]);

impl Version {
    /// Of no table: whoever asks does not know which one is in force.
    pub const UNKNOWN: Self = Self([0; 8]);

    /// The version of a table with this text.
    pub fn of(json: &str) -> Self {
        let digest = Sha256::digest(json);
        Self(digest[..8].try_into().expect("32 bytes hold 8"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
