//! Whole plans against a naive account that remembers everything: random schedules of admit, settle, repeat, reorder,
//! reload, and a clock that jumps both ways.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::chat::Usage;
use sluice_protocol::gate::{CLOSED_MS, Decision, GateState, Outcome, Refused, RefusedKind};
use sluice_protocol::gate_call::Answer;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::{Limit, LimitKind, Plan};
use sluice_protocol::state;

#[derive(Clone, Debug)]
enum Step {
    Clock(i64),
    Admit(u8),
    Settle(u8, bool),
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (-40i64..120).prop_map(Step::Clock),
        1 => prop_oneof![Just(-5_000i64), Just(6_000), Just(CLOSED_MS as i64)].prop_map(Step::Clock),
        6 => (0u8..40).prop_map(Step::Admit),
        3 => (0u8..40, any::<bool>()).prop_map(|(id, served)| Step::Settle(id, served)),
        1 => Just(Step::Reload),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let kind = prop_oneof![
        (1u32..6, 1u64..300).prop_map(|(limit, window_ms)| LimitKind::Window { limit, window_ms }),
        (1u32..5).prop_map(|limit| LimitKind::Parallel { limit }),
    ];
    (vec(kind, 0..5), 1u64..400).prop_map(|(kinds, lease_ms)| Plan {
        name: "p".into(),
        limits: kinds.into_iter().enumerate().map(|(index, kind)| Limit { name: format!("l{index}"), kind }).collect(),
        priority: 0,
        lease_ms,
    })
}

/// The oracle. It keeps every admission for ever and looks at all of them each time.
#[derive(Default)]
struct Oracle {
    last_now: u64,
    admitted: Vec<Admitted>,
    closed: Vec<(u64, u8)>,
    served: u64,
}

struct Admitted {
    id: u8,
    at: u64,
    deadline: u64,
    open: bool,
    refunded: bool,
}

impl Oracle {
    fn knows_closed(&self, id: u8) -> bool {
        self.closed.iter().any(|(at, closed)| *closed == id && at + CLOSED_MS > self.last_now)
    }

    fn passes(&self, kind: LimitKind, at: u64) -> bool {
        match kind {
            LimitKind::Window { limit, window_ms } => {
                let counted = self.admitted.iter().filter(|a| !a.refunded && a.at + window_ms > at).count();
                counted < limit as usize
            }
            LimitKind::Parallel { limit } => {
                self.admitted.iter().filter(|a| a.open && a.deadline > at).count() < limit as usize
            }
        }
    }

    fn admit(&mut self, plan: &Plan, id: u8, raw: u64) -> Decision {
        let now = raw.max(self.last_now);
        if let Some(open) = self.admitted.iter().find(|a| a.id == id && a.open && a.deadline > self.last_now) {
            return Decision::Admit { deadline: open.deadline };
        }
        if self.knows_closed(id) {
            return Decision::Closed;
        }
        let mut refused = Vec::new();
        for limit in plan.limits.iter().filter(|limit| !self.passes(limit.kind, now)) {
            let at = (now..).find(|at| self.passes(limit.kind, *at)).unwrap();
            let kind = match limit.kind {
                LimitKind::Window { limit, window_ms } => RefusedKind::Window { limit, window_ms },
                LimitKind::Parallel { limit } => RefusedKind::Parallel { limit },
            };
            refused.push(Refused { limit: limit.name.clone(), kind, at: Some(at) });
        }
        if !refused.is_empty() {
            return Decision::Refuse(refused);
        }
        self.last_now = now;
        let deadline = now + plan.lease_ms;
        self.admitted.push(Admitted { id, at: now, deadline, open: true, refunded: false });
        Decision::Admit { deadline }
    }

