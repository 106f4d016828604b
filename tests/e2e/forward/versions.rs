//! Two versions side by side: a Worker, a Gate and its rows that are not of one deploy. What is not understood is refused
//! and left as it is.

use harness::caller::Whole;
use harness::caller::hello;
use harness::edge::between::{Fate, Message, To};
use harness::wait::{SOON, until_true};
use harness::{PLAN, RunningStack, Stack};
use serde_json::json;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::hop::gate_call::{self, Admission, Answer, Answers, Call};
use sluice_protocol::refusal::Reason;
use std::collections::BTreeMap;

const STATE_ROW: i64 = 0;
const KEYS_ROW: i64 = 1;
/// A row that this version does not write.
const STRANGE_ROW: i64 = 7;

/// A stack, and a key of it that has used one request of two.
fn stack() -> (RunningStack, CreatedKey) {
    let stack = Stack::new().limit("2 per 1h").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    check_used(&stack, &key, 1);
    (stack, key)
}

fn check_used(stack: &RunningStack, key: &CreatedKey, used: u32) {
    until_true("all leases are back", SOON, || stack.edge.own(&key.key).live_leases == 0);
    assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), used);
}

/// What the Gate that was asked last keeps. A harmless question makes it the one of the key; its answer does not matter.
fn rows(stack: &RunningStack, key: &CreatedKey) -> BTreeMap<i64, Vec<u8>> {
    stack.edge.get("/v1/key", Some(&key.key));
    let seen = stack.between().seen();
    seen.into_iter().rev().find(|message| message.to == To::Gate).expect("the Gate was just asked").rows
}

fn is_settle(message: &Message) -> bool {
    message.envelope().calls.iter().any(|call| matches!(call, Call::Settle { .. }))
}

/// What a Gate says.
fn told(answers: Vec<Answer>) -> Vec<u8> {
    gate_call::encode_answers(&Answers { answers, rows_written: 0, lapsed: 0 })
}

/// The same bytes under the next version.
fn newer(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[0] += 1;
    bytes
}

#[test]
fn a_gate_refuses_what_another_version_asks_and_changes_nothing() {
    let (stack, key) = stack();
    let (rows_before, written) = (rows(&stack, &key), stack.edge.view(key.id).storage.rows_written);
    type Mangle = fn(&[u8]) -> Vec<u8>;
    let mangled: [Mangle; 4] =
        [newer, |bytes| vec![bytes[0] - 1; bytes.len()], |bytes| bytes[..bytes.len() / 2].to_vec(), |_| Vec::new()];
    for mangle in mangled {
        stack.between().decide(move |message| match message.to {
            To::Gate if message.asks() > 0 => Fate::Ask(mangle(&message.bytes)),
            // It would note that the request has ended.
            To::Gate if is_settle(message) => Fate::Fail,
            _ => Fate::Pass,
        });
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
        assert_eq!(rows(&stack, &key), rows_before);
    }
    assert_eq!(stack.edge.view(key.id).storage.rows_written, written);
    let why = format!("not a message of version {}", gate_call::VERSION);
    until_true("logged", SOON, || stack.edge_log().contains(&why));
    stack.between().pass();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    check_used(&stack, &key, 2);
}

