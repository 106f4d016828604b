//! What an admin does to an account: once, in order, bound to a version; and what a key's record allows.

use super::{WINDOW, account, ask, caller, change_account, command, is_done, record, secret, setting, table};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::account::Account;
use sluice_protocol::auth::permission::{Denied, Permissions, Scope, Scopes, parse_addresses, parse_models};
use sluice_protocol::hop::gate_call::command::Action;
use sluice_protocol::hop::gate_call::{
    AccountChange, Answer, Ask, Call, Caller, KeyChange, KeyRecord, MAX_KEPT_BYTES, decode_kept, encode_kept,
};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::state;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::endpoint::Endpoint;

/// What a rotated key's secrets are to be good for, said plainly: each from when it was made until the end that its own
/// rotation or a later one has set, whichever is first.
#[derive(Default)]
struct Secrets(Vec<(u8, u64)>);

impl Secrets {
    fn rotate(&mut self, fresh: u8, until: u64) {
        self.0.iter_mut().for_each(|(_, end)| *end = (*end).min(until));
        self.0.push((fresh, u64::MAX));
    }

    fn good(&self, secret: u8, now: u64) -> bool {
        self.0.iter().any(|(one, until)| *one == secret && now < *until)
    }
}

proptest! {
    /// Whatever is rotated when and for how long: of the secrets whose time is not over the newest ones are good, the newest
    /// always, and no other; also when a command comes again, and when the Gate reads its row back between any two.
    #[test]
    fn rotation_overlaps_and_ends(
        steps in vec((0u64..50, prop_oneof![Just(0), 1u64..120], any::<bool>()), 1..12),
        expires in prop::option::of(0u64..400),
    ) {
        let table = table("");
        let mut account = account("p");
        account.kept.keys[0].expires_at = expires;
        let mut secrets = Secrets(vec![(1, u64::MAX)]);
        let mut now = 1;
        for (fresh, (wait, overlap, again)) in (10u8..).zip(steps) {
            let action = Action::RotateKey { key: [1; 4], secret_hash: secret(fresh), until: now + overlap };
            let call = command(action);
            let (first, changed) = account.answer(&call, setting(&table), now);
            prop_assert!(is_done(&first) && changed.kept);
            secrets.rotate(fresh, now + overlap);
            account.kept = decode_kept(&encode_kept(&account.kept)).unwrap();
            if again {
                let (second, changed) = account.answer(&call, setting(&table), now);
                prop_assert_eq!(second, first);
                prop_assert!(!changed.kept);
            }
            now += wait;
            let candidates = std::iter::once(1).chain(10..=fresh);
            let live: Vec<_> = candidates.clone().filter(|one| secrets.good(*one, now)).collect();
            // A few at most; the oldest give way.
            let kept: Vec<_> = live.iter().rev().take(5).collect();
            for one in candidates {
                let caller = Caller::Key { key: [1; 4], secret_hash: secret(one) };
                let call = Call::Identify { caller, scope: None, address: None };
                let answer = account.answer(&call, setting(&table), now).0;
                let good = kept.contains(&&one) && expires.is_none_or(|at| now < at);
                prop_assert_eq!(matches!(answer, Answer::Identified(_)), good, "{} at {}: {:?}", one, now, answer);
                prop_assert!(good || matches!(answer, Answer::UnknownCaller | Answer::Expired));
                // And a short token exactly as long as the secret that it was made with.
                let caller = Caller::Short { key: [1; 4], mark: secret(one).mark() };
                let call = Call::Identify { caller, scope: None, address: None };
                let short = account.answer(&call, setting(&table), now).0;
                prop_assert_eq!(matches!(short, Answer::Identified(_)), good, "short, {} at {}: {:?}", one, now, short);
            }
        }
    }

    /// However often and in whatever order the last few commands come again, each is done once: the account ends as if
    /// each had come once, in order.
    #[test]
    fn commands_are_done_once(
        commands in vec((0u8..5, 1u8..4, any::<bool>()), 1..16),
        again in vec((0usize..16, 0usize..16), 0..24),
    ) {
        let table = table(WINDOW);
        let action = |(kind, key, flag): &(u8, u8, bool)| match kind {
            0 => Action::CreateKey(Box::new(record(*key, "p"))),
            1 => Action::DeleteKey { key: [*key; 4] },
            2 => Action::ChangeKey {
                key: [*key; 4],
                change: Box::new(KeyChange { disabled: Some(*flag), ..KeyChange::default() }),
            },
            3 => Action::ChangeAccount(AccountChange { disabled: Some(*flag), ..AccountChange::default() }),
            _ => Action::RotateKey { key: [*key; 4], secret_hash: secret(90 + key), until: 5 },
        };
        let calls: Vec<_> = commands.iter().map(|one| command(action(one))).collect();
        let (mut once, mut often) = (account("p"), account("p"));
        for (place, call) in calls.iter().enumerate() {
            let answer = once.answer(call, setting(&table), 1).0;
            prop_assert_eq!(&often.answer(call, setting(&table), 1).0, &answer);
            // Only what was done is remembered: what was refused may be asked again, and the edge never does.
            let is_done = |call: &Call| matches!(call, Call::Do(command) if once.kept.done.contains(&command.id));
            for (_, before) in again.iter().filter(|(when, _)| *when == place) {
                if let Some(late) = calls[..=place].get(*before).filter(|call| is_done(call)) {
                    let before = often.clone();
                    let (_, changed) = often.answer(late, setting(&table), 1);
                    prop_assert!(!changed.kept && !changed.state && often == before);
                }
            }
            prop_assert_eq!(&once, &often);
        }
    }

    /// Of two admins who change the same version, one does and the other is told.
    #[test]
    fn of_two_changes_to_one_version_one_is_made(versions in vec((0u32..4, any::<bool>()), 1..20)) {
        let table = table(WINDOW);
        let mut account = account("p");
        let (mut of_key, mut of_account) = (1, 0);
        for (place, (expects, is_key)) in versions.into_iter().enumerate() {
            let action = if is_key {
                let change = KeyChange { name: Some(place.to_string()), ..KeyChange::default() };
                Action::ChangeKey { key: [1; 4], change: Box::new(change) }
            } else {
                Action::ChangeAccount(AccountChange { name: Some(place.to_string()), ..AccountChange::default() })
            };
            let Call::Do(mut command) = command(action) else { unreachable!("it makes commands") };
            command.expects = Some(expects);
            let before = account.clone();
            let (answer, _) = account.answer(&Call::Do(command), setting(&table), 1);
            let version = if is_key { &mut of_key } else { &mut of_account };
            if expects == *version {
                prop_assert!(is_done(&answer));
                *version += 1;
            } else {
                prop_assert_eq!(answer, Answer::OtherVersion);
                prop_assert_eq!(&account, &before);
            }
            prop_assert_eq!(account.kept.keys[0].version, of_key);
            prop_assert_eq!(account.kept.settings.version, of_account);
        }
    }
}

