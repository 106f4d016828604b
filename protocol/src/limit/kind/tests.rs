//! What holds for every kind. A new one is added to the examples, and is then held to the rest.

use super::*;
use crate::limit::calendar::{Calendar, Cycle, Period, Zone};
use crate::limit::kind::entry::Size;
use crate::limit::kind::refill::Refill;
use crate::limit::per::Per;

const NOW: Millis = 1_790_000_000_000;
/// A day that began a second ago and lasts for a minute yet.
const DAY: Span = Span { began: NOW - 1_000, ends: NOW + 60_000 };
const COUNTING: Counting = Counting { now: NOW, oldest: NOW, size: Size::EXACT, span: Some(DAY) };

/// Each lets 8 through, in whichever unit.
fn examples() -> Vec<LimitKind> {
    let refill = Refill { amount: 3, every_ms: 700 };
    vec![
        Window { unit: Unit::Requests, limit: 8, window_ms: 60_000 }.into(),
        Window { unit: Unit::Cost, limit: 8, window_ms: 1 }.into(),
        Bucket { unit: Unit::Tokens, capacity: 8, refill }.into(),
        Bucket { unit: Unit::Requests, capacity: 8, refill: Refill { amount: 1, every_ms: 86_400_000 } }.into(),
        Parallel { limit: 8 }.into(),
        Budget { unit: Unit::Tokens, limit: 8, currency: None, cycle: Cycle { period: Period::Day, zone: Zone::UTC } }
            .into(),
        Budget { unit: Unit::Requests, limit: 8, currency: None, cycle: Cycle::EVER }.into(),
    ]
}

/// Those that keep the time of what they count. A budget keeps its period's sum, and has tests of its own.
fn by_time() -> Vec<LimitKind> {
    in_logs().into_iter().filter(|kind| kind.cycle().is_none()).collect()
}

fn in_logs() -> Vec<LimitKind> {
    examples().into_iter().filter(|kind| kind.in_log().is_some()).collect()
}

/// A log in which so much was counted, each a millisecond later.
fn counted(kind: &LimitKind, amounts: &[u64]) -> Log {
    let in_log = kind.in_log().unwrap();
    let mut log = in_log.starting(NOW);
    for (amount, later) in amounts.iter().zip(0..) {
        let counting = Counting { now: NOW + later, ..COUNTING };
        assert_eq!(in_log.add(&mut log, *amount, counting), NOW + later);
    }
    log
}

