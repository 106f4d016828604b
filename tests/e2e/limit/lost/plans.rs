//! Plans that cannot be asked for: what an isolate, and what a Gate, goes on with.

use super::hour;
use harness::caller::Whole;
use harness::caller::hello;
use harness::edge::between::{Fate, Message, To};
use harness::wait::{Door, SOON, until_true};
use harness::{PLAN, RunningStack, Stack};
use serde_json::json;
use sluice_origin::models::scripted::Say;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::hop::gate_call::Call;
use sluice_protocol::refusal::Reason;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A table with one plan of so many requests an hour.
fn table(limit: u32) -> String {
    json!({"plans": {PLAN: {"limits": [hour(limit)]}}}).to_string()
}

#[test]
fn a_table_that_cannot_be_read_refuses_all_until_another_is_put() {
    let mut stack = Stack::new().limit("9 per 1h").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.put_plans(Some("*"), &table(1)).ok();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    // A newer version of ours put this, and an older one is deployed again.
    let newer = json!({"plans": {PLAN: {"limits": [hour(7)]}}, "later": true}).to_string();
    let bytes = newer.clone().into_bytes();
    stack.between().decide(move |message| match message.to {
        To::Registry => Fate::Keep(0, bytes.clone()),
        To::Gate => Fate::Pass,
    });
    stack.edge.admin("GET", "/plans", None).refused(Reason::GateUnavailable);
    stack.between().pass();
    stack.restart_edge();
    // The table of the settings was for the time before: nobody is let through by it.
    for _ in 0..2 {
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
        stack.edge.admin("GET", "/plans", None).refused(Reason::GateUnavailable);
        stack.edge.admin("GET", "/keys", None).refused(Reason::GateUnavailable);
    }
    until_true("logged", SOON, || stack.edge_log().contains("the plans in force cannot be read here"));
    // It is as it was, and a table with mistakes does not replace it.
    stack.edge.put_plans(Some("*"), &newer).refused(Reason::InvalidRequest);
    let kept =
        stack.between().seen().iter().rev().find(|message| message.to == To::Registry).map(|seen| seen.rows.clone());
    assert_eq!(kept.expect("the Registry was asked")[&0], newer.as_bytes());
    stack.edge.put_plans(Some("*"), &table(3)).ok();
    assert_eq!(stack.edge.admin("GET", "/plans", None).ok().text(), table(3));
    // What was counted before still counts.
    for _ in 0..2 {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

fn is_for_plans(message: &Message) -> bool {
    matches!(message.registry_call(), Some(RegistryCall::Plans { .. }))
}

/// While the Registry says this when it is asked for plans, an isolate that has some goes on with them, and does not ask
/// with every request; afterwards it has the new ones as soon as ever.
fn go_on_with_old_plans(fate: &Fate) {
    let stack = Stack::new().plans(table(1_000_000)).with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let fate = fate.clone();
    stack.between().decide(move |message| if is_for_plans(message) { fate.clone() } else { Fate::Pass });
    let asked = || stack.between().seen().iter().filter(|message| is_for_plans(message)).count();
    let before = asked();
    let start = Instant::now();
    let mut served = 0;
    while start.elapsed() < Duration::from_secs(7) {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
        served += 1;
    }
    let asked = asked() - before;
    // Every two seconds.
    let most = 2 * (1 + start.elapsed().as_secs() as usize / 2);
    assert!((2..=most).contains(&asked), "{asked} times with {served} requests in {:?}", start.elapsed());
    // It is put, but this isolate cannot see that yet.
    stack.edge.put_plans(Some("*"), &table(3)).refused(Reason::GateUnavailable);
    stack.between().pass();
    let limit = || stack.edge.own(&key.key).limits[0].limit.whole();
    until_true("the table is in force", Duration::from_secs(5), || limit() == 3);
}

#[test]
fn plans_that_cannot_be_asked_for_leave_the_old_ones_in_force() {
    go_on_with_old_plans(&Fate::Fail);
}

#[test]
fn plans_that_cannot_be_read_leave_the_old_ones_in_force() {
    let unreadable = RegistryAnswer::Plans(Some(r#"{"plans":{},"later":true}"#.into()));
    go_on_with_old_plans(&Fate::Answer(serde_json::to_vec(&unreadable).expect("JSON")));
}

#[test]
fn plans_that_are_old_are_better_than_none() {
    let stack = Stack::new().plans(table(2)).with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stack.between().decide(|message| if is_for_plans(message) { Fate::Fail } else { Fate::Pass });
    // So old that the next request asks before it goes on.
    let start = Instant::now();
    until_true("they are old", SOON, || start.elapsed() > Duration::from_millis(4_600));
    let asked = || stack.between().seen().iter().filter(|message| is_for_plans(message)).count();
    let before = asked();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert!(asked() > before);
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

/// What the Registry says of plans while it cannot be asked for them.
fn no_plans() -> Vec<(&'static str, Fate)> {
    vec![
        ("fails", Fate::Fail),
        ("cannot be reached", Fate::Unreachable),
        ("has too much to do", Fate::Overload),
        ("loses its answer", Fate::LoseAnswer),
        ("says what is no answer", Fate::Answer(b"{}".to_vec())),
        ("says what no version of ours says", Fate::Answer(br#"{"Later":1}"#.to_vec())),
    ]
}

#[test]
fn an_isolate_without_plans_leaves_it_to_a_gate_that_knows_some() {
    let table = json!({"plans": {PLAN: {"limits": [hour(8)]}}, "anonymous": PLAN}).to_string();
    let stack = Stack::new().plans(table).with_twin().with_between().start();
    stack.script().allow_all();
    let (key, twin) = (stack.key(), stack.twin());
    stack.edge.put_plans(Some("*"), &self::table(7)).ok();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    for (name, fate) in no_plans() {
        stack.between().decide(move |message| if is_for_plans(message) { fate.clone() } else { Fate::Pass });
        let answer = twin.chat(Some(&key.key), &hello(4));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        // Whether there is a plan for those without credentials, nobody knows; the table of the settings is not in force.
        twin.chat_as(&[("cf-connecting-ip", "203.0.113.9")], &hello(4)).refused(Reason::GateUnavailable);
        twin.admin("GET", "/plans", None).refused(Reason::GateUnavailable);
    }
    // By the plans that the Gate decided by last, and not those of the settings, which let one more through.
    twin.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    stack.between().pass();
    until_true("they are asked for again", SOON, || twin.admin("GET", "/plans", None).status == 200);
}

#[test]
fn an_isolate_without_plans_refuses_where_its_callers_gate_has_none_either() {
    let mut stack = Stack::new().limit("9 per 1h").with_between().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.restart_edge();
    for (name, fate) in no_plans() {
        stack.between().decide(move |message| if is_for_plans(message) { fate.clone() } else { Fate::Pass });
        println!("{name}");
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
    }
    stack.between().pass();
    until_true("they are asked for again", SOON, || stack.edge.chat(Some(&key.key), &hello(4)).status == 200);
}

/// Requests at once to an isolate that knows nothing, or only what is old, ask once for all.
#[test]
fn a_crowd_asks_the_registry_once() {
    let stack = Stack::new().limit("9 per 1h").with_twin().with_between().start();
    let asked = || stack.between().seen().iter().filter(|message| message.to == To::Registry).count();
    let crowd = |stack: &RunningStack| {
        let (before, door, sent) = (asked(), Door::new(), AtomicUsize::new(0));
        let held = door.clone();
        stack.between().decide(move |message| {
            if message.to == To::Registry {
                held.pass();
            }
            Fate::Pass
        });
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    sent.fetch_add(1, Ordering::Relaxed);
                    stack.twin().chat(None, &hello(4)).refused(Reason::MissingKey);
                });
            }
            // Whoever asks does so while nothing is answered.
            until_true("all are on their way", SOON, || sent.load(Ordering::Relaxed) == 100 && asked() > before);
            door.open();
        });
        asked() - before
    };
    assert!((1..=2).contains(&crowd(&stack)), "nothing is known");
    let start = Instant::now();
    until_true("it is old", SOON, || start.elapsed() > Duration::from_millis(4_600));
    let hops = crowd(&stack);
    assert!((1..=2).contains(&hops), "{hops} hops: it is old");
}

#[test]
fn a_gate_that_cannot_be_told_a_table_refuses_and_asks_again() {
    let stack = Stack::new().plans(table(5)).with_twin().with_between().start();
    stack.script().allow_all();
    let (key, twin) = (stack.key(), stack.twin());
    twin.put_plans(Some("*"), &table(1)).ok();
    // The Registry fails, or has forgotten that table.
    for fate in [Fate::Fail, forgotten()] {
        stack.between().decide(move |message| if is_for_a_gate(message) { fate.clone() } else { Fate::Pass });
        twin.chat(Some(&key.key), &hello(4)).refused(Reason::GateUnavailable);
    }
    stack.between().pass();
    twin.chat(Some(&key.key), &hello(4)).ok();
    twin.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn a_gate_that_cannot_be_told_a_table_ends_what_ends() {
    let mut stack = Stack::new().plans(table(100)).with_twin().with_between().start();
    let (key, other) = (stack.key(), stack.key());
    let twin = stack.twin();
    twin.put_plans(Some("*"), &table(1)).ok();
    stack.script().say(Say::text("x"));
    let running = stack.open_chat_at(stack.twin_address(), &key.key, &hello(4));
    until_true("it runs", SOON, || stack.script().is_blocked());
    assert_eq!(stack.edge.view(key.id).live_leases, 1);
    // Gates know the last few tables that they were asked with: not the one of that request any more.
    for limit in 2..8 {
        twin.put_plans(Some("*"), &table(limit)).ok();
        assert_eq!(twin.own(&key.key).limits[0].limit.whole(), limit);
    }
    twin.put_plans(Some("*"), &table(9)).ok();
    let fate = forgotten();
    stack.between().decide(move |message| if is_for_a_gate(message) { fate.clone() } else { Fate::Pass });
    twin.get("/v1/key", Some(&key.key)).refused(Reason::GateUnavailable);
    twin.revoke(other.id);
    stack.script().allow_all();
    running.answer().from_edge().ok();
    let settles = |message: &Message| {
        message.to == To::Gate && message.envelope().calls.iter().any(|call| matches!(call, Call::Settle { .. }))
    };
    until_true("its end is told", SOON, || stack.between().seen().iter().any(settles));
    // An admin would be refused like everybody else by now.
    stack.between().pass();
    until_true("it is settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.view(key.id).used.served, 1);
    stack.restart_edge();
    stack.edge.chat(Some(&other.key), &hello(4)).refused(Reason::InvalidKey);
}

/// Whether a Gate wants to know a table.
fn is_for_a_gate(message: &Message) -> bool {
    matches!(message.registry_call(), Some(RegistryCall::PlansOf(_)))
}

/// What the Registry says of a table that it does not have.
fn forgotten() -> Fate {
    Fate::Answer(serde_json::to_vec(&RegistryAnswer::Plans(None)).expect("JSON"))
}