#[test]
fn a_key_is_bound_by_its_record_whatever_its_plan_allows() {
    let table = table("");
    let mut account = account("p");
    account.kept.keys[0].permissions = Permissions {
        scopes: Scopes::parse(["chat"]).unwrap(),
        models: Some(parse_models(["m", "q*"]).unwrap()),
        addresses: parse_addresses(["203.0.113.0/24"]).unwrap(),
    };
    let here = "203.0.113.7".parse().ok();
    let good = Ask { address: here, ..ask(1, 1) };
    let denied =
        |ask: Ask, account: &mut Account| match account.answer(&Call::Admit(Box::new(ask)), setting(&table), 1).0 {
            Answer::Denied(denied) => Some(denied),
            Answer::Admitted(admission) => {
                assert!(admission.bounds.is_some(), "whoever decides without the Gate is told");
                None
            }
            other => panic!("{other:?}"),
        };
    let mut with = |change: fn(&mut Ask)| {
        let mut ask = good.clone();
        change(&mut ask);
        let before = account.clone();
        let denied = denied(ask, &mut account);
        assert!(denied.is_none() || account == before, "what is denied counts nothing");
        denied
    };
    assert_eq!(with(|_| ()), None);
    assert_eq!(with(|ask| ask.model = "other".into()), Some(Denied::Model));
    assert_eq!(with(|ask| ask.endpoint = Endpoint::Completions), Some(Denied::Scope(Scope::Completions)));
    assert_eq!(with(|ask| ask.address = "198.51.100.7".parse().ok()), Some(Denied::Address));
    assert_eq!(with(|ask| ask.address = None), Some(Denied::Address));
    let models = Call::Identify { caller: caller(1), scope: Some(Scope::Models), address: here };
    assert_eq!(account.answer(&models, setting(&table), 1).0, Answer::Denied(Denied::Scope(Scope::Models)));
    // Who is not known learns nothing of what would be denied.
    let stranger = Caller::Key { key: [1; 4], secret_hash: secret(77) };
    let call = Call::Identify { caller: stranger, scope: Some(Scope::Models), address: None };
    assert_eq!(account.answer(&call, setting(&table), 1).0, Answer::UnknownCaller);
}

#[test]
fn what_each_key_uses_is_told_apart_and_forgotten_with_the_key() {
    let table = table("");
    let mut account = account("p");
    for (key, id) in [(1, 1), (2, 2), (2, 3)] {
        account.answer(&Call::Admit(Box::new(ask(key, id))), setting(&table), 1);
        let settle =
            Call::Settle { request: ask(1, id).request, outcome: Outcome::Served(Some(Usage::new(10, 1).into())) };
        account.answer(&settle, setting(&table), 2);
        account.state = state::decode(&state::encode(&account.state)).unwrap();
    }
    let used = |account: &mut Account| {
        let Answer::Account(described) = account.answer(&Call::DescribeAccount, setting(&table), 3).0 else {
            panic!("described")
        };
        let of_keys: Vec<_> = described.keys.iter().map(|(_, totals)| totals.served).collect();
        (described.used.served, of_keys)
    };
    assert_eq!(used(&mut account), (3, vec![1, 2]));
    account.answer(&command(Action::DeleteKey { key: [2; 4] }), setting(&table), 4);
    account.answer(&command(Action::CreateKey(Box::new(record(2, "p")))), setting(&table), 4);
    assert_eq!(used(&mut account), (3, vec![1, 0]), "the account has used it all the same");
    account.answer(&command(Action::DeleteAccount), setting(&table), 5);
    assert_eq!(used(&mut account), (0, vec![]));
    let gone = account.answer(&change_account(AccountChange::default()), setting(&table), 6).0;
    assert_eq!(gone, Answer::NotFound);
}

#[test]
fn an_account_stays_small() {
    let table = table("");
    let mut account = account("p");
    let large = || KeyRecord {
        metadata: (0..16).map(|number| (format!("{number:064}"), "x".repeat(4_000))).collect(),
        ..record(0, "p")
    };
    let make = |number: u32| command(Action::CreateKey(Box::new(KeyRecord { key: number.to_be_bytes(), ..large() })));
    let refused = (0..100).find_map(|number| {
        let before = account.clone();
        let (answer, _) = account.answer(&make(number), setting(&table), 0);
        (!is_done(&answer)).then(|| (answer, account == before))
    });
    assert!(matches!(refused, Some((Answer::Unusable(_), true))), "all of it or nothing: {refused:?}");
    assert!(encode_kept(&account.kept).len() <= MAX_KEPT_BYTES);
}
