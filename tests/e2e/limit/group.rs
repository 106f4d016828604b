//! Group commit: requests of one account whose messages travel together, and what each of them is told when that goes wrong.
//!
//! The first message is held on its way. What comes meanwhile waits for it, and travels together once it is answered.

use harness::caller::Whole;
use harness::caller::raw::RawConnection;
use harness::caller::{Caller, hello};
use harness::edge::between::{Fate, Message, To};
use harness::wait::{Door, SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::admin::{CreatedKey, RegistryCall};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::Reason;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Requests of one account: the first one's message is held behind the door, the others wait for its answer.
struct Gathered {
    first: RawConnection,
    others: Vec<RawConnection>,
    door: Door,
}

impl Gathered {
    /// Lets the first message go on, and with its answer all others. Returns what each was told.
    fn release(self) -> (Answer, Vec<Answer>) {
        self.door.open();
        let answer = |connection: RawConnection| connection.answer().from_edge();
        (answer(self.first), self.others.into_iter().map(answer).collect())
    }
}

/// Sends a request of the key, and these once its message is held; `fate` is that of all later messages to its Gate.
fn gather(
    stack: &RunningStack,
    address: SocketAddr,
    key: &CreatedKey,
    others: &[(&str, Value)],
    fate: impl Fn(&Message) -> Fate + Send + Sync + 'static,
) -> Gathered {
    let account = account(key);
    let (door, is_first) = (Door::new(), AtomicBool::new(true));
    let before = asks(stack, key).len();
    stack.between().decide({
        let door = door.clone();
        move |message| match message.to {
            To::Gate if message.envelope().account == account => {
                if message.asks() > 0 && is_first.swap(false, Ordering::SeqCst) {
                    door.pass();
                    return Fate::Pass;
                }
                fate(message)
            }
            _ => Fate::Pass,
        }
    });
    let first = stack.open_chat_at(address, &key.key, &hello(4));
    until_true("the first message is held", SOON, || asks(stack, key).len() == before + 1);
    let others = others.iter().map(|(key, body)| stack.open_chat_at(address, key, body)).collect();
    come_as_far(address, key);
    Gathered { first, others, door }
}

/// An isolate takes up what it is sent in order: when bodies that were sent now have been read and refused, those that were
/// sent before wait where they can wait.
fn come_as_far(address: SocketAddr, key: &CreatedKey) {
    let caller = Caller::new(address);
    for _ in 0..3 {
        caller.chat(Some(&key.key), &json!("not a request")).refused(Reason::InvalidRequest);
    }
}

fn account(key: &CreatedKey) -> String {
    AccountName::of_key(key.id.account).name().to_owned()
}

/// How many requests each message to the key's Gate asked to admit, if any.
fn asks(stack: &RunningStack, key: &CreatedKey) -> Vec<usize> {
    let account = account(key);
    let seen = stack.between().seen();
    let to_gate = seen.iter().filter(|message| message.to == To::Gate && message.envelope().account == account);
    to_gate.map(Message::asks).filter(|asks| *asks > 0).collect()
}

fn alike(key: &CreatedKey, times: usize) -> Vec<(&str, Value)> {
    vec![(key.key.as_str(), hello(4)); times]
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Nothing runs, and this is what the window has counted.
fn check_used(stack: &RunningStack, key: &CreatedKey, used: u32) {
    until_true("all leases are back", SOON, || stack.edge.own(&key.key).live_leases == 0);
    assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), used);
}

fn stack(limit: &str) -> RunningStack {
    let stack = Stack::new().limit(limit).with_between().start();
    stack.script().allow_all();
    stack
}

#[test]
fn who_travelled_in_a_message_that_failed_goes_alone_and_is_decided() {
    let stack = stack("5 per 1h");
    let key = stack.key();
    let fail_groups = |message: &Message| if message.asks() > 1 { Fate::Fail } else { Fate::Pass };
    let gathered = gather(&stack, stack.edge_address(), &key, &alike(&key, 12), fail_groups);
    let (first, others) = gathered.release();
    first.ok();
    for answer in &others {
        if answer.status != 200 {
            answer.clone().refused(Reason::RateLimited);
        }
    }
    assert_eq!(count(&others, 200), 4, "of twelve, beside the first");
    // A message that its Gate failed over is not sent again; each goes alone.
    let mut asks = asks(&stack, &key);
    asks.sort_unstable();
    assert_eq!(asks, [[1].repeat(13), vec![12]].concat());
    check_used(&stack, &key, 5);
    assert_eq!(stack.edge.view(key.id).used.served, 5);
}

