//! Messages between the edge and a Gate: damaged bytes are refused, or they are calls that an account can answer.

use super::state::START;
use super::{Input, part};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::{Permissions, Scope, Scopes};
use sluice_protocol::auth::principal::{Mark, Network};
use sluice_protocol::hop::gate_call::command::{Action, Command};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::{
    AccountChange, Answer, Answers, Ask, Call, Caller, Envelope, Kept, KeyChange, KeyRecord, Retiring, decode_answers,
    decode_envelope, decode_kept, encode_answers, encode_envelope, encode_kept,
};
use sluice_protocol::id::{AccountId, CommandId, RequestId};
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::schedule::{Schedule, ScheduleRule};
use sluice_protocol::limit::plan::{Limit, PlanTable, Pressure};
use sluice_protocol::limit::state;
use sluice_protocol::request::bodies::chat::Usage;

/// A time, a row of keys and a row of state (the seeds' where they cannot be read), then an envelope or answers.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (now, keys, row) = (input.number(), input.part(), input.part());
    if let Ok(answers) = decode_answers(input.0) {
        assert_eq!(decode_answers(&encode_answers(&answers)).as_ref(), Ok(&answers));
        answers.answers.iter().for_each(said);
    }
    let kept = decode_kept(keys);
    if let Ok(kept) = &kept {
        assert_eq!(decode_kept(&encode_kept(kept)).as_ref(), Ok(kept));
    }
    let Ok(envelope) = decode_envelope(input.0) else { return };
    assert_eq!(decode_envelope(&encode_envelope(&envelope)).as_ref(), Ok(&envelope));
    let kept = kept.unwrap_or_else(|_| Kept { keys: vec![record()], ..Kept::default() });
    let mut account = Account { kept, state: state::decode(row).unwrap_or_default(), ..Account::default() };
    let table = PlanTable::built_in();
    let storage = StorageCounters::default();
    let setting = DecisionContext {
        account: &envelope.account,
        table: &table,
        calendar: Calendar::NONE,
        storage,
        history: History::NONE,
    };
    for now in [now, now.saturating_add(1), now.saturating_add(60_000)] {
        let before = account.clone();
        let (answers, changed) = account.answer_all(&envelope.calls, setting, now);
        assert_eq!(answers.len(), envelope.calls.len());
        assert!(changed.state || account.state == before.state);
        assert!(changed.kept || account.kept == before.kept);
        answers.iter().for_each(said);
        let row = state::encode(&account.state);
        assert_eq!(state::decode(&row).map(|state| state::encode(&state)), Ok(row));
    }
}

/// What the edge makes of an answer.
fn said(answer: &Answer) {
    if let Some(refusal) = answer.refusal() {
        let _ = (refusal.body(), refusal.headers());
    }
}

fn secret() -> SecretHash {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).expect("a pepper of 64 digits");
    ApiKey::mint(&peppers, AccountId([1; 8]), [1; 20]).secret_hash()
}

fn record() -> KeyRecord {
    let permissions = Permissions {
        scopes: Scopes::parse(["chat", "models"]).expect("names of scopes"),
        models: Some(vec![Pattern("m*".into())]),
        addresses: vec![Network::parse("203.0.113.0/24").expect("a range")],
    };
    KeyRecord {
        name: "k".into(),
        overrides: [("minute".into(), 9)].into(),
        limits: own(),
        permissions,
        expires_at: Some(START + 500),
        metadata: [("team".into(), "red".into())].into(),
        retiring: vec![Retiring { secret_hash: secret(), until: START + 9 }],
        ..KeyRecord::new([1; 4], secret(), "registered", START)
    }
}

/// A key's own limits, with every modifier.
fn own() -> Vec<Limit> {
    let window = Window { unit: Unit::Tokens, limit: 9, window_ms: 500 };
    let refill = Refill { amount: 2, every_ms: 7 };
    let bucket = Bucket { unit: Unit::Requests, capacity: 9, refill };
    let rule = ScheduleRule { days: 0b101_0101, from: 60, to: 30, percent: 50 };
    vec![
        Limit { pressure: Some(Pressure { from: 50, percent: 20 }), ..Limit::new("own", window) },
        Limit { schedule: Schedule { offset_minutes: -90, rules: vec![rule] }, ..Limit::new("drip", bucket) },
    ]
}

/// Every call once, in three envelopes; and their answers.
pub fn seeds() -> Vec<Vec<u8>> {
    let caller = Caller::Key { key: [1; 4], secret_hash: secret() };
    let known = Caller::Known { subject: Mark([2; 8]), plan: "vip".into() };
    let request = RequestId([40; 16]);
    let address = Some("203.0.113.9".parse().expect("an address"));
    let admit = |caller: &Caller| {
        let ask = Ask { request, model: "m".into(), pressure: 70, address, ..Ask::smallest(caller.clone()) };
        Call::Admit(Box::new(ask))
    };
    let change = KeyChange { limits: Some(own()), overrides: Some([("own".into(), 3)].into()), ..KeyChange::default() };
    let settle = |outcome| Call::Settle { request, outcome };
    let act = |id, action| Call::Do(Box::new(Command { id: CommandId([id; 8]), expects: None, at: START, action }));
    let set = AccountChange { plan: Some(Some("vip".into())), ..AccountChange::default() };
    let groups = [
        vec![
            admit(&caller),
            settle(Outcome::Served(Some(Usage::new(1, 2).into()))),
            Call::DescribeCaller { caller, address },
        ],
        vec![
            admit(&known),
            Call::Readmit {
                first: request,
                ask: Box::new(Ask { request: request.again(), ..Ask::smallest(known.clone()) }),
            },
            settle(Outcome::NotServed),
            Call::Identify { caller: known, scope: Some(Scope::Models), address: None },
            Call::DescribeAccount,
        ],
        vec![
            act(0, Action::CreateKey(Box::new(KeyRecord { key: [2; 4], ..record() }))),
            act(1, Action::ChangeKey { key: [1; 4], change: Box::new(change) }),
            act(2, Action::RotateKey { key: [1; 4], secret_hash: secret(), until: START + 70 }),
            Call::DescribeKey { key: [1; 4] },
            act(3, Action::ChangeAccount(set.clone())),
            act(4, Action::DeleteKey { key: [1; 4] }),
            act(4, Action::DeleteKey { key: [1; 4] }),
            act(5, Action::DeleteAccount),
            act(6, Action::CreateAccount(set)),
        ],
    ];
    let table = PlanTable::built_in();
    let before = [
        START.to_le_bytes().to_vec(),
        part(&encode_kept(&Kept { keys: vec![record()], ..Kept::default() })),
        part(&super::state::row(2)),
    ]
    .concat();
    let mut seeds = Vec::new();
    for calls in groups {
        let kept = Kept { keys: vec![record()], ..Kept::default() };
        let mut account = Account { kept, ..Account::default() };
        let setting = DecisionContext {
            account: "acct:0101010101010101",
            table: &table,
            calendar: Calendar::NONE,
            storage: StorageCounters::default(),
            history: History::NONE,
        };
        let (answers, _) = account.answer_all(&calls, setting, START);
        let envelope = Envelope { account: setting.account.into(), table: table.version(), calls };
        seeds.push([before.clone(), encode_envelope(&envelope)].concat());
        seeds.push([before.clone(), encode_answers(&Answers { answers, rows_written: 1, lapsed: 2 })].concat());
    }
    seeds
}
