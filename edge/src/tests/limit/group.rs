//! Group commit: calls of one account travel together, and each gets what is its own.

mod watch;

use crate::hop::group::{self, Due};
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::scripted::{Faults, Place, Task};
use crate::tests::for_seeds;
use crate::tests::stage::{ADDRESS, Stage, plan};
use futures_util::future::join_all;
use serde_json::json;
use sluice_protocol::auth::principal::{AccountName, Mark};
use sluice_protocol::hop::gate_call::{Answer, Ask, Call, Caller};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What became of one ask.
type Told = Rc<RefCell<Option<Result<Vec<Answer>, Unanswered>>>>;

/// One ask on its way.
struct Asking {
    task: Task,
    told: Told,
}

fn stage(seed: u64) -> Stage {
    let limits = json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 1_000_000, "window": "1d"},
    ]);
    Stage::new(seed, &plan(&limits, &json!("refuse")))
}

/// Asks for the request of this number, whose `max_tokens` is that number: so its answer is known by it.
fn ask(stage: &Stage, place: Place, number: u32) -> Asking {
    let told = Told::default();
    let (env, version) = (stage.world.env(), stage.plans.version());
    let task = stage.world.spawn_in(place, {
        let told = told.clone();
        async move {
            let answer = group::ask(&env, version, &account(), vec![admit(number)]).await;
            told.replace(Some(answer));
        }
    });
    Asking { task, told }
}

fn settle(stage: &Stage, place: Place, number: u32) {
    settle_when(stage, place, number, Some(Due::Soon));
}

/// One settle on its way.
struct Settling {
    task: Task,
    is_over: Rc<Cell<bool>>,
}

/// By itself when it is due, or left to others.
fn settle_when(stage: &Stage, place: Place, number: u32, due: Option<Due>) -> Settling {
    let (env, version) = (stage.world.env(), stage.plans.version());
    let is_over = Rc::<Cell<bool>>::default();
    let task = stage.world.spawn_in(place, {
        let is_over = is_over.clone();
        async move {
            let call = Call::Settle { request: id(number), outcome: Outcome::NotServed };
            match due {
                Some(due) => drop(group::settle(&env, version, &account(), call, due).await),
                None => {
                    if let Some(stays) = group::leave(&env, version, &account(), call) {
                        stays.await;
                    }
                }
            }
            is_over.set(true);
        }
    });
    Settling { task, is_over }
}

fn admit(number: u32) -> Call {
    let caller = Caller::Known { subject: Mark::default(), plan: "open".into() };
    Call::Admit(Box::new(Ask { request: id(number), max_tokens: Some(number), ..Ask::smallest(caller) }))
}

fn account() -> AccountName {
    AccountName::of_address(ADDRESS.parse().expect("an address"))
}

fn id(number: u32) -> RequestId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    // Half of an id tells requests apart.
    id[8..12].copy_from_slice(&number.to_be_bytes());
    RequestId(id)
}

impl Asking {
    /// Whether it was admitted; `None` if there is no answer.
    fn is_admitted(&self, number: u32) -> Option<bool> {
        is_admitted(self.told.borrow().as_ref(), number)
    }

    fn is_over(&self) -> bool {
        self.told.borrow().is_some()
    }
}

/// Whether the call of this number was admitted; `None` if there is no answer. An answer is its own.
fn is_admitted(told: Option<&Result<Vec<Answer>, Unanswered>>, number: u32) -> Option<bool> {
    match told?.as_ref().ok()?.as_slice() {
        [Answer::Admitted(admission)] => {
            assert_eq!(admission.max_tokens, number, "somebody else's answer");
            Some(true)
        }
        [_] => Some(false),
        other => panic!("one answer to one call: {other:?}"),
    }
}

#[test]
fn what_comes_while_a_hop_is_under_way_goes_together_in_the_next() {
    for_seeds(100, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let asked: Vec<_> = (1..=40).map(|number| ask(&stage, stage.places[0], number)).collect();
        assert!(stage.world.run_until(1_000, || asked.iter().all(Asking::is_over)));
        for (number, asking) in (1..).zip(&asked) {
            assert_eq!(asking.is_admitted(number), Some(true));
        }
        assert_eq!(stage.used("requests"), 40);
        assert!(stage.world.delivered("GATE") <= 4, "{} messages for 40 calls", stage.world.delivered("GATE"));
    });
}

#[test]
fn a_call_is_counted_once_whatever_becomes_of_the_hops_that_it_is_in() {
    for_seeds(1_000, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults {
            delay_ms: 60,
            lost: 100,
            answer_lost: 150,
            repeated: 150,
            overloaded: 20,
            object_ends: 30,
            write_lost: 30,
            ..Faults::default()
        });
        let mut asked = Vec::new();
        for number in 1..=12 {
            asked.push(ask(&stage, stage.place(), number));
            stage.world.run_for(stage.world.below(20));
        }
        assert!(stage.world.run_until(60_000, || asked.iter().all(Asking::is_over)), "every call comes to an end");
        let admitted = (1..).zip(&asked).filter(|(number, asking)| asking.is_admitted(*number) == Some(true)).count();
        let used = stage.used("requests") as usize;
        assert!((admitted..=asked.len()).contains(&used), "{used} are counted, {admitted} were told so");
        assert_eq!(used, stage.standing().live_leases as usize, "each has one lease");
    });
}

