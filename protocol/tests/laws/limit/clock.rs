//! A clock that is wrong once: far ahead or far behind, for one message. What passes at honest times never exceeds a limit
//! because of it (by a reading less than ten seconds ahead: by no more than a window that is as much shorter would let through),
//! and soon the account decides as if it had not been.

use crate::oracle::{facts, rules};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::Facts;
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::gate::STEP_BACK_MS;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::Limit;
use sluice_protocol::limit::state::{self, GateState};

const START: u64 = 1_790_000_000_000;
const DAY: u64 = 86_400_000;
/// How long a window and a lease last, and a bucket takes to be full again.
const SPAN: u64 = 60_000;
const MOST: u32 = 4;

fn limits() -> [Limit; 3] {
    let refill = Refill { amount: MOST, every_ms: SPAN };
    [
        Limit::new("w", Window { unit: Unit::Requests, limit: MOST, window_ms: SPAN }),
        Limit::new("b", Bucket { unit: Unit::Requests, capacity: MOST, refill }),
        Limit::new("p", Parallel { limit: MOST }),
    ]
}

struct Gate {
    limit: Limit,
    /// Whether each request ends at once; a limit of requests at once does not count it then.
    ends: bool,
    state: GateState,
    asked: u64,
    /// What was let through at honest times.
    honest: Vec<u64>,
}

impl Gate {
    fn new(limit: &Limit) -> Self {
        Self { limit: limit.clone(), ends: false, state: GateState::default(), asked: 0, honest: Vec::new() }
    }

    /// Asks, and reads the state back as a Gate does that was evicted; only what is said to have changed was stored.
    fn ask(&mut self, now: u64) -> bool {
        self.asked += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.asked.to_le_bytes());
        let facts = Facts { request: RequestId(id), ..facts(0) };
        let before = self.state.clone();
        let is_seen = self.state.see(now, Calendar::NONE);
        let limits = [self.limit.clone()];
        let is_admitted = matches!(self.state.admit(&rules(&limits), SPAN, &facts, now), Decision::Admit(_));
        if !is_seen && !is_admitted {
            assert_eq!(self.state, before);
        }
        if self.ends && is_admitted {
            self.state.settle(facts.request, Outcome::Served(None), now);
        }
        self.state = state::decode(&state::encode(&self.state)).unwrap();
        is_admitted
    }

    /// Whether it passes, if all that ever was let through is what was at honest times.
    fn passes(&self, now: u64) -> bool {
        let since = |from: u64| self.honest.iter().filter(|at| **at >= from).count() as u64;
        match self.limit.kind.name() {
            "bucket" => {
                let most = u64::from(MOST);
                self.honest.iter().all(|from| (since(*from) + 1) * SPAN <= most * SPAN + most * (now - from))
            }
            // A lease lasts as long as a window.
            _ => since(now - SPAN + 1) < u64::from(MOST),
        }
    }
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..20_000, 1 => 20_000u64..200_000, 1 => Just(DAY)]
}

fn bad() -> impl Strategy<Value = i64> {
    let far = prop_oneof![1i64..15_000, 15_000i64..300_000, Just(DAY as i64), Just(40 * DAY as i64)];
    (far, any::<bool>()).prop_map(|(by, ahead)| if ahead { by } else { -by })
}

proptest! {
    #![proptest_config(crate::cases(1_024))]

    #[test]
    fn one_wrong_reading_lets_nothing_more_through_and_is_soon_over(
        kind in 0usize..3,
        ends in any::<bool>(),
        before in vec(gap(), 0..30),
        wrong in (bad(), 1usize..6),
        after in vec(gap(), 1..60),
    ) {
        let mut gate = Gate { ends: ends && kind != 2, ..Gate::new(&limits()[kind]) };
        let mut now = START;
        for gap in before {
            now += gap;
            let may = gate.passes(now);
            prop_assert_eq!(gate.ask(now), may, "an honest clock is exact");
            if may {
                gate.honest.push(now);
            }
        }
        let wrong_at = now.saturating_add_signed(wrong.0);
        for _ in 0..wrong.1 {
            gate.ask(wrong_at);
        }
        // What is taken for a clock that stands still is decided at the later time: up to ten seconds early.
        let mut stood_still = false;
        // Two readings tell which was wrong.
        let mut over_at = u64::MAX;
        let (mut readings, mut last) = (0, now);
        // What a bucket holds too much it holds until it has been full once; others forget by themselves.
        let mut is_rested = kind != 1;
        for gap in after {
            now += gap;
            is_rested |= readings >= 2 && gap >= 2 * SPAN;
            readings += usize::from(now != last || readings == 0);
            last = now;
            if readings == 2 && over_at == u64::MAX {
                over_at = now + STEP_BACK_MS + SPAN;
            }
            let may = gate.passes(now);
            let passed = gate.ask(now);
            stood_still |= (now..=now + STEP_BACK_MS).contains(&wrong_at);
            let slack = if stood_still && now <= over_at { STEP_BACK_MS } else { 0 };
            prop_assert!(may || !passed || gate.passes(now + slack), "{:?} at {}", gate.limit.kind, now - START);
            if now > over_at && is_rested {
                prop_assert_eq!(passed, may, "{:?} at {}", gate.limit.kind, now - START);
            }
            if passed {
                gate.honest.push(now);
            }
        }
    }
}

/// Seen: one ask a day ahead locked an account for a day.
#[test]
fn a_reading_a_day_ahead_does_not_lock_an_account_for_a_day() {
    for limit in limits() {
        let mut gate = Gate::new(&limit);
        assert!(gate.ask(START));
        for _ in 0..10 {
            gate.ask(START + DAY);
        }
        let passed = (1..=100).filter(|minute| gate.ask(START + minute * SPAN)).count();
        assert!(passed >= 98, "{passed} of 100 at one a minute, under {} in one: {:?}", MOST, limit.kind);
    }
}
