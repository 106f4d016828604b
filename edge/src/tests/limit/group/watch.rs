//! Settles that nobody misses: one request sees to those of several, whatever becomes of it, of hops and of the Gate.

use super::{Asking, ask, settle_when, stage};
use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::stage::Stage;

/// Admits so many requests, of one isolate.
fn admitted(stage: &Stage, count: u32) {
    let asked: Vec<_> = (1..=count).map(|number| ask(stage, stage.places[0], number)).collect();
    assert!(stage.world.run_until(5_000, || asked.iter().all(Asking::is_over)));
    assert_eq!(stage.standing().live_leases, count);
}

#[test]
fn settles_that_nobody_misses_are_seen_to_by_one_request() {
    for_seeds(200, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        admitted(&stage, 12);
        let before = stage.world.delivered("GATE");
        let mut settling = Vec::new();
        for number in 1..=12 {
            settling.push(settle_when(&stage, stage.places[0], number, None));
            stage.world.run_for(stage.world.below(18));
        }
        stage.world.run_for(1);
        let stay = settling.iter().filter(|one| !one.is_over.get()).count();
        assert_eq!(stay, 1, "the others are over at once");
        assert!(stage.world.run_until(1_000, || settling.iter().all(|one| one.is_over.get())), "and it is, soon");
        let sent = stage.world.delivered("GATE") - before;
        assert!(sent <= 2, "{sent} messages");
        assert_eq!((stage.standing().live_leases, stage.used("requests")), (0, 0));
    });
}

#[test]
fn what_is_left_to_another_request_is_settled_whatever_becomes_of_the_hops() {
    for_seeds(400, |seed| {
        let stage = stage(seed);
        admitted(&stage, 20);
        stage.world.set_faults(Faults {
            delay_ms: 60,
            lost: 150,
            answer_lost: 150,
            repeated: 150,
            object_ends: 30,
            write_lost: 30,
            ..Faults::default()
        });
        let mut settling = Vec::new();
        for number in 1..=20 {
            settling.push(settle_when(&stage, stage.places[0], number, None));
            stage.world.run_for(stage.world.below(60));
        }
        assert!(stage.world.run_until(120_000, || settling.iter().all(|one| one.is_over.get())));
        stage.world.set_faults(Faults::default());
        // Once for each that went alone and failed: the next call of the account takes along what is left.
        let last = ask(&stage, stage.places[0], 21);
        assert!(stage.world.run_until(10_000, || last.is_over()));
        let live = stage.standing().live_leases;
        assert!(live <= 1 + 20 / 4, "seed {seed}: {live} are left to their leases' ends");
        assert_eq!(u64::from(live), stage.used("requests"));
    });
}

#[test]
fn what_was_left_to_a_request_that_vanished_goes_with_the_next_call() {
    for_seeds(300, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        admitted(&stage, 8);
        let first = settle_when(&stage, stage.places[0], 1, None);
        let mut passed = 0;
        for number in 2..=5 {
            let pause = stage.world.below(30);
            stage.world.run_for(pause);
            passed += pause;
            settle_when(&stage, stage.places[0], number, None);
        }
        // Before its first look, or when it has seen to those and is to see to two more.
        let is_early = stage.world.below(2) == 0;
        stage.world.run_for(if is_early { 0 } else { 290 - passed });
        (6..=7).for_each(|number| drop(settle_when(&stage, stage.places[0], number, None)));
        stage.world.run_for(if is_early { 1 } else { 230 });
        stage.world.abandon(first.task);
        let ask_next = || {
            let next = ask(&stage, stage.places[0], 9);
            assert!(stage.world.run_until(1_000, || next.is_over()));
        };
        let settle_next = || {
            // Whoever is late by so much has vanished.
            stage.world.run_for(600);
            let next = settle_when(&stage, stage.places[0], 8, None);
            assert!(stage.world.run_until(1_000, || next.is_over.get()));
        };
        let live = match seed % 3 {
            // An ask takes all of them along.
            0 => {
                ask_next();
                2
            }
            // Or the next settle does.
            1 => {
                settle_next();
                0
            }
            // Or that hop is lost, and so is its repetition: who stays next sees to what had been left to the one before,
            // and its own, if it had not.
            _ => {
                stage.world.lose_next(2);
                ask_next();
                settle_next();
                1
            }
        };
        assert_eq!(stage.standing().live_leases, live);
    });
}

#[test]
fn of_settles_that_come_all_the_time_one_or_two_requests_stay_and_none_waits_for_long() {
    for_seeds(50, |seed| {
        const COUNT: u32 = 100;
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        admitted(&stage, COUNT);
        let before = stage.world.delivered("GATE");
        let (mut settling, mut begun_at, mut now) = (Vec::new(), Vec::new(), 0);
        for number in 1..=COUNT {
            settling.push(settle_when(&stage, stage.places[0], number, None));
            begun_at.push(now);
            let pause = 20 + stage.world.below(80);
            stage.world.run_for(pause);
            now += pause;
            let stay = settling.iter().filter(|one| !one.is_over.get()).count();
            assert!(stay <= 2, "{stay} stay");
            let late = begun_at.iter().filter(|began| now - **began > 600).count() as u32;
            let settled = COUNT - stage.standing().live_leases;
            assert!(settled >= late, "{settled} of {late}");
        }
        assert!(stage.world.run_until(1_000, || settling.iter().all(|one| one.is_over.get())));
        assert_eq!(stage.standing().live_leases, 0);
        let sent = stage.world.delivered("GATE") - before;
        assert!(sent <= 40, "{sent} messages for {COUNT}");
    });
}

#[test]
fn a_gate_that_never_answers_keeps_nobody_for_long_who_stays_for_others() {
    for_seeds(50, |seed| {
        const COUNT: u32 = 80;
        let stage = stage(seed);
        admitted(&stage, COUNT);
        stage.world.set_faults(Faults { delay_ms: 10, lost: 600, silent: 400, ..Faults::default() });
        let mut settling = Vec::new();
        for number in 1..=COUNT {
            settling.push(settle_when(&stage, stage.places[0], number, None));
            stage.world.run_for(stage.world.below(20));
        }
        // A hop for what is due that fails soon, another one, and both for what was left meanwhile. The platform ends a task half
        // a minute after its answer.
        assert!(stage.world.run_until(26_000, || settling.iter().all(|one| one.is_over.get())));
        // Nor is anything held that nobody will settle any more: it is given up, and said in the log.
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let next = ask(&stage, stage.places[0], COUNT + 1);
        assert!(stage.world.run_until(1_000, || next.is_over()));
    });
}

#[test]
fn what_was_left_to_a_request_that_vanished_counts_whole_where_nobody_calls_any_more() {
    for_seeds(100, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        admitted(&stage, 6);
        let first = settle_when(&stage, stage.places[0], 1, None);
        stage.world.run_for(1);
        (2..=6).for_each(|number| drop(settle_when(&stage, stage.places[0], number, None)));
        stage.world.run_for(stage.world.below(200));
        stage.world.abandon(first.task);
        // All of them were to give everything back. Their leases end by themselves, and nothing is given back.
        stage.calm();
        assert_eq!((stage.standing().live_leases, stage.used("requests")), (0, 6));
    });
}
