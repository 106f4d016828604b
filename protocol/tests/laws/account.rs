//! An account at its Gate: who is known, what an admin changes, and that a group of calls is decided as one by one.

mod bend;
mod budgets;
mod command;
mod group;
mod images;

use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::command::{Action, Command, Effect};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::{
    AccountChange, Answer, Ask, Call, Caller, Envelope, Forbidden, Kept, KeyChange, KeyRecord, decode_envelope,
    decode_kept, encode_envelope, encode_kept,
};
use sluice_protocol::id::{AccountId, CommandId, RequestId};
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::plan::{Limit, PlanTable, Pressure};
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::usage::Whose;
use sluice_protocol::usage::refusals::RefusalCount;
use sluice_protocol::usage::report::UsageQuery;
use std::sync::atomic::{AtomicU64, Ordering};

fn secret(key: u8) -> SecretHash {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    ApiKey::mint(&peppers, AccountId([1; 8]), [key; 20]).secret_hash()
}

fn caller(key: u8) -> Caller {
    Caller::Key { key: [key; 4], secret_hash: secret(key) }
}

fn record(key: u8, plan: &str) -> KeyRecord {
    KeyRecord { name: "k".into(), ..KeyRecord::new([key; 4], secret(key), plan, 1) }
}

fn account(plan: &str) -> Account {
    Account { kept: kept(vec![record(1, plan), record(2, plan)]), ..Account::default() }
}

fn kept(keys: Vec<KeyRecord>) -> Kept {
    Kept { keys, ..Kept::default() }
}

/// A command that was never sent before.
fn command(action: Action) -> Call {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = CommandId(NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    Call::Do(Box::new(Command { id, expects: None, at: 0, action }))
}

fn change_key(key: u8, change: KeyChange) -> Call {
    command(Action::ChangeKey { key: [key; 4], change: Box::new(change) })
}

fn change_account(change: AccountChange) -> Call {
    command(Action::ChangeAccount(change))
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Did(Effect::Key(_) | Effect::Account(_)))
}

fn ask(key: u8, id: u16) -> Ask {
    let mut request = [0; 16];
    request[..2].copy_from_slice(&id.to_le_bytes());
    Ask { request: RequestId(request), model: "m".into(), max_tokens: Some(4), ..Ask::smallest(caller(key)) }
}

