use super::*;
use crate::limit::calendar::Calendar;
use crate::limit::kind::entry::Size;
use serde_json::json;

const ZONE: &str = "Europe/Zurich";
const YESTERDAY: Span = Span { began: 0, ends: 1_000 };
const TODAY: Span = Span { began: 1_000, ends: 2_000 };
const TOMORROW: Span = Span { began: 2_000, ends: 3_000 };

fn usd() -> Option<Currency> {
    Currency::parse("USD")
}

fn days() -> Cycle {
    Cycle { period: Period::Day, zone: Zone::parse(ZONE).unwrap() }
}

fn budget() -> Budget {
    Budget { unit: Unit::Money, limit: 9, currency: usd(), cycle: days() }
}

fn log(counted: &[(Span, u64)]) -> Log {
    let mut log = budget().starting(0);
    for (span, amount) in counted {
        let counting = Counting { now: span.began + 500, oldest: 0, size: Size::EXACT, span: Some(*span) };
        assert_eq!(budget().add(&mut log, *amount, counting), span.began + 500);
    }
    log
}

fn used(log: &Log, now: Millis) -> u64 {
    budget().used(Tally::of_log(log), now)
}

#[test]
fn all_of_a_period_stops_counting_when_it_ends() {
    let log = log(&[(TODAY, 4), (TODAY, 5)]);
    assert_eq!([1_000, 1_999, 2_000].map(|now| used(&log, now)), [9, 9, 0]);
    let fit = |amount| budget().fit(Tally::of_log(&log), 1_600, 9, amount);
    assert_eq!([0, 1, 9, 10].map(fit), [Fit::Now, Fit::At(2_000), Fit::At(2_000), Fit::Never]);
    assert_eq!(budget().ends(Tally::of_log(&log), 1_600), Some((2_000, 2_000)));
}

#[test]
fn what_is_given_back_is_the_period_s_in_which_it_was_counted() {
    let mut log = log(&[(YESTERDAY, 4), (TODAY, 5)]);
    log.refund(500, 3);
    assert_eq!([600, 1_600].map(|now| used(&log, now)), [1 + 5, 5], "not today's");
    log.refund(1_500, 100);
    assert_eq!([600, 1_600].map(|now| used(&log, now)), [1, 0]);
    log.drop_expired(1_000);
    log.refund(500, 1);
    assert!(log.is_void(), "what is over is gone, and nothing is given back to it");
}

#[test]
fn what_a_clock_that_was_ahead_has_counted_is_of_now() {
    let mut calendar = Calendar::default();
    calendar.add(days(), TODAY);
    let mut back = log(&[(YESTERDAY, 1), (TODAY, 2), (TOMORROW, 4)]);
    back.take_back_to(1_700, &calendar);
    assert_eq!(back, log(&[(YESTERDAY, 1), (TODAY, 6)]));
    // Nobody says which day it is: it counts until tomorrow is over.
    let mut back = log(&[(TOMORROW, 4)]);
    back.take_back_to(1_700, Calendar::NONE);
    assert_eq!([1_700, 2_999, 3_000].map(|now| used(&back, now)), [4, 4, 0]);
}

#[test]
fn without_a_period_it_counts_for_ever() {
    let mut log = budget().starting(0);
    budget().add(&mut log, 3, Counting { now: 5, oldest: 0, size: Size::EXACT, span: None });
    assert_eq!(used(&log, Millis::MAX - 1), 3);
    assert_eq!(budget().fit(Tally::of_log(&log), 5, 9, 7), Fit::Never);
    assert_eq!(budget().ends(Tally::of_log(&log), 5), None);
}

