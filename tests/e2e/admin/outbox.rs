//! Commands of admins on their way to Gates: whatever dies in between, each arrives, and is done once.

use harness::caller::raw::{RawConnection, request};
use harness::caller::{bearer, hello};
use harness::edge::between::{Fate, Message, To};
use harness::wait::{Door, SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::hop::gate_call::Call;
use sluice_protocol::hop::gate_call::command::{Action, MAX_FAILURES};
use sluice_protocol::refusal::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ONCE: &str = "an-answer-that-nobody-saw";

/// Longer than the first pause of the alarm, and than a pause that was doubled twice.
const CARRIED: std::time::Duration = SOON.saturating_mul(3);

/// Asks for a key and does not wait for the answer.
fn ask_for_key(stack: &RunningStack) -> RawConnection {
    let headers =
        [bearer(secrets::ADMIN_TOKEN), "Content-Type: application/json".to_owned(), format!("Idempotency-Key: {ONCE}")];
    let asked = asked().to_string();
    RawConnection::send(stack.edge_address(), &request("POST", "/admin/v1/keys", &headers, asked.as_bytes()))
}

fn asked() -> Value {
    json!({"name": "survivor", "plan": PLAN})
}

fn ask_again(stack: &RunningStack) -> Answer {
    stack.edge.admin_with(&[("idempotency-key", ONCE)], "POST", "/keys", Some(&asked()))
}

/// How many messages with commands have reached a Gate's door.
fn carried(stack: &RunningStack) -> usize {
    stack.between().seen().iter().filter(|message| message.commands() > 0).count()
}

/// The key is there once, works, and the admin who asks again is given it.
fn check_made_once(stack: &RunningStack) {
    let answer = ask_again(stack);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let key: CreatedKey = serde_json::from_value(answer.json()).expect("a key");
    stack.script().allow_all();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let listed = stack.edge.list().data;
    assert_eq!(listed.iter().map(|entry| (entry.id, entry.name.as_str())).collect::<Vec<_>>(), [(key.id, "survivor")]);
    assert_eq!(ask_again(stack).json(), answer.json());
    stack.check_logs(&[&key.key]);
}

/// Kills workerd while a message is held, and waits for the command to be carried all the same.
fn kill_and_wait(stack: &mut RunningStack, door: &Door) {
    stack.between().pass();
    let before = carried(stack);
    stack.restart_edge();
    door.open();
    // Nobody asks for anything: the alarm does it.
    until_true("the command is carried", CARRIED, || carried(stack) > before);
    check_made_once(stack);
}

#[test]
fn a_command_arrives_though_workerd_is_killed_between_the_two_writes() {
    let mut stack = Stack::new().with_between().start();
    // The Registry has written it down, and its Gate is not told.
    let door = Door::new();
    let (held, pass) = (Arc::new(AtomicUsize::new(0)), door.clone());
    let counter = held.clone();
    stack.between().decide(move |message| {
        if message.commands() > 0 {
            counter.fetch_add(1, Ordering::SeqCst);
            pass.pass();
            return Fate::Fail;
        }
        Fate::Pass
    });
    let _asked = ask_for_key(&stack);
    until_true("the Gate is about to be told", SOON, || held.load(Ordering::SeqCst) > 0);
    kill_and_wait(&mut stack, &door);
}

#[test]
fn a_command_is_done_once_though_workerd_is_killed_before_the_answer_is_noted() {
    let mut stack = Stack::new().with_between().start();
    // Its Gate does it, the answer is lost, and the second try is where workerd dies.
    let door = Door::new();
    let (tries, pass) = (Arc::new(AtomicUsize::new(0)), door.clone());
    let counter = tries.clone();
    stack.between().decide(move |message| {
        if message.commands() == 0 {
            return Fate::Pass;
        }
        match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Fate::LoseAnswer,
            _ => {
                pass.pass();
                Fate::Fail
            }
        }
    });
    let _asked = ask_for_key(&stack);
    until_true("the Gate is told a second time", SOON, || tries.load(Ordering::SeqCst) > 1);
    kill_and_wait(&mut stack, &door);
    let written: Vec<_> = stack.between().seen().into_iter().filter(|message| message.commands() > 0).collect();
    assert!(written.iter().any(|message| !message.rows.is_empty()), "it had been done when it came again");
}

#[test]
fn a_gate_that_cannot_be_reached_is_told_later() {
    let stack = Stack::new().with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    let path = format!("/keys/{}", key.id);
    stack.between().decide(|message: &Message| if message.commands() > 0 { Fate::Fail } else { Fate::Pass });
    let headers = [("idempotency-key", "revoke")];
    let disable = || stack.edge.admin_with(&headers, "POST", &format!("{path}/disable"), None);
    disable().refused(Reason::GateUnavailable);
    // The admin was told that it does not hold yet.
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    disable().refused(Reason::GateUnavailable);
    let before = carried(&stack);
    stack.between().pass();
    until_true("the command is carried", CARRIED, || carried(&stack) > before);
    until_true("it holds", SOON, || stack.edge.chat(Some(&key.key), &hello(4)).status == 403);
    assert_eq!(disable().ok().json()["disabled"], true);
    assert_eq!(stack.edge.view(key.id).version, 2, "it was done once");
}

