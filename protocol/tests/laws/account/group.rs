//! A group of calls is decided as the same calls one by one, with the Gate read back between any two.

use super::{account, ask, caller, change_key, setting, table};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::account::Account;
use sluice_protocol::hop::gate_call::{
    Answers, Call, Envelope, KeyChange, decode_answers, decode_envelope, decode_kept, encode_answers, encode_envelope,
    encode_kept,
};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::state;
use sluice_protocol::request::bodies::chat::Usage;

#[derive(Clone, Debug)]
enum Step {
    Admit(u8, u16),
    Settle(u16, bool),
    Describe(u8),
    Disable(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1u8..4, 0u16..30).prop_map(|(key, id)| Step::Admit(key, id)),
        3 => (0u16..30, any::<bool>()).prop_map(|(id, served)| Step::Settle(id, served)),
        1 => (1u8..3).prop_map(Step::Describe),
        1 => (1u8..3, any::<bool>()).prop_map(|(key, disabled)| Step::Disable(key, disabled)),
    ]
}

fn call(step: &Step) -> Call {
    match *step {
        Step::Admit(key, id) => Call::Admit(Box::new(ask(key, id))),
        Step::Settle(id, served) => {
            let outcome = if served { Outcome::Served(Some(Usage::new(1, 1).into())) } else { Outcome::NotServed };
            Call::Settle { request: ask(1, id).request, outcome }
        }
        Step::Describe(key) => Call::DescribeCaller { caller: caller(key), address: None },
        Step::Disable(key, disabled) => change_key(key, KeyChange { disabled: Some(disabled), ..KeyChange::default() }),
    }
}

proptest! {
    /// Group commit changes nothing: calls that travel and are stored together are answered, and leave the account, exactly
    /// as when each travels alone and the Gate is evicted and read back between any two.
    #[test]
    fn a_group_is_decided_as_one_by_one(groups in vec((vec(step(), 1..12), 0u64..900), 1..8)) {
        let table = table(
            r#"{"name":"w","kind":"window","limit":4,"window":"1s"},
               {"name":"t","kind":"window","unit":"tokens","limit":40,"window":"3s","per":"key"},
               {"name":"p","kind":"parallel","limit":3}"#,
        );
        let (mut grouped, mut single) = (account("p"), account("p"));
        let mut now = 1_000;
        for (steps, wait) in groups {
            now += wait;
            let calls: Vec<Call> = steps.iter().map(call).collect();
            let message = Envelope { account: "acct:0101010101010101".into(), table: table.version(), calls: calls.clone() };
            let arrived = decode_envelope(&encode_envelope(&message)).unwrap();
            prop_assert_eq!(&arrived, &message);
            let (answers, changed) = grouped.answer_all(&arrived.calls, setting(&table), now);
            let mut one_by_one = Vec::new();
            let mut any_changed = false;
            for call in &calls {
                let before = single.state.clone();
                let (answer, changed) = single.answer(call, setting(&table), now);
                prop_assert!(changed.state || before == single.state, "what changed is told, and will be stored");
                any_changed |= changed.state;
                one_by_one.push(answer);
                let kept = decode_kept(&encode_kept(&single.kept)).unwrap();
                // Refusals are in its memory until something is stored.
                let refusals = std::mem::take(&mut single.refusals);
                single = Account { kept, state: state::decode(&state::encode(&single.state)).unwrap(), refusals };
            }
            prop_assert_eq!(changed.state, any_changed);
            let told = Answers { answers, rows_written: 1, lapsed: 2 };
            prop_assert_eq!(&decode_answers(&encode_answers(&told)).unwrap().answers, &one_by_one);
            prop_assert_eq!(&grouped, &single);
        }
    }
}