#[test]
fn every_kind_that_a_plan_can_name_is_an_example_here() {
    for form in &FORMS {
        assert!(examples().iter().any(|kind| kind.name() == form.name), "{}", form.name);
        assert_eq!(Form::of(Some(form.name)).map(|found| found.name), Ok(form.name));
    }
    for other in [None, Some(""), Some("Window"), Some("leaky")] {
        let mistake = Form::of(other).map(|form| form.name).unwrap_err();
        assert_eq!(mistake, r#"must be "window", "bucket", "parallel" or "budget""#);
    }
}

#[test]
fn a_kind_reads_what_it_writes_and_has_no_other_members() {
    for kind in examples() {
        let form = Form::of(Some(kind.name())).unwrap();
        let mut object = Map::new();
        kind.write(&mut object);
        let mut reader = Reader::new(|_| true);
        assert_eq!((form.read)(&mut reader, "limits[0]", &object), Some(kind));
        assert!(object.keys().all(|member| form.members.contains(&member.as_str())), "{object:?}");
        assert_eq!((form.read)(&mut reader, "limits[0]", &Map::new()), None);
        assert!(!reader.mistakes.is_empty() && reader.mistakes.iter().all(|one| one.at.starts_with("limits[0].")));
    }
}

#[test]
fn a_kind_describes_itself_alike_wherever_it_is_told() {
    for kind in examples() {
        for quota in [0, 8, 2_000] {
            let (refused, standing) = (kind.refused(quota, Per::Account), kind.standing(quota, COUNTING.span));
            assert_eq!((refused.quota(), refused.unit()), (quota, kind.unit()), "{kind:?}");
            assert!(refused.text().contains(&quota.to_string()), "{kind:?}: {}", refused.text());
            assert_eq!(standing.name(), kind.name());
            assert_eq!(standing.is_timed(), refused.awaits().is_none(), "a certain wait is told where there is one");
        }
    }
}

#[test]
fn what_is_full_fits_at_the_promised_time_and_not_before() {
    for kind in in_logs() {
        let log = counted(&kind, &[6, 2]);
        let tally = Tally::of_log(&log);
        let now = NOW + 1;
        for amount in [1, 7, 8] {
            let Fit::At(at) = kind.fit(tally, now, 8, amount) else { continue };
            assert_eq!(kind.fit(tally, at, 8, amount), Fit::Now, "{kind:?}");
            assert_ne!(kind.fit(tally, at - 1, 8, amount), Fit::Now, "{kind:?}");
        }
        if let Some((more, whole)) = kind.ends(tally, now) {
            let used = kind.used(tally, now);
            assert!(kind.used(tally, more) < used && kind.used(tally, more - 1) == used, "{kind:?}");
            assert!(kind.used(tally, whole) == 0 && kind.used(tally, whole - 1) > 0, "{kind:?}");
            assert_eq!((log.is_live(whole - 1), log.is_live(whole)), (true, false), "{kind:?}");
        }
        let nothing = Tally { log: None, leases: &[] };
        assert_eq!((kind.fit(nothing, now, 8, 8), kind.used(nothing, now)), (Fit::Now, 0), "{kind:?}");
        assert_eq!(kind.ends(nothing, now), None);
    }
}

#[test]
fn what_is_given_back_counts_no_more_and_nothing_else_is() {
    for kind in by_time() {
        let used = |log: &Log| kind.used(Tally::of_log(log), NOW);
        let mut log = counted(&kind, &[6, 0]);
        log.refund(NOW - 1, 6);
        log.refund(NOW + 7, 6);
        assert_eq!(used(&log), 6, "{kind:?}: nothing was counted then");
        log.refund(NOW, 2);
        assert_eq!(used(&log), 4, "{kind:?}");
        log.refund(NOW, 100);
        assert_eq!(used(&log), 0, "{kind:?}");
        let mut log = counted(&kind, &[3, 5]);
        log.refund(NOW, 100);
        assert_eq!(log, counted(&kind, &[0, 5]), "{kind:?}: as if it had never been, and no more");
    }
}

#[test]
fn a_log_that_is_made_smaller_or_taken_back_lets_nothing_more_through() {
    for kind in in_logs() {
        let used = |log: &Log, now| kind.used(Tally::of_log(log), now);
        let exact = counted(&kind, &[1; 8]);
        let (mut coarse, mut back) = (exact.clone(), exact.clone());
        coarse.drop_expired(NOW + 7);
        coarse.coarsen(1);
        assert!(coarse.entry_count() <= 2, "{kind:?}: what counts may lie across two parts");
        back.take_back_to(NOW - 5_000, Calendar::NONE);
        for now in [NOW + 7, NOW + 300, NOW + 900, NOW + 59_999] {
            assert!(used(&coarse, now) >= used(&exact, now), "{kind:?}");
            assert!(used(&back, now - 5_007) >= used(&exact, now), "{kind:?}");
        }
        let mut kept = exact.clone();
        kept.drop_expired(NOW);
        assert_eq!(used(&kept, NOW + 7), used(&exact, NOW + 7), "{kind:?}");
    }
}

#[test]
fn a_row_gives_back_the_logs_that_it_was_given() {
    let log = |kind: &LimitKind| {
        let in_log = kind.in_log().unwrap();
        let mut log = in_log.starting(NOW - 50);
        for (at, amount) in [(NOW, 3), (NOW + 9, 5)] {
            in_log.add(&mut log, amount, Counting { now: at, ..COUNTING });
        }
        log
    };
    let logs: Vec<Log> = in_logs().iter().map(log).collect();
    let mut packed = PackedLogs::new();
    for (number, log) in logs.iter().enumerate() {
        packed.push(number, log);
    }
    for (number, unpacked) in packed.unpack() {
        let expected = (in_logs()[number].in_log().unwrap().log_kind(), logs[number].clone());
        assert_eq!(unpacked, Some(expected));
    }
}

#[test]
fn the_log_of_another_kind_lets_nothing_through() {
    for (kind, other) in [(0, 2), (2, 0)].map(|(kind, other)| (examples()[kind], examples()[other])) {
        let log = other.in_log().unwrap().starting(NOW);
        assert_eq!(kind.fit(Tally::of_log(&log), NOW, 8, 1), Fit::Never);
    }
}
