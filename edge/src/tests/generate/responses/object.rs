//! What an account's object answers, message by message.

use super::stage;
use crate::hop::responses::ask;
use crate::platform::scripted::Faults;
use crate::tests::stage::{ADDRESS, Stage};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::responses_call::{KeptResponse, MAX_BYTES, MAX_RESPONSES, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::{RequestId, ResponseId};
use std::cell::RefCell;
use std::rc::Rc;

/// A message that comes late or twice: what is there stays as it was, and what is deleted does not come back.
#[test]
fn what_comes_again_changes_nothing() {
    let stage = stage(0);
    let account = AccountName::of_address(ADDRESS.parse().expect("an address"));
    let id = ResponseId(RequestId([1; 16]));
    let keep = |answer: &str| ResponsesCall::Keep {
        id,
        kept: KeptResponse { model: "m".into(), previous: None, input: "[]".into(), answer: answer.into() },
    };
    let get = || ResponsesCall::Get { id, models: Vec::new() };
    let delete = |by| ResponsesCall::Delete { id, models: Vec::new(), request: RequestId([by; 16]) };
    let (first, other) = (r#"{"output":[]}"#, r#"{"output":[1]}"#);
    let answers = asked(
        &stage,
        &account,
        vec![
            keep(first),
            keep(other),
            get(),
            ResponsesCall::Count,
            delete(7),
            keep(first),
            get(),
            delete(7),
            delete(8),
        ],
    );
    let [kept, again, got, counted, deleted, late, gone, repeated, others] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!([kept, again, late].into_iter().all(|answer| *answer == ResponsesAnswer::Kept), "{answers:?}");
    assert!(matches!(got, ResponsesAnswer::Response(kept) if kept.answer == first), "{got:?}");
    assert!(matches!(counted, ResponsesAnswer::Counted(kept) if kept.count == 1), "{counted:?}");
    assert_eq!([deleted, repeated], [&ResponsesAnswer::Deleted; 2]);
    assert_eq!([gone, others], [&ResponsesAnswer::Missing; 2]);
}

#[test]
fn an_account_has_so_many_and_so_much_and_the_oldest_conversation_goes_first() {
    let kept = |previous, size: usize| KeptResponse {
        model: "m".into(),
        previous,
        input: "[]".into(),
        answer: format!(r#"{{"output":[],"x":"{}"}}"#, "x".repeat(size)),
    };
    let number = |place: u64| ResponseId(RequestId(u128::from(place).to_be_bytes()));
    let stage = stage(0);
    let account = AccountName::of_address(ADDRESS.parse().expect("an address"));
    let many: Vec<_> = (0..MAX_RESPONSES + 10).map(|place| (number(place), kept(None, 0))).collect();
    assert_eq!(kept_in(&stage, &account, many), (MAX_RESPONSES, (10..20).map(number).collect()));
    // The one that is gone on with is not the oldest any more.
    let more = vec![(number(5_000), kept(Some(number(10)), 0)), (number(5_001), kept(None, 0))];
    let (count, first) = kept_in(&stage, &account, more);
    assert_eq!((count, first.contains(&number(10)), first.contains(&number(11))), (MAX_RESPONSES, true, false));
    // Large ones take the room of many.
    let large: Vec<_> = (0..80).map(|place| (number(10_000 + place), kept(None, 900 << 10))).collect();
    let fit = MAX_BYTES / ((900 << 10) + 30);
    let (count, _) = kept_in(&stage, &account, large);
    assert!((fit - 1..=fit).contains(&count), "{count} of {fit}");
    let counted = asked(&stage, &account, vec![ResponsesCall::Count]);
    assert!(matches!(counted[..], [ResponsesAnswer::Counted(kept)] if kept.bytes <= MAX_BYTES), "{counted:?}");
}

/// Keeps these, and says how many there are then and which of the lowest ids.
fn kept_in(stage: &Stage, account: &AccountName, all: Vec<(ResponseId, KeptResponse)>) -> (u64, Vec<ResponseId>) {
    let keep = all.into_iter().map(|(id, kept)| ResponsesCall::Keep { id, kept }).collect();
    assert!(asked(stage, account, keep).iter().all(|answer| *answer == ResponsesAnswer::Kept));
    let low: Vec<_> = (0..20).map(|place: u128| ResponseId(RequestId(place.to_be_bytes()))).collect();
    let gets = low.iter().map(|id| ResponsesCall::Get { id: *id, models: Vec::new() });
    let answers = asked(stage, account, gets.chain([ResponsesCall::Count]).collect());
    let Some(ResponsesAnswer::Counted(kept)) = answers.last() else { panic!("{answers:?}") };
    let there = low.into_iter().zip(&answers).filter(|(_, answer)| matches!(answer, ResponsesAnswer::Response(_)));
    (kept.count, there.map(|(id, _)| id).collect())
}

/// What an account's object answers to these, one after the other, a millisecond between two.
fn asked(stage: &Stage, account: &AccountName, calls: Vec<ResponsesCall>) -> Vec<ResponsesAnswer> {
    stage.world.set_faults(Faults { delay_ms: 0, ..Faults::default() });
    let count = calls.len();
    let answers = Rc::new(RefCell::new(Vec::new()));
    let (env, account, told) = (stage.world.env(), account.clone(), answers.clone());
    stage.world.spawn_in(stage.places[0], async move {
        for call in calls {
            crate::platform::sleep(1).await;
            let answer = ask(&env, &account, &call, 10_000).await.expect("nothing goes wrong");
            told.borrow_mut().push(answer);
        }
    });
    assert!(stage.world.run_until(120_000, || answers.borrow().len() == count));
    answers.take()
}
