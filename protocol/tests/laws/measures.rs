//! measures: what isolates count comes to its Meter once, and is told as it was counted.

mod kept;
mod request;
mod told;

use proptest::prelude::*;
use sluice_protocol::id::RequestId;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::kept::Kept;
use sluice_protocol::measures::meter::{Meter, Reading};
use sluice_protocol::measures::report::{IsolateState, OriginSaid, OriginSeen, Report, Span, decode, encode};
use sluice_protocol::measures::series::{BOUNDS, Label, MAX_LABEL, Series, bucket};
use sluice_protocol::measures::slots::{Slot, Slots};
use sluice_protocol::measures::tally::Tally;
use sluice_protocol::measures::{
    GIVEN_UP_MS, HAND_OVER_MS, LONG_KEPT_MS, LONG_MS, METERS, SHORT_KEPT_MS, SHORT_MS, meter_names, meter_of,
};
use sluice_protocol::replay::lines::Lines;
use sluice_protocol::telemetry::RequestOutcome;
use std::collections::BTreeMap;

const START: u64 = 1_790_000_000_000;

fn requests(model: &str, plan: &str) -> Series {
    let (model, plan) = (Label::of(model), Label::of(plan));
    Series::Requests { outcome: RequestOutcome::Served, model, plan }
}

fn limit(name: &str) -> Series {
    Series::RefusedBy { plan: Label::of("free"), limit: Label::of(name) }
}

fn report(isolate: u64, number: u64, counts: &[(Series, u64)]) -> Report {
    let mut tally = Tally::default();
    counts.iter().for_each(|(series, count)| tally.add(series.clone(), *count));
    Report { isolate, number, tally, lines: Lines::default(), kept_ms: 0, state: IsolateState::default() }
}

/// What an object keeps of its Meter, and what it is after a restart.
fn stored_and_loaded(meter: &Meter) -> Meter {
    // In whatever order the rows are read.
    let read = |slots: &Slots| {
        let row = |slot: &Slot| Slot { number: slot.number, tally: decode(&encode(&slot.tally)).unwrap() };
        let mut rows: Vec<_> = slots.iter().map(row).collect();
        rows.reverse();
        Slots::of_rows(rows)
    };
    let sums = decode(&encode(&meter.sums)).unwrap();
    Meter { sums, short: read(&meter.short), long: read(&meter.long), kept: Kept::default() }
}

/// What happens between some isolates and their Meter.
#[derive(Clone, Debug)]
enum Event {
    /// An isolate counts this many of one of some series.
    Counts(u8, u8, u8),
    /// It hands on; whether that comes, and whether its answer does.
    HandsOn(u8, bool, bool),
    /// The Meter ends, and is read back.
    MeterEnds,
    /// Time passes.
    Passes(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3_u8, 0..6_u8, 1..9_u8).prop_map(|(isolate, series, count)| Event::Counts(isolate, series, count)),
        4 => (0..3_u8, any::<bool>(), any::<bool>()).prop_map(|(isolate, comes, returns)| Event::HandsOn(isolate, comes, returns)),
        1 => Just(Event::MeterEnds),
        3 => (0..200_000_u32).prop_map(Event::Passes),
    ]
}

fn series(number: u8) -> Series {
    match number {
        0 => requests("a", "free"),
        1 => requests("b", "free"),
        2 => limit("minute"),
        3 => Series::GateCalls,
        4 => Series::FirstToken { model: Label::of("a"), bucket: 3 },
        _ => Series::FailedLogins,
    }
}