    fn settle(&mut self, id: u8, served: bool, raw: u64) -> bool {
        if self.knows_closed(id) {
            return false;
        }
        let before = self.last_now;
        self.last_now = raw.max(self.last_now);
        if let Some(open) = self.admitted.iter_mut().find(|a| a.id == id && a.open && a.deadline > before) {
            open.open = false;
            open.refunded = !served;
            self.served += u64::from(served);
        }
        self.closed.push((self.last_now, id));
        true
    }
}

fn request(id: u8) -> RequestId {
    RequestId([id; 16])
}

fn outcome(served: bool) -> Outcome {
    if served { Outcome::Served(Some(Usage::new(1, 2))) } else { Outcome::NotServed }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn a_gate_decides_as_one_that_remembers_everything(plan in plan(), steps in vec(step(), 1..120)) {
        let (mut state, mut oracle, mut clock) = (GateState::default(), Oracle::default(), 1_000_000u64);
        for step in steps {
            match step {
                Step::Clock(by) => clock = clock.saturating_add_signed(by),
                Step::Reload => state = state::decode(&state::encode(&state)).unwrap(),
                Step::Admit(id) => {
                    let before = state.clone();
                    let decision = state.admit(&plan, request(id), clock);
                    prop_assert_eq!(&decision, &oracle.admit(&plan, id, clock));
                    if let Decision::Refuse(refused) = &decision {
                        prop_assert_eq!(&before, &state, "a refusal changes nothing");
                        honest(&state, &plan, refused, clock)?;
                    }
                }
                Step::Settle(id, served) => {
                    let before = state.clone();
                    let changed = state.settle(request(id), outcome(served), clock);
                    prop_assert_eq!(changed, oracle.settle(id, served, clock));
                    prop_assert_eq!(changed, before != state);
                }
            }
            let live = oracle.admitted.iter().filter(|a| a.open && a.deadline > clock.max(oracle.last_now)).count();
            prop_assert_eq!(state.live_leases(clock), live);
            for limit in &plan.limits {
                if let LimitKind::Parallel { limit } = limit.kind {
                    prop_assert!(live <= limit as usize);
                }
            }
            stands(&state, &oracle, &plan, clock)?;
        }
        for limit in &plan.limits {
            let LimitKind::Window { limit, window_ms } = limit.kind else { continue };
            for start in oracle.admitted.iter().map(|a| a.at) {
                let span = oracle.admitted.iter().filter(|a| !a.refunded && (start..start + window_ms).contains(&a.at));
                prop_assert!(span.count() <= limit as usize, "more than the limit in one span");
            }
        }
        // Conservation: what was admitted and settled as served is in the totals, once, and nothing else.
        prop_assert_eq!(state.totals().served, oracle.served);
        prop_assert_eq!(state.totals().completion_tokens, state.totals().served * 2);
    }

    /// A second message for the same request changes nothing, whatever happened between.
    #[test]
    fn repeated_messages_change_nothing(plan in plan(), ids in vec((0u8..20, any::<bool>()), 1..40)) {
        let (mut once, mut twice) = (GateState::default(), GateState::default());
        for (index, (id, settle)) in ids.into_iter().enumerate() {
            let now = 1_000 + index as u64 * 7;
            if settle {
                once.settle(request(id), outcome(true), now);
                twice.settle(request(id), outcome(true), now);
                prop_assert!(!twice.settle(request(id), outcome(false), now));
            } else {
                let first = once.admit(&plan, request(id), now);
                prop_assert_eq!(&first, &twice.admit(&plan, request(id), now));
                prop_assert_eq!(&first, &twice.admit(&plan, request(id), now));
            }
            prop_assert_eq!(&once, &twice);
        }
    }
}