#[test]
fn after_a_hop_that_was_lost_each_call_is_tried_alone() {
    let tried = Cell::new(0);
    let seeds = for_seeds(300, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let first = ask(&stage, stage.places[0], 1);
        stage.world.run_for(stage.world.below(5));
        // These wait for the first, and then travel together.
        let (begun, told) = (Rc::<Cell<bool>>::default(), Rc::<RefCell<Vec<_>>>::default());
        let (env, version, account) = (stage.world.env(), stage.plans.version(), account());
        stage.world.spawn_in(stage.places[0], {
            let (first, begun, told) = (first.told.clone(), begun.clone(), told.clone());
            async move {
                begun.set(first.borrow().is_none());
                let asks = (2..=6).map(|number| group::ask(&env, version, &account, vec![admit(number)]));
                told.replace(join_all(asks).await);
            }
        });
        assert!(stage.world.run_until(1_000, || first.is_over()));
        if !begun.get() {
            return;
        }
        // That hop is lost, and so is its repetition.
        stage.world.lose_next(2);
        assert!(stage.world.run_until(5_000, || !told.borrow().is_empty()));
        for (number, answer) in (2..).zip(told.take()) {
            assert_eq!(is_admitted(Some(&answer), number), Some(true), "{answer:?}");
        }
        assert_eq!(stage.used("requests"), 6);
        tried.set(tried.get() + 1);
    });
    // One seed alone need not have such a hop.
    assert!(seeds == 1 || tried.get() * 3 > seeds, "{} of {seeds} seeds had such a hop", tried.get());
}

#[test]
fn nobody_relies_on_a_call_that_is_abandoned() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 30, ..Faults::default() });
        let mut asked = Vec::new();
        let mut gone = Vec::new();
        for number in 1..=10 {
            asked.push(ask(&stage, stage.places[0], number));
            stage.world.run_for(stage.world.below(10));
            if stage.world.below(3) == 0 {
                let choice = stage.world.below(asked.len() as u64) as usize;
                stage.world.abandon(asked[choice].task);
                gone.push(choice);
            }
        }
        let stay = || asked.iter().enumerate().filter(|(place, _)| !gone.contains(place)).map(|(_, asking)| asking);
        assert!(stage.world.run_until(15_000, || stay().all(Asking::is_over)), "those that stay are answered");
        assert!(stay().all(|asking| matches!(*asking.told.borrow(), Some(Ok(_)))));
        // Nor is the way blocked for those that come later.
        stage.world.run_for(3_000);
        let later = ask(&stage, stage.places[0], 99);
        assert!(stage.world.run_until(500, || later.is_over()));
        assert_eq!(later.is_admitted(99), Some(true));
    });
}

#[test]
fn an_object_that_never_answers_keeps_nobody_longer_than_it_may_take() {
    for_seeds(100, |seed| {
        let stage = stage(seed);
        let silent = if seed % 2 == 0 { 1_000 } else { 500 };
        stage.world.set_faults(Faults { delay_ms: 10, silent, ..Faults::default() });
        let asked: Vec<_> = (1..=5).map(|number| ask(&stage, stage.places[0], number)).collect();
        // A hop that others are in, and then one of its own.
        let most = |hop_ms: u64| 2_000 + 2 * hop_ms + 200;
        assert!(stage.world.run_until(most(10_000), || asked.iter().all(Asking::is_over)), "a Gate is waited for");
        let silent =
            |told: &Result<_, Unanswered>| told.as_ref().err().is_none_or(|told| told.cause == Cause::Overloaded);
        assert!(asked.iter().all(|asking| asking.told.borrow().as_ref().is_some_and(silent)));
        let admin = stage.admin(stage.places[1], "GET", "/keys", None, "");
        let caller = stage.chat(stage.places[1], "<mark>", false);
        let is_told = || admin.closed().is_some() && caller.closed().is_some();
        assert!(stage.world.run_until(most(30_000), is_told), "the Registry is waited for");
        if seed % 2 == 0 {
            assert_eq!((admin.status(), caller.status()), (Some(503), Some(503)));
        }
    });
}

#[test]
fn what_is_given_back_is_given_back_once_and_before_the_next_ask_of_its_isolate() {
    for_seeds(300, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 20, repeated: 300, answer_lost: 200, ..Faults::default() });
        let first = ask(&stage, stage.places[0], 1);
        assert!(stage.world.run_until(60_000, || first.is_over()));
        settle(&stage, stage.places[0], 1);
        stage.world.run_for(stage.world.below(3));
        let second = ask(&stage, stage.places[0], 2);
        assert!(stage.world.run_until(60_000, || second.is_over()));
        stage.world.set_faults(Faults::default());
        stage.world.run_for(10_000);
        let counted = u32::from(second.is_admitted(2) == Some(true));
        assert!(stage.used("requests") <= 1 && stage.used("requests") >= u64::from(counted));
        assert_eq!(u64::from(stage.standing().live_leases), stage.used("requests"));
    });
}