/// A report that came and whose answer was lost is sent again when its isolate has requests again: after hours, perhaps. It
/// counts once, and after half a day it is given up and not sent any more.
#[test]
fn a_report_that_comes_again_after_hours_counts_once() {
    let waits = [1_000, 3_599_999, 3_600_000, 3_600_001, 5 * 3_600_000, GIVEN_UP_MS - 1, GIVEN_UP_MS, 3 * GIVEN_UP_MS];
    for wait in waits {
        let (mut isolate, mut meter) = (Counter::default(), Meter::default());
        isolate.add(limit("minute"), 1);
        let report = isolate.report(1, IsolateState::default(), 0, START);
        let first = report.number;
        meter.take(report, START);
        isolate.handed_over(first, false, true, START);
        // Others are heard of meanwhile, and the Meter ends: what it knows is what it has stored.
        meter.take(Counter::default().report(2, IsolateState::default(), 0, START + wait), START + wait);
        meter = stored_and_loaded(&meter);
        isolate.add(limit("minute"), 1);
        // What is sent again comes first, and then what was counted since.
        for _ in 0..2 {
            let report = isolate.report(1, IsolateState::default(), 0, START + wait);
            assert!(wait < GIVEN_UP_MS || report.number > first, "it is sent again after {wait} ms");
            let number = report.number;
            meter.take(report, START + wait);
            isolate.handed_over(number, true, true, START + wait);
        }
        assert_eq!(meter.read(Span::Sums, START + wait).sums.get(&limit("minute")), 2, "{wait} ms");
        // Who has been silent for an hour is no isolate that anybody is told of.
        assert_eq!(meter.read(Span::Sums, START + wait + 3_600_000).isolates, []);
    }
}

