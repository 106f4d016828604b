//! Single cases of whole plans, each of which was a mistake once or nearly so; the properties are in [`super`].

use crate::oracle::{facts, request, rules};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::limit::ask::{Facts, Rule};
use sluice_protocol::limit::count::SHARES;
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::standing::For;
use sluice_protocol::limit::state::GateState;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::cost::work::Work;

fn window(name: &str, limit: u32, window_ms: u64) -> Limit {
    Limit::new(name, Window { unit: Unit::Requests, limit, window_ms })
}

fn used(state: &GateState, limit: &Limit, now: u64) -> u64 {
    state.standings(&[Rule::of(limit)], For::Request(&facts(0)), now)[0].used
}

fn admit(state: &mut GateState, limits: &[Limit], lease_ms: u64, id: u8, now: u64) -> Decision {
    state.admit(&rules(limits), lease_ms, &facts(id), now)
}

#[test]
fn a_settle_before_its_admit_closes_it() {
    let mut state = GateState::default();
    assert!(state.settle(request(1), Outcome::Served(None), 5));
    assert_eq!(admit(&mut state, &[], 10, 1, 6), Decision::Closed);
    assert_eq!(state.live_leases(6), 0);
}

/// Two keys of one account may have different plans: what one counts is not forgotten because the other's plan does not
/// know the limit.
#[test]
fn keys_of_different_plans_do_not_drop_each_others_logs() {
    let (minute, hour) = (window("minute", 2, 60_000), window("hour", 2, 3_600_000));
    let mut state = GateState::default();
    for id in 0..2 {
        admit(&mut state, std::slice::from_ref(&minute), 10, 2 * id, 1_000);
        admit(&mut state, std::slice::from_ref(&hour), 10, 2 * id + 1, 1_000);
    }
    assert_eq!((used(&state, &minute, 1_000), used(&state, &hour, 1_000)), (2, 2));
    assert!(matches!(admit(&mut state, &[minute], 10, 9, 1_000), Decision::Refuse(_)));
}

/// Windows of one name and different spans are different limits: one that shared its log with a longer one would be merged
/// by the longer one's measure, and hold back far too much.
#[test]
fn windows_of_one_name_and_different_spans_count_apart() {
    let (short, long) = (window("w", 9, 100), window("w", 9, 1_000));
    let mut state = GateState::default();
    admit(&mut state, std::slice::from_ref(&long), 10, 1, 1_000);
    admit(&mut state, std::slice::from_ref(&short), 10, 2, 1_050);
    assert_eq!((used(&state, &short, 1_050), used(&state, &long, 1_050)), (1, 1));
}

/// A plan may come to have a limit of the same name as one of a key's own: both count.
#[test]
fn parallel_limits_of_one_name_each_count_their_own() {
    let of_plan = Limit::new("p", Parallel { limit: 100 });
    let own = Limit { per: Per::Key, ..Limit::new("p", Parallel { limit: 1 }) };
    let limits = [of_plan, own];
    let mut state = GateState::default();
    assert!(matches!(admit(&mut state, &limits, 100, 1, 0), Decision::Admit(_)));
    let Decision::Refuse(refused) = admit(&mut state, &limits, 100, 2, 0) else { panic!("the key's own limit is 1") };
    assert_eq!(refused[0].kind, Parallel { limit: 1 }.into());
}

/// A limit that is only watched binds nobody: the origin is not told to keep to what it counted.
#[test]
fn a_watched_limit_of_tokens_does_not_bind_the_origin() {
    let watched = Limit { shadow: true, ..Limit::new("t", Window { unit: Unit::Tokens, limit: 3, window_ms: 1_000 }) };
    let mut state = GateState::default();
    let Decision::Admit(admitted) = admit(&mut state, std::slice::from_ref(&watched), 100, 1, 0) else { panic!() };
    assert_eq!((admitted.metered, admitted.shadowed), (None, vec!["t".to_owned()]));
    state.settle(request(1), Outcome::Served(Some(Usage::new(1, 1).into())), 5);
    assert_eq!(used(&state, &watched, 5), 2, "and what was used is counted all the same");
}

