//! What an isolate remembers of refusals, against the Gate that gave them: whoever is refused from memory, the Gate would refuse,
//! and for that; over random plans, callers of one account, addresses and asks, with answers that come late, and changes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use sluice_protocol::account::{Account, DecisionContext};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::auth::permission::{Denied, Permissions, Scope, parse_addresses};
use sluice_protocol::auth::principal::{self, Mark};
use sluice_protocol::gate_call::command::{Action, Command};
use sluice_protocol::gate_call::description::StorageCounters;
use sluice_protocol::gate_call::remembered::{Asked, Asker, REMEMBER_MS, Remembered, Want};
use sluice_protocol::gate_call::{AccountChange, Answer, Ask, Call, Caller, Identity, Kept, KeyChange, KeyRecord};
use sluice_protocol::id::{AccountId, CommandId, RequestId};
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per, PlanTable};
use sluice_protocol::request::chat::Usage;
use sluice_protocol::request::endpoint::Endpoint;
use std::net::IpAddr;

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

/// A refusal that came: who was refused, from where, and when this isolate had asked.
type Given = (Identity, Option<IpAddr>, Answer, u64);

struct World {
    table: PlanTable,
    gate: Account,
    remembered: Remembered,
    now: u64,
    next: u64,
    admitted: Vec<RequestId>,
    /// Answers under way: to whom, from where, what, and when it was asked.
    under_way: Vec<(Caller, Option<IpAddr>, Answer, u64)>,
    given: Vec<Given>,
    /// When something was changed at another isolate.
    changed_elsewhere: Option<u64>,
    hits: usize,
}

impl World {
    fn setting(&self) -> DecisionContext<'_> {
        DecisionContext { account: NAME, table: &self.table, storage: StorageCounters::default() }
    }

    fn tell(&mut self, call: &Call) -> Answer {
        let mut gate = std::mem::take(&mut self.gate);
        let (answer, _) = gate.answer(call, self.setting(), self.now + AHEAD);
        self.gate = gate;
        answer
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn take(&mut self, step: &Step) {
        let account = principal::AccountName::parse(NAME).unwrap();
        match *step {
            Step::Ask { who, address, chat, model, tokens, user, ago } => {
                let caller = callers().swap_remove(who);
                let address = ADDRESSES[address].map(|address| address.parse().unwrap());
                let mut request = [0; 16];
                request[..8].copy_from_slice(&self.id().to_le_bytes());
                let ask = Ask {
                    request: RequestId(request),
                    endpoint: if chat { Endpoint::Chat } else { Endpoint::Completions },
                    model: if model { "m" } else { "n" }.into(),
                    max_tokens: Some(tokens),
                    user: user.then(|| Mark::of("u")),
                    address,
                    ..Ask::smallest(caller)
                };
                self.ask(&ask, &account, ago);
            }
            Step::Arrive if !self.under_way.is_empty() => {
                let (caller, address, answer, at) = self.under_way.remove(0);
                let asker = Asker { account: &account, caller: &caller, address, table: self.table.version() };
                self.remembered.put(&asker, &answer, Asked { at, answered_at: self.now });
                self.given.push((caller.identity(), address, answer, at));
            }
            Step::Arrive => {}
            Step::Tick(ms) => self.now += ms,
            Step::Settle(served) => {
                let Some(request) = self.admitted.pop() else { return };
                let outcome = if served { Outcome::Served(Some(Usage::new(1, 1).into())) } else { Outcome::NotServed };
                self.tell(&Call::Settle { request, outcome });
                if !served {
                    self.remembered.forget(&account, self.now);
                }
            }
            Step::Change { what, number, here } => {
                let id = CommandId(self.id().to_le_bytes());
                self.tell(&Call::Do(Box::new(Command { id, expects: None, at: 0, action: change(what, number) })));
                match here {
                    true => self.remembered.forget(&account, self.now),
                    false => self.changed_elsewhere = Some(self.now),
                }
            }
        }
    }

    fn ask(&mut self, ask: &Ask, account: &principal::AccountName, ago: u64) {
        let asker = Asker { account, caller: &ask.caller, address: ask.address, table: self.table.version() };
        let found = self.remembered.get(&asker, Want::Admission, self.now);
        let of_identity = self.remembered.get(&asker, Want::Identity, self.now);
        assert!(of_identity.is_none() || of_identity == found, "whoever is not known is not let in either");
        let mut gate = self.gate.clone();
        let (now, _) = gate.answer(&Call::Admit(Box::new(ask.clone())), self.setting(), self.now + AHEAD);
        let Some(found) = found else {
            let answer = self.tell(&Call::Admit(Box::new(ask.clone())));
            if matches!(answer, Answer::Admitted(_)) {
                self.admitted.push(ask.request);
            }
            self.under_way.push((ask.caller.clone(), ask.address, answer, self.now.saturating_sub(ago)));
            return;
        };
        self.hits += 1;
        self.check_source(ask, &found);
        // A change elsewhere is not known here; what was asked before it is gone a second later.
        if self.changed_elsewhere.is_none_or(|at| self.now >= at + REMEMBER_MS) {
            check_same(&found, &now, self.now + AHEAD);
        }
    }

    /// Whatever happened elsewhere: the very same caller was refused so within the last second, and from the same address
    /// where that matters.
    fn check_source(&self, ask: &Ask, found: &Answer) {
        let identity = ask.caller.identity();
        let is_source = |(who, address, answer, asked_at): &Given| {
            let is_same = match (found, answer) {
                (Answer::Limited { refused, .. }, Answer::Limited { refused: given, .. }) => {
                    let at_address = refused.iter().any(|refused| refused.blanket == Blanket::Address);
                    refused == given && (!at_address || *address == ask.address)
                }
                (Answer::Denied(Denied::Address), answer) => answer == found && *address == ask.address,
                _ => answer == found,
            };
            *who == identity && is_same && self.now - asked_at < REMEMBER_MS
        };
        assert!(self.given.iter().any(is_source), "{found:?} for {ask:?}, of {:?}", self.given);
    }
}

/// What is told from memory is what the Gate says now, or what it says of everything that this caller may ask for.
fn check_same(found: &Answer, gate: &Answer, gate_now: u64) {
    match (found, gate) {
        // The request itself is not one that this caller may send: it is refused in any case.
        (Answer::Limited { .. }, Answer::Denied(Denied::Scope(_) | Denied::Model) | Answer::NotAllowed(_)) => {}
        (Answer::Limited { refused, now, .. }, Answer::Limited { refused: again, .. }) => {
            assert!(*now <= gate_now, "the wait is never too short");
            let is_there = |one: &Refused| again.iter().any(|now| now.limit == one.limit && at(now) >= at(one));
            // Of several limits one may let through before the others: then those still refuse.
            let mut binding = refused.iter().filter(|one| at(one) > gate_now).peekable();
            assert!(binding.peek().is_some() && binding.all(is_there), "{refused:?} and {again:?} at {gate_now}");
        }
        _ => assert_eq!(found, gate),
    }
}

fn at(refused: &Refused) -> u64 {
    match refused.passes {
        Passes::At(at) => at,
        Passes::LessFull | Passes::Never => u64::MAX,
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
    #![proptest_config(ProptestConfig::with_cases(256))]

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
        let setting = DecisionContext { account: account.name(), table: &table, storage: StorageCounters::default() };
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