proptest! {
    /// Whatever is lost or comes twice, and whenever the Meter ends: what was taken is added once, in its sums, in its five
    /// seconds and in its minutes; and what was not taken comes with what is handed on next.
    #[test]
    fn what_is_counted_is_added_once(events in prop::collection::vec(event(), 1..120)) {
        let mut isolates: Vec<Counter> = (0..3).map(|_| Counter::default()).collect();
        let (mut meter, mut now) = (Meter::default(), START);
        let (mut counted, mut unheard) = (Tally::default(), vec![Tally::default(); 3]);
        let mut came = Tally::default();
        // What is under way to the Meter, which has it already if only its answer was lost.
        let mut sent: Vec<Option<(Tally, bool)>> = vec![None; 3];
        let mut hand_on = |isolate: usize, comes: bool, returns: bool, meter: &mut Meter, isolates: &mut Vec<Counter>, unheard: &mut Vec<Tally>, now: u64, came: &mut Tally| {
            let report = isolates[isolate].report(isolate as u64, IsolateState::default(), 0, now);
            let report: Report = decode(&encode(&report)).unwrap();
            let number = report.number;
            let (tally, has_come) = sent[isolate].take().unwrap_or_else(|| (std::mem::take(&mut unheard[isolate]), false));
            assert_eq!(report.tally, tally, "what was not taken is sent again, the same");
            if comes {
                meter.take(report, now);
                if !has_come {
                    came.merge(&tally);
                }
            }
            let is_taken = comes && returns;
            if !is_taken {
                sent[isolate] = Some((tally, has_come || comes));
            }
            let has_more = isolates[isolate].handed_over(number, is_taken, true, now);
            assert_eq!(has_more, sent[isolate].is_some() || !unheard[isolate].is_empty());
        };
        for event in events {
            match event {
                Event::Counts(isolate, number, count) => {
                    let isolate = usize::from(isolate);
                    isolates[isolate].add(series(number), count.into());
                    unheard[isolate].add(series(number), count.into());
                    counted.add(series(number), count.into());
                }
                Event::HandsOn(isolate, comes, returns) => {
                    hand_on(isolate.into(), comes, returns, &mut meter, &mut isolates, &mut unheard, now, &mut came);
                }
                Event::MeterEnds => meter = stored_and_loaded(&meter),
                Event::Passes(ms) => now += u64::from(ms),
            }
            prop_assert_eq!(&meter.read(Span::Sums, now).sums, &came);
            // All of it is in the last day.
            prop_assert_eq!(&meter.read(Span::Long(0), now).slots.sum(), &came);
        }
        for isolate in 0..3 {
            for _ in 0..2 {
                hand_on(isolate, true, true, &mut meter, &mut isolates, &mut unheard, now, &mut came);
            }
        }
        prop_assert_eq!(&meter.read(Span::Sums, now).sums, &counted);
    }

    /// What is told of an hour and of a day is what came in it, slot by slot, by a list of all that came.
    #[test]
    fn slots_are_what_came_in_them(gaps in prop::collection::vec(0..2_000_000_u64, 1..80)) {
        let (mut meter, mut now, mut all) = (Meter::default(), START, Vec::new());
        for (number, gap) in gaps.into_iter().enumerate() {
            now += gap;
            let written = meter.take(report(1, number as u64 + 1, &[(limit("minute"), 1)]), now);
            prop_assert_eq!(written.short, Some(now / SHORT_MS));
            all.push(now);
        }
        for (span, slot_ms, kept) in [(Span::Short(0), SHORT_MS, SHORT_KEPT_MS), (Span::Long(0), LONG_MS, LONG_KEPT_MS)] {
            let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
            for at in all.iter().filter(|at| **at / slot_ms >= (now - kept) / slot_ms) {
                *expected.entry(at / slot_ms).or_default() += 1;
            }
            let told = meter.read(span, now).slots;
            let told: BTreeMap<_, _> = told.iter().map(|slot| (slot.number, slot.tally.get(&limit("minute")))).collect();
            prop_assert_eq!(told, expected);
        }
        // Only what is kept takes room.
        prop_assert!(meter.short.iter().count() as u64 <= SHORT_KEPT_MS / SHORT_MS + 2);
        prop_assert!(meter.long.iter().count() as u64 <= LONG_KEPT_MS / LONG_MS + 2);
    }

    /// Several Meters tell together what one alone would.
    #[test]
    fn readings_are_added_up(counts in prop::collection::vec((0..20_u64, 0..6_u8, 1..9_u64, 0..100_000_u64), 1..60)) {
        let (mut one, mut many) = (Meter::default(), [(); METERS as usize].map(|()| Meter::default()));
        let mut now = START;
        for (number, (isolate, what, count, gap)) in counts.into_iter().enumerate() {
            now += gap;
            let report = report(isolate, number as u64 + 1, &[(series(what), count)]);
            many[(isolate % METERS) as usize].take(report.clone(), now);
            one.take(report, now);
        }
        for span in [Span::Sums, Span::Short(0), Span::Long(0), Span::Short(now)] {
            let mut all = Reading::default();
            many.iter().for_each(|meter| all.merge(meter.read(span, now)));
            let alone = one.read(span, now);
            prop_assert_eq!((&all.sums, &all.slots), (&alone.sums, &alone.slots));
            prop_assert_eq!(all.isolates.len(), alone.isolates.len());
        }
    }

    /// A duration is in the first bucket whose bound it does not exceed.
    #[test]
    fn durations_have_buckets(ms in prop_oneof![0..400_000_u64, any::<u64>()]) {
        let naive = BOUNDS.iter().position(|bound| ms <= *bound).unwrap_or(BOUNDS.len());
        prop_assert_eq!(usize::from(bucket(ms)), naive);
    }

    /// Whatever bytes come, nothing panics.
    #[test]
    fn bytes_that_are_no_message_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [vec![1], bytes].concat();
        let _ = (decode::<Report>(&bytes), decode::<Tally>(&bytes), decode::<Span>(&bytes));
    }
}

