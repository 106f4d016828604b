//! budgets: never over, not by fifty streams at once over several isolates, whatever becomes of messages; a period that ends
//! while requests run; credits that are added once.

use crate::platform;
use crate::platform::scripted::{Caller, Closed, Faults};
use crate::tests::for_seeds;
use crate::tests::stage::{MAX_TOKENS, Stage, json_of};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sluice_protocol::limit::calendar::{Cycle, Period, Span, Zone};

/// A cent for 1,000 tokens of a prompt, four for as many of an answer: a request whose prompt is guessed at nine tokens, and
/// whose answer has eight at most, reserves 0.00041. It uses 0.00036.
fn plans(budget: &Value) -> Value {
    let limits = json!([budget, {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"}]);
    json!({
        "plans": {"open": {"lease": "30s", "limits": limits}},
        "anonymous": "open",
        "costs": [{"currency": "USD", "prompt": "0.01", "completion": "0.04", "per": "1K"}],
    })
}

fn cents(limit: &str, period: &str) -> Value {
    json!({"name": "cents", "kind": "budget", "unit": "cost", "currency": "USD", "limit": limit, "period": period,
        "zone": "Europe/Zurich"})
}

/// What the origin has computed costs so much, in nano-units.
fn computed(stage: &Stage) -> u64 {
    stage
        .origin
        .work()
        .values()
        .map(|work| 10_000 * work.used.prompt_tokens + 40_000 * work.used.completion_tokens)
        .sum()
}

fn passed(crowd: &[Caller]) -> usize {
    crowd.iter().filter(|caller| caller.status() == Some(200)).count()
}

#[test]
fn fifty_streams_at_one_budget_in_cents_never_exceed_it() {
    for_seeds(60, |seed| {
        let stage = Stage::new(seed, &plans(&cents("0.01", "month")));
        stage.world.set_faults(Faults { delay_ms: 30, ..Faults::default() });
        let crowd: Vec<_> = (0..50).map(|_| stage.chat(stage.place(), "x", true)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        assert!(passed(&crowd) >= 24, "24 of 410,000 fit at once: {}", passed(&crowd));
        stage.calm();
        assert_eq!(stage.used("cents"), computed(&stage), "to the nano-unit");
        assert!(computed(&stage) <= 10_000_000);
        let refused = crowd.iter().find(|caller| caller.status() != Some(200)).expect("not all of them fit");
        assert_eq!((refused.status(), &json_of(refused)["error"]["code"]), (Some(429), &json!("budget_exceeded")));
    });
}

#[test]
fn no_budget_is_exceeded_whatever_becomes_of_messages() {
    for_seeds(300, |seed| {
        let stage = Stage::new(seed, &plans(&cents("0.0011", "week")));
        stage.origin.odd.set(300);
        stage.world.set_faults(Faults {
            delay_ms: 30,
            lost: 100,
            answer_lost: 100,
            repeated: 100,
            overloaded: 20,
            object_ends: 20,
            write_lost: 20,
            ..Faults::default()
        });
        let crowd: Vec<_> = (0..10).map(|number| stage.chat(stage.place(), "x", number % 2 == 0)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        stage.calm();
        assert!(computed(&stage) <= 1_100_000, "{}", computed(&stage));
        assert!(stage.used("cents") >= computed(&stage).min(1_100_000), "what was computed counts");
    });
}

#[test]
fn a_request_counts_in_the_period_in_which_it_was_admitted() {
    for_seeds(40, |seed| {
        let stage = Stage::new(seed, &plans(&cents("0.0009", "day")));
        let zone = Zone::parse("Europe/Zurich").expect("a name");
        let today = platform::period(Cycle { period: Period::Day, zone }, platform::now()).expect("it is known");
        stage.world.run_for(today.ends - platform::now() - 60);
        let two: Vec<_> = (0..2).map(|_| stage.chat(stage.place(), "x", true)).collect();
        let third = stage.chat(stage.place(), "x", true);
        stage.world.run_for(50);
        let (admitted, waits) = (passed(&two) + passed(std::slice::from_ref(&third)), platform::now() < today.ends);
        assert!(waits && admitted <= 2, "{admitted} of two that fit");
        [&two[0], &two[1], &third].into_iter().for_each(|caller| stage.finish(caller));
        assert!(platform::now() > today.ends, "they ended in the next day");
        stage.calm();
        assert_eq!(stage.used("cents"), 0, "and count in the one before");
        let next: Vec<_> = (0..3).map(|_| stage.chat(stage.places[0], "x", false)).collect();
        next.iter().for_each(|caller| stage.finish(caller));
        assert_eq!(passed(&next), 2, "all of this one is there");
    });
}

#[test]
fn a_refusal_says_which_budget_of_whom_and_when_it_opens() {
    let stage = Stage::new(1, &plans(&cents("0.0004", "day")));
    let ask = || {
        let caller = stage.chat(stage.places[0], "x", false);
        stage.finish(&caller);
        caller
    };
    assert_eq!(ask().status(), Some(200));
    let refused = ask();
    let message = json_of(&refused)["error"]["message"].as_str().unwrap_or_default().to_owned();
    let named = "`cents`: a budget of 0.0004 USD a day (Europe/Zurich) of this account, this request needs";
    assert!(message.contains(named) && message.contains("it opens again at 2026-09-21T22:00:00.000Z"), "{message}");
    assert_eq!(refused.header("x-should-retry").as_deref(), Some("false"), "nobody sleeps for hours");
    let wait: u64 = refused.header("retry-after-ms").expect("a refusal says when").parse().expect("a number");
    stage.world.run_for(wait - 1_000);
    assert_eq!(ask().status(), Some(429));
    stage.world.run_for(1_000);
    assert_eq!(ask().status(), Some(200));
}

#[test]
fn a_zone_that_is_not_there_is_refused_with_its_place_and_later_lets_nothing_through() {
    let stage = Stage::new(1, &plans(&cents("1", "day")));
    let put = |zone: &str| {
        let mut plans = plans(&cents("1", "day"));
        plans["plans"]["open"]["limits"][0]["zone"] = zone.into();
        let authorization = format!("Bearer {}", crate::tests::stage::ADMIN_TOKEN);
        let headers = [("authorization", authorization.as_str()), ("if-match", "*")];
        let caller = stage.send(stage.places[0], "PUT", "/admin/v1/plans", &headers, plans.to_string());
        stage.finish(&caller);
        caller
    };
    let refused = put("Europe/Atlantis");
    assert_eq!(refused.status(), Some(400));
    assert!(refused.body().contains("plans.open.limits[0].zone"), "{}", refused.body());
    assert_eq!(put("Europe/Helsinki").status(), Some(200));
    let ask = |place: usize| {
        let caller = stage.chat(stage.places[place], "x", false);
        stage.finish(&caller);
        caller
    };
    stage.world.run_for(6_000);
    assert_eq!(ask(0).status(), Some(200));
    stage.world.lose_zone("Europe/Helsinki");
    stage.world.run_for(36 * 60 * 60 * 1_000);
    let refused = ask(1);
    assert_eq!((refused.status(), &json_of(&refused)["error"]["code"]), (Some(500), &json!("misconfigured")));
    assert_eq!(stage.origin.work().len(), 1, "nothing was let through");
}

#[test]
fn credits_are_added_once_whatever_ends_when() {
    for_seeds(150, |seed| {
        let stage = Stage::new(
            seed,
            &plans(&json!({
                "name": "cents", "kind": "budget", "unit": "cost", "currency": "USD", "period": "ever",
            })),
        );
        let account = "ip:203.0.113.7";
        let refused = stage.chat(stage.places[0], "x", false);
        stage.finish(&refused);
        assert_eq!(
            (refused.status(), &json_of(&refused)["error"]["code"]),
            (Some(402), &json!("insufficient_credits"))
        );
        stage.world.set_faults(Faults {
            delay_ms: 30,
            lost: 50,
            answer_lost: 100,
            repeated: 100,
            isolate_ends: 2,
            object_ends: 20,
            write_lost: 20,
            ..Faults::default()
        });
        let body = r#"{"limit": "cents", "amount": "0.01", "currency": "USD"}"#;
        let mut is_told = 0;
        for _ in 0..200 {
            let caller =
                stage.admin(stage.place(), "POST", &format!("/accounts/{account}/credits"), Some("order-1"), body);
            stage.finish(&caller);
            is_told += u32::from(caller.closed() == Some(Closed::Whole) && caller.status() == Some(200));
            if is_told == 2 {
                break;
            }
            stage.world.run_for(500);
        }
        assert_eq!(is_told, 2, "it is told an outcome, twice the same");
        stage.calm();
        let added: Vec<u64> = stage.account(account).kept.credits.values().map(|credit| credit.amount).collect();
        assert_eq!(added, [10_000_000], "once");
        let crowd: Vec<_> = (0..40).map(|_| stage.chat(stage.place(), "x", true)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        stage.calm();
        assert!(passed(&crowd) >= 24 && computed(&stage) <= 10_000_000, "{} passed", passed(&crowd));
        let without = stage.admin(stage.places[0], "POST", &format!("/accounts/{account}/credits"), None, body);
        stage.finish(&without);
        assert_eq!(without.status(), Some(400), "what may be sent twice has a name");
    });
}

/// The tests' own calendar against the IANA's tables, over ten years.
#[test]
fn the_scripted_calendar_is_that_of_its_zones() {
    const HOUR: u64 = 3_600_000;
    for name in ["UTC", "Europe/Zurich", "Europe/Helsinki"] {
        let zone = TimeZone::get(name).expect("a zone");
        for number in 0..10 * 366 * 24 / 5 {
            let at = 1_767_225_600_000 + number * 5 * HOUR;
            let date = Timestamp::from_millisecond(at as i64).expect("a time").to_zoned_datetime(zone.clone()).date();
            let monday = date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).expect("a date");
            let month = date.first_of_month();
            let begins = |day: jiff::civil::Date| {
                let midnight = day.to_zoned_datetime(zone.clone()).and_then(|day| day.start_of_day()).expect("a day");
                midnight.timestamp().as_millisecond() as u64
            };
            let after = |day: jiff::civil::Date, days: i64| begins(day.checked_add(days.days()).expect("a date"));
            let next_month = begins(month.checked_add(1.month()).expect("a date"));
            for (period, began, ends) in [
                (Period::Day, begins(date), after(date, 1)),
                (Period::Week, begins(monday), after(monday, 7)),
                (Period::Month, begins(month), next_month),
            ] {
                let cycle = Cycle { period, zone: Zone::parse(name).expect("a name") };
                assert_eq!(platform::period(cycle, at), Some(Span { began, ends }), "{name} {period:?} at {at}");
            }
        }
    }
    const { assert!(MAX_TOKENS == 8, "what a request of these tests costs at most") };
}