/// Found by the property above: the entry to take back had left its log, and a neighbour's was taken instead.
#[test]
fn a_late_refund_takes_nothing_from_others() {
    let limit = [window("w", 2, 75)];
    let mut state = GateState::default();
    admit(&mut state, &limit, 97, 1, 1_000);
    admit(&mut state, &limit, 97, 2, 1_075);
    state.settle(request(1), Outcome::NotServed, 1_075);
    assert_eq!(used(&state, &limit[0], 1_075), 1);
    // Nor from a log that was begun anew in between.
    admit(&mut state, &[], 97, 3, 1_160);
    admit(&mut state, &limit, 97, 4, 1_160);
    state.settle(request(2), Outcome::NotServed, 1_160);
    assert_eq!(used(&state, &limit[0], 1_160), 1);
}

/// Past a thousand values the others share counts, and each has one of its own again as soon as there is room: with what it
/// has used in the shared one, or that would be forgotten.
#[test]
fn past_a_thousand_values_the_others_share_counts() {
    let limit = [Limit { per: Per::Session, ..window("w", 2, 1_000) }];
    let mut state = GateState::default();
    let mark = |n: u32| Mark::of(&n.to_string());
    let mut ask = |n: u32, number: u32, now| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        let facts = Facts { request: sluice_protocol::id::RequestId(id), session: Some(mark(n)), ..facts(0) };
        matches!(state.admit(&rules(&limit), 1, &facts, now), Decision::Admit(_))
    };
    for n in 0..1_000 {
        assert!(ask(n, n, 1_000));
    }
    let share = |n: &u32| mark(*n).0[0] % SHARES;
    let [a, b, c, d]: [u32; 4] =
        (5_000..).filter(|n| share(n) == 3).take(4).collect::<Vec<_>>().try_into().expect("four were taken");
    let other = (5_000..).find(|n| share(n) == 4).expect("marks are spread evenly");
    assert!(ask(a, 5_000, 1_500) && ask(b, 5_001, 1_500));
    assert!(!ask(c, 5_002, 1_500), "the shared count is full");
    assert!(ask(other, 5_003, 1_500), "not all share one");
    assert!(ask(7, 6_000, 1_500), "who has a count of its own keeps it");
    // The thousand have gone. Who shared a count has one of its own by now, with all that was in it.
    assert!(!ask(a, 6_001, 2_400));
    assert!(ask(a, 6_002, 2_500) && ask(a, 6_003, 2_500));
    assert!(!ask(a, 6_004, 2_500), "its own is full");
    assert!(ask(b, 6_005, 2_500) && ask(d, 6_006, 2_500), "and binds nobody else");
}

/// A debt that has drained cannot be given back: the bucket would hold more than its capacity.
#[test]
fn a_bucket_gives_back_only_what_has_not_drained() {
    let refill = Refill { amount: 1, every_ms: 10 };
    let limit = [Limit::new("b", Bucket { unit: Unit::Tokens, capacity: 10, refill })];
    let tokens = |id: u8, tokens: u32| Facts {
        work: Work { prompt_tokens: 1, max_tokens: tokens - 1, ..Work::default() },
        ..facts(id)
    };
    let mut state = GateState::default();
    assert!(matches!(state.admit(&rules(&limit), 9_999, &tokens(1, 10), 0), Decision::Admit(_)));
    assert!(matches!(state.admit(&rules(&limit), 9_999, &tokens(2, 10), 100), Decision::Admit(_)));
    state.settle(request(1), Outcome::Served(Some(Usage::new(1, 0).into())), 100);
    assert!(matches!(state.admit(&rules(&limit), 9_999, &tokens(3, 2), 100), Decision::Refuse(_)));
    state.settle(request(2), Outcome::Served(Some(Usage::new(1, 0).into())), 100);
    assert!(matches!(state.admit(&rules(&limit), 9_999, &tokens(4, 9), 100), Decision::Admit(_)));
}