#[test]
fn one_hands_on_and_nobody_else_until_it_is_lost() {
    let mut counter = Counter::default();
    assert!(!counter.has_news());
    assert!(counter.begin(START));
    assert!(!counter.begin(START + HAND_OVER_MS));
    assert!(!counter.begin_now(START + HAND_OVER_MS));
    // Its request was ended, and it with it.
    assert!(counter.begin(START + 10 * HAND_OVER_MS));
    let number = counter.report(1, IsolateState::default(), 0, START).number;
    assert!(!counter.handed_over(number, true, true, START + 10 * HAND_OVER_MS));
    // Whoever hands on and would go on has to, if there is more; nobody else begins meanwhile.
    let now = START + 20 * HAND_OVER_MS;
    counter.add(Series::GateCalls, 1);
    assert!(counter.begin(now));
    let number = counter.report(1, IsolateState::default(), 0, now).number;
    counter.add(Series::GateCalls, 1);
    assert!(counter.handed_over(number, true, true, now));
    assert!(!counter.begin(now + HAND_OVER_MS));
    let number = counter.report(1, IsolateState::default(), 0, now).number;
    counter.add(Series::GateCalls, 1);
    assert!(!counter.handed_over(number, false, false, now), "it would not go on");
    assert!(counter.begin(now), "and somebody else may");
}

#[test]
fn an_object_hands_on_after_a_while_or_with_the_last() {
    let mut counter = Counter::default();
    assert!(!counter.begin_now(START), "there is nothing");
    counter.admitted(RequestId([1; 16]), START + 1_000_000);
    counter.admitted(RequestId([2; 16]), START + 1_000_000);
    counter.add(Series::GateCalls, 1);
    assert!(counter.begin_now(START));
    let number = counter.report(1, IsolateState::default(), 0, START).number;
    counter.handed_over(number, true, false, START);
    counter.add(Series::GateCalls, 1);
    assert!(!counter.begin_now(START + HAND_OVER_MS - 1));
    counter.ended(RequestId([1; 16]));
    assert!(!counter.begin_now(START + HAND_OVER_MS - 1));
    counter.ended(RequestId([2; 16]));
    assert!(counter.begin_now(START + HAND_OVER_MS - 1), "it was the last");
    assert!(!counter.begin_now(START + 2 * HAND_OVER_MS), "somebody is about to");
}

#[test]
fn callers_make_up_no_names() {
    let mut counter = Counter::default();
    assert_eq!(counter.model("made up", false), Label::default());
    assert_eq!(counter.model("real", true).as_str(), "real");
    assert_eq!(counter.model("real", false).as_str(), "real");
    for number in 0..100 {
        counter.model(&format!("model-{number}"), true);
    }
    assert_eq!(counter.model("one too many", true), Label::others());
    assert_eq!(counter.model("real", false).as_str(), "real");
    let long = "模".repeat(1_000);
    assert_eq!(Label::of(&long).as_str().chars().count(), MAX_LABEL);
}

