//! What an isolate remembers of refusals, against the Gate that gave them: whoever is refused from memory, the Gate would refuse,
//! and for that; over random plans, callers of one account, addresses and asks, with answers that come late, and changes.

mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::auth::permission::{Permissions, Scope, parse_addresses};
use sluice_protocol::auth::principal::{self, Mark};
use sluice_protocol::hop::gate_call::command::Action;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::remembered::{Asked, Asker, Remembered, Want};
use sluice_protocol::hop::gate_call::{AccountChange, Answer, Ask, Call, Caller, Kept, KeyChange, KeyRecord};
use sluice_protocol::id::{AccountId, RequestId};
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::Blanket;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per, PlanTable};
use world::World;

const LIMITS: [&str; 9] = [
    r#"{"name":"all","kind":"window","limit":2,"window":"1m"}"#,
    r#"{"name":"short","kind":"window","limit":1,"window":"400ms"}"#,
    r#"{"name":"each","kind":"window","limit":2,"window":"1m","per":"key"}"#,
    r#"{"name":"model","kind":"window","limit":1,"window":"1m","per":"model"}"#,
    r#"{"name":"user","kind":"window","limit":1,"window":"1m","per":"user"}"#,
    r#"{"name":"tokens","kind":"window","unit":"tokens","limit":20,"window":"1m","per":"key"}"#,
    r#"{"name":"bucket","kind":"bucket","capacity":2,"refill":1,"every":"500ms","per":"key"}"#,
    r#"{"name":"once","kind":"parallel","limit":1}"#,
    r#"{"name":"chats","kind":"window","limit":1,"window":"1m","when":{"endpoint":"chat"}}"#,
];
const EXEMPT: [&str; 3] = [
    r#"{"limit":"all","who":["203.0.113.0/24"]}"#,
    r#"{"limit":"each","who":["198.51.100.0/24"]}"#,
    r#"{"limit":"short","who":["key_010101010101010101010101"]}"#,
];
const ADDRESSES: [Option<&str>; 4] = [None, Some("203.0.113.9"), Some("198.51.100.9"), Some("2001:db8::9")];
const NAME: &str = "acct:0101010101010101";
const START: u64 = 1_790_000_000_000;
/// The Gate's clock is ahead of the isolate's.
const AHEAD: u64 = 12_345;

