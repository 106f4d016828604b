//! What is counted of a request, by each cause of its ending.

use super::{START, limit};
use sluice_protocol::hop::gate_call::{Admission, Answer};
use sluice_protocol::limit::calendar::{Cycle, Span};
use sluice_protocol::limit::decision::{Blanket, Passes, Refused};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::budget::BudgetStanding;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::plan::Per;
use sluice_protocol::limit::standing::Standing;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::report::IsolateState;
use sluice_protocol::measures::request::{Broken, Seen};
use sluice_protocol::measures::series::{Label, Series};
use sluice_protocol::measures::tally::Tally;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::Drawn;
use sluice_protocol::telemetry::{RequestEnd, RequestOutcome};

fn used() -> Used {
    Used { usage: Usage::new(10, 5), cached_tokens: 4, reasoning_tokens: Some(2), drawn: Drawn::NOTHING }
}

fn counted(count: impl FnOnce(&mut Counter)) -> Tally {
    let mut counter = Counter::default();
    count(&mut counter);
    counter.report(1, IsolateState::default(), 0, START).tally
}

fn sum(tally: &Tally, is_of: impl Fn(&Series) -> bool) -> u64 {
    tally.iter().filter(|(series, _)| is_of(series)).map(|(_, count)| count).sum()
}

/// Each cause: its outcome, the code that it is refused by, whether it is an answer, and how many tokens it has.
#[test]
fn each_cause_of_an_ending_has_one_outcome() {
    use RequestOutcome::{Cut, Failed, Left, Refused as ByLimit, Served};
    let whole = RequestEnd::Answered { is_whole: true, used: Some(used()) };
    let cut = RequestEnd::Answered { is_whole: false, used: None };
    let refused = |reason| RequestEnd::Refused { reason, used: None };
    let in_stream = |reason| Seen { broken: Some(Broken::Refused(reason)), ..Seen::default() };
    let (plain, left) = (Seen::default(), Seen { broken: Some(Broken::Left), ..Seen::default() });
    let ours = Seen { is_ours: true, ..Seen::default() };
    let later = Seen { used: Some(used()), ..Seen::default() };
    for (name, seen, end, outcome, code, is_answer, tokens) in [
        ("answered", &plain, whole, Served, None, true, 21),
        ("broken off", &plain, cut, Cut, None, true, 0),
        ("broken off, and found out what it used", &later, cut, Cut, None, true, 21),
        ("a limit", &plain, refused(Reason::RateLimited), ByLimit, Some(Reason::RateLimited), false, 0),
        ("a bad key", &plain, refused(Reason::InvalidKey), ByLimit, Some(Reason::InvalidKey), false, 0),
        ("our failure", &plain, refused(Reason::OriginFailed), Failed, Some(Reason::OriginFailed), false, 0),
        ("left before anything", &plain, RequestEnd::Left, Left, None, false, 0),
        ("left while the origin worked", &left, refused(Reason::OriginFailed), Left, None, false, 0),
        ("left inside an answer", &left, cut, Left, None, false, 0),
        (
            "an error inside a stream",
            &in_stream(Reason::QueueTimeout),
            whole,
            Failed,
            Some(Reason::QueueTimeout),
            false,
            21,
        ),
        (
            "a refusal inside a stream",
            &in_stream(Reason::RateLimited),
            cut,
            ByLimit,
            Some(Reason::RateLimited),
            false,
            0,
        ),
        ("a plan's text or what was kept", &ours, whole, Served, None, true, 0),
    ] {
        let tally = counted(|counter| counter.over(seen, end, 40));
        let of =
            |outcome| sum(&tally, |series| matches!(series, Series::Requests { outcome: one, .. } if *one == outcome));
        assert_eq!((of(outcome), sum(&tally, |series| matches!(series, Series::Requests { .. }))), (1, 1), "{name}");
        let codes = sum(&tally, |series| matches!(series, Series::Refused { .. }));
        let own = code.map_or(0, |code| tally.get(&Series::Refused { code: Label::of(code.row().code) }));
        assert_eq!((own, codes), (u64::from(code.is_some()), u64::from(code.is_some())), "{name}");
        let answers = sum(&tally, |series| matches!(series, Series::Answer { .. }));
        assert_eq!(answers, u64::from(is_answer), "{name}");
        assert_eq!(sum(&tally, |series| matches!(series, Series::Tokens { .. })), tokens, "{name}");
    }
}

