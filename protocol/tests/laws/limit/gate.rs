//! Whole plans against a naive account that remembers everything: random schedules of admit, settle, repeat, reorder,
//! reload, lost leases, and a clock that stalls and jumps both ways; every kind of limit, unit and modifier.

mod cases;
mod steps;

use crate::oracle::{Oracle, Shape, Verdict, amount, quota, request, rules};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::hop::gate_call::Answer;
use sluice_protocol::limit::ask::{Facts, Rule};
use sluice_protocol::limit::decision::{Decision, Outcome, Passes, Refused};
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::plan::Limit;
use sluice_protocol::limit::standing::For;
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::refusal::LONGEST_SLEEP_MS;
use sluice_protocol::request::cost::work::Work;
use steps::{Step, limits, some_facts, step};

/// Just before a Monday, 00:00 UTC: schedules of single minutes begin and end while a test's clock runs.
const START: u64 = 1_789_948_800_000 - 300;

proptest! {
    #![proptest_config(crate::cases(512))]

    #[test]
    fn a_gate_decides_as_one_that_remembers_everything(
        limits in limits(),
        lease_ms in 1u64..400,
        steps in vec(step(), 1..100),
    ) {
        let (mut state, mut oracle, mut clock) = (GateState::default(), Oracle::default(), START);
        let rules = rules(&limits);
        for step in steps {
            match step {
                Step::Clock(by) => clock = clock.saturating_add_signed(by),
                Step::Reload => {
                    let row = state::encode(&state);
                    prop_assert!(row.len() <= state::most_bytes(&state));
                    state = state::decode(&row).unwrap();
                }
                Step::Admit(id, facts) => {
                    let facts = Facts { request: request(id), ..*facts };
                    let before = state.clone();
                    let decision = state.admit(&rules, lease_ms, &facts, clock);
                    let verdict = oracle.admit(&limits, lease_ms, id, &facts, clock);
                    match (&decision, verdict) {
                        (Decision::Admit(held), Verdict::Held(deadline)) => prop_assert_eq!(held.deadline, deadline),
                        (Decision::Closed, Verdict::Closed) => {}
                        (Decision::Admit(admitted), Verdict::Admitted { deadline, shadowed, work }) => {
                            prop_assert_eq!(admitted.deadline, deadline);
                            prop_assert_eq!(&admitted.shadowed, &shadowed);
                            prop_assert_eq!(admitted.metered, work);
                        }
                        (Decision::Refuse(refused), Verdict::Refused(names)) => {
                            prop_assert_eq!(&before, &state, "a refusal changes nothing");
                            prop_assert_eq!(refused.iter().map(|one| one.limit.clone()).collect::<Vec<_>>(), names);
                            honest(&state, &oracle, &rules, &facts, refused, clock)?;
                        }
                        (decision, verdict) => prop_assert!(false, "{:?} where {:?} is right", decision, verdict),
                    }
                    stands(&state, &oracle, &rules, &facts, clock)?;
                    spans(&oracle, &limits, &facts)?;
                }
                Step::Readmit(first, id, facts) => {
                    let facts = Facts { request: request(id), ..*facts };
                    let before = state.clone();
                    let (decision, changed) = state.readmit(&rules, lease_ms, request(first), &facts, clock);
                    prop_assert_eq!(changed, before != state);
                    let verdict = oracle.readmit(&limits, lease_ms, (first, id), &facts, clock);
                    let same = match (&decision, &verdict) {
                        (Decision::Admit(held), Verdict::Held(deadline)) => held.deadline == *deadline,
                        (Decision::Closed, Verdict::Closed) => true,
                        (Decision::Admit(admitted), Verdict::Admitted { deadline, shadowed, work }) => {
                            (admitted.deadline, &admitted.shadowed, admitted.metered) == (*deadline, shadowed, *work)
                        }
                        (Decision::Refuse(refused), Verdict::Refused(names)) => {
                            honest(&state, &oracle, &rules, &facts, refused, clock)?;
                            refused.iter().map(|one| &one.limit).eq(names)
                        }
                        _ => false,
                    };
                    prop_assert!(same, "{:?} where {:?} is right", decision, verdict);
                    stands(&state, &oracle, &rules, &facts, clock)?;
                    spans(&oracle, &limits, &facts)?;
                }
                Step::Settle(id, outcome) => {
                    let before = state.clone();
                    let changed = state.settle(request(id), outcome, clock);
                    prop_assert_eq!(changed, oracle.settle(id, outcome, clock));
                    prop_assert_eq!(changed, before != state);
                }
            }
            let live = oracle.admitted.iter().filter(|a| a.open && a.deadline > clock.max(oracle.last_now)).count();
            prop_assert_eq!(state.live_leases(clock), live);
        }
        // Conservation: what was admitted and settled as served is in the totals, once, and nothing else.
        prop_assert_eq!(state.totals().served, oracle.served);
    }

    /// A second message for the same request changes nothing, whatever happened between.
    #[test]
    fn repeated_messages_change_nothing(limits in limits(), ids in vec((0u8..20, any::<bool>(), some_facts()), 1..40)) {
        let (mut once, mut twice) = (GateState::default(), GateState::default());
        let rules = rules(&limits);
        for (index, (id, settle, facts)) in ids.into_iter().enumerate() {
            let now = START + index as u64 * 7;
            if settle {
                once.settle(request(id), Outcome::Served(None), now);
                twice.settle(request(id), Outcome::Served(None), now);
                prop_assert!(!twice.settle(request(id), Outcome::NotServed, now));
            } else {
                let facts = Facts { request: request(id), ..facts };
                let first = once.admit(&rules, 90, &facts, now);
                let watched = |decision: Decision| match decision {
                    // A repeated admit does not say again what was only watched.
                    Decision::Admit(admitted) => Decision::Admit(sluice_protocol::limit::decision::Admitted { shadowed: Vec::new(), ..admitted }),
                    other => other,
                };
                prop_assert_eq!(watched(first.clone()), watched(twice.admit(&rules, 90, &facts, now)));
                prop_assert_eq!(watched(first), watched(twice.admit(&rules, 90, &facts, now)));
            }
            prop_assert_eq!(&once, &twice);
        }
    }
}

