//! Who calls: an account, and the key or the subject that calls for it.

use crate::id::{AccountId, KeyId, hex};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// The unit that owns limits, by the name of its Gate: `acct:<id>`, `jwt:<issuer>:<hash>` or `ip:<prefix>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(String);

/// Eight bytes that stand for a longer name (a model, a session, a user): the beginning of its SHA-256. Whoever can choose
/// names can make two share a count with some 2^32 tries; they then share it, which lets nothing more through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark(pub [u8; 8]);

/// A range of addresses: `203.0.113.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl AccountName {
    /// The account of a key.
    pub fn of_key(id: AccountId) -> Self {
        Self(format!("acct:{id}"))
    }

    /// The account of a token's subject (or of the claim that names its account).
    pub fn of_token(issuer: &str, subject: &str) -> Self {
        let digest = Sha256::digest(subject);
        Self(format!("jwt:{issuer}:{}", hex(&digest[..16])))
    }

    /// The account of an address: the IPv4 address or the IPv6 /64, which is what one customer has.
    pub fn of_address(address: IpAddr) -> Self {
        match canonical(address) {
            IpAddr::V4(address) => Self(format!("ip:{address}")),
            IpAddr::V6(address) => {
                let prefix = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
                Self(format!("ip:{prefix}/64"))
            }
        }
    }

    /// Reads what an admin writes: 16 hexadecimal digits, or a full name.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(id) = AccountId::parse(text.strip_prefix("acct:").unwrap_or(text)) {
            return Some(Self::of_key(id));
        }
        if let Some(address) = text.strip_prefix("ip:") {
            let address = address.strip_suffix("/64").unwrap_or(address).parse().ok()?;
            return Some(Self::of_address(address)).filter(|account| account.0 == text);
        }
        let (issuer, subject) = text.strip_prefix("jwt:")?.split_once(':')?;
        let good = is_name(issuer) && crate::id::parse_hex::<16>(subject).is_some();
        good.then(|| Self(text.to_owned()))
    }

    /// The name of its Gate.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is that of a token's subject.
    pub fn is_subject(&self) -> bool {
        self.0.starts_with("jwt:")
    }

    /// The id, of an account that holds keys.
    pub fn key_account(&self) -> Option<AccountId> {
        AccountId::parse(self.0.strip_prefix("acct:")?)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The ids of key accounts have always been shown bare.
        f.write_str(self.0.strip_prefix("acct:").unwrap_or(&self.0))
    }
}

impl Mark {
    /// The mark of a name.
    pub fn of(name: &str) -> Self {
        let digest = Sha256::digest(name);
        Self(digest[..8].try_into().expect("32 bytes hold 8"))
    }

    /// The mark of one of an account's keys.
    pub fn of_key(key: [u8; 4]) -> Self {
        let [a, b, c, d] = key;
        Self([a, b, c, d, 0, 0, 0, 0])
    }
}

impl Network {
    /// Reads an address or a range. `None` for anything else, also for more bits than an address has, or bits with a sign or
    /// a zero before them. IPv4 written as IPv6 is IPv4, as long as the range holds nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            None => (text.parse().ok()?, None),
            Some((address, bits)) => {
                let is_plain = bits == "0" || bits.starts_with(|digit: char| ('1'..='9').contains(&digit));
                (address.parse().ok()?, Some(bits.parse::<u8>().ok().filter(|_| is_plain)?))
            }
        };
        let most = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return None;
        }
        match (address, canonical(address)) {
            (IpAddr::V6(_), IpAddr::V4(address)) if bits >= 96 => {
                Some(Self { address: IpAddr::V4(address), bits: bits - 96 })
            }
            _ => Some(Self { address, bits }),
        }
    }

    /// Whether an address is in it. IPv4 addresses written as IPv6 are IPv4 addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, canonical(address)) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same_bits(v4(own), v4(other), self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => same_bits(own.to_bits(), other.to_bits(), self.bits),
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == most { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a range of addresses"))
    }
}

/// Who a grant and a log name: the key's id, or the account of those who have no key.
pub fn subject(account: &AccountName, key: Option<[u8; 4]>) -> String {
    match (account.key_account(), key) {
        (Some(account), Some(key)) => KeyId { account, key }.to_string(),
        _ => account.name().to_owned(),
    }
}

/// Whether a text is a name as plans, limits and issuers have it: 1 to 32 of `a-z`, `0-9` and `-`.
pub fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(good)
}

fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn v4(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits()) << 96
}

fn same_bits(a: u128, b: u128, bits: u8) -> bool {
    (a ^ b).leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_account() {
        let account = |text: &str| AccountName::of_address(text.parse().unwrap()).name().to_owned();
        assert_eq!(account("203.0.113.9"), "ip:203.0.113.9");
        assert_eq!(account("::ffff:203.0.113.9"), "ip:203.0.113.9");
        assert_eq!(account("2001:db8:1:2:3:4:5:6"), "ip:2001:db8:1:2::/64");
        assert_eq!(account("2001:db8:1:2::9"), "ip:2001:db8:1:2::/64");
        assert_ne!(account("2001:db8:1:3::9"), "ip:2001:db8:1:2::/64");
    }

    #[test]
    fn accounts_read_back_and_nothing_else_does() {
        let all = [
            AccountName::of_key(AccountId([7; 8])),
            AccountName::of_token("corp", "user@example"),
            AccountName::of_address("203.0.113.9".parse().unwrap()),
            AccountName::of_address("2001:db8::1".parse().unwrap()),
        ];
        for account in all {
            assert_eq!(AccountName::parse(account.name()), Some(account.clone()));
            assert_eq!(AccountName::parse(&account.to_string()), Some(account));
        }
        for bad in ["", "acct:", "acct:07", "jwt:corp", "jwt:CORP:00", "ip:x", "ip:2001:db8::1/64", "other:1"] {
            assert_eq!(AccountName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let cases = [
            ("203.0.113.0/24", "203.0.113.200", true),
            ("203.0.113.0/24", "203.0.114.1", false),
            ("203.0.113.7", "::ffff:203.0.113.7", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
        ];
        for (network, address, inside) in cases {
            assert_eq!(
                Network::parse(network).unwrap().contains(address.parse().unwrap()),
                inside,
                "{network} {address}"
            );
        }
        for bad in ["", "203.0.113.0/33", "2001:db8::/129", "203.0.113/24", "x/1"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
