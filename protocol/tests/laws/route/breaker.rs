//! A breaker against a naive one, which keeps all that ever happened.

use proptest::prelude::*;
use sluice_protocol::route::breaker::{
    Breaker, ENOUGH, FIRST_MS, FORGIVEN_MS, IN_A_ROW, LAST, LONGEST_MS, Pass, SHARE_PERCENT, Standing, TRIAL_MS,
};
use sluice_protocol::time::Millis;

/// All that happened, in order.
#[derive(Default)]
struct Naive {
    events: Vec<Event>,
}

#[derive(Clone, Copy)]
enum Event {
    Well,
    Failed,
    Opened { at: Millis },
    Tried { at: Millis },
    GaveUp,
    Closed { at: Millis },
}

impl Naive {
    fn last_change(&self) -> Option<Event> {
        self.events.iter().rev().copied().find(|event| !matches!(event, Event::Well | Event::Failed))
    }

    fn is_closed(&self) -> bool {
        matches!(self.last_change(), None | Some(Event::Closed { .. }))
    }

    /// How long it is open that has opened now, or had last.
    fn wait(&self) -> Millis {
        let mut wait = 0;
        let mut closed_at = None;
        for event in &self.events {
            match event {
                Event::Closed { at } => closed_at = Some(*at),
                Event::Opened { at } => {
                    let is_forgiven = closed_at.take().is_some_and(|closed: Millis| at - closed >= FORGIVEN_MS);
                    wait = if wait == 0 || is_forgiven { FIRST_MS } else { (wait * 2).min(LONGEST_MS) };
                }
                _ => {}
            }
        }
        wait
    }

    fn standing(&self, now: Millis) -> Standing {
        match self.last_change() {
            None | Some(Event::Closed { .. }) => Standing::Closed,
            Some(Event::Opened { at }) if now < at + self.wait() => Standing::Open(at + self.wait()),
            Some(Event::Tried { at }) if now - at < TRIAL_MS => Standing::Trying,
            _ => Standing::HalfOpen,
        }
    }

    fn pass(&mut self, now: Millis) -> Option<Pass> {
        match self.standing(now) {
            Standing::Closed => Some(Pass::Usual),
            Standing::HalfOpen => {
                self.events.push(Event::Tried { at: now });
                Some(Pass::Trial)
            }
            Standing::Open(_) | Standing::Trying => None,
        }
    }

    fn met(&mut self, pass: Pass, is_well: Option<bool>, now: Millis) {
        let is_trying = matches!(self.last_change(), Some(Event::Tried { .. }));
        match (pass, is_well) {
            (_, Some(is_well)) if self.is_closed() => {
                self.events.push(if is_well { Event::Well } else { Event::Failed });
                if !is_well && self.is_too_much() {
                    self.events.push(Event::Opened { at: now });
                }
            }
            (Pass::Trial, Some(true)) => self.events.push(Event::Closed { at: now }),
            (Pass::Trial, Some(false)) if is_trying => self.events.push(Event::Opened { at: now }),
            (Pass::Trial, None) if is_trying => self.events.push(Event::GaveUp),
            _ => {}
        }
    }

    /// By what came since it closed.
    fn is_too_much(&self) -> bool {
        let since = self.events.iter().rev().take_while(|event| matches!(event, Event::Well | Event::Failed));
        let failed: Vec<bool> = since.map(|event| matches!(event, Event::Failed)).collect();
        let in_a_row = failed.iter().take_while(|failed| **failed).count();
        let last: Vec<bool> = failed.into_iter().take(LAST as usize).collect();
        let share = last.iter().filter(|failed| **failed).count() as f64 / last.len() as f64;
        in_a_row >= IN_A_ROW as usize || last.len() >= ENOUGH as usize && share * 100.0 >= f64::from(SHARE_PERCENT)
    }
}

/// What is done to both.
#[derive(Clone, Debug)]
enum Step {
    Wait(Millis),
    Send,
    /// One of those on their way meets this.
    Meet(usize, Option<bool>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![4 => 0..50_u64, 2 => 0..2_000_u64, 1 => 0..TRIAL_MS + 2, 1 => 0..FORGIVEN_MS * 2];
    let is_well = prop_oneof![5 => Just(Some(true)), 6 => Just(Some(false)), 1 => Just(None)];
    let step = prop_oneof![
        2 => wait.prop_map(Step::Wait),
        5 => Just(Step::Send),
        5 => (any::<usize>(), is_well).prop_map(|(which, is_well)| Step::Meet(which, is_well)),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn a_breaker_does_what_a_naive_one_does(steps in steps()) {
        let (mut breaker, mut naive, mut now) = (Breaker::default(), Naive::default(), 1_000_000);
        let mut on_their_way = Vec::new();
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Send => {
                    let (passed, expected) = (breaker.pass(now), naive.pass(now));
                    prop_assert_eq!(passed, expected);
                    on_their_way.extend(passed);
                }
                Step::Meet(which, is_well) if !on_their_way.is_empty() => {
                    let pass = on_their_way.swap_remove(which % on_their_way.len());
                    breaker.met(pass, is_well, now);
                    naive.met(pass, is_well, now);
                }
                Step::Meet(..) => {}
            }
            prop_assert_eq!(breaker.standing(now), naive.standing(now));
        }
    }

    #[test]
    fn one_that_is_half_open_lets_one_through(failures in IN_A_ROW..10, asked in 2_usize..20, works: bool) {
        let mut breaker = Breaker::default();
        for _ in 0..failures {
            breaker.met(Pass::Usual, Some(false), 0);
        }
        prop_assert!(matches!(breaker.standing(0), Standing::Open(FIRST_MS)));
        prop_assert_eq!(breaker.pass(FIRST_MS - 1), None);
        let passed: Vec<_> = (0..asked).filter_map(|_| breaker.pass(FIRST_MS)).collect();
        prop_assert_eq!(&passed, &[Pass::Trial]);
        breaker.met(passed[0], Some(works), FIRST_MS + 10);
        let expected = if works { Standing::Closed } else { Standing::Open(FIRST_MS + 10 + 2 * FIRST_MS) };
        prop_assert_eq!(breaker.standing(FIRST_MS + 10), expected);
    }
}

#[test]
fn a_clock_that_goes_back_keeps_it_open_no_longer() {
    let mut breaker = Breaker::default();
    for _ in 0..IN_A_ROW {
        breaker.met(Pass::Usual, Some(false), 10_000_000);
    }
    assert_eq!(breaker.standing(0), Standing::HalfOpen);
}
