use super::*;
use crate::refusal::Reason;
use std::borrow::Cow;

const MINUTE: Window = Window { unit: Unit::Requests, limit: 3, window_ms: 1_000 };

/// 2 at 100 and 1 at 400.
fn log() -> WindowLog {
    let mut log = WindowLog::starting(0, 1_000);
    assert_eq!((log.add(100, 2), log.add(400, 1)), (100, 400));
    log
}

#[test]
fn a_span_is_half_open() {
    let log = Log::from(log());
    let tally = Tally::of_log(&log);
    for (now, used) in [(400, 3), (1_099, 3), (1_100, 1), (1_399, 1), (1_400, 0)] {
        assert_eq!(MINUTE.used(tally, now), used, "at {now}");
    }
    for (amount, fit) in [(1, 1_100), (2, 1_100), (3, 1_400)] {
        assert_eq!(MINUTE.fit(tally, 500, 3, amount), Fit::At(fit), "{amount}");
    }
    assert_eq!(MINUTE.fit(tally, 500, 5, 2), Fit::Now);
    assert_eq!(MINUTE.fit(tally, 500, 3, 4), Fit::Never);
    assert_eq!(MINUTE.ends(tally, 500), Some((1_100, 1_400)));
    assert_eq!(MINUTE.ends(tally, 1_200), Some((1_400, 1_400)));
    assert_eq!(MINUTE.ends(tally, 1_400), None);
}

#[test]
fn what_has_left_the_log_is_not_taken_from_another() {
    let mut log = log();
    log.drop_expired(1_100);
    log.refund(100, 2);
    assert_eq!(log.used(1_100), 1, "that of 400 is somebody else's");
    log.refund(400, 1);
    assert_eq!((log.used(1_100), log.is_void()), (0, true));
}

#[test]
fn windows_of_one_name_share_a_log_only_if_they_are_as_long() {
    let kind = |window_ms, limit| Window { window_ms, limit, ..MINUTE }.log_kind();
    assert_eq!(kind(1_000, 3), kind(1_000, 4));
    assert_ne!(kind(1_000, 3), kind(1_001, 3));
}

#[test]
fn callers_are_told_of_its_span() {
    for (window, text) in [
        (MINUTE, "3 requests in 1 s"),
        (Window { unit: Unit::Tokens, window_ms: 1_500, ..MINUTE }, "3 tokens in 1.500 s"),
        (Window { unit: Unit::Cost, window_ms: 86_400_000, ..MINUTE }, "3 of cost in 86400 s"),
    ] {
        assert_eq!(DescribeRefused::text(&window), text);
        let standing = window.standing(2, None);
        assert_eq!((standing.name(), standing.span_ms()), ("window", Some(window.window_ms)));
        assert_eq!(standing.quota_unit(window.unit), window.unit.quota_unit().map(Cow::from));
    }
    assert_eq!((MINUTE.reason(), MINUTE.awaits()), (Reason::RateLimited, None));
}

#[test]
fn a_plan_may_write_spans_of_up_to_31_days() {
    let read = |window: &str| {
        let mut reader = Reader::new(|_| true);
        let object = serde_json::from_str(&format!(r#"{{"limit":3,"window":"{window}"}}"#)).unwrap();
        let window = Window::read(&mut reader, "at", &object);
        assert_eq!(window.is_none(), reader.mistakes.iter().any(|mistake| mistake.at == "at.window"));
        window.map(|window| window.window_ms)
    };
    assert_eq!([read("1ms"), read("31d")], [Some(1), Some(31 * 86_400_000)]);
    assert_eq!([read("0ms"), read("32d"), read("1")], [None; 3]);
}

#[test]
fn what_no_log_of_ours_is_packed_as_is_none() {
    let packed = |kept_from, entries: &[(u64, u32)]| PackedWindow { span: 9, kept_from, entries: entries.to_vec() };
    assert_eq!(packed(5, &[(0, 1), (2, 3)]).unpack().unwrap().entries().map(|one| one.at).collect::<Vec<_>>(), [5, 7]);
    for damaged in [&[][..], &[(0, 0)], &[(1, 1), (0, 1)]] {
        assert_eq!(packed(5, damaged).unpack(), None);
    }
}