fn table() -> impl Strategy<Value = PlanTable> {
    let limits = || subsequence(LIMITS.to_vec(), 0..=4);
    (limits(), limits(), subsequence(EXEMPT.to_vec(), 0..=EXEMPT.len())).prop_map(|(p, q, exempt)| {
        let plan = |limits: Vec<&str>| format!(r#"{{"lease":"5s","limits":[{}]}}"#, limits.join(","));
        let named: Vec<_> =
            exempt.into_iter().filter(|one| p.iter().chain(&q).any(|limit| limit[..14] == renamed(one))).collect();
        let (p, q) = (plan(p), plan(q));
        let exempt = named.join(",");
        PlanTable::parse(&format!(r#"{{"plans":{{"p":{p},"q":{q},"free":{{"limits":[]}}}},"exempt":[{exempt}]}}"#))
            .unwrap()
    })
}

/// How the limit of an exemption begins in its plan: an exemption of a limit that is nowhere is a mistake.
fn renamed(exemption: &str) -> String {
    exemption.replacen("\"limit\"", "\"name\"", 1).chars().take(14).collect()
}

fn secret(number: u8) -> SecretHash {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    ApiKey::mint(&peppers, AccountId([1; 8]), [number; 20]).secret_hash()
}

/// Those who call for the account; keys 1 to 4 are there at first.
fn callers() -> Vec<Caller> {
    let key = |key, number| Caller::Key { key: [key; 4], secret_hash: secret(number) };
    let subject = |name: &str, plan: &str| Caller::Known { subject: Mark::of(name), plan: plan.into() };
    vec![
        key(1, 1),
        key(2, 2),
        key(3, 3),
        key(4, 4),
        key(1, 9),
        key(7, 7),
        Caller::Short { key: [1; 4], mark: secret(1).mark() },
        Caller::Short { key: [2; 4], mark: secret(2).mark() },
        subject("ann", "p"),
        subject("ann", "q"),
        subject("bob", "p"),
        subject("cy", "free"),
    ]
}

fn account() -> Account {
    let bound = Permissions { addresses: parse_addresses(["203.0.113.0/24"]).unwrap(), ..Permissions::default() };
    let chats = Permissions { scopes: [Scope::Chat].into_iter().collect(), ..Permissions::default() };
    let own = Window { unit: Unit::Requests, limit: 2, window_ms: 60_000 };
    let record = |number: u8, plan: &str| KeyRecord::new([number; 4], secret(number), plan, 1);
    let keys = vec![
        record(1, "p"),
        KeyRecord { permissions: bound, ..record(2, "q") },
        KeyRecord { limits: vec![Limit { per: Per::Key, ..Limit::new("own", own) }], ..record(3, "free") },
        KeyRecord { permissions: chats, expires_at: Some(START + AHEAD + 3_000), ..record(4, "q") },
    ];
    Account { kept: Kept { keys, ..Kept::default() }, ..Account::default() }
}

#[derive(Clone, Debug)]
enum Step {
    /// Who, from where, for what, and how long ago this isolate has asked when its Gate decides.
    Ask {
        who: usize,
        address: usize,
        chat: bool,
        model: bool,
        tokens: u32,
        user: bool,
        ago: u64,
    },
    /// The answer that has been under way the longest arrives.
    Arrive,
    Tick(u64),
    Settle(bool),
    /// An admin changes something: here, or at another isolate.
    Change {
        what: usize,
        number: u8,
        here: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => (prop_oneof![0..12usize, Just(0), Just(1), Just(8)], 0..4usize, any::<[bool; 3]>(), 1..9u32, 0..40u64).prop_map(
            |(who, address, [chat, model, user], tokens, ago)| Step::Ask { who, address, chat, model, tokens, user, ago }
        ),
        16 => Just(Step::Arrive),
        4 => (1..200u64).prop_map(Step::Tick),
        2 => any::<bool>().prop_map(Step::Settle),
        2 => (0..6usize, 1..5u8, any::<bool>()).prop_map(|(what, number, here)| Step::Change { what, number, here }),
    ]
}

fn change(what: usize, number: u8) -> Action {
    let key = [number; 4];
    let of_key = |change| Action::ChangeKey { key, change: Box::new(change) };
    match what {
        0 => of_key(KeyChange { disabled: Some(true), ..KeyChange::default() }),
        1 => of_key(KeyChange { disabled: Some(false), ..KeyChange::default() }),
        2 => of_key(KeyChange { overrides: Some([("all".into(), 50)].into()), ..KeyChange::default() }),
        3 => Action::RotateKey { key, secret_hash: secret(9), until: 0 },
        4 => Action::ChangeAccount(AccountChange { disabled: Some(number == 1), ..AccountChange::default() }),
        _ => of_key(KeyChange { addresses: Some(parse_addresses(["198.51.100.9"]).unwrap()), ..KeyChange::default() }),
    }
}

fn walk(table: PlanTable, steps: &[Step]) -> usize {
    let mut world = World {
        table,
        gate: account(),
        remembered: Remembered::default(),
        now: START,
        next: 0,
        admitted: Vec::new(),
        under_way: Vec::new(),
        given: Vec::new(),
        changed_elsewhere: None,
        hits: 0,
    };
    steps.iter().for_each(|step| world.take(step));
    world.hits
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn whoever_is_refused_from_memory_the_gate_would_refuse(table in table(), steps in vec(step(), 1..160)) {
        walk(table, &steps);
    }
}

/// The property above says little if hardly anything is told from memory.
#[test]
fn much_is_told_from_memory() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let hits: usize = (0..64)
        .map(|_| {
            let tree = (table(), vec(step(), 160..161)).new_tree(&mut runner).unwrap();
            let (table, steps) = tree.current();
            walk(table, &steps)
        })
        .sum();
    assert!(hits > 64 * 4, "{hits}");
}

/// One who is over its limit, and others of the same account whom that limit does not touch.
#[test]
fn a_subject_that_is_over_its_limit_is_refused_alone() {
    let limit = r#"{"name":"each","kind":"window","limit":3,"window":"1h","per":"key"}"#;
    let table = format!(r#"{{"plans":{{"p":{{"limits":[{limit}]}},"free":{{"limits":[]}}}}}}"#);
    let table = PlanTable::parse(&table).unwrap();
    let account = principal::AccountName::of_token("corp", "org");
    let mut gate = Account::default();
    let mut remembered = Remembered::default();
    let mut next = 0;
    let mut ask = |remembered: &mut Remembered, name: &str, plan: &str| {
        let caller = Caller::Known { subject: Mark::of(name), plan: plan.into() };
        let asker = Asker { account: &account, caller: &caller, address: None, table: table.version() };
        if remembered.get(&asker, Want::Admission, START).is_some() {
            return "from memory";
        }
        next += 1;
        let ask = Ask { request: RequestId([next; 16]), ..Ask::smallest(caller.clone()) };
        let setting = DecisionContext {
            account: account.name(),
            table: &table,
            calendar: Calendar::NONE,
            storage: StorageCounters::default(),
            history: History::NONE,
        };
        let (answer, _) = gate.answer(&Call::Admit(Box::new(ask)), setting, START);
        remembered.put(&asker, &answer, Asked { at: START, answered_at: START });
        if matches!(answer, Answer::Admitted(_)) { "admitted" } else { "refused" }
    };
    for expected in ["admitted", "admitted", "admitted", "refused", "from memory"] {
        assert_eq!(ask(&mut remembered, "ann", "p"), expected);
    }
    for number in 0..20 {
        assert_eq!(ask(&mut remembered, &format!("other-{number}"), "p"), "admitted");
        assert_eq!(ask(&mut remembered, &format!("other-{number}"), "free"), "admitted");
    }
    assert_eq!(ask(&mut remembered, "ann", "free"), "admitted", "the same subject under a plan without limits");
}

/// An older isolate that reads a message of a newer one, and the other way round: the first two are what was a boolean.
#[test]
fn what_was_a_boolean_packs_as_one() {
    let pack = |blanket: Blanket| postcard::to_allocvec(&blanket).unwrap();
    assert_eq!([Blanket::No, Blanket::Caller, Blanket::Address].map(pack), [[0], [1], [2]]);
}
