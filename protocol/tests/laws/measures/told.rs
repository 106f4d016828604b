//! How measures are told: JSON, and Prometheus' text.

use super::{START, limit, report, requests};
use crate::golden::golden;
use proptest::prelude::*;
use sluice_protocol::measures::live::{LiveAsked, LiveView};
use sluice_protocol::measures::meter::{Meter, Reading};
use sluice_protocol::measures::report::{IsolateState, OriginSaid, OriginSeen, Report, Span};
use sluice_protocol::measures::series::{BOUNDS, Label, Series, TokenKind, bucket};
use sluice_protocol::measures::{LONG_MS, SHORT_KEPT_MS, SHORT_MS, prometheus};
use sluice_protocol::telemetry::RequestOutcome;

fn label(name: &str) -> Label {
    Label::of(name)
}

/// One of each, twice in a row of slots.
fn reading(span: Span) -> Reading {
    let outcome = |outcome, model: &str| Series::Requests { outcome, model: label(model), plan: label("free") };
    let counts = [
        (requests("tiny", "free"), 7),
        (outcome(RequestOutcome::Cut, "tiny"), 1),
        (outcome(RequestOutcome::Refused, ""), 2),
        (outcome(RequestOutcome::Failed, ""), 3),
        (outcome(RequestOutcome::Left, ""), 4),
        (Series::Refused { code: label("rate_limit_exceeded") }, 2),
        (limit("minute"), 2),
        (limit("a \"b\\c\nd"), 1),
        (Series::FirstToken { model: label("tiny"), bucket: bucket(40) }, 3),
        (Series::FirstToken { model: label("tiny"), bucket: bucket(400_000) }, 1),
        (Series::FirstTokenMs { model: label("tiny") }, 400_120),
        (Series::Answer { model: label("tiny"), bucket: bucket(1_500) }, 8),
        (Series::AnswerMs { model: label("tiny") }, 12_000),
        (Series::Tokens { model: label("tiny"), kind: TokenKind::Prompt }, 100),
        (Series::Tokens { model: label("tiny"), kind: TokenKind::Cached }, 20),
        (Series::Tokens { model: label("tiny"), kind: TokenKind::Completion }, 50),
        (Series::Tokens { model: label("tiny"), kind: TokenKind::Thinking }, 5),
        (Series::GateCalls, 11),
        (Series::GateRows, 21),
        (Series::FailedLogins, 1),
        (Series::Lapsed, 2),
        (Series::SpansDropped, 6),
        (Series::Images { model: label("tiny") }, 7),
        (Series::ImageSteps { model: label("tiny") }, 54),
        (Series::KeyRefused { account: label("a"), key: label("k") }, 2),
    ];
    let state = IsolateState {
        in_flight: 3,
        origins: vec![
            OriginSeen {
                name: "a".into(),
                takes_requests: true,
                said: Some(OriginSaid { at: START, percent: 25, wait_ms: 1_800 }),
            },
            OriginSeen { name: "b".into(), takes_requests: false, said: None },
        ],
    };
    let mut meter = Meter::default();
    meter.take(Report { state, ..report(1, 1, &counts) }, START);
    meter.take(report(2, 1, &[(requests("tiny", "free"), 1)]), START + SHORT_MS);
    meter.read(span, START + SHORT_MS)
}

#[test]
fn what_happens_is_told_as_json() {
    let now = START + SHORT_MS;
    let asked = LiveAsked::parse("span=5m", now).unwrap();
    let view = LiveView::new(asked, &reading(asked.span()), true, now);
    golden("admin_live.json", &(serde_json::to_string_pretty(&view).unwrap() + "\n"));
    // By minutes it is one slot.
    let asked = LiveAsked::parse("span=day", now).unwrap();
    let by_minutes = LiveView::new(asked, &reading(asked.span()), true, now);
    assert_eq!((by_minutes.slots.len(), by_minutes.slot_ms), (1, LONG_MS));
    assert_eq!(by_minutes.total.requests, view.total.requests);
}

#[test]
fn what_is_counted_is_told_to_prometheus() {
    let text = prometheus::text(&reading(Span::Sums), START + SHORT_MS);
    golden("metrics.txt", &text);
    // Whatever is told is in the list, and all of the list is told of here.
    for measure in prometheus::MEASURES {
        assert!(text.contains(&format!("# TYPE {} {}\n", measure.name, measure.kind)), "{}", measure.name);
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let is_of = |measure: &prometheus::Measure| {
            let endings: &[&str] = if measure.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            endings.iter().any(|ending| format!("{}{ending}", measure.name) == name)
        };
        assert_eq!(prometheus::MEASURES.iter().filter(|measure| is_of(measure)).count(), 1, "{line}");
    }
    // Nothing was counted yet: what is looked at is told all the same.
    let nothing = prometheus::text(&Reading::default(), START);
    assert!(nothing.contains("\nsluice_requests_in_flight 0\n"), "{nothing}");
}

#[test]
fn queries_that_ask_for_nothing_that_there_is() {
    let now = START;
    for (query, says) in [
        ("span=week", "`span` must be"),
        ("span=hour&span=hour", "twice"),
        ("since=1&since=2", "twice"),
        ("since=-1", "milliseconds"),
        ("since=1e3", "milliseconds"),
        ("since=99999999999999999999999999", "milliseconds"),
        ("since=1790000000001", "in the future"),
        ("by=model", "there are only"),
        ("span", "`span` must be"),
        ("span=week&by=x", "; there are only"),
    ] {
        let refusal = LiveAsked::parse(query, now).unwrap_err();
        assert!(refusal.message.contains(says), "{query}: {}", refusal.message);
    }
    // A time of long ago is as far back as is kept.
    assert_eq!(LiveAsked::parse("since=0", now).unwrap(), LiveAsked::Short(now - SHORT_KEPT_MS));
    assert_eq!(LiveAsked::parse("", now).unwrap(), LiveAsked::Short(now - SHORT_KEPT_MS));
    assert_eq!(LiveAsked::parse("span=day&since=1789999999999", now).unwrap(), LiveAsked::Long(now - 1));
}

proptest! {
    /// A quantile lies in the bucket in which the duration lies that a sorted list has at its place.
    #[test]
    fn quantiles_are_in_the_right_bucket(mut all in prop::collection::vec(prop_oneof![0..300_000_u64, 0..1_000_u64, Just(900_000)], 1..200)) {
        let counts: Vec<_> = all.iter().map(|ms| (Series::Answer { model: label("a"), bucket: bucket(*ms) }, 1)).collect();
        let mut meter = Meter::default();
        meter.take(report(1, 1, &counts), START);
        let asked = LiveAsked::parse("", START).unwrap();
        let told = LiveView::new(asked, &meter.read(asked.span(), START), true, START).total.answer_ms.unwrap();
        all.sort_unstable();
        prop_assert_eq!(told.count, all.len() as u64);
        for (percent, told) in [(50, told.p50), (95, told.p95)] {
            let place = (all.len() * percent).div_ceil(100).max(1) - 1;
            let index = usize::from(bucket(all[place]));
            let bounds = BOUNDS.get(index).map(|upper| (index.checked_sub(1).map_or(0, |index| BOUNDS[index]), *upper));
            let (lower, upper) = bounds.unwrap_or((BOUNDS[13], BOUNDS[13]));
            prop_assert!((lower..=upper).contains(&told), "{}: {} of {}..={}", percent, told, lower, upper);
        }
    }
}