#[test]
fn commands_for_one_account_are_carried_in_order() {
    let stack = Stack::new().with_between().start();
    let key = stack.key();
    let path = format!("/keys/{}", key.id);
    stack.between().decide(|message: &Message| if message.commands() > 0 { Fate::Fail } else { Fate::Pass });
    for number in 0..20 {
        let named = stack.edge.admin("PATCH", &path, Some(&json!({"name": format!("name {number}")})));
        named.refused(Reason::GateUnavailable);
    }
    stack.between().pass();
    let last = stack.edge.admin("PATCH", &path, Some(&json!({"name": "last"}))).ok().json();
    assert_eq!((last["name"].as_str(), last["version"].as_u64()), (Some("last"), Some(22)));
    // In a few messages, as each holds several.
    let messages = stack.between().seen().into_iter().rev().take_while(|message| message.commands() > 1).count();
    assert!(messages <= 2, "{messages}");
    assert_eq!(stack.edge.list().data[0].name, "last");
}

/// Whether a message carries a change to this name.
fn names(message: &Message, name: &str) -> bool {
    let renames = |call: &Call| match call {
        Call::Do(command) => match &command.action {
            Action::ChangeKey { change, .. } => change.name.as_deref() == Some(name),
            _ => false,
        },
        _ => false,
    };
    message.to == To::Gate && message.envelope().calls.iter().any(renames)
}

#[test]
fn a_command_that_its_gate_fails_over_does_not_block_those_behind_it_for_ever() {
    let mut stack = Stack::new().with_between().start();
    let (key, other) = (stack.key(), stack.key());
    let path = format!("/keys/{}", key.id);
    stack.between().decide(|message: &Message| if names(message, "poison") { Fate::Fail } else { Fate::Pass });
    let headers = [("idempotency-key", "poisoned")];
    let rename = |stack: &RunningStack, name: &str| stack.edge.admin("PATCH", &path, Some(&json!({ "name": name })));
    rename(&stack, "poison").refused(Reason::GateUnavailable);
    let disable = |stack: &RunningStack| stack.edge.admin_with(&headers, "POST", &format!("{path}/disable"), None);
    disable(&stack).refused(Reason::GateUnavailable);
    // No other account is held up.
    let renamed = stack.edge.admin("PATCH", &format!("/keys/{}", other.id), Some(&json!({"name": "fine"})));
    assert_eq!(renamed.ok().json()["name"], "fine");
    // It has failed often by now, but not for long.
    for _ in 0..MAX_FAILURES {
        rename(&stack, "waits").refused(Reason::GateUnavailable);
    }
    assert_eq!(stack.edge.view(key.id).key.name, "e2e");
    // Now it has.
    stack.restart_edge_with_registry("UPDATE outbox_failures SET since = 1");
    until_true("those behind it are carried", CARRIED, || stack.edge.view(key.id).key.name == "waits");
    assert_eq!(disable(&stack).ok().json()["disabled"], true);
    let log = stack.edge.admin("GET", "/audit", None).ok().json();
    let given_up = |entry: &&Value| entry["details"]["refused"] == "given_up";
    let told: Vec<_> = log["data"].as_array().expect("entries").iter().filter(given_up).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!((&told[0]["action"], &told[0]["target"]), (&json!("key.change"), &json!(key.id)));
}

#[test]
fn a_command_that_cannot_be_read_is_given_up_and_whoever_sent_it_is_told() {
    let mut stack = Stack::new().with_between().start();
    let key = stack.key();
    let path = format!("/keys/{}", key.id);
    stack.between().decide(|message: &Message| if message.commands() > 0 { Fate::Fail } else { Fate::Pass });
    let headers = [("idempotency-key", ONCE)];
    let disable = |stack: &RunningStack| stack.edge.admin_with(&headers, "POST", &format!("{path}/disable"), None);
    disable(&stack).refused(Reason::GateUnavailable);
    stack.edge.admin("PATCH", &path, Some(&json!({"name": "behind it"}))).refused(Reason::GateUnavailable);
    // As a version that has been rolled back would have left it.
    stack.restart_edge_with_registry(
        "UPDATE outbox SET command = '{\"of\":\"tomorrow\"}' WHERE id = (SELECT MIN(id) FROM outbox)",
    );
    stack.between().pass();
    disable(&stack).refused(Reason::GateUnavailable);
    let failed = format!("UPDATE outbox_failures SET count = {MAX_FAILURES}, since = 1");
    stack.restart_edge_with_registry(&failed);
    until_true("those behind it are carried", CARRIED, || stack.edge.view(key.id).key.name == "behind it");
    disable(&stack).refused(Reason::Internal);
    assert!(!stack.edge.view(key.id).key.disabled);
}