#[test]
fn a_model_is_named_once_an_origin_has_answered_with_it() {
    let whole = RequestEnd::Answered { is_whole: true, used: None };
    let seen = |model: &str, is_ours| Seen { model: model.into(), is_ours, ..Seen::default() };
    let tally = counted(|counter| {
        counter.over(&seen("made up", true), whole, 1);
        counter.over(&seen("made up too", false), RequestEnd::Refused { reason: Reason::ModelNotFound, used: None }, 1);
        counter.over(&seen("real", false), whole, 1);
        counter.over(&seen("", false), whole, 1);
        counter.over(&Seen { first_token_ms: Some(7), ..seen("real", false) }, whole, 1);
    });
    let names = tally.iter().filter_map(|(series, _)| match series {
        Series::Requests { model, .. } if !model.is_empty() => Some(model.as_str()),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["real"]);
    assert_eq!(tally.get(&Series::FirstTokenMs { model: Label::of("real") }), 7);
}

fn budget(unit: Unit, quota: u64, used: u64) -> Standing {
    let span = Some(Span { began: START, ends: START + 1_000 });
    Standing {
        limit: "month".into(),
        kind: BudgetStanding { cycle: Cycle::EVER, currency: None, span }.into(),
        unit,
        per: Per::Account,
        quota,
        used,
        more_at: None,
        whole_at: Some(START + 1_000),
        shadowed: None,
    }
}

fn admitted(tokens: u64, standings: Vec<Standing>) -> Answer {
    Answer::Admitted(Box::new(Admission {
        plan: "free".into(),
        priority: 0,
        deadline: START,
        tokens,
        max_tokens: 0,
        max_prompt_tokens: 0,
        standings,
        shadowed: Vec::new(),
        bounds: None,
        models: Vec::new(),
        now: START,
        degraded: None,
        is_to_be_listed: false,
    }))
}

#[test]
fn a_budget_is_told_by_the_step_that_it_has_reached_without_what_this_request_may_give_back() {
    for (unit, reserved, used, step) in [
        (Unit::Requests, 0, 49, None),
        (Unit::Requests, 900, 50, Some(50)),
        (Unit::Requests, 0, 79, Some(50)),
        (Unit::Requests, 0, 80, Some(80)),
        (Unit::Requests, 0, 250, Some(100)),
        (Unit::Tokens, 30, 79, None),
        (Unit::Tokens, 30, 80, Some(50)),
        (Unit::Tokens, u64::MAX, 100, None),
    ] {
        let answer = admitted(reserved, vec![budget(unit, 100, used)]);
        let tally = counted(|counter| counter.decided(&answer, false, "a", || unreachable!("nobody was refused")));
        let told: Vec<_> = tally.iter().collect();
        let [account, plan, budget] = ["a", "free", "month"].map(Label::of);
        match step {
            None => assert!(told.is_empty(), "{told:?}"),
            Some(percent) => {
                let series = Series::BudgetUsed { account, plan, budget, percent, until: START + 1_000 };
                assert_eq!(told, [(&series, 1)]);
            }
        }
    }
}

#[test]
fn a_batchs_line_that_limits_refuse_is_no_refusal_of_anybodys() {
    let refused = |name: &str| Refused {
        limit: name.into(),
        kind: Parallel { limit: 1 }.into(),
        amount: 1,
        used: 1,
        passes: Passes::At(START),
        blanket: Blanket::No,
    };
    let answer = Answer::Limited {
        plan: "free".into(),
        refused: vec![refused("minute"), refused("day")],
        standings: vec![budget(Unit::Requests, 10, 10)],
        now: START,
    };
    for is_batch in [false, true] {
        let tally = counted(|counter| counter.decided(&answer, is_batch, "a", || "k".to_owned()));
        let own = u64::from(!is_batch);
        assert_eq!((tally.get(&limit("minute")), tally.get(&limit("day"))), (own, own));
        let key = Series::KeyRefused { account: Label::of("a"), key: Label::of("k") };
        assert_eq!(tally.get(&key), own, "once, by however many limits");
        assert_eq!(sum(&tally, |series| matches!(series, Series::BudgetUsed { percent: 100, .. })), 1);
    }
}
