//! Permissions: ranges of addresses against std's parsing and a bit-by-bit oracle; scopes and models against sets of names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use sluice_protocol::auth::permission::{Access, Denied, Permissions, Scope, Scopes, parse_addresses, parse_models};
use sluice_protocol::auth::principal::Network;
use std::collections::BTreeSet;

/// An address as a list of bits, IPv4 written as IPv6 as IPv4.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => match v6.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => vec![a, b, c, d],
            all => all.to_vec(),
        },
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// What `contains` is to say, bit by bit.
fn is_in(network: IpAddr, length: usize, address: IpAddr) -> bool {
    let (network, address) = (bits(network), bits(address));
    network.len() == address.len() && (0..length).all(|place| network[place] == address[place])
}

fn v4() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).into())
}

/// Addresses of IPv6 that are not IPv4 in disguise.
fn v6() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 16]>()
        .prop_map(Ipv6Addr::from)
        .prop_filter("mapped", |v6| v6.to_ipv4_mapped().is_none())
        .prop_map(Into::into)
}

/// A network, its length in bits, and an address that shares some of its first bits.
fn near() -> impl Strategy<Value = (IpAddr, usize, IpAddr)> {
    (prop_oneof![v4(), v6()], any::<u8>(), any::<u8>()).prop_map(|(network, length, flipped)| {
        let most = if network.is_ipv4() { 32 } else { 128 };
        let flip = 1_u128 << (usize::from(flipped) % most);
        let address = match network {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() ^ flip as u32).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() ^ flip).into(),
        };
        (network, usize::from(length) % (most + 1), address)
    })
}

proptest! {
    #[test]
    fn a_range_holds_what_the_oracle_says((network, length, other) in near(), far in prop_oneof![v4(), v6()]) {
        let text = format!("{network}/{length}");
        let range = Network::parse(&text).unwrap();
        for address in [network, other, far] {
            prop_assert_eq!(range.contains(address), is_in(network, length, address), "{} {}", text, address);
            if let IpAddr::V4(v4) = address {
                prop_assert_eq!(range.contains(v4.to_ipv6_mapped().into()), is_in(network, length, address));
            }
        }
        prop_assert_eq!(Network::parse(&range.to_string()), Some(range));
        let json = serde_json::to_string(&range).unwrap();
        prop_assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), range);
    }

    #[test]
    fn only_what_std_reads_is_an_address(text in "[0-9a-f:./+ ]{0,24}", bits in "[0-9+ -]{0,4}") {
        prop_assert_eq!(Network::parse(&text).is_some() && !text.contains('/'), text.parse::<IpAddr>().is_ok());
        let with_bits = format!("192.0.2.0/{bits}");
        let plain = (0..=32).any(|number: u8| number.to_string() == bits);
        prop_assert_eq!(Network::parse(&with_bits).is_some(), plain, "{}", with_bits);
    }

    #[test]
    fn scopes_are_sets_of_names(names in prop::collection::vec(prop::sample::select(Scope::ALL.map(Scope::name).to_vec()), 0..8)) {
        let scopes = Scopes::parse(names.iter().copied()).unwrap();
        let set: BTreeSet<_> = names.iter().copied().collect();
        for scope in Scope::ALL {
            prop_assert_eq!(scopes.contains(scope), set.contains(scope.name()));
        }
        let json = serde_json::to_value(scopes).unwrap();
        prop_assert_eq!(json.as_array().unwrap().len(), set.len());
        prop_assert_eq!(serde_json::from_value::<Scopes>(json).unwrap(), scopes);
    }

    /// Whoever hands out a part of what it may never hands out more, whatever the models are called.
    #[test]
    fn what_is_covered_is_allowed(
        whole in prop::option::of(prop::collection::vec("[ab]{0,2}[*]?", 1..3)),
        part in prop::option::of(prop::collection::vec("[ab]{0,2}[*]?", 1..3)),
        name in "[ab]{0,4}",
    ) {
        let permissions = |names: &Option<Vec<String>>| {
            let models = |names: &Vec<String>| parse_models(names.iter().filter(|name| !name.is_empty()).map(String::as_str)).unwrap();
            Permissions { models: names.as_ref().map(models), ..Permissions::default() }
        };
        let (whole, part) = (permissions(&whole), permissions(&part));
        if whole.covers(&part).is_ok() && part.allows_model(&name) {
            prop_assert!(whole.allows_model(&name), "{:?} {:?} {}", whole, part, name);
        }
        prop_assert!(whole.covers(&whole).is_ok());
    }
}

#[test]
fn each_part_is_asked() {
    let permissions = Permissions {
        scopes: Scopes::parse(["chat", "models"]).unwrap(),
        models: Some(parse_models(["qwen3", "small-*"]).unwrap()),
        addresses: parse_addresses(["203.0.113.0/24", "2001:db8::/32"]).unwrap(),
    };
    let check =
        |scope, model, address: &str| permissions.check(&Access { scope, model, address: address.parse().ok() });
    let chat = Some(Scope::Chat);
    assert_eq!(check(chat, Some("qwen3"), "203.0.113.9"), Ok(()));
    assert_eq!(check(chat, Some("small-1"), "2001:db8::9"), Ok(()));
    assert_eq!(check(None, None, "::ffff:203.0.113.9"), Ok(()));
    assert_eq!(check(Some(Scope::Tokens), None, "203.0.113.9"), Err(Denied::Scope(Scope::Tokens)));
    assert_eq!(check(chat, Some("qwen3x"), "203.0.113.9"), Err(Denied::Model));
    assert_eq!(check(chat, Some("Qwen3"), "203.0.113.9"), Err(Denied::Model), "names are compared letter by letter");
    assert_eq!(check(chat, Some("qwen3"), "203.0.114.9"), Err(Denied::Address));
    assert_eq!(check(chat, Some("qwen3"), "no address"), Err(Denied::Address), "nobody knows from where");
    assert_eq!(Permissions { scopes: Scopes::NONE, ..Permissions::default() }.check(&Access::default()), Ok(()));
    for bad in ["Chat", "chat ", "", "сhat", "chat,models", "all", "*"] {
        assert_eq!(Scopes::parse([bad]), Err(bad));
    }
    for bad in [
        "203.0.113.0/-1",
        "203.0.113.0/+8",
        "203.0.113.0/08",
        "203.0.113.0/ 8",
        "203.0.113.0/",
        "203.0.113.0/8/8",
        "10.1",
        "010.0.0.1",
        "fe80::1%eth0",
        "::ffff:1.2.3.4/129",
        "１.2.3.4",
        "localhost",
    ] {
        assert_eq!(parse_addresses([bad]), Err(bad));
    }
}

#[test]
fn ipv4_written_as_ipv6_is_ipv4() {
    for (text, shown) in [
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ] {
        assert_eq!(Network::parse(text).unwrap().to_string(), shown);
    }
}