fn table(limits: &str) -> PlanTable {
    PlanTable::parse(&format!(r#"{{"plans":{{"p":{{"lease":"5s","limits":[{limits}]}},"q":{{"limits":[]}}}}}}"#))
        .unwrap()
}

fn setting(table: &PlanTable) -> DecisionContext<'_> {
    DecisionContext {
        account: "acct:0101010101010101",
        table,
        calendar: Calendar::NONE,
        storage: StorageCounters::default(),
        history: History::NONE,
    }
}

/// How many requests of a key pass at once.
fn passes(account: &mut Account, table: &PlanTable, key: u8, from: u16) -> u16 {
    let mut admitted = 0;
    while matches!(
        account.answer(&Call::Admit(Box::new(ask(key, from + admitted))), setting(table), 1_000).0,
        Answer::Admitted(_)
    ) {
        admitted += 1;
    }
    admitted
}

/// What an account has refused, by its keys and limits.
fn refused(account: &mut Account, table: &PlanTable, now: u64) -> u64 {
    let query = Box::new(UsageQuery { hours: 0..1_000, by: Vec::new(), key: None, after: None });
    match account.answer(&Call::DescribeUsage { asker: None, query }, setting(table), now).0 {
        Answer::Usage(report) => report.groups.iter().flat_map(|group| group.refused.values()).sum(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_that_comes_twice_is_told_once_and_in_no_hour_to_come() {
    let table = table(WINDOW);
    let mut account = account("p");
    assert_eq!(passes(&mut account, &table, 1, 0), 3);
    assert_eq!(refused(&mut account, &table, 1_000), 1);
    for _ in 0..3 {
        account.answer(&Call::Admit(Box::new(ask(1, 3))), setting(&table), 1_000);
    }
    assert_eq!(refused(&mut account, &table, 1_000), 1, "the same request");
    let whose = Whose::of_key(Mark::of_key([1; 4]));
    let note = |id: u8, hour: u64| Call::NoteRefusals {
        id: RequestId([id; 16]),
        refusals: vec![RefusalCount { hour, whose: whose.clone(), limit: "w".into(), count: 7 }],
    };
    for (id, hour) in [(100, 0), (100, 0), (101, 500)] {
        account.answer(&note(id, hour), setting(&table), 1_000);
    }
    assert_eq!(refused(&mut account, &table, 1_000), 1 + 7 + 7);
    // An isolate's clock that is ahead makes no hour of its own.
    account.answer(&Call::Admit(Box::new(ask(2, 200))), setting(&table), 90_000);
    assert_eq!(account.state.hours().now().cells.iter().flat_map(|cell| cell.refused.values()).sum::<u64>(), 15);
}

/// An account that is deleted has used what it has used.
#[test]
fn what_a_deleted_account_used_is_told() {
    let table = table(WINDOW);
    let mut account = account("p");
    let used = Outcome::Served(Some(Usage::new(5, 2).into()));
    account.answer(&Call::Admit(Box::new(ask(1, 0))), setting(&table), 1_000);
    account.answer(&Call::Settle { request: ask(1, 0).request, outcome: used }, setting(&table), 1_000);
    let delete = Command { id: CommandId([9; 8]), expects: None, at: 1_000, action: Action::DeleteAccount };
    account.answer(&Call::Do(Box::new(delete)), setting(&table), 1_000);
    let finished = account.state.take_finished();
    assert_eq!(finished.iter().flat_map(|hour| &hour.cells).map(|cell| cell.sum.prompt_tokens).sum::<u64>(), 5);
    assert_eq!(account.state.totals().served, 0);
    // Whatever comes later has another row.
    assert!(account.state.hours().now().number > finished[0].number);
}

const WINDOW: &str = r#"{"name":"w","kind":"window","limit":3,"window":"1m"}"#;

#[test]
fn keys_share_their_accounts_limits_and_have_their_own_besides() {
    let table = table(
        r#"{"name":"all","kind":"window","limit":5,"window":"1m"},
           {"name":"each","kind":"window","limit":3,"window":"1m","per":"key"}"#,
    );
    let mut account = account("p");
    assert_eq!(passes(&mut account, &table, 1, 0), 3, "its own");
    assert_eq!(passes(&mut account, &table, 2, 100), 2, "what is left of the account's");
}

#[test]
fn overrides_of_a_key_go_before_those_of_its_account() {
    let table = table(WINDOW);
    let mut account = account("p");
    let change = AccountChange { overrides: Some([("w".into(), 5)].into()), ..AccountChange::default() };
    account.answer(&change_account(change), setting(&table), 0);
    assert_eq!(passes(&mut account, &table, 1, 0), 5);
    let change = KeyChange { overrides: Some([("w".into(), 7)].into()), ..KeyChange::default() };
    account.answer(&change_key(1, change), setting(&table), 0);
    assert_eq!(passes(&mut account, &table, 1, 100), 2, "the seven count the five");
    assert_eq!(passes(&mut account, &table, 2, 200), 0, "the other key still has the account's five");
}

#[test]
fn a_keys_own_limits_are_about_that_key() {
    let table = table(WINDOW);
    let mut account = account("q");
    let limits = sluice_protocol::limit::plan::limits_from_json(
        "limits",
        &serde_json::json!([{"name": "own", "kind": "window", "limit": 2, "window": "1m"}]),
    );
    let change = KeyChange { limits: Some(limits.unwrap()), ..KeyChange::default() };
    let changed = account.answer(&change_key(1, change), setting(&table), 0);
    assert!(is_done(&changed.0));
    assert_eq!(passes(&mut account, &table, 1, 0), 2);
    let call = Call::Admit(Box::new(ask(2, 900)));
    assert!(matches!(account.answer(&call, setting(&table), 1_000).0, Answer::Admitted(_)));
}

/// Found by the fuzzer: limits travel in messages, and a bucket that never drains divided by zero.
#[test]
fn limits_that_cannot_be_are_refused_with_their_message() {
    let with = |limit: Limit| {
        let record = KeyRecord { limits: vec![limit], ..record(1, "p") };
        let calls = vec![command(Action::CreateKey(Box::new(record.clone()))), Call::Admit(Box::new(ask(1, 1)))];
        let message = Envelope { account: "acct:0101010101010101".into(), table: table("").version(), calls };
        (decode_envelope(&encode_envelope(&message)), decode_kept(&encode_kept(&kept(vec![record]))))
    };
    let refill = |amount, every_ms| {
        let kind = Bucket { unit: Unit::Requests, capacity: 5, refill: Refill { amount, every_ms } };
        with(Limit::new("own", kind))
    };
    for (message, row) in [refill(0, 5), refill(5, 0)] {
        assert!(message.is_err() && row.is_err());
    }
    assert!(refill(1, 1).0.is_ok());
    // Absurd, but harmless: the limit shrinks to what it was.
    let pressure = Some(Pressure { from: 10, percent: 250 });
    let (message, _) = with(Limit { pressure, ..Limit::new("own", Parallel { limit: 1 }) });
    assert!(message.is_ok());
    assert_eq!(pressure.map(|pressure| pressure.percent_at(100)), Some(100));
}

#[test]
fn changes_that_name_nothing_are_refused() {
    let table = table(WINDOW);
    let mut account = account("p");
    let change = |change: KeyChange| change_key(1, change);
    let overrides = Some([("nothing".into(), 5)].into());
    let own = sluice_protocol::limit::plan::limits_from_json(
        "limits",
        &serde_json::json!([{"name": "w", "kind": "parallel", "limit": 2}]),
    );
    for bad in [
        change(KeyChange { overrides, ..KeyChange::default() }),
        change(KeyChange { limits: Some(own.unwrap()), ..KeyChange::default() }),
    ] {
        let before = account.clone();
        let (answer, changed) = account.answer(&bad, setting(&table), 0);
        assert_eq!(answer.refusal().unwrap().reason, Reason::InvalidRequest);
        assert!(!changed.kept && account == before);
    }
    let gone = change_key(9, KeyChange::default());
    assert_eq!(account.answer(&gone, setting(&table), 0).0, Answer::NotFound);
}

#[test]
fn numbers_of_an_account_are_for_limits_that_some_plan_or_key_has() {
    let table = table(WINDOW);
    let mut account = account("q");
    account.kept.keys[1].limits = vec![Limit::new("own", Parallel { limit: 1 })];
    let mut set = |names: &[&str], disabled| {
        let overrides = names.iter().map(|name| ((*name).to_owned(), 5)).collect();
        let change = AccountChange { overrides: Some(overrides), disabled, ..AccountChange::default() };
        let before = account.clone();
        let (answer, changed) = account.answer(&change_account(change), setting(&table), 0);
        assert_eq!(changed.kept, account != before);
        (answer, changed.kept)
    };
    // No key of the account has that plan, but a token's subject or a key to come may.
    let (answer, changed) = set(&["w", "own"], None);
    assert!(is_done(&answer) && changed);
    let (answer, changed) = set(&["w", "wx"], Some(true));
    let refusal = answer.refusal().unwrap();
    assert_eq!((refusal.reason, changed), (Reason::InvalidRequest, false), "all of the change or nothing");
    assert!(refusal.message.contains("`wx`"), "{}", refusal.message);
    // Numbers that were set stay, whatever becomes of the plans, and are in nobody's way.
    account.kept.settings.overrides = [("gone".into(), 5)].into();
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    assert!(is_done(&account.answer(&change_account(change), setting(&table), 0).0));
}

#[test]
fn who_is_disabled_is_refused_until_enabled() {
    let table = table(WINDOW);
    let mut account = account("p");
    let set = |disabled| change_account(AccountChange { disabled: Some(disabled), ..AccountChange::default() });
    account.answer(&set(true), setting(&table), 0);
    let call = Call::Admit(Box::new(ask(1, 1)));
    assert_eq!(account.answer(&call, setting(&table), 0).0, Answer::Disabled);
    account.answer(&set(false), setting(&table), 0);
    assert!(matches!(account.answer(&call, setting(&table), 0).0, Answer::Admitted(_)));
}

/// Never no limit: a plan that is gone refuses, also when it is the account's own.
#[test]
fn a_plan_that_does_not_exist_refuses() {
    let (table, mut account) = (table(WINDOW), account("gone"));
    let call = Call::Admit(Box::new(ask(1, 1)));
    let refused = account.answer(&call, setting(&table), 0).0;
    assert_eq!(refused, Answer::UnknownPlan("gone".into()));
    assert_eq!(refused.refusal().unwrap().reason, Reason::Misconfigured);
    let change = AccountChange { plan: Some(Some("gone".into())), ..AccountChange::default() };
    assert_eq!(account.answer(&change_account(change), setting(&table), 0).0, Answer::UnknownPlan("gone".into()));
}

#[test]
fn exemptions_are_for_accounts_keys_and_addresses() {
    let with = |who: &str| {
        let table =
            format!(r#"{{"plans":{{"p":{{"limits":[{WINDOW}]}}}},"exempt":[{{"limit":"w","who":["{who}"]}}]}}"#);
        PlanTable::parse(&table).unwrap()
    };
    let ten = |table: &PlanTable, address: &str| {
        let mut account = account("p");
        let ask = |id| Ask { address: Some(address.parse().unwrap()), ..ask(1, id) };
        let admitted = |id| {
            let (answer, _) = account.answer(&Call::Admit(Box::new(ask(id))), setting(table), 0);
            matches!(answer, Answer::Admitted(_))
        };
        (0..10).map(admitted).filter(|admitted| *admitted).count()
    };
    for who in ["0101010101010101", "acct:0101010101010101", "key_010101010101010101010101", "203.0.113.0/24"] {
        assert_eq!(ten(&with(who), "203.0.113.7"), 10, "{who}");
    }
    for who in ["acct:0202020202020202", "key_010101010101010102020202", "198.51.100.0/24"] {
        assert_eq!(ten(&with(who), "203.0.113.7"), 3, "{who}");
    }
}

#[test]
fn a_plans_allowance_is_checked_before_anything_is_counted() {
    let table = PlanTable::parse(
        r#"{"plans":{"p":{"limits":[],"models":["qwen*"],"max_tokens":100,"default_max_tokens":50,"max_input_bytes":1000}}}"#,
    )
    .unwrap();
    let mut account = account("p");
    let good = Ask { model: "qwen3".into(), ..ask(1, 1) };
    for (bad, forbidden) in [
        (Ask { model: "other".into(), ..good.clone() }, Forbidden::Model),
        (Ask { max_tokens: Some(101), ..good.clone() }, Forbidden::MaxTokens(100)),
        (Ask { body_bytes: 1_001, ..good.clone() }, Forbidden::InputBytes(1_000)),
    ] {
        let (answer, changed) = account.answer(&Call::Admit(Box::new(bad)), setting(&table), 0);
        assert_eq!(answer, Answer::NotAllowed { plan: "p".into(), forbidden });
        assert_eq!(answer.refusal().unwrap().reason, Reason::NotAllowed);
        assert!(!changed.state);
    }
    let Answer::Admitted(admission) =
        account.answer(&Call::Admit(Box::new(Ask { max_tokens: None, ..good })), setting(&table), 0).0
    else {
        panic!("admitted")
    };
    assert_eq!((admission.max_tokens, admission.tokens), (50, 0));
}

/// Whatever else has become wrong about a key, it can be disabled.
#[test]
fn a_key_can_be_disabled_when_its_plan_has_changed_under_it() {
    let mut account = account("p");
    account.kept.keys[0].overrides = [("gone".into(), 5)].into();
    account.kept.keys[1].plan = "gone".into();
    for key in [1, 2] {
        let change = KeyChange { disabled: Some(true), ..KeyChange::default() };
        let call = change_key(key, change);
        assert!(is_done(&account.answer(&call, setting(&table(WINDOW)), 0).0));
    }
    assert!(account.kept.keys.iter().all(|record| record.disabled));
}
