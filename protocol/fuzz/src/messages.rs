//! Messages between the edge and a Gate: damaged bytes are refused, or they are calls that an account can answer.

use super::{Input, part, state::START};
use sluice_protocol::account::{Account, Setting};
use sluice_protocol::bucket::Refill;
use sluice_protocol::chat::Usage;
use sluice_protocol::gate::Outcome;
use sluice_protocol::gate_call::{
    AccountChange, Answer, Ask, Call, Caller, Envelope, KeyChange, KeyRecord, Settings, StorageCounters,
    decode_answers, decode_envelope, decode_keys, encode_answers, encode_envelope, encode_keys,
};
use sluice_protocol::id::{AccountId, RequestId};
use sluice_protocol::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::plan::{Limit, LimitKind, PlanTable, Pressure, Unit};
use sluice_protocol::principal::Mark;
use sluice_protocol::schedule::{Schedule, ScheduleRule};
use sluice_protocol::state;

/// A time, a row of keys and a row of state (the seeds' where they cannot be read), then an envelope or answers.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (now, keys, row) = (input.number(), input.part(), input.part());
    if let Ok(answers) = decode_answers(input.0) {
        assert_eq!(decode_answers(&encode_answers(&answers)).as_ref(), Ok(&answers));
        answers.iter().for_each(said);
    }
    let kept = decode_keys(keys);
    if let Ok((settings, keys)) = &kept {
        assert_eq!(decode_keys(&encode_keys(settings, keys)).as_ref(), Ok(&(settings.clone(), keys.clone())));
    }
    let Ok(envelope) = decode_envelope(input.0) else { return };
    assert_eq!(decode_envelope(&encode_envelope(&envelope)).as_ref(), Ok(&envelope));
    let (settings, keys) = kept.unwrap_or((Settings::default(), vec![record()]));
    let mut account = Account { settings, keys, state: state::decode(row).unwrap_or_default() };
    let table = PlanTable::built_in();
    let storage = StorageCounters::default();
    let setting = Setting { account: &envelope.account, table: &table, storage };
    for now in [now, now.saturating_add(1), now.saturating_add(60_000)] {
        let before = account.clone();
        let (answers, changed) = account.answer_all(&envelope.calls, setting, now);
        assert_eq!(answers.len(), envelope.calls.len());
        assert!(changed.state || account.state == before.state);
        assert!(changed.keys || (&account.keys, &account.settings) == (&before.keys, &before.settings));
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
    KeyRecord {
        key: [1; 4],
        secret_hash: secret(),
        name: "k".into(),
        plan: "registered".into(),
        created_at: START,
        disabled: false,
        overrides: [("minute".into(), 9)].into(),
        limits: own(),
    }
}

/// A key's own limits, with every modifier.
fn own() -> Vec<Limit> {
    let window = LimitKind::Window { unit: Unit::Tokens, limit: 9, window_ms: 500 };
    let refill = Refill { amount: 2, every_ms: 7 };
    let bucket = LimitKind::Bucket { unit: Unit::Requests, capacity: 9, refill };
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
    let admit = |caller: &Caller| {
        Call::Admit(Box::new(Ask { request, model: "m".into(), pressure: 70, ..Ask::smallest(caller.clone()) }))
    };
    let change = KeyChange { limits: Some(own()), overrides: Some([("own".into(), 3)].into()), ..KeyChange::default() };
    let settle = |outcome| Call::Settle { request, outcome };
    let groups = [
        vec![admit(&caller), settle(Outcome::Served(Some(Usage::new(1, 2)))), Call::DescribeCaller { caller }],
        vec![admit(&known), settle(Outcome::NotServed), Call::Identify { caller: known }, Call::DescribeAccount],
        vec![
            Call::PutKey(Box::new(record())),
            Call::ChangeKey { key: [1; 4], change: Box::new(change) },
            Call::DescribeKey { key: [1; 4] },
            Call::ChangeAccount(AccountChange { plan: Some(Some("vip".into())), ..AccountChange::default() }),
            Call::DeleteKey { key: [1; 4] },
        ],
    ];
    let table = PlanTable::built_in();
    let before = [
        START.to_le_bytes().to_vec(),
        part(&encode_keys(&Settings::default(), &[record()])),
        part(&super::state::row(2)),
    ]
    .concat();
    let mut seeds = Vec::new();
    for calls in groups {
        let mut account = Account { keys: vec![record()], ..Account::default() };
        let setting = Setting { account: "acct:0101010101010101", table: &table, storage: StorageCounters::default() };
        let (answers, _) = account.answer_all(&calls, setting, START);
        let envelope = Envelope { account: setting.account.into(), table: table.version(), calls };
        seeds.push([before.clone(), encode_envelope(&envelope)].concat());
        seeds.push([before.clone(), encode_answers(&answers)].concat());
    }
    seeds
}
