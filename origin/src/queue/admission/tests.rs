//! Permits and waits: single cases, and everything that can happen against a queue that is searched from the front.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const FAR: Millis = Millis::MAX;

fn place(answer: Answer) -> Ticket {
    match answer {
        Answer::Run(ticket) | Answer::Wait(ticket) => ticket,
        Answer::Full(_) => panic!("full"),
    }
}

#[test]
fn the_wait_is_unknown_until_a_slot_was_held() {
    let mut admission = Admission::new(2, 1);
    let first = place(admission.ask("a", 0, FAR, 0));
    let second = place(admission.ask("a", 0, FAR, 0));
    assert_eq!(admission.capacity().est_ms, None);
    place(admission.ask("a", 0, FAR, 0));
    assert_eq!(admission.ask("a", 0, FAR, 0), Answer::Full(None));
    // A place in which nothing ran says nothing.
    assert!(admission.leave(first, false, 5).is_some());
    place(admission.ask("a", 0, FAR, 5));
    assert_eq!(admission.ask("a", 0, FAR, 5), Answer::Full(None));
    admission.leave(second, true, 1_000);
    place(admission.ask("a", 0, FAR, 1_000));
    // Two in line (the one that waits and the asker), 1,000 ms each, two slots.
    assert_eq!(admission.ask("a", 0, FAR, 1_000), Answer::Full(Some(1_000)));
    assert_eq!(admission.capacity().est_ms, Some(1_000));
}

#[test]
fn the_wait_is_capped() {
    let mut admission = Admission::new(1, 0);
    let first = place(admission.ask("a", 0, FAR, 0));
    admission.leave(first, true, 10_000_000);
    place(admission.ask("a", 0, FAR, 0));
    assert_eq!(admission.ask("a", 0, FAR, 0), Answer::Full(Some(MAX_RETRY_MS)));
}

#[test]
fn priority_first_then_turns_then_first_come() {
    let mut admission = Admission::new(1, 16);
    let mut current = place(admission.ask("x", 0, FAR, 0));
    let mut names = HashMap::new();
    for (name, account, priority) in
        [("a1", "a", 1), ("a2", "a", 1), ("a3", "a", 1), ("b1", "b", 1), ("c1", "c", 0), ("d1", "d", 9), ("b2", "b", 1)]
    {
        names.insert(place(admission.ask(account, priority, FAR, 0)), name);
    }
    let mut order = Vec::new();
    while let Some(next) = admission.leave(current, true, 0) {
        order.push(names[&next]);
        current = next;
    }
    assert_eq!(order, ["d1", "a1", "b1", "a2", "b2", "a3", "c1"]);
}