/// What a caller is told of its limits: what counts, when there is more, and when all is whole again.
fn stands(state: &GateState, oracle: &Oracle, plan: &Plan, clock: u64) -> Result<(), TestCaseError> {
    let now = clock.max(oracle.last_now);
    for (standing, limit) in state.standings(plan, clock).iter().zip(&plan.limits) {
        let ends: Vec<u64> = match limit.kind {
            LimitKind::Window { window_ms, .. } => {
                oracle.admitted.iter().filter(|a| !a.refunded).map(|a| a.at + window_ms).collect()
            }
            LimitKind::Parallel { .. } => oracle.admitted.iter().filter(|a| a.open).map(|a| a.deadline).collect(),
        };
        let live = || ends.iter().copied().filter(|end| *end > now);
        prop_assert_eq!(standing.used as usize, live().count());
        prop_assert_eq!((standing.more_at, standing.whole_at), (live().min(), live().max()));
    }
    Ok(())
}

/// Waiting until the latest of the promised times suffices; one millisecond before, something still refuses. And what the
/// caller is told, if it is told a time, is that time.
fn honest(state: &GateState, plan: &Plan, refused: &[Refused], now: u64) -> Result<(), TestCaseError> {
    let now = state.clamp(now);
    if let Some(at) = refused.iter().map(|refused| refused.at).max().flatten() {
        prop_assert!(at > now);
        prop_assert_eq!(state.evaluate(plan, at), Vec::new());
        prop_assert_ne!(state.evaluate(plan, at - 1), Vec::new());
    }
    let told =
        Answer::Limited { refused: refused.to_vec(), standings: state.standings(plan, now), now }.refusal().unwrap();
    let parallel = refused.iter().any(|refused| matches!(refused.kind, RefusedKind::Parallel { .. }));
    prop_assert_eq!(told.retry_after_ms.is_none(), parallel);
    if let Some(wait) = told.retry_after_ms {
        prop_assert_eq!(state.evaluate(plan, now + wait), Vec::new());
        prop_assert_ne!(state.evaluate(plan, now + wait - 1), Vec::new());
    }
    Ok(())
}

#[test]
fn a_settle_before_its_admit_closes_it() {
    let plan = Plan { name: "p".into(), limits: Vec::new(), priority: 0, lease_ms: 10 };
    let mut state = GateState::default();
    assert!(state.settle(request(1), outcome(true), 5));
    assert_eq!(state.admit(&plan, request(1), 6), Decision::Closed);
    assert_eq!(state.live_leases(6), 0);
}

#[test]
fn logs_of_limits_that_a_plan_no_longer_has_are_dropped() {
    let limit = |name: &str| Limit { name: name.into(), kind: LimitKind::Window { limit: 9, window_ms: 1_000 } };
    let mut plan = Plan { name: "p".into(), limits: vec![limit("a"), limit("b")], priority: 0, lease_ms: 10 };
    let mut state = GateState::default();
    state.admit(&plan, request(1), 5);
    assert_eq!((state.used(&plan, "a", 5), state.used(&plan, "b", 5)), (1, 1));
    plan.limits.remove(0);
    state.admit(&plan, request(2), 6);
    plan.limits.push(limit("a"));
    assert_eq!((state.used(&plan, "a", 6), state.used(&plan, "b", 6)), (0, 2));
}

/// Found by the property above: the entry to take back had left its log, and a neighbour's was taken instead.
#[test]
fn a_late_refund_takes_nothing_from_others() {
    let limit = Limit { name: "w".into(), kind: LimitKind::Window { limit: 2, window_ms: 75 } };
    let mut plan = Plan { name: "p".into(), limits: vec![limit.clone()], priority: 0, lease_ms: 97 };
    let mut state = GateState::default();
    state.admit(&plan, request(1), 1_000);
    state.admit(&plan, request(2), 1_075);
    state.settle(request(1), Outcome::NotServed, 1_075);
    assert_eq!(state.used(&plan, "w", 1_075), 1);
    // Nor from a log that was begun anew in between.
    plan.limits.clear();
    state.admit(&plan, request(3), 1_080);
    plan.limits.push(limit);
    state.admit(&plan, request(4), 1_080);
    state.settle(request(2), Outcome::NotServed, 1_080);
    assert_eq!(state.used(&plan, "w", 1_080), 1);
}