#[test]
fn a_tally_has_a_bound_and_loses_nothing() {
    let mut tally = Tally::default();
    for number in 0..10_000 {
        tally.add(limit(&format!("limit-{number}")), 1);
        tally.add(requests(&format!("model-{number}"), "free"), 1);
        tally.add(Series::FirstToken { model: Label::of(&number.to_string()), bucket: (number % 15) as u8 }, 1);
    }
    assert!(tally.iter().count() < 600, "{}", tally.iter().count());
    assert_eq!(tally.iter().map(|(_, count)| count).sum::<u64>(), 30_000);
    // It is within bounds after it was read, too, and the same.
    assert!(decode::<Tally>(&encode(&tally)).unwrap() == tally, "it is read back otherwise");
    // Bytes that say more than a tally may hold become one that holds it.
    let all: Vec<(Series, u64)> = (0..10_000).map(|number| (limit(&format!("limit-{number}")), 1)).collect();
    let read: Tally = decode(&encode(&all)).unwrap();
    assert!(read.iter().count() <= 97);
    assert_eq!(read.iter().map(|(_, count)| count).sum::<u64>(), 10_000);
    let mut most = Tally::default();
    most.add(Series::GateCalls, u64::MAX);
    most.add(Series::GateCalls, 1);
    assert_eq!(most.get(&Series::GateCalls), u64::MAX);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_leaves_nothing() {
    let mut meter = Meter::default();
    let tally = [(Series::GateCalls, 1)];
    meter.take(report(1, 1, &tally), START);
    // Ten years ahead, and back: what was there is all that is left of it.
    meter.take(report(1, 2, &tally), START + 3_650 * LONG_KEPT_MS);
    meter.take(report(1, 3, &tally), START + 1_000);
    let now = START + LONG_MS;
    meter.take(report(1, 4, &tally), now);
    assert_eq!(meter.read(Span::Sums, now).sums.get(&Series::GateCalls), 4);
    let told = |span| meter.read(span, now).slots.sum().get(&Series::GateCalls);
    assert_eq!((told(Span::Short(0)), told(Span::Long(0))), (2, 2));
    // A minute that was taken for over goes on.
    let mut meter = Meter::default();
    meter.take(report(1, 1, &tally), START);
    meter.take(report(1, 2, &tally), START + LONG_MS);
    let written = meter.take(report(1, 3, &tally), START);
    assert_eq!(written.long, [START / LONG_MS]);
    let told = meter.read(Span::Long(0), START + LONG_MS).slots;
    assert_eq!(told.iter().map(|slot| slot.tally.get(&Series::GateCalls)).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_is_in_flight_ends_at_its_deadline_at_the_latest() {
    let mut counter = Counter::default();
    let in_flight = |counter: &mut Counter, now| {
        let report = counter.report(1, IsolateState::default(), 0, now);
        counter.handed_over(report.number, true, true, now);
        report.state.in_flight
    };
    counter.admitted(RequestId([1; 16]), START + 100);
    counter.admitted(RequestId([2; 16]), START + 200);
    assert_eq!(in_flight(&mut counter, START), 2);
    counter.ended(RequestId([2; 16]));
    assert_eq!(in_flight(&mut counter, START), 1);
    assert_eq!(in_flight(&mut counter, START + 100), 0);
}

#[test]
fn an_origin_is_as_most_say_and_as_full_as_it_said_last() {
    let seen = |takes_requests, at| OriginSeen {
        name: "a".into(),
        takes_requests,
        said: Some(OriginSaid { at, percent: (at % 100) as u8, wait_ms: at }),
    };
    let mut meter = Meter::default();
    let state = |takes_requests, at| IsolateState { in_flight: 2, origins: vec![seen(takes_requests, at)] };
    // Of long ago: it says nothing of now, but what it has in flight.
    meter.take(Report { state: state(false, 1), ..report(9, 1, &[]) }, START);
    let now = START + 2 * LONG_MS;
    for (isolate, (takes_requests, at)) in [(true, 7), (false, 9), (true, 8)].into_iter().enumerate() {
        meter.take(Report { state: state(takes_requests, at), ..report(isolate as u64, 1, &[]) }, now);
    }
    let reading = meter.read(Span::Sums, now);
    assert_eq!(reading.in_flight(), 8);
    assert_eq!(reading.origins(), [OriginSeen { takes_requests: true, ..seen(false, 9) }]);
    // After an hour without a word there is no isolate.
    assert_eq!(meter.read(Span::Sums, now + SHORT_KEPT_MS).in_flight(), 0);
}

/// A name that one Meter has no room for keeps the counts that another one has of it, and no count moves to the others.
#[test]
fn several_meters_tell_all_that_each_tells_apart() {
    let mut all = Reading::default();
    for number in 0..METERS {
        let counts: Vec<_> = (0..90).map(|name| (limit(&format!("{number}-{name}")), 1)).collect();
        let mut meter = Meter::default();
        meter.take(report(number, 1, &counts), START);
        all.merge(meter.read(Span::Short(0), START));
    }
    for tally in [&all.sums, &all.slots.sum()] {
        assert_eq!(tally.iter().count() as u64, 90 * METERS);
        assert!(tally.iter().all(|(series, count)| count == 1 && !series.is_of_others()));
    }
}

#[test]
fn isolates_share_all_meters() {
    let names: Vec<_> = meter_names().collect();
    assert_eq!(names.len() as u64, METERS);
    for isolate in 0..100 {
        assert!(names.contains(&meter_of(isolate)));
    }
}
