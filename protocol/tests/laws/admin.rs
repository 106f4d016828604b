//! What admins write: filters against a naive oracle, pages that go on where they ended, headers, and secrets from seeds.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::admin::{
    AccountPage, CreateKey, CreateKeys, KeyEntry, KeyFilter, KeyPage, PAGE, RotateKey, idempotency_key, version_of_etag,
};
use sluice_protocol::gate_call::{AccountChange, KeyChange};
use sluice_protocol::id::{AccountId, KeyId};
use sluice_protocol::key::{ApiKey, Peppers, Seed};
use sluice_protocol::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};

const NOW: u64 = 1_790_000_000_000;

fn entry() -> impl Strategy<Value = KeyEntry> {
    let names = prop::sample::select(vec!["", "a", "ab", "abc", "ä", "b"]);
    let plans = prop::sample::select(vec!["p", "q"]);
    (0u8..3, 0u8..4, names, plans, any::<bool>(), prop::option::of(0u64..4)).prop_map(
        |(account, key, name, plan, disabled, expires_at)| KeyEntry {
            id: KeyId { account: AccountId([account; 8]), key: [key; 4] },
            account: AccountId([account; 8]).to_string(),
            name: name.into(),
            plan: plan.into(),
            created_at: NOW,
            disabled,
            expires_at,
        },
    )
}

