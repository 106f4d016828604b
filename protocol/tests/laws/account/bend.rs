//! Requests that are bent at their Gate: what fits a limit of tokens is given to the token, and what a level makes of a
//! request is what limits see of it.

use super::{account, ask, setting, table};
use proptest::prelude::*;
use sluice_protocol::account::Account;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask, Bending, Call, PlanLevel};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::bodies::chat::Usage;

fn plans(plan: &str) -> PlanTable {
    PlanTable::parse(&format!(r#"{{"plans":{{"p":{{"lease":"5s",{plan}}}}}}}"#)).unwrap()
}

const TOKENS: &str = r#"{"name":"t","kind":"window","unit":"tokens","limit":1000,"window":"10s"},
    {"name":"c","kind":"bucket","unit":"cost","capacity":5000,"refill":1,"every":"1s"}"#;

fn admit(account: &mut Account, table: &PlanTable, ask: Ask, now: u64) -> Answer {
    account.answer(&Call::Admit(Box::new(ask)), setting(table), now).0
}

fn admitted(answer: Answer) -> Admission {
    match answer {
        Answer::Admitted(admission) => *admission,
        other => panic!("{other:?}"),
    }
}

fn may() -> Bending {
    Bending { may: true, ..Bending::default() }
}

fn at_level(level: u8) -> Bending {
    Bending { levels: vec![PlanLevel { plan: "p".into(), level }], streams: true, ..may() }
}

proptest! {
    /// What is clamped fits exactly: the same request for that many tokens passes, for one more it does not; and what
    /// would have passed, or is below the floor, is left as it is.
    #[test]
    fn a_clamp_fits_exactly(
        before in 0u32..900, prompt in 1u32..200, asked in 1u32..900, floor in 1u32..300, counted in any::<bool>(),
    ) {
        let limits = format!(r#""limits":[{TOKENS}]"#);
        let costs = r#"{"request":7,"prompt_token":2,"completion_token":5,"thinking_token":1}"#;
        let text = |clamp: &str| format!(r#"{{"plans":{{"p":{{"lease":"5s",{clamp}{limits}}}}},"costs":[{costs}]}}"#);
        let (plain, clamping) = (text(""), text(&format!(r#""clamp":{floor},"#)));
        let [plain, clamping] = [plain, clamping].map(|text| PlanTable::parse(&text).unwrap());
        let mut world = account("p");
        let first = Ask { prompt_tokens: 0, max_tokens: Some(before), ..ask(1, 1) };
        admit(&mut world, &plain, first, 1_000);
        let wants = |max_tokens| Ask {
            prompt_tokens: prompt, prompt_is_counted: counted, max_tokens: Some(max_tokens), bending: may(), ..ask(1, 2)
        };
        let passes = |max_tokens| matches!(admit(&mut world.clone(), &plain, wants(max_tokens), 2_000), Answer::Admitted(_));
        let mut clamped = world.clone();
        match admit(&mut clamped, &clamping, wants(asked), 2_000) {
            Answer::Admitted(admission) => match admission.degraded {
                None => prop_assert!(passes(asked)),
                Some(degraded) => {
                    let most = degraded.clamped.unwrap();
                    prop_assert!(most >= floor && most < asked && !passes(asked));
                    prop_assert!(passes(most) && !passes(most + 1));
                    prop_assert_eq!(admission.max_tokens, most);
                    // A message that comes again is told the same.
                    let again = admitted(admit(&mut clamped, &clamping, wants(asked), 2_001));
                    prop_assert_eq!(again.degraded.unwrap().clamped, Some(most));
                }
            },
            Answer::Limited { .. } => prop_assert!(!passes(asked) && (floor >= asked || !passes(floor))),
            other => prop_assert!(false, "{:?}", other),
        }
        // Whose caller takes no less is refused as ever.
        let forbidden = Ask { bending: Bending::default(), ..wants(asked) };
        prop_assert_eq!(matches!(admit(&mut world.clone(), &clamping, forbidden, 2_000), Answer::Admitted(_)), passes(asked));
    }
}

#[test]
fn a_limit_of_requests_clamps_nothing() {
    let table = plans(&format!(r#""clamp":1,"limits":[{TOKENS},{{"name":"r","kind":"parallel","limit":1}}]"#));
    let mut account = account("p");
    admitted(admit(&mut account, &table, Ask { max_tokens: Some(900), ..ask(1, 1) }, 1_000));
    let second = Ask { max_tokens: Some(900), bending: may(), ..ask(1, 2) };
    assert!(matches!(admit(&mut account, &table, second, 1_000), Answer::Limited { .. }));
}

/// With what the origin counted, a clamp is made anew, by what the first reservation gives back.
#[test]
fn a_second_reservation_is_clamped_by_what_the_first_gives_back() {
    let table = plans(&format!(r#""clamp":10,"limits":[{TOKENS}]"#));
    let mut account = account("p");
    let first = Ask { prompt_tokens: 100, max_tokens: Some(5_000), bending: may(), ..ask(1, 1) };
    assert_eq!(admitted(admit(&mut account, &table, first.clone(), 1_000)).max_tokens, 900);
    let counted = Ask { prompt_tokens: 700, prompt_is_counted: true, request: first.request.again(), ..first.clone() };
    let call = Call::Readmit { first: first.request, ask: Box::new(counted.clone()) };
    let second = admitted(account.answer(&call, setting(&table), 1_001).0);
    assert_eq!((second.max_tokens, second.tokens), (300, 1_000));
    assert_eq!(second.degraded.unwrap().clamped, Some(300));
    // What was bent is charged for what it used.
    let used = Outcome::Served(Some(Usage::new(700, 50).into()));
    account.answer(&Call::Settle { request: counted.request, outcome: used }, setting(&table), 1_002);
    let third = Ask { prompt_tokens: 50, prompt_is_counted: true, max_tokens: Some(200), ..ask(1, 3) };
    assert_eq!(admitted(admit(&mut account, &table, third, 1_003)).standings[0].used, 1_000);
}

const DEGRADES: &str = r#""degrade":{"rungs":[{"do":"no_thinking","pressure":60},{"do":"max_tokens","pressure":70,"most":20},
    {"do":"smaller_model","pressure":80,"models":{"m":"small"},"breaker":true},
    {"do":"static_answer","pressure":90,"text":"Later."}]}"#;

#[test]
fn limits_see_what_a_level_makes_of_a_request() {
    let limits = r#"{"name":"t","kind":"window","unit":"tokens","limit":1000,"window":"10s","per":"model"},
        {"name":"small","kind":"window","limit":1,"window":"10s","when":{"model":"small"}}"#;
    let table = plans(&format!(r#"{DEGRADES},"limits":[{limits}]"#));
    let asks = |id, bending| Ask { prompt_tokens: 10, max_tokens: Some(500), thinking: true, bending, ..ask(1, id) };
    let told = |level| {
        let admission = admitted(admit(&mut account("p"), &table, asks(1, at_level(level)), 1_000));
        let told = admission.degraded.map(|degraded| degraded.to_string()).unwrap_or_default();
        (told, admission.max_tokens, admission.standings[0].used)
    };
    assert_eq!(told(0), (String::new(), 500, 510));
    assert_eq!(told(1), ("no-thinking".into(), 500, 510));
    assert_eq!(told(2), ("no-thinking, max-tokens=20".into(), 20, 30));
    assert_eq!(told(3), ("no-thinking, max-tokens=20, model".into(), 20, 30));
    assert_eq!(told(4).0, "static-answer");
    assert_eq!(told(4).2, 0, "no model is asked");
    // The smaller model has limits of its own.
    let mut account = account("p");
    admitted(admit(&mut account, &table, asks(1, at_level(3)), 1_000));
    assert!(matches!(admit(&mut account, &table, asks(2, at_level(3)), 1_000), Answer::Limited { .. }));
    // A breaker has no dial.
    let broken = Bending { broken_until: Some(2_000), ..may() };
    assert!(matches!(admit(&mut account, &table, asks(3, broken), 1_000), Answer::Limited { .. }));
    // Another plan's level is nobody's, and neither is one that the plan does not have.
    let other = Bending { levels: vec![PlanLevel { plan: "q".into(), level: 4 }], ..may() };
    assert_eq!(admitted(admit(&mut account, &table, asks(4, other), 1_000)).degraded, None);
}

#[test]
fn who_takes_no_less_is_told_so_only_where_it_would_have_been_less() {
    let table = plans(&format!(r#"{DEGRADES},"limits":[]"#));
    let asks = |thinking, max_tokens, level| Ask {
        thinking,
        max_tokens: Some(max_tokens),
        bending: Bending { may: false, ..at_level(level) },
        ..ask(1, 1)
    };
    let answer = |ask| admit(&mut account("p"), &table, ask, 1_000);
    assert_eq!(answer(asks(true, 500, 1)), Answer::TooFull("p".into()));
    assert!(matches!(answer(asks(false, 500, 1)), Answer::Admitted(_)), "it thinks nothing");
    assert_eq!(answer(asks(false, 500, 2)), Answer::TooFull("p".into()));
    assert!(matches!(answer(asks(false, 20, 2)), Answer::Admitted(_)));
}

/// Nobody is given a model that it may not use.
#[test]
fn a_smaller_model_is_one_that_the_caller_may_use() {
    let table = plans(&format!(r#"{DEGRADES},"models":["m"],"limits":[]"#));
    let asks = Ask { max_tokens: Some(9), bending: at_level(3), ..ask(1, 1) };
    assert_eq!(admitted(admit(&mut account("p"), &table, asks.clone(), 1_000)).degraded, None);
    let mut bound = account("p");
    let models = sluice_protocol::auth::pattern::Pattern("m*".into());
    bound.kept.keys[0].permissions.models = Some(vec![models]);
    let free = plans(&format!(r#"{DEGRADES},"limits":[]"#));
    assert_eq!(admitted(admit(&mut bound, &free, asks.clone(), 1_000)).degraded, None);
    let kept = Ask { bending: Bending { keeps_model: true, ..at_level(3) }, ..asks.clone() };
    assert_eq!(admitted(admit(&mut account("p"), &free, kept, 1_000)).degraded, None);
    let degraded = admitted(admit(&mut account("p"), &free, asks, 1_000)).degraded.unwrap();
    assert_eq!(degraded.model.as_deref(), Some("small"));
    // A table without plans that degrade: nothing is read of all that.
    assert_eq!(admitted(admit(&mut account("p"), &table_of_none(), ask(1, 1), 1_000)).degraded, None);
}

fn table_of_none() -> PlanTable {
    table("")
}