#[test]
fn a_worker_refuses_what_a_gate_of_another_version_answers() {
    let (stack, key) = stack();
    // What it would let through, if it took it for what it is not.
    let admission = Admission {
        plan: PLAN.into(),
        priority: 1,
        deadline: u64::MAX,
        tokens: 0,
        max_tokens: 0,
        max_prompt_tokens: 0,
        standings: Vec::new(),
        shadowed: Vec::new(),
        bounds: None,
        models: Vec::new(),
        now: 0,
        is_to_be_listed: false,
        degraded: None,
    };
    let admitted = Answer::Admitted(Box::new(admission));
    // What it would take for an answer: as many as there were questions, as what was settled before may travel along.
    type Told = Box<dyn Fn(usize) -> Vec<u8> + Send + Sync>;
    let all = move |answer: Answer| move |calls| told(vec![answer.clone(); calls]);
    let (right, other) = (all(admitted), all(Answer::Done(true)));
    let (of_newer, too_few, too_many) = (right.clone(), right.clone(), right);
    let answers: [(&str, Told); 6] = [
        ("a newer version's", Box::new(move |calls| newer(&of_newer(calls)))),
        ("nothing", Box::new(|_| Vec::new())),
        ("an answer too few", Box::new(move |calls| too_few(calls - 1))),
        ("an answer too many", Box::new(move |calls| too_many(calls + 1))),
        ("an answer of a kind that there is not", Box::new(|_| vec![gate_call::VERSION, 1, 99])),
        ("an answer to another question", Box::new(other)),
    ];
    for (name, answer) in answers {
        stack.between().decide(move |message: &Message| match message.to {
            To::Gate if message.asks() > 0 => Fate::Answer(answer(message.envelope().calls.len())),
            _ => Fate::Pass,
        });
        let refused = stack.edge.chat(Some(&key.key), &hello(4));
        println!("{name}: {}", refused.text());
        refused.refused(Reason::GateUnavailable);
    }
    // The other doors to a Gate.
    let strange = told(vec![Answer::Done(false)]);
    stack
        .between()
        .decide(move |message| if message.to == To::Gate { Fate::Answer(strange.clone()) } else { Fate::Pass });
    for path in ["/v1/key", "/v1/models"] {
        stack.edge.get(path, Some(&key.key)).refused(Reason::GateUnavailable);
    }
    for path in [format!("/keys/{}", key.id), format!("/accounts/{}", key.account)] {
        stack.edge.admin("GET", &path, None).refused(Reason::GateUnavailable);
    }
    assert_eq!(stack.script().prompts().len(), 1);
    stack.between().pass();
    check_used(&stack, &key, 1);
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
}

#[test]
fn a_row_of_a_newer_version_is_refused_and_left_as_it_is() {
    for row in [STATE_ROW, KEYS_ROW, STRANGE_ROW] {
        let (mut stack, key) = stack();
        let before = rows(&stack, &key);
        let of_newer = newer(before.get(&row).unwrap_or(&vec![1, 2, 3]));
        keep(&mut stack, &key, row, of_newer.clone());
        // Whatever is wanted of it, and however often.
        for _ in 0..2 {
            stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
            stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::GateUnavailable);
            let path = format!("/keys/{}", key.id);
            for change in [json!({"name": "sooner"}), json!({"name": "later"})] {
                stack.edge.admin("PATCH", &path, Some(&change)).refused(Reason::GateUnavailable);
            }
            let joining = json!({"plan": PLAN, "account": key.account});
            stack.edge.admin("POST", "/keys", Some(&joining)).refused(Reason::GateUnavailable);
            stack.edge.admin("GET", &format!("/accounts/{}", key.account), None).refused(Reason::GateUnavailable);
        }
        let mut expected = before.clone();
        expected.insert(row, of_newer);
        assert_eq!(rows(&stack, &key), expected);
        assert_eq!(stack.script().prompts().len(), 1);
        // Other accounts are served.
        let other = stack.key();
        stack.edge.chat(Some(&other.key), &hello(4)).ok();
        // The version that wrote it is deployed again: as if nothing had happened.
        if let Some(original) = before.get(&row) {
            keep(&mut stack, &key, row, original.clone());
            check_used(&stack, &key, 1);
            stack.edge.chat(Some(&key.key), &hello(4)).ok();
            stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
            // What admins wanted meanwhile was written down, and is done now.
            until_true("it is done", 3 * SOON, || stack.edge.view(key.id).key.name == "later");
        }
    }
}

/// Lets a Gate have this row, and starts the edge again.
fn keep(stack: &mut RunningStack, key: &CreatedKey, row: i64, bytes: Vec<u8>) {
    stack.between().decide(move |message| match message.to {
        To::Gate => Fate::Keep(row, bytes.clone()),
        To::Registry => Fate::Pass,
    });
    stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::GateUnavailable);
    stack.between().pass();
    stack.restart_edge();
}
