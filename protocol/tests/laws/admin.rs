//! What admins write: filters against a naive oracle, pages that go on where they ended, headers, and secrets from seeds.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::admin::audit::{self, AuditAction, Entry, Head, NAMED, Note, SHOWN};
use sluice_protocol::admin::{
    AUDIT_EXAMINED, AccountPage, AddCredits, AuditFrom, AuditQuery, CreateAccount, CreateKey, CreateKeys, KeyEntry,
    KeyFilter, KeyPage, PAGE, RotateKey, idempotency_key, version_of_etag,
};
use sluice_protocol::auth::key::{ApiKey, Peppers, Seed};
use sluice_protocol::auth::token::CreateDenial;
use sluice_protocol::hop::gate_call::{AccountChange, KeyChange};
use sluice_protocol::id::{AccountId, KeyId, RequestId};
use sluice_protocol::limit::plan::PlanTable;
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

/// The members that a body may have, as the parser itself tells them to whoever sends another one.
fn members_of(parse: impl Fn(&[u8]) -> Refusal, body: &str) -> Vec<String> {
    let message = parse(body.as_bytes()).message.to_string();
    let (_, told) = message.split_once("expected ").unwrap_or_else(|| panic!("{message}"));
    told.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each member of each body of an admin's is named by the log, and its value shown unless it may hold anything; so a member that
/// is renamed, or new, cannot be left out of it.
#[test]
fn every_member_of_every_command_is_in_its_entry() {
    let plans = PlanTable::parse(r#"{"plans": {"p": {"limits": []}}}"#).unwrap();
    let unknown = r#"{"?": 1}"#;
    let bodies = [
        members_of(|body| CreateKey::parse(body, &plans, NOW).unwrap_err(), unknown),
        members_of(|body| CreateKeys::parse(body, &plans, NOW).unwrap_err(), r#"{"keys": [{"?": 1}]}"#),
        members_of(|body| KeyChange::parse(body, &plans, NOW).unwrap_err(), unknown),
        members_of(|body| RotateKey::parse(body).unwrap_err(), unknown),
        members_of(|body| CreateAccount::parse(body, &plans).unwrap_err(), unknown),
        members_of(|body| AccountChange::parse(body, &plans).unwrap_err(), unknown),
        members_of(|body| CreateDenial::parse(body).unwrap_err(), unknown),
        members_of(|body| AddCredits::parse(body).unwrap_err(), unknown),
    ];
    assert_eq!(bodies[3], ["overlap"]);
    for members in &bodies {
        for member in members {
            let body = serde_json::json!({ member: "value" }).to_string();
            let bulk = format!(r#"{{"keys": [{{}}, {body}]}}"#);
            let note = || Note::new("token:ops", AuditAction::KeyChange, "", RequestId([0; 16]));
            let details = note().with_members(body.as_bytes()).details;
            assert_eq!(details, note().with_members_of(bulk.as_bytes(), "keys", 1).details);
            assert_eq!(details["members"], *member);
            let is_shown = details.get(member.as_str()).map(String::as_str) == Some("value");
            let is_named_only = NAMED.contains(&member.as_str());
            assert!(is_shown != is_named_only, "`{member}` is neither shown nor one that may hold anything");
        }
    }
    // And nothing is listed that is no member any more.
    let is_member = |name: &&str| bodies.iter().flatten().any(|member| member == name);
    assert!(SHOWN.iter().chain(&NAMED).all(is_member));
}

/// Pages of a log as short as they may be, forwards and backwards, with and without a filter that few entries match.
#[test]
fn pages_of_the_log_show_each_entry_once_in_either_direction() {
    let mut head = Head::default();
    let log: Vec<Entry> = (1..=2_345u64)
        .map(|number| {
            let action = if number % 700 == 1 { AuditAction::KeyRotate } else { AuditAction::KeyChange };
            let entry = Entry::after(head, Note::new("token:ops", action, "", RequestId([0; 16])), NOW);
            head = entry.head();
            entry
        })
        .collect();
    let read = |asked: &AuditQuery| {
        let (mut asked, mut all, mut pages) = (asked.clone(), Vec::new(), 0);
        loop {
            pages += 1;
            assert!(pages < 100, "it ends");
            let span = asked.span(head.number);
            assert!(span.to.saturating_sub(span.above) <= AUDIT_EXAMINED);
            let is_in = |entry: &&Entry| {
                (span.above + 1..=span.to).contains(&entry.number)
                    && asked.action.is_none_or(|action| action == entry.action)
            };
            let mut found: Vec<u64> = log.iter().filter(is_in).map(|entry| entry.number).collect();
            if span.is_backwards {
                found.reverse();
            }
            let found =
                found.into_iter().take(audit::PAGE + 1).map(|number| log[number as usize - 1].clone()).collect();
            let page = span.page(found, head.number);
            assert!(page.data.len() <= audit::PAGE);
            all.extend(page.data.into_iter().map(|entry| entry.number));
            let Some(next) = page.next else { return all };
            asked.from = if span.is_backwards { AuditFrom::Before(next) } else { AuditFrom::After(next) };
        }
    };
    for action in [None, Some(AuditAction::KeyRotate), Some(AuditAction::PlansPut)] {
        let all = |from: u64, to: u64| -> Vec<u64> {
            let is_meant =
                |entry: &&Entry| (from..=to).contains(&entry.number) && action.is_none_or(|one| one == entry.action);
            log.iter().filter(is_meant).map(|entry| entry.number).collect()
        };
        let asked = |from| AuditQuery { from, action, account: None };
        for start in [0, 1, 99, 100, 101, 1_000, 2_244, 2_245, 2_344, 2_345, 9_999] {
            assert_eq!(read(&asked(AuditFrom::After(start))), all(start + 1, u64::MAX), "after {start}");
            let mut before = all(0, start.max(1) - 1);
            before.reverse();
            assert_eq!(read(&asked(AuditFrom::Before(start))), before, "before {start}");
        }
        let mut backwards = all(0, u64::MAX);
        backwards.reverse();
        assert_eq!(read(&asked(AuditFrom::Before(u64::MAX))), backwards);
    }
}

#[test]
fn a_query_of_the_log_is_read_as_a_whole_or_refused() {
    let parse = |query: &str| AuditQuery::parse(query).map_err(|refusal| refusal.param.unwrap_or_default().to_string());
    assert_eq!(parse("").unwrap(), AuditQuery::default());
    let asked = parse("before=end&action=key.rotate&account=acct:a1a1a1a1a1a1a1a1").unwrap();
    assert_eq!((asked.from, asked.action), (AuditFrom::Before(u64::MAX), Some(AuditAction::KeyRotate)));
    assert_eq!(asked.keys_begin().as_deref(), Some("key_a1a1a1a1a1a1a1a1"));
    assert_eq!(parse("after=7").unwrap().from, AuditFrom::After(7));
    for (bad, param) in [
        ("after=x", "after"),
        ("after=-1", "after"),
        ("before=", "before"),
        ("after=1&before=2", "before"),
        ("after=1&after=2", "after"),
        ("action=rotate", "action"),
        ("account=ann", "account"),
        ("limit=5", "limit"),
    ] {
        assert_eq!(parse(bad).unwrap_err(), param, "{bad}");
    }
}