/// What a caller is told of its limits: what counts, when there is more, and when all is whole again.
fn stands(
    state: &GateState,
    oracle: &Oracle,
    rules: &[Rule<'_>],
    facts: &Facts,
    clock: u64,
) -> Result<(), TestCaseError> {
    let now = clock.max(oracle.last_now);
    for standing in state.standings(rules, For::Request(facts), clock) {
        let limit = rules.iter().map(|rule| rule.limit).find(|limit| limit.name == standing.limit).unwrap();
        prop_assert_eq!(standing.quota, quota(limit, facts.pressure, now));
        if let Shape::Window { window_ms, .. } = Shape::of(limit.kind) {
            let counts = |t: u64| t + window_ms > now;
            prop_assert_eq!(standing.used, oracle.sum(limit, facts, counts));
            if let Some(more_at) = standing.more_at {
                prop_assert!(oracle.sum(limit, facts, |t| t + window_ms > more_at) < standing.used);
                prop_assert_eq!(oracle.sum(limit, facts, |t| t + window_ms > more_at - 1), standing.used);
                let whole_at = standing.whole_at.unwrap();
                prop_assert_eq!(oracle.sum(limit, facts, |t| t + window_ms > whole_at), 0);
                prop_assert!(oracle.sum(limit, facts, |t| t + window_ms > whole_at - 1) > 0);
            } else {
                prop_assert_eq!(standing.used, 0);
            }
        }
        let is_bucket = matches!(Shape::of(limit.kind), Shape::Bucket { .. });
        if is_bucket && limit.pressure.is_none() && limit.schedule.rules.is_empty() {
            let left = standing.remaining();
            prop_assert!(left == 0 || oracle.passes(limit, facts, left, now));
            prop_assert!(!oracle.passes(limit, facts, left + 1, now));
            if let (Some(more_at), Some(whole_at)) = (standing.more_at, standing.whole_at) {
                if standing.used <= standing.quota {
                    prop_assert!(oracle.passes(limit, facts, left + 1, more_at));
                    prop_assert!(!oracle.passes(limit, facts, left + 1, more_at - 1));
                }
                prop_assert!(oracle.passes(limit, facts, limit.quota(), whole_at));
                prop_assert!(!oracle.passes(limit, facts, limit.quota(), whole_at - 1));
            }
        }
    }
    Ok(())
}

/// No span holds more than its limit, however it is cut.
fn spans(oracle: &Oracle, limits: &[Limit], facts: &Facts) -> Result<(), TestCaseError> {
    let fixed = |limit: &&Limit| limit.schedule.rules.is_empty() && !limit.shadow;
    for limit in limits.iter().filter(fixed) {
        for start in oracle.admitted.iter().map(|a| a.at) {
            match Shape::of(limit.kind) {
                Shape::Window { window_ms, .. } => {
                    let span = oracle.sum(limit, facts, |t| (start..start + window_ms).contains(&t));
                    prop_assert!(span <= limit.quota(), "{} of {:?} in one span", span, limit);
                }
                Shape::Bucket { refill, .. } => {
                    let end = oracle.last_now;
                    let span = oracle.sum(limit, facts, |t| (start..=end).contains(&t));
                    let refilled = u128::from(end - start) * u128::from(refill.amount);
                    let every = u128::from(refill.every_ms);
                    prop_assert!(u128::from(span) * every <= u128::from(limit.quota()) * every + refilled);
                }
                Shape::Parallel { .. } => {}
            }
        }
    }
    Ok(())
}

/// Waiting until the latest of the promised times suffices; one millisecond before, something still refuses. And what the
/// caller is told, if it is told a time, is that time.
fn honest(
    state: &GateState,
    oracle: &Oracle,
    rules: &[Rule<'_>],
    facts: &Facts,
    refused: &[Refused],
    now: u64,
) -> Result<(), TestCaseError> {
    let now = state.clamp(now);
    for one in refused {
        let limit = rules.iter().map(|rule| rule.limit).find(|limit| limit.name == one.limit).unwrap();
        let passes = |at: u64| oracle.passes(limit, facts, one.amount, at);
        let less_full = Facts { pressure: 0, ..facts.clone() };
        let passes_less_full = |at: u64| oracle.passes(limit, &less_full, one.amount, at);
        match one.passes {
            Passes::At(at) => {
                prop_assert!(at > now && passes(at), "{:?} does not pass {:?} at {}", facts, limit, at);
                // Every millisecond before, as far as there is a second of them; and some of what lies before that.
                for earlier in (at.saturating_sub(1_000).max(now)..at).chain((now..at).step_by(997)) {
                    prop_assert!(!passes(earlier), "{:?} passes {:?} at {}, before {}", facts, limit, earlier, at);
                }
                let less = passes_less_full(at - 1);
                prop_assert!(!less, "{:?} would pass {:?} before {} at a less full origin", facts, limit, at);
            }
            Passes::LessFull => {
                let refused = state.evaluate(rules, &less_full, now);
                let at = match refused.into_iter().find(|other| other.limit == one.limit).map(|other| other.passes) {
                    None => now,
                    Some(Passes::At(at)) => at,
                    Some(other) => panic!("{facts:?} would have passed {limit:?} at a less full origin, not {other:?}"),
                };
                prop_assert!(passes_less_full(at) && !passes(at), "it is not the origin that makes {:?} wait", facts);
            }
            Passes::Never => {
                let most = rules.iter().find(|rule| rule.limit.name == one.limit).unwrap();
                let percents = limit.schedule.percents();
                let quota = percents.into_iter().map(|percent| most.quota_at(percent, 0)).max().unwrap();
                prop_assert!(one.amount > quota, "{:?} could pass {:?}", facts, limit);
                let least = Work { prompt_tokens: 1, max_tokens: 1, ..facts.work };
                let least = amount(limit, facts.rate, least);
                prop_assert!(one.amount >= least);
            }
        }
    }
    let standings = state.standings(rules, For::Request(facts), now);
    let told = Answer::Limited { plan: "p".into(), refused: refused.to_vec(), standings, now };
    let told = told.refusal().unwrap();
    let parallel =
        refused.iter().any(|one| one.kind == Parallel { limit: u32::try_from(one.kind.quota()).unwrap() }.into());
    let unknown = refused.iter().any(|one| matches!(one.passes, Passes::LessFull | Passes::Never));
    prop_assert_eq!(told.retry_after_ms.is_none(), parallel || unknown);
    let never = refused.iter().any(|one| one.passes == Passes::Never);
    let is_long = told.retry_after_ms.is_some_and(|wait| wait > LONGEST_SLEEP_MS);
    prop_assert_eq!(told.headers()[0].1 == "false", never || is_long, "only what never passes soon is not tried again");
    if let Some(wait) = told.retry_after_ms {
        let schedules = rules.iter().any(|rule| !rule.limit.schedule.rules.is_empty());
        if !schedules {
            prop_assert_eq!(state.evaluate(rules, facts, now + wait), Vec::new());
        }
        prop_assert_ne!(state.evaluate(rules, facts, now + wait - 1), Vec::new());
    }
    Ok(())
}