/// A query and the entries that it names, each condition said on its own.
fn query() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let some = |name: &'static str, values: Vec<&'static str>| {
        prop::option::of(prop::sample::select(values))
            .prop_map(move |value| value.map(|value| (name, value.to_owned())))
    };
    let account = prop::option::of(0u8..3)
        .prop_map(|account| account.map(|account| ("account", AccountId([account; 8]).to_string())));
    (
        some("name", vec!["", "a", "ab", "ä", "x"]),
        some("plan", vec!["p", "q", "r"]),
        some("disabled", vec!["true", "false"]),
        some("expires_before", vec!["0", "2", "9"]),
        account,
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn is_meant(entry: &KeyEntry, (name, value): &(&str, String)) -> bool {
    match *name {
        "name" => entry.name.get(..value.len()) == Some(value),
        "plan" => entry.plan == *value,
        "disabled" => entry.disabled.to_string() == *value,
        "expires_before" => matches!(entry.expires_at, Some(at) if at < value.parse::<u64>().unwrap()),
        _ => entry.account == *value,
    }
}

proptest! {
    #[test]
    fn a_filter_lets_through_what_meets_each_condition(
        entries in vec(entry(), 0..20), query in query(), order in any::<prop::sample::Index>(),
    ) {
        let mut pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", value.replace('ä', "%C3%A4"))).collect();
        if !pairs.is_empty() {
            let by = order.index(pairs.len());
            pairs.rotate_left(by);
        }
        let page = KeyPage::parse(&pairs.join("&")).unwrap();
        prop_assert_eq!((page.limit, page.after), (PAGE, None));
        for entry in &entries {
            let meant = query.iter().all(|condition| is_meant(entry, condition));
            prop_assert_eq!(page.filter.matches(entry), meant, "{:?} {:?}", query, entry);
        }
        prop_assert!(entries.iter().all(|entry| KeyFilter::default().matches(entry)));
    }

    #[test]
    fn any_query_is_read_or_refused_without_a_panic(text in any::<String>()) {
        for refused in [KeyPage::parse(&text).err(), AccountPage::parse(&text).err()].into_iter().flatten() {
            prop_assert_eq!(refused.reason, Reason::InvalidRequest);
        }
    }

    #[test]
    fn any_body_is_read_or_refused_without_a_panic(bytes in vec(any::<u8>(), 0..60), text in r#"\{("(name|plan|scopes|keys|metadata|overlap)":("x"|1|null|\[\]|\{\}),?){0,3}\}"#) {
        let plans = PlanTable::built_in();
        for body in [bytes.as_slice(), text.as_bytes()] {
            let refused: [Option<Refusal>; 5] = [
                CreateKey::parse(body, &plans, NOW).err(),
                CreateKeys::parse(body, &plans, NOW).err(),
                KeyChange::parse(body, &plans, NOW).err(),
                AccountChange::parse(body, &plans).err(),
                RotateKey::parse(body).err(),
            ];
            for refusal in refused.into_iter().flatten() {
                prop_assert!(matches!(refusal.reason, Reason::InvalidRequest | Reason::InvalidJson), "{:?}", refusal);
            }
        }
    }

    /// The same seed gives the same key wherever and whenever it is asked, and anything else in it another one.
    #[test]
    fn a_seed_makes_one_key(
        salt in any::<[u8; 32]>(), other in any::<[u8; 32]>(), place in any::<u32>(), number in prop::option::of(any::<[u8; 4]>()),
    ) {
        prop_assume!(salt != other);
        let read = |text: String| Peppers::parse(&text).unwrap();
        let both = read(format!("2:{},1:{}", "bb".repeat(32), "aa".repeat(32)));
        let old = read(format!("1:{}", "aa".repeat(32)));
        let seed = |salt, epoch| Seed { salt, epoch, at: NOW };
        let account = Some(AccountId([7; 8]));
        let make = |peppers: &Peppers, seed: &Seed, place| ApiKey::derive(peppers, seed, place, account, number);
        let key = make(&old, &seed(salt, 1), place).unwrap();
        prop_assert!(make(&both, &seed(salt, 1), place).unwrap() == key, "its epoch decides, not the newest");
        prop_assert!(ApiKey::parse(&key.reveal(), &both).unwrap() == key);
        prop_assert_eq!(key.id.account, AccountId([7; 8]));
        prop_assert!(number.is_none_or(|number| number == key.id.key));
        let others = [
            make(&both, &seed(salt, 2), place).unwrap(),
            make(&both, &seed(other, 1), place).unwrap(),
            make(&both, &seed(salt, 1), place.wrapping_add(1)).unwrap(),
        ];
        prop_assert!(others.iter().all(|other| !other.secret_hash().matches(&key.secret_hash())));
        prop_assert!(make(&old, &seed(salt, 2), place).is_none(), "a pepper that is not in force");
        let shown = format!("{:?}", seed(salt, 1));
        prop_assert_eq!(shown, "Seed { epoch: 1, at: 1790000000000, .. }");
    }
}

#[test]
fn etags_are_versions_and_nothing_else() {
    let read = |etag: &str| version_of_etag(Some(etag)).map_err(|refusal| refusal.reason);
    assert_eq!(version_of_etag(None), Ok(None));
    for (etag, version) in [("*", None), (" * ", None), ("\"7\"", Some(7)), ("W/\"7\"", Some(7)), (" \"0\" ", Some(0))]
    {
        assert_eq!(read(etag), Ok(version), "{etag:?}");
    }
    for bad in
        ["", "7", "\"7", "7\"", "\"07\"", "\"+7\"", "\"4294967296\"", "\"7\", \"8\"", "\"x\"", "\"\"", "w/\"7\"", "**"]
    {
        assert_eq!(read(bad), Err(Reason::PreconditionFailed), "{bad:?}");
    }
}

#[test]
fn idempotency_keys_are_visible_ascii() {
    let longest = "x".repeat(255);
    for good in ["a", "8f14e45f-ceea-467f-a0f6-2b1c0d8e9a77", "~!\"", longest.as_str()] {
        assert_eq!(idempotency_key(Some(good)), Ok(Some(good)));
    }
    assert_eq!(idempotency_key(None), Ok(None));
    for bad in ["", " ", "a b", "a\tb", "é", "a\u{7f}", &format!("{longest}x")] {
        assert!(idempotency_key(Some(bad)).is_err(), "{bad:?}");
    }
}