#[test]
fn who_travelled_in_a_message_whose_answer_was_lost_is_counted_once() {
    let stack = stack("13 per 1h");
    let key = stack.key();
    let lose_groups = |message: &Message| if message.asks() > 1 { Fate::LoseAnswer } else { Fate::Pass };
    let (first, others) = gather(&stack, stack.edge_address(), &key, &alike(&key, 12), lose_groups).release();
    first.ok();
    assert_eq!((count(&others, 200), asks(&stack, &key)[1]), (12, 12));
    check_used(&stack, &key, 13);
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn a_gate_that_fails_for_all_refuses_each_soon_and_keeps_nothing() {
    let stack = stack("99 per 1h");
    let key = stack.key();
    let gathered = gather(&stack, stack.edge_address(), &key, &alike(&key, 12), |_| Fate::Fail);
    let start = Instant::now();
    let (first, others) = gathered.release();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    first.ok();
    for answer in others {
        answer.refused(Reason::GateUnavailable);
    }
    let mut asks = asks(&stack, &key);
    assert_eq!(asks[1], 12, "they travelled together");
    // Each was sent once with the others and once alone.
    asks.sort_unstable();
    assert_eq!(asks, [[1].repeat(13), vec![12]].concat());
    stack.between().pass();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let sum = || stack.edge.own(&key.key).limits[0].used.whole();
    assert_eq!(sum(), 2);
}

#[test]
fn a_gate_that_has_too_much_to_do_is_not_given_more() {
    let stack = stack("99 per 1h");
    let key = stack.key();
    let gathered = gather(&stack, stack.edge_address(), &key, &alike(&key, 12), |_| Fate::Overload);
    let (first, others) = gathered.release();
    first.ok();
    for answer in others {
        answer.refused(Reason::GateUnavailable);
    }
    assert_eq!(asks(&stack, &key)[..2], [1, 12], "they travelled together");
    assert_eq!(asks(&stack, &key).len(), 2, "and nobody went alone");
}

#[test]
fn who_leaves_in_the_middle_of_a_group_ends_nobody_elses_request() {
    let stack = stack("99 per 1h");
    let key = stack.key();
    let together = Door::new();
    let hold_groups = {
        let together = together.clone();
        move |message: &Message| {
            if message.asks() > 1 {
                together.pass();
            }
            Fate::Pass
        }
    };
    let Gathered { first, others, door } = gather(&stack, stack.edge_address(), &key, &alike(&key, 5), hold_groups);
    door.open();
    first.answer().from_edge().ok();
    until_true("their message is on its way", SOON, || asks(&stack, &key).contains(&5));
    // It waits for their message. One of them carries it, and all of them leave.
    let last = stack.open_chat(&key.key, &hello(4));
    others.into_iter().for_each(RawConnection::vanish);
    come_as_far(stack.edge_address(), &key);
    let start = Instant::now();
    together.open();
    last.answer().from_edge().ok();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // Those five were admitted after they had left: given back, and not sent on.
    check_used(&stack, &key, 2);
    assert_eq!(stack.edge.view(key.id).used.served, 2);
}

#[test]
fn who_waits_behind_a_message_that_is_never_answered_goes_on_by_itself() {
    let stack = stack("99 per 1h");
    let key = stack.key();
    let Gathered { others, door, first } = gather(&stack, stack.edge_address(), &key, &alike(&key, 3), |_| Fate::Pass);
    let start = Instant::now();
    for connection in others {
        connection.answer().from_edge().ok();
    }
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(6), "{waited:?}: they are to wait for two seconds");
    assert_eq!(asks(&stack, &key)[0], 1);
    door.open();
    first.answer().from_edge().ok();
    check_used(&stack, &key, 4);
}

#[test]
fn one_that_may_not_spoils_nothing_for_those_it_travels_with() {
    let stack = Stack::new().limit("3 per 1h").plan("max_tokens", 64).with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    let join = || stack.edge.issue(&json!({"plan": PLAN, "account": key.account}));
    let (disabled, revoked) = (join(), join());
    stack.edge.admin("PATCH", &format!("/keys/{}", disabled.id), Some(&json!({"disabled": true}))).ok();
    stack.edge.revoke(revoked.id);
    let others = [
        (disabled.key.as_str(), hello(4)),
        (key.key.as_str(), hello(4)),
        (key.key.as_str(), hello(65)),
        (revoked.key.as_str(), hello(4)),
        (key.key.as_str(), hello(64)),
        (key.key.as_str(), hello(4)),
    ];
    let (first, answers) = gather(&stack, stack.edge_address(), &key, &others, |_| Fate::Pass).release();
    first.ok();
    assert_eq!(asks(&stack, &key), [1, 6]);
    let [disabled, second, forbidden, revoked, third, fourth] =
        <[Answer; 6]>::try_from(answers).expect("six were sent");
    disabled.refused(Reason::Disabled);
    forbidden.refused(Reason::NotAllowed);
    revoked.refused(Reason::InvalidKey);
    second.ok();
    third.ok();
    fourth.refused(Reason::RateLimited);
    check_used(&stack, &key, 3);
}

#[test]
fn a_table_that_a_gate_lacks_is_asked_for_once_for_all_that_travel_with_it() {
    let stack = Stack::new().limit("1 per 1h").with_twin().with_between().start();
    stack.script().allow_all();
    let twin = stack.twin();
    let key = twin.issue_key(PLAN);
    let table = |limit: u32| {
        let hour = json!({"name": "window-0", "kind": "window", "limit": limit, "window": "1h"});
        json!({"plans": {PLAN: {"limits": [hour]}}}).to_string()
    };
    // Gates live in the first isolate, and only the second one learns of the table.
    let gathered = gather(&stack, stack.twin_address(), &key, &[], |_| Fate::Pass);
    twin.put_plans(Some("*"), &table(4)).ok();
    let others = alike(&key, 6);
    let others = others.iter().map(|(key, body)| stack.open_chat_at(stack.twin_address(), key, body)).collect();
    come_as_far(stack.twin_address(), &key);
    let asked_before = asked_for_tables(&stack);
    let (first, others) = Gathered { others, ..gathered }.release();
    first.ok();
    assert_eq!(asks(&stack, &key), [1, 6]);
    assert_eq!(asked_for_tables(&stack), asked_before + 1);
    assert_eq!((count(&others, 200), count(&others, Reason::RateLimited.row().status)), (3, 3));
    check_used(&stack, &key, 4);
}

fn asked_for_tables(stack: &RunningStack) -> usize {
    let seen = stack.between().seen();
    seen.iter().filter(|message| matches!(message.registry_call(), Some(RegistryCall::PlansOf(_)))).count()
}