#[test]
fn whoever_waited_too_long_is_taken_out() {
    let mut admission = Admission::new(1, 2);
    let first = place(admission.ask("a", 0, FAR, 0));
    let short = place(admission.ask("b", 0, 10, 0));
    let long = place(admission.ask("c", 0, 20, 0));
    assert_eq!(admission.expire(9), []);
    assert_eq!(admission.expire(10), [short]);
    assert_eq!(admission.leave(short, false, 10), None);
    assert_eq!(admission.leave(first, true, 11), Some(long));
    assert!(admission.runs(long));
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        account: u8,
        priority: u8,
        patience: u64,
    },
    Leave(prop::sample::Index, bool),
    Expire,
    /// May go back.
    Clock(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0u8..4, 0u8..3, 0u64..200).prop_map(|(account, priority, patience)| Step::Ask { account, priority, patience }),
        4 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, served)| Step::Leave(which, served)),
        1 => Just(Step::Expire),
        2 => (-50i64..100).prop_map(Step::Clock),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    /// Against a list that is searched from the front: bounds, nobody lost, no idle slot, right order.
    #[test]
    fn as_a_naive_queue_does(slots in 1usize..4, queue in 0usize..5, steps in steps()) {
        let mut admission = Admission::new(slots, queue);
        let mut running: Vec<Ticket> = Vec::new();
        let mut waiting: Vec<(Ticket, u8, u8, Millis)> = Vec::new();
        // Per priority: accounts in the order of their turns.
        let mut turns: HashMap<u8, Vec<u8>> = HashMap::new();
        let mut now: Millis = 1_000;
        for step in steps {
            match step {
                Step::Clock(by) => now = now.saturating_add_signed(by),
                Step::Ask { account, priority, patience } => {
                    let deadline = now + patience;
                    match admission.ask(&account.to_string(), priority, deadline, now) {
                        Answer::Run(ticket) => {
                            prop_assert!(running.len() < slots && waiting.is_empty());
                            running.push(ticket);
                        }
                        Answer::Wait(ticket) => {
                            prop_assert!(running.len() == slots && waiting.len() < queue);
                            let turns = turns.entry(priority).or_default();
                            if !turns.contains(&account) { turns.push(account); }
                            waiting.push((ticket, account, priority, deadline));
                        }
                        Answer::Full(wait) => {
                            prop_assert!(running.len() == slots && waiting.len() == queue);
                            prop_assert!(wait.is_none_or(|wait| (1..=MAX_RETRY_MS).contains(&wait)));
                        }
                    }
                }
                Step::Leave(which, served) => {
                    let all: Vec<_> = running.iter().copied().chain(waiting.iter().map(|w| w.0)).collect();
                    if all.is_empty() { continue; }
                    let ticket = all[which.index(all.len())];
                    let next = admission.leave(ticket, served, now);
                    if let Some(at) = running.iter().position(|other| *other == ticket) {
                        running.remove(at);
                        let expected = waiting.iter().map(|w| w.2).max().map(|priority| {
                            let turns = turns.get_mut(&priority).unwrap();
                            let account = turns.remove(0);
                            let mine = |w: &(Ticket, u8, u8, Millis)| w.1 == account && w.2 == priority;
                            let at = waiting.iter().position(mine).unwrap();
                            let taken = waiting.remove(at).0;
                            if waiting.iter().any(mine) { turns.push(account); }
                            taken
                        });
                        prop_assert_eq!(next, expected);
                        running.extend(next);
                    } else {
                        prop_assert_eq!(next, None);
                        waiting.retain(|w| w.0 != ticket);
                    }
                    prop_assert_eq!(admission.leave(ticket, served, now), None);
                }
                Step::Expire => {
                    let expired: HashSet<_> = admission.expire(now).into_iter().collect();
                    let due: HashSet<_> = waiting.iter().filter(|w| w.3 <= now).map(|w| w.0).collect();
                    prop_assert_eq!(&expired, &due);
                    waiting.retain(|w| !expired.contains(&w.0));
                }
            }
            for (priority, turns) in &mut turns {
                turns.retain(|account| waiting.iter().any(|w| w.1 == *account && w.2 == *priority));
            }
            let capacity = admission.capacity();
            prop_assert_eq!(capacity.free as usize, slots - running.len());
            prop_assert_eq!(capacity.queued as usize, waiting.len());
            prop_assert!(running.len() <= slots && waiting.len() <= queue);
            prop_assert!(capacity.free == 0 || capacity.queued == 0, "a slot is free while somebody waits");
            prop_assert!(running.iter().all(|ticket| admission.runs(*ticket)));
            prop_assert_eq!(admission.is_idle(), running.is_empty() && waiting.is_empty());
        }
    }

    /// What everybody is told is the order in which they are then served.
    #[test]
    fn those_ahead_are_served_before(asks in proptest::collection::vec((0u8..4, 0u8..3), 1..40), served in 0usize..10) {
        let mut admission = Admission::new(1, asks.len());
        let mut current = place(admission.ask("first", 0, FAR, 0));
        let tickets: Vec<_> = asks.iter().map(|(account, priority)| {
            place(admission.ask(&account.to_string(), *priority, FAR, 0))
        }).collect();
        for _ in 0..served {
            let Some(next) = admission.leave(current, true, 0) else { break };
            current = next;
        }
        prop_assert_eq!(admission.ahead(current), None, "it runs");
        let mut told: Vec<_> = tickets.iter().filter_map(|t| Some((admission.ahead(*t)?, *t))).collect();
        told.sort_unstable();
        let told: Vec<_> = told.into_iter().enumerate().map(|(at, (ahead, ticket))| {
            assert_eq!(at, ahead, "two are told the same");
            ticket
        }).collect();
        let mut order = Vec::new();
        while let Some(next) = admission.leave(current, true, 0) {
            order.push(next);
            current = next;
        }
        prop_assert_eq!(told, order);
    }

    /// While several accounts of one priority always wait, none is served twice before another is served once.
    #[test]
    fn accounts_take_turns(accounts in 2usize..5, each in 2usize..5) {
        let mut admission = Admission::new(1, accounts * each);
        let mut current = place(admission.ask("first", 0, FAR, 0));
        let mut owner = HashMap::new();
        for account in 0..accounts {
            for _ in 0..each {
                owner.insert(place(admission.ask(&account.to_string(), 0, FAR, 0)), account);
            }
        }
        let mut served = vec![0usize; accounts];
        while let Some(next) = admission.leave(current, true, 0) {
            served[owner[&next]] += 1;
            current = next;
            let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", served);
        }
        prop_assert!(served.iter().all(|n| *n == each));
    }
}

proptest! {
    /// Whatever comes and goes: idle work takes half of the slots at most and never the last free one, nothing of it
    /// runs that came while somebody waited, and live requests run or wait as if a slot were the only thing it took.
    #[test]
    fn idle_work_leaves_a_slot_and_never_waits(
        slots in 1usize..6, queue in 0usize..4, steps in proptest::collection::vec((0u8..3, any::<prop::sample::Index>()), 1..80)
    ) {
        let mut admission = Admission::new(slots, queue);
        let (mut live, mut idle, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for (what, which) in steps {
            match what {
                0 => match admission.ask("a", 0, FAR, 0) {
                    Answer::Run(ticket) => live.push(ticket),
                    Answer::Wait(ticket) => waiting.push(ticket),
                    Answer::Full(_) => prop_assert!(live.len() + idle.len() == slots && waiting.len() == queue),
                },
                1 => {
                    let (free, waits) = (slots - live.len() - idle.len(), !waiting.is_empty());
                    let may = !waits && idle.len() < (slots / 2).max(1) && (free > 1 || (slots == 1 && free == 1));
                    match admission.ask_idle(0) {
                        Answer::Run(ticket) => {
                            prop_assert!(may);
                            idle.push(ticket);
                        }
                        Answer::Wait(_) => prop_assert!(false, "it waits"),
                        Answer::Full(_) => prop_assert!(!may),
                    }
                }
                _ => {
                    let all: Vec<Ticket> = live.iter().chain(&idle).copied().collect();
                    if all.is_empty() {
                        continue;
                    }
                    let gone = *which.get(&all);
                    live.retain(|ticket| *ticket != gone);
                    idle.retain(|ticket| *ticket != gone);
                    if let Some(next) = admission.leave(gone, true, 0) {
                        waiting.retain(|ticket| *ticket != next);
                        live.push(next);
                    }
                }
            }
            prop_assert_eq!(admission.capacity().free as usize, slots - live.len() - idle.len());
        }
    }
}