#[test]
fn money_is_told_in_decimals_and_in_headers_in_millionths() {
    let budget = Budget { limit: 25_000_000_000, ..budget() };
    let refused = budget.refused(25_000_000_000, Per::Key);
    assert_eq!(refused.text(), "a budget of 25.00 USD a day (Europe/Zurich) of this key");
    assert_eq!((refused.told(3_100_000).as_str(), refused.reason()), ("0.0031 USD", Reason::BudgetExceeded));
    assert_eq!(refused.opens(0).as_deref(), Some("it opens again at 1970-01-01T00:00:00.000Z"));
    assert_eq!(refused.never(), Reason::NeverFits);
    let standing = budget.standing(1, Some(TODAY));
    assert_eq!((standing.in_headers(25_000_000_999), standing.in_headers(u64::MAX)), (25_000_000, MAX_LIMIT));
    assert_eq!(standing.quota_unit(Unit::Money).as_deref(), Some("micro-USD"));
    assert_eq!(standing.span_ms(), Some(1_000));
    let credits = Budget { cycle: Cycle::EVER, ..budget };
    let refused = credits.refused(10_000_000_000, Per::Account);
    assert_eq!(refused.text(), "credits of 10.00 USD of this account");
    assert_eq!((refused.never(), refused.is_closed()), (Reason::InsufficientCredits, false));
    assert_eq!(credits.standing(1, Some(Span::EVER)).span_ms(), None);
}

#[test]
fn it_is_read_and_written() {
    let read = |limit: &Value, prices| {
        let mut reader = Reader { prices, ..Reader::new(|zone| zone.name() != "Europe/Atlantis") };
        let budget = Budget::read(&mut reader, "l", limit.as_object().unwrap());
        (budget, reader.mistakes.into_iter().map(|mistake| mistake.at).collect::<Vec<_>>())
    };
    let money = json!({"unit": "cost", "currency": "USD", "limit": "25.00", "period": "month", "zone": ZONE});
    let cycle = Cycle { period: Period::Month, ..days() };
    let expected = Budget { limit: 25_000_000_000, cycle, ..budget() };
    assert_eq!(read(&money, Some(usd())), (Some(expected), vec![]));
    let mut written = Map::new();
    expected.write(&mut written);
    assert_eq!(Value::Object(written), money);
    let tokens = json!({"unit": "tokens", "limit": 5, "period": "week"});
    let expected = Cycle { period: Period::Week, zone: Zone::UTC };
    assert_eq!(read(&tokens, None).0.map(|budget| (budget.unit, budget.cycle)), Some((Unit::Tokens, expected)));
    let credits = json!({"unit": "cost", "currency": "USD", "period": "ever"});
    assert_eq!(read(&credits, Some(usd())).0, Some(Budget { limit: 0, cycle: Cycle::EVER, ..budget() }));

    let eur = Currency::parse("EUR");
    for (limit, prices, at) in [
        (&money, Some(None), "l.currency"),
        (&money, Some(eur), "l.currency"),
        (&json!({"unit": "tokens", "currency": "USD", "limit": "5", "period": "day"}), None, "l.currency"),
        (&json!({"unit": "cost", "currency": "usd", "limit": "5", "period": "day"}), None, "l.currency"),
        (&json!({"unit": "cost", "currency": "USD", "limit": 5, "period": "day"}), None, "l.limit"),
        (&json!({"unit": "cost", "currency": "USD", "limit": "-5", "period": "day"}), None, "l.limit"),
        (&json!({"unit": "cost", "currency": "USD", "limit": "0", "period": "day"}), None, "l.limit"),
        (&json!({"unit": "cost", "currency": "USD", "limit": "9".repeat(30), "period": "day"}), None, "l.limit"),
        (&json!({"unit": "cost", "limit": "5.00", "period": "day"}), None, "l.limit"),
        (&json!({"limit": 0, "period": "day"}), None, "l.limit"),
        (&json!({"limit": 1_000_000_000_000_000_u64, "period": "day"}), None, "l.limit"),
        (&json!({"limit": 5}), None, "l.period"),
        (&json!({"limit": 5, "period": "year"}), None, "l.period"),
        (&json!({"limit": 5, "period": "day", "zone": "Europe/Atlantis"}), None, "l.zone"),
        (&json!({"limit": 5, "period": "day", "zone": "+01:00"}), None, "l.zone"),
        (&json!({"limit": 5, "period": "ever", "zone": ZONE}), None, "l.zone"),
    ] {
        assert_eq!(read(limit, prices).1, [at], "{limit}");
    }
}
